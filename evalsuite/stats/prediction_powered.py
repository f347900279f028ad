"""A rate that a reader measured on all images, corrected by what a person found on a random sample of them.

The mean of the reader's figures over all images is moved by the mean difference between person and reader over the
judged ones, and the interval holds the uncertainty of both. This is prediction-powered inference (Angelopoulos, Bates,
Fannjiang, Jordan and Zrnic, Science 382, 2023) with the weighting of PPI++ (Angelopoulos, Duchi and Zrnic,
arXiv:2311.01453, 2023), for a ratio of sums over prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evalsuite.stats.intervals import LEVEL, Interval, ends_in_range, ratio_interval
from evalsuite.stats.resampling import SAME, Floats

MIN_JUDGED = 5
"""With fewer judged prompts than this there is no corrected figure: the interval would be most of the range."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The judged images, summed within their prompt: one row a judged prompt. All have shape (n,).

    `read` and `true` are the characters that are right by the reader and by the person, in [0, lengths]; `strata`
    numbers each prompt's stratum, as in `corrected_ratio`.
    """

    read: Floats
    true: Floats
    lengths: Floats
    strata: Sequence[int] | Floats


@dataclass(frozen=True, slots=True)
class Corrected:
    """A corrected rate, and how it came about: `weight` is PPI++'s λ, `correction` the figure less the reader's own."""

    interval: Interval
    weight: float
    correction: float


def corrected_ratio(
    read: Sequence[float] | Floats,
    lengths: Sequence[float] | Floats,
    strata: Sequence[int] | Floats,
    judged: Judged,
    *,
    level: float = LEVEL,
) -> Corrected:
    """The rate Σ true / Σ lengths over all images, from the reader's counts on all and a person's on a random sample.

    With R the reader's rate over all images, r its rate and t the person's over the judged ones (each stratum weighing
    there what it weighs among all), the estimate is

        t + λ (R - r) = R + (t - r) for λ = 1.

    λ is the slope of the person's counts over the reader's (residuals of the rates, over the judged prompts), within
    [0, 1]: it minimises the variance σ²(t) / N + (1/n - 1/N) σ²(t - λ r) of a random sample of n out of N (the
    difference estimator of two-phase sampling; PPI++, equation 8, where the judged ones are not among the others). It
    is 1 for a reader without errors and for a sample in which the reader's figures do not differ.

    The interval joins the two parts, whose errors are not correlated, by the squares of their own distances from
    estimate to end (MOVER; Zou and Donner, Statistics in Medicine 27, 2008): the interval of R over prompts, widened
    where the person's counts spread more than the reader's; and that of t - λ r, times √(1 - n/N). Both are
    `intervals.ratio_interval`'s for a known range. For the second that is [-λ max, 1 - λ min] with the least and
    the greatest rate that the reader has for any prompt. So a small sample without a misreading still has an interval.

    Args:
        read: Shape (N,): one prompt a row, characters that are right by the reader, over all images of the prompt.
        lengths: Shape (N,): characters that were asked for.
        strata: Shape (N,): the number of the stratum that each prompt was sampled in.
        judged: The random sample.
        level: Of confidence, in (0, 1).

    Raises:
        ValueError: A count is outside [0, length], fewer than `MIN_JUDGED` prompts are judged, or a stratum has none.
    """
    a, d = _counts(read, lengths)
    seen_a, seen_d = _counts(judged.read, judged.lengths)
    seen_b, _ = _counts(judged.true, judged.lengths)
    if len(seen_d) < MIN_JUDGED:
        raise ValueError(f"{len(seen_d)} judged prompts; {MIN_JUDGED} are needed")
    factors = _weights(d, np.asarray(strata), seen_d, np.asarray(judged.strata))
    share = min(1.0, float(seen_d.sum() / d.sum()))
    seen_a, seen_b, seen_d = seen_a * factors, seen_b * factors, seen_d * factors
    plain = ratio_interval(a, d, level=level, bounds=(0.0, 1.0))
    assert plain.estimate is not None and plain.low is not None and plain.high is not None  # noqa: PT018, S101
    errors_a = seen_a - seen_a.sum() / seen_d.sum() * seen_d
    errors_b = seen_b - seen_b.sum() / seen_d.sum() * seen_d
    weight = _slope(errors_a, errors_b, float(seen_d.sum()))
    rest = seen_b - weight * seen_a
    rates = a / d
    least, most = -weight * float(rates.max()), 1 - weight * float(rates.min())
    moved = float(rest.sum() / seen_d.sum())
    low, high = ends_in_range(rest, seen_d, min(least, moved), max(most, moved), level)
    wider = _ratio_of_spreads(errors_a, errors_b)
    estimate = moved + weight * plain.estimate
    down = np.hypot(wider * (plain.estimate - plain.low), np.sqrt(1 - share) * (moved - low))
    up = np.hypot(wider * (plain.high - plain.estimate), np.sqrt(1 - share) * (high - moved))
    estimate = min(1.0, max(0.0, estimate))
    interval = Interval(
        estimate=estimate,
        low=max(0.0, estimate - float(down)),
        high=min(1.0, estimate + float(up)),
        level=level,
        n=len(d),
        method="prediction-powered",
    )
    return Corrected(interval, weight, estimate - plain.estimate)


def _counts(right: Sequence[float] | Floats, lengths: Sequence[float] | Floats) -> tuple[Floats, Floats]:
    a, d = np.asarray(right, dtype=np.float64), np.asarray(lengths, dtype=np.float64)
    if a.shape != d.shape or a.ndim != 1:
        raise ValueError(f"one count and one length a prompt, not {a.shape} and {d.shape}")
    if not ((d > 0).all() and (a >= 0).all() and (a <= d).all()):
        raise ValueError("lengths must be positive, and counts lie between 0 and their length")
    return a, d


def _weights(lengths: Floats, strata: Floats, seen: Floats, seen_strata: Floats) -> Floats:
    """For each judged prompt, what its stratum weighs among all over what it weighs among the judged."""
    factors = np.zeros_like(seen)
    for stratum in np.unique(strata):
        mine = seen_strata == stratum
        if not mine.any():
            raise ValueError(f"no prompt of stratum {stratum} was judged")
        factors[mine] = lengths[strata == stratum].sum() / lengths.sum() / (seen[mine].sum() / seen.sum())
    if (factors == 0).any():
        raise ValueError("a judged prompt is of a stratum that is not there")
    return factors


def _slope(errors_a: Floats, errors_b: Floats, length: float) -> float:
    spread = float((errors_a**2).sum())
    if spread <= (SAME * length) ** 2:
        return 1.0
    return min(1.0, max(0.0, float((errors_a * errors_b).sum()) / spread))


def _ratio_of_spreads(errors_a: Floats, errors_b: Floats) -> float:
    """How much wider the person's counts spread than the reader's, at least 1."""
    spread = float((errors_a**2).sum())
    return max(1.0, float(np.sqrt((errors_b**2).sum() / spread))) if spread > 0 else 1.0
