"""Two-sided intervals for rates over prompts.

The prompt is the sampling unit: images of one prompt under several seeds are not independent, so they are
summed (or averaged) within the prompt first, and whole prompts are resampled. Rates are ratios of sums
("micro") or means over prompts ("macro").

Two methods, chosen by the data:

* the studentised bootstrap (bootstrap-t), where the prompts are enough and differ enough to estimate a spread from;
* a conservative bound of Gaffke's type elsewhere, where the range of the rate is known (see `stats.gaffke`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from evalsuite.records import Record
from evalsuite.stats.gaffke import gaffke_bounds
from evalsuite.stats.resampling import REPLICATES, SAME, SEED, Floats, pivots, standard_errors

LEVEL = 0.95
MIN_PROMPTS = 5
"""With fewer prompts than this there is no bootstrap: their spread says nothing about the rest."""

Bounds = tuple[float | None, float | None]
"""The least and the greatest value that a rate can have, for every single prompt; None where there is none."""

Reason = Literal["none: no data", "none: too few prompts", "none: no spread"]
Method = Literal["studentised bootstrap", "Gaffke"] | Reason


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
    """Interval for Σ numerators / Σ denominators, one pair a prompt, by the studentised bootstrap or Gaffke's bound.

    With R the ratio and e_i = num_i - R den_i, the standard error is sqrt(n / (n - 1) Σe²) / Σden
    (linearisation; Cochran, Sampling Techniques, 3rd ed., 1977, ch. 6). Replicates resample whole prompts;
    t* = (R* - R) / se*, and the interval is [R - t*_(1-α/2) se, R - t*_(α/2) se] (Efron and Tibshirani,
    An Introduction to the Bootstrap, 1993, ch. 12.5). A replicate without spread counts as ±∞. Prompts with
    denominator 0 are left out.

    That needs `MIN_PROMPTS` prompts that do not all agree, also in most replicates. Where it fails, and `bounds` holds
    both ends, the interval is made of two one-sided bounds of Gaffke's type at level α/2 each: it takes that the
    prompts are independent draws from those that the rate speaks of, that each of these has its num / den within
    `bounds`, and that none has a greater denominator than the greatest here. Without both ends there is no interval.

    The interval is cut off at `bounds`, which costs no coverage. An end beyond which a prompt's own value lies is
    refuted: nothing is cut there, and no bound rests on it; so no interval excludes its estimate.

    Args:
        numerators: Shape (n,), finite.
        denominators: Shape (n,), finite, not negative.
        level: Of confidence, in (0, 1).
        replicates: Of the bootstrap; Gaffke's bound takes ten draws for each.
        seed: Of either.
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
    bounds = unrefuted(num, den, bounds)
    found = _studentised(num, den, ratio, level, replicates, seed)
    ends: tuple[float | None, float | None]
    method: Method
    if not isinstance(found, str):
        ends, method = cut(found, bounds, ratio), "studentised bootstrap"
    elif (conservative := gaffke_interval(num, den, bounds, level, replicates, seed)) is not None:
        ends, method = conservative, "Gaffke"
    else:
        ends, method = (None, None), found
    return Interval(estimate=ratio, low=ends[0], high=ends[1], level=level, n=n, method=method)


def mean_interval(
    values: Sequence[float] | Floats,
    *,
    level: float = LEVEL,
    replicates: int = REPLICATES,
    seed: int = SEED,
    bounds: Bounds = (None, None),
) -> Interval:
    """Interval for the mean of one value a prompt: `ratio_interval` with every denominator 1 (bootstrap-t)."""
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


def gaffke_interval(
    num: Floats, den: Floats, bounds: Bounds, level: float, replicates: int, seed: int
) -> tuple[float, float] | None:
    """Gaffke's bounds at level (1 - level) / 2 on either side; None where an end of the range is not known.

    They take ten draws for each replicate that the bootstrap would have had: draws are cheap, and of a quantile so far
    out few lie beyond it.
    """
    least, most = bounds
    if least is None or most is None:
        return None
    draws = 10 * (replicates + 1) - 1
    return gaffke_bounds(num, den, (1 - level) / 2, least=least, most=most, draws=draws, seed=seed)
