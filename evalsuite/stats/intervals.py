"""Two-sided intervals for rates over prompts.

The prompt is the sampling unit: images of one prompt under several seeds are not independent, so they are
summed (or averaged) within the prompt first. Rates are ratios of sums ("micro") or means over prompts ("macro").

A rate whose range is known (nearly all are shares) has one estimator, for one prompt as for thousands: the Bayesian
bootstrap with pseudo-prompts at both ends of the range. It needs no spread, so the better of two models never has the
wider interval for want of it. A rate without an end (strict accuracy, seconds) takes the studentised bootstrap, which
needs some prompts that differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from evalsuite.records import Record
from evalsuite.stats.dirichlet import quantile
from evalsuite.stats.gaffke import pseudo_length
from evalsuite.stats.resampling import REPLICATES, SAME, SEED, Floats, pivots, standard_errors

LEVEL = 0.95
MIN_PROMPTS = 5
"""With fewer prompts than this there is no studentised bootstrap: their spread says nothing about the rest."""

NEAR, FAR = 5 / 8, 3 / 8
"""The pseudo-prompts of an interval's end: so much of one at this end of the range, and so much at the other.

1/2 and 1/2 would be Jeffreys' interval on shares of equal prompts, and 1 and 0 Gaffke's bound, on such shares that of
Clopper and Pearson. Jeffreys' covers 0.91 where nine prompts at 0.99 show one failure; with an eighth more at the near
end the least coverage over docs/scoring.md's tables is above 0.94, and the mean width still that of Jeffreys' rather
than Gaffke's.
"""

Bounds = tuple[float | None, float | None]
"""The least and the greatest value that a rate can have, for every single prompt; None where there is none."""

Reason = Literal["none: no data", "none: too few prompts", "none: no spread"]
Method = Literal["Bayesian bootstrap", "studentised bootstrap", "prediction-powered", "batch means"] | Reason


class Interval(Record, frozen=True, kw_only=True):
    """An estimate and its two-sided confidence interval over `n` prompts.

    `estimate` is None where the rate is undefined; `low` and `high` are None where the interval is. `method`
    says how the interval was made, or why there is none.
    """

    estimate: float | None
    low: float | None
    high: float | None
    level: float
    n: int
    method: Method


def ratio_interval(
    numerators: Sequence[float] | Floats,
    denominators: Sequence[float] | Floats,
    *,
    level: float = LEVEL,
    replicates: int = REPLICATES,
    seed: int = SEED,
    bounds: Bounds = (None, None),
) -> Interval:
    """Interval for Σ numerators / Σ denominators, one pair a prompt. Prompts with denominator 0 are left out.

    Where `bounds` holds both ends, the lower end is the (1 - level) / 2 quantile of

        (Σ wᵢ numᵢ + d (v least + u most)) / (Σ wᵢ denᵢ + d (v + u)),   (w, v, u) ~ Dirichlet(1, …, 1, 5/8, 3/8)

    with d = `gaffke.pseudo_length`, and the upper end mirrors it. This is Rubin's Bayesian bootstrap (Annals of
    Statistics 9, 1981) with a pseudo-prompt shared out over the two ends (`NEAR`, `FAR`); on shares of equal prompts a
    quantile of Beta(right + 3/8, wrong + 5/8). The quantiles are exact, and the order of the prompts is no matter.

    Without both ends it is the studentised bootstrap. With R the ratio and e_i = num_i - R den_i, the standard error is
    sqrt(n / (n - 1) Σe²) / Σden (linearisation; Cochran, Sampling Techniques, 3rd ed., 1977, ch. 6). Replicates
    resample whole prompts; t* = (R* - R) / se*, and the interval is [R - t*_(1-α/2) se, R - t*_(α/2) se] (Efron and
    Tibshirani, An Introduction to the Bootstrap, 1993, ch. 12.5), cut off at the end that there is. A replicate without
    spread counts as ±∞. That needs `MIN_PROMPTS` prompts that do not all agree, also in most replicates.

    An end of `bounds` beyond which a prompt's own value lies is refuted, and counts as none; so no interval excludes
    its estimate.

    Args:
        numerators: Shape (n,), finite.
        denominators: Shape (n,), finite, not negative.
        level: Of confidence, in (0, 1).
        replicates: Of the studentised bootstrap.
        seed: Of the same.
        bounds: The least and greatest value that the rate of a prompt can have at all.

    Raises:
        ValueError: The lengths differ, a value is not finite, a denominator is negative, or the level is not
            between 0 and 1.
    """
    num = np.asarray(numerators, dtype=np.float64)
    den = np.asarray(denominators, dtype=np.float64)
    if num.shape != den.shape or num.ndim != 1:
        raise ValueError(f"one numerator and one denominator a prompt, not {num.shape} and {den.shape}")
    if not (np.isfinite(num).all() and np.isfinite(den).all() and (den >= 0).all()):
        raise ValueError("numerators and denominators must be finite, denominators not negative")
    if not 0 < level < 1:
        raise ValueError(f"level {level} is not between 0 and 1")
    num, den = num[den > 0], den[den > 0]
    n = len(num)
    if n == 0:
        return Interval(estimate=None, low=None, high=None, level=level, n=0, method="none: no data")
    ratio = float(num.sum() / den.sum())
    least, most = bounds = unrefuted(num, den, bounds)
    if least is not None and most is not None:
        low, high = ends_in_range(num, den, least, most, level)
        return Interval(estimate=ratio, low=low, high=high, level=level, n=n, method="Bayesian bootstrap")
    found = _studentised(num, den, ratio, level, replicates, seed)
    if isinstance(found, str):
        return Interval(estimate=ratio, low=None, high=None, level=level, n=n, method=found)
    low, high = cut(found, bounds, ratio)
    return Interval(estimate=ratio, low=low, high=high, level=level, n=n, method="studentised bootstrap")


def ends_in_range(num: Floats, den: Floats, least: float, most: float, level: float) -> tuple[float, float]:
    """The ends of the Bayesian bootstrap for a rate within [least, most]; the estimate is never outside them."""
    pairs, counts = np.unique(np.stack([num, den], axis=1), axis=0, return_counts=True)
    size = pseudo_length(den)
    values = np.append(pairs[:, 0], [least * size, most * size])
    sizes = np.append(pairs[:, 1], [size, size])
    shapes = [np.append(counts, ends) for ends in ((NEAR, FAR), (FAR, NEAR))]
    tail, ratio = (1 - level) / 2, float(num.sum() / den.sum())
    low = quantile(values, sizes, shapes[0], tail, least=least, most=most)
    high = quantile(values, sizes, shapes[1], 1 - tail, least=least, most=most)
    return min(low, ratio), max(high, ratio)


def mean_interval(
    values: Sequence[float] | Floats,
    *,
    level: float = LEVEL,
    replicates: int = REPLICATES,
    seed: int = SEED,
    bounds: Bounds = (None, None),
) -> Interval:
    """Interval for the mean of one value a prompt: `ratio_interval` with every denominator 1."""
    values = np.asarray(values, dtype=np.float64)
    ones = np.ones_like(values)
    return ratio_interval(values, ones, level=level, replicates=replicates, seed=seed, bounds=bounds)


def _studentised(
    num: Floats, den: Floats, ratio: float, level: float, replicates: int, seed: int
) -> tuple[float, float] | Reason:
    """The ends of the bootstrap-t interval, or why there are none."""
    if len(num) < MIN_PROMPTS:
        return "none: too few prompts"
    errors = (num - ratio * den)[None]
    spread = float(standard_errors(errors, den)[0])
    if spread <= SAME * max(1.0, abs(ratio)):
        return "none: no spread"
    least, greatest = pivots(errors, den, replicates=replicates, seed=seed)
    # A replicate without spread whose ratio is the estimate speaks for neither side.
    return pivoted(ratio, spread, np.where(least == greatest, greatest, 0.0)[0], level)


def pivoted(estimate: float, spread: float, t: Floats, level: float) -> tuple[float, float] | Reason:
    """[f - t*_(1-α/2) se, f - t*_(α/2) se], or that too many replicates are without spread."""
    low, high = np.quantile(t, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
    if not (np.isfinite(low) and np.isfinite(high)):
        return "none: no spread"
    return estimate - float(high) * spread, estimate - float(low) * spread


def unrefuted(num: Floats, den: Floats, bounds: Bounds) -> Bounds:
    """The ends of a rate's range that no prompt's value lies beyond, but for rounding; None for the others."""
    least, most = bounds
    slack = 1e-9 * den
    holds = (
        least is not None and bool((num >= least * den - slack).all()),
        most is not None and bool((num <= most * den + slack).all()),
    )
    return least if holds[0] else None, most if holds[1] else None


def cut(ends: tuple[float, float], bounds: Bounds, estimate: float) -> tuple[float, float]:
    """An interval cut off at the least and the greatest value that its rate can have, never short of its estimate."""
    (low, high), (least, most) = ends, bounds
    return (
        low if least is None else max(low, min(least, estimate)),
        high if most is None else min(high, max(most, estimate)),
    )
