"""The wagers of `stats.betting` for many simulated runs at a time, and what they foretell: the images to a verdict."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from evalsuite.records import Record
from evalsuite.stats.betting import BETS, CAP, PRIOR_AHEAD, PRIOR_PROMPTS, PRIOR_VARIANCE, STAKES, Claim, Side
from evalsuite.stats.resampling import SEED, Floats

if TYPE_CHECKING:
    from collections.abc import Sequence

Ints = npt.NDArray[np.int_]
SIDES: tuple[tuple[Side, float], ...] = (("PASS", 1.0), ("FAIL", -1.0))

_BLOCK = 250


def suite_wealth(values: Floats, margin: float) -> tuple[Floats, Floats]:
    """The greatest log wealth of both sides after each cell of complete runs (runs, N), each row in its order.

    What is certain has infinite wealth.
    """
    m, count = values.shape
    seen = np.cumsum(values, axis=1)
    left = count - np.arange(count)
    rest = (-margin * count - (seen - values)) / left
    found = []
    for _, sign in SIDES:
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = sign * (values - rest) / np.maximum(1 + sign * rest, 0.0)
            gain[np.abs(values - rest) <= 1e-9] = 0.0
        total = np.full((m, count), -np.inf)
        for bet, stake in zip(BETS, STAKES, strict=True):
            total = np.logaddexp(total, math.log(stake) + np.cumsum(np.log1p(bet * gain), axis=1))
        certain = sign * seen - (left - 1) > sign * -margin * count + 1e-9
        total[np.isnan(total) | certain] = np.inf
        found.append(np.maximum.accumulate(np.maximum(total, 0.0), axis=1))
    return found[0], found[1]


def prompt_wealth(values: Floats, margin: float) -> tuple[Floats, Floats]:
    """The greatest log wealth of both sides after each of independent prompts (runs, n)."""
    before = np.arange(values.shape[1]) + PRIOR_PROMPTS
    found = []
    for side, sign in SIDES:
        mu, gained = 1 - sign * margin, 1 + sign * values
        prior = mu + PRIOR_AHEAD[side] * margin
        mean = (PRIOR_PROMPTS * prior + np.cumsum(gained, axis=1) - gained) / before
        square = PRIOR_PROMPTS * (PRIOR_VARIANCE[side] + prior**2) + np.cumsum(gained**2, axis=1) - gained**2
        ahead = mean - mu
        bet = np.clip(ahead / (square / before - mean**2 + ahead**2) * mu, 0.0, CAP)
        wealth = np.cumsum(np.log1p(bet * (gained / mu - 1)), axis=1)
        found.append(np.maximum.accumulate(np.maximum(wealth, 0.0), axis=1))
    return found[0], found[1]


def stops(values: Floats, margin: float, claim: Claim, *, alpha: float, gates: int = 1) -> tuple[Ints, Ints]:
    """For each row the looks to its verdict (all, where there is none), and the verdict: 1 PASS, -1 FAIL, 0 none.

    With several gates a FAIL takes the level `alpha` / `gates`.
    """
    looks, verdict = [], []
    for start in range(0, len(values), _BLOCK):
        block = values[start : start + _BLOCK]
        wealth = suite_wealth(block, margin) if claim == "this suite" else prompt_wealth(block, margin)
        first = [
            np.where((each >= need).any(axis=1), (each >= need).argmax(axis=1), block.shape[1])
            for each, need in zip(wealth, (math.log(1 / alpha), math.log(gates / alpha)), strict=True)
        ]
        verdict.append(np.where(first[0] < first[1], 1, np.where(first[1] < first[0], -1, 0)))
        looks.append(np.minimum(np.minimum(*first) + 1, block.shape[1]))
    return np.concatenate(looks), np.concatenate(verdict)


class Expected(Record, frozen=True, kw_only=True):
    """How a gate would fare with so many `samples` a prompt, were the true loss `loss` everywhere.

    `images` are those to its verdict on average, of `planned`; `passed` and `failed` the shares of each. `seeds_known`
    is False where the stored run has one image per prompt: seeds are then taken not to matter, which is too hopeful.
    """

    samples: int
    loss: float
    planned: int
    images: float
    passed: float
    failed: float
    seeds_known: bool


def expected_images(
    accuracy: Floats,
    margin: float,
    *,
    claim: Claim,
    alpha: float = 0.05,
    gates: int = 1,
    samples: Sequence[int] = (1, 2, 4),
    factors: Sequence[float] = (0.0, 0.5, 2.0, 5.0),
    simulations: int = 200,
    seed: int = SEED,
) -> tuple[Expected, ...]:
    """What a stored baseline says of the images that a gate will take, before any is drawn.

    A candidate that lost nothing is simulated by other images of the same prompt in the same run; one that lost, by the
    same times what makes the mean loss `factors` margins. Runs of more samples than are stored draw from them again.

    Args:
        accuracy: Shape (n, k): each stored image's rate, prompts by seeds.
        margin: δ of the gate.
        claim: What its verdict is about.
        alpha: Its level.
        gates: The wagers of the policy, which share α for FAIL.
        samples: The images per prompt to look at.
        factors: The true losses, in margins.
        simulations: For each.
        seed: Of the simulations.
    """
    rng = np.random.default_rng(seed)
    n, stored = accuracy.shape
    mean = float(accuracy.mean())
    found = []
    for count in samples:
        for factor in factors:
            rows = np.arange(n)[None, :, None]
            one = rng.integers(0, stored, size=(simulations, n, count))
            other = (one + rng.integers(1, max(2, stored), size=one.shape)) % stored
            kept = max(0.0, 1 - factor * margin / mean) if mean > 0 else 0.0
            values = accuracy[rows, other] * kept - accuracy[rows, one]
            if claim == "this suite":
                looked = rng.permuted(values.reshape(simulations, -1), axis=1)
            else:
                looked = rng.permuted(values.mean(axis=2), axis=1)
            looks, verdict = stops(looked, margin, claim, alpha=alpha, gates=gates)
            found.append(
                Expected(
                    samples=count,
                    loss=factor * margin,
                    planned=n * count,
                    images=float(looks.mean()) * (1 if claim == "this suite" else count),
                    passed=float((verdict == 1).mean()),
                    failed=float((verdict == -1).mean()),
                    seeds_known=stored > 1,
                )
            )
    return tuple(found)
