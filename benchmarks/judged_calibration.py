"""How often the corrected accuracy's interval covers, by simulation: `nox -s bench -- judged_calibration`.

A made-up model draws strings, a reader misreads some of them, a person judges a random sample without error. What is
covered is the accuracy of the drawings over all prompts like these, not only over those drawn. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from evalsuite.stats import Floats, Judged, corrected_ratio


@dataclass(frozen=True)
class World:
    """What is drawn and how it is read. Rates per string; a prompt has 1 to 4 strings of 4 to 24 characters.

    `spoilt` prompts are drawn wholly wrong, `slips` strings with one to three wrong characters; `misread` strings are
    read with one to three characters more or fewer right than there are, and of those, `lost` are not read at all.
    """

    name: str
    spoilt: float
    slips: float
    misread: float
    lost: float

    def draw(self, prompts: int, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
        """Lengths, characters right in truth, and right by the reader; each of shape (prompts,)."""
        lengths = rng.integers(4, 25, (prompts, 4)) * (np.arange(4) < rng.integers(1, 5, (prompts, 1)))
        wrong = np.minimum(lengths, rng.integers(1, 4, lengths.shape)) * (rng.random(lengths.shape) < self.slips)
        wrong = np.where(rng.random((prompts, 1)) < self.spoilt, lengths, wrong)
        misread = rng.random(lengths.shape) < self.misread
        lost = misread & (rng.random(lengths.shape) < self.lost)
        # Three misreadings in four charge the model for what it drew right; one lets a slip pass.
        off = rng.integers(1, 4, lengths.shape) * np.where(rng.random(lengths.shape) < 0.75, 1, -1)
        read = np.where(lost, lengths, np.clip(wrong + off * misread, 0, lengths))
        total = lengths.sum(axis=1).astype(float)
        return total, total - wrong.sum(axis=1), total - read.sum(axis=1)


WORLDS = (
    World("strong model, 5 % of strings misread", 0.0, 0.05, 0.05, 0.1),
    World("strong model, a third of the misread lost", 0.0, 0.05, 0.05, 0.33),
    World("middling model, 5 % misread", 0.1, 0.3, 0.05, 0.1),
    World("weak model, 5 % misread", 0.4, 0.5, 0.05, 0.1),
    World("middling model, 20 % misread", 0.1, 0.3, 0.2, 0.1),
    World("middling model, reader without errors", 0.1, 0.3, 0.0, 0.0),
)


def simulate(world: World, prompts: int, judged: int, *, rounds: int, seed: int) -> tuple[float, float, float]:
    """The share of intervals that cover, their mean width, and the share of the reader's own intervals that cover."""
    from evalsuite.stats import ratio_interval

    rng = np.random.default_rng(seed)
    lengths, true, _ = world.draw(400_000, rng)
    wanted = true.sum() / lengths.sum()
    covered = plainly = width = 0.0
    for _ in range(rounds):
        lengths, true, read = world.draw(prompts, rng)
        picked = rng.permutation(prompts)[:judged]
        sample = Judged(read[picked], true[picked], lengths[picked], np.zeros(judged))
        found = corrected_ratio(read, lengths, np.zeros(prompts), sample).interval
        plain = ratio_interval(read, lengths, bounds=(0.0, 1.0))
        assert found.low is not None and found.high is not None  # noqa: PT018
        assert plain.low is not None and plain.high is not None  # noqa: PT018
        covered += found.low <= wanted <= found.high
        plainly += plain.low <= wanted <= plain.high
        width += found.high - found.low
    return covered / rounds, width / rounds, plainly / rounds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=13)
    options = parser.parse_args()
    print("| prompts drawn as | prompts | judged | coverage | mean width | coverage without correction |")
    print("|---|--:|--:|--:|--:|--:|")
    for world in WORLDS:
        for prompts, judged in ((160, 20), (160, 40), (160, 80), (40, 20), (1_000, 40)):
            found = simulate(world, prompts, judged, rounds=options.rounds, seed=options.seed)
            print(
                f"| {world.name} | {prompts} | {judged} | {found[0]:.3f} | {found[1]:.3f} | {found[2]:.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
