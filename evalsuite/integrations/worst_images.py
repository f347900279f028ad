"""For a CI job: the images that lost most against the baseline, side by side, with what was read in each.

    python -m evalsuite.integrations.worst_images reports/base reports/candidate --out worst

writes `worst/worst.md`, for a comment or an annotation, and `worst/01.png`, … (left the baseline, right the candidate).
The verdict is the gate's; this shows where to look.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evalsuite.errors import EvalsuiteError, NotComparableError
from evalsuite.gate.markdown import plain
from evalsuite.gate.side import Side, side_of
from evalsuite.integrations.image_text import marked
from evalsuite.runs import open_run
from evalsuite.runs.comparable import unlike
from evalsuite.scoring import rates
from evalsuite.wording import for_log, rate, signed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from PIL.Image import Image

    from evalsuite.records import Generation, Score

HEIGHT = 512
"""Pixels of a picture's height beside the other."""


@dataclass(frozen=True, slots=True)
class Loss:
    """One image that lost: its score and the baseline's for the same prompt and seed."""

    before: Score
    after: Score
    accuracy_before: float
    accuracy_after: float

    @property
    def change(self) -> float:
        """The change of character accuracy, below 0."""
        return self.accuracy_after - self.accuracy_before


def write_worst(
    baseline: Path,
    candidate: Path,
    out: Path,
    *,
    count: int = 6,
    images: str | None = None,
    baseline_model: str | None = None,
    candidate_model: str | None = None,
) -> Path:
    """Write the `count` images that lost most character accuracy, pair by pair; where the Markdown is.

    Args:
        baseline: A run folder.
        candidate: A run folder, of the same prompts, seeds and reader.
        out: The folder to write.
        count: How many images.
        images: What to put before a picture's name in the Markdown, e.g. `artifact://worst/` in Buildkite; without it
            the Markdown names the pictures and shows none.
        baseline_model: The model of the baseline, where the run has several.
        candidate_model: The same for the candidate.

    Raises:
        NotComparableError: The runs are not of the same prompts, seeds, reader and scorer.
        EvalsuiteError: A run cannot be read, or `out` cannot be written.
    """
    if count < 1:
        raise EvalsuiteError(f"--count {count}: at least one image")
    sides = side_of(open_run(baseline), baseline_model), side_of(open_run(candidate), candidate_model)
    differing = unlike(*(side.run.measured_by for side in sides))
    if differing:
        raise NotComparableError(f"{baseline} and {candidate} differ in {', '.join(each.what for each in differing)}")
    lost = losses(*sides)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for number, loss in enumerate(lost[:count], start=1):
            _pair(sides, loss).save(out / f"{number:02d}.png")
        page = out / "worst.md"
        page.write_text("\n".join(_lines(sides[1], lost, count, images)) + "\n", encoding="utf-8")
    except OSError as error:
        raise EvalsuiteError(f"{out}: cannot be written: {error.strerror}") from error
    return page


def losses(baseline: Side, candidate: Side) -> list[Loss]:
    """The images that both sides have and that lost, from the greatest loss on."""
    found = []
    for slot, after in candidate.scores.items():
        before = baseline.scores.get(slot)
        if before is None:
            continue
        accuracies = [rates(score.result).character_accuracy for score in (before, after)]
        if accuracies[0] is not None and accuracies[1] is not None and accuracies[1] < accuracies[0]:
            found.append(Loss(before, after, accuracies[0], accuracies[1]))
    return sorted(found, key=lambda loss: (loss.change, loss.after.prompt, loss.after.seed))


def _lines(candidate: Side, lost: Sequence[Loss], count: int, images: str | None) -> Iterator[str]:
    scored = len(candidate.scores)
    yield f"### {len(lost)} of {scored} images lost character accuracy; the worst {min(count, len(lost))}"
    if candidate.missing:
        yield ""
        yield f"{len(candidate.missing)} images are missing or could not be read, and are none of these:"
        yield ""
        yield from (f"- {plain(each.text)}" for each in candidate.missing[:count])
    for number, loss in enumerate(lost[:count], start=1):
        yield ""
        yield (
            f"**{number:02d}.png** {plain(loss.after.prompt)}, seed {loss.after.seed}: {rate(loss.accuracy_before)} → "
            f"{rate(loss.accuracy_after)} ({signed(loss.change)})"
        )
        yield ""
        for target in loss.after.result.targets:
            if not target.exact:
                drawn = plain(marked(target.edits)) if target.matched else "nothing that fits was read"
                yield f"- {plain(target.target)}: {drawn}"
        if images is not None:
            yield ""
            yield f'<img src="{images}{number:02d}.png" alt="baseline and candidate" height="{HEIGHT // 2}">'


def _pair(sides: tuple[Side, Side], loss: Loss) -> Image:
    import PIL.Image

    from evalsuite.images import load_image

    pictures = []
    for side, score in zip(sides, (loss.before, loss.after), strict=True):
        row: Generation = side.generations[score.prompt, score.seed]
        picture = load_image(side.run.store.image_path(row))
        pictures.append(picture.resize((max(1, round(picture.width * HEIGHT / picture.height)), HEIGHT)))
    page = PIL.Image.new("RGB", (sum(each.width for each in pictures) + 8, HEIGHT), "white")
    page.paste(pictures[0], (0, 0))
    page.paste(pictures[1], (pictures[0].width + 8, 0))
    return page


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m evalsuite.integrations.worst_images", description=__doc__)
    parser.add_argument("baseline", type=Path)
    parser.add_argument("candidate", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=6)
    parser.add_argument("--images", default=None, metavar="PREFIX")
    parser.add_argument("--baseline-model", default=None)
    parser.add_argument("--candidate-model", default=None)
    options = vars(parser.parse_args(arguments))
    try:
        page = write_worst(**options)
    except EvalsuiteError as error:
        sys.stderr.write(f"Error: {for_log(str(error))}\n")
        return int(error.exit_code)
    sys.stdout.write(f"{page}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
