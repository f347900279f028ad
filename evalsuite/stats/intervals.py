"""Intervals for rates over prompts.

The prompt is the sampling unit: images of one prompt under several seeds are not independent, so they are
summed (or averaged) within the prompt first, and whole prompts are resampled. Rates are ratios of sums
("micro") or means over prompts ("macro").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from evalsuite.records import Prompt, Record, Score

LEVEL = 0.95
REPLICATES = 9_999
SEED = 20_240_229
MIN_PROMPTS = 5
"""Fewer prompts than this give an estimate but no interval: their spread says nothing about the rest."""

Floats = npt.NDArray[np.float64]
Bounds = tuple[float | None, float | None]
Method = Literal["studentised bootstrap", "none: no data", "none: too few prompts", "none: no spread"]


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
    """Interval for Σ numerators / Σ denominators, one pair a prompt, by the studentised bootstrap.

    With R the ratio and e_i = num_i - R den_i, the standard error is sqrt(n / (n - 1) Σe²) / Σden
    (linearisation; Cochran, Sampling Techniques, 3rd ed., 1977, ch. 6). Replicates resample whole prompts;
    t* = (R* - R) / se*, and the interval is [R - t*_(1-α/2) se, R - t*_(α/2) se] (Efron and Tibshirani,
    An Introduction to the Bootstrap, 1993, ch. 12.5). A replicate without spread counts as ±∞. Prompts with
    denominator 0 are left out. `bounds` are the least and greatest value that the rate can have at all: the
    interval is cut off there, which costs no coverage. There is no interval for fewer than `MIN_PROMPTS`
    prompts, nor where all prompts, or too many replicates, have no spread.

    Raises `ValueError` where the lengths differ, a value is not finite, or a denominator is negative.
    """
    num = np.asarray(numerators, dtype=np.float64)
    den = np.asarray(denominators, dtype=np.float64)
    if num.shape != den.shape or num.ndim != 1:
        raise ValueError(f"one numerator and one denominator a prompt, not {num.shape} and {den.shape}")
    if not (np.isfinite(num).all() and np.isfinite(den).all() and (den >= 0).all()):
        raise ValueError("numerators and denominators must be finite, denominators not negative")
    if not 0 < level < 1:
        raise ValueError(f"level {level} is not between 0 and 1")

    def result(low: float | None, high: float | None, method: Method) -> Interval:
        least, most = bounds
        low = least if low is not None and least is not None and low < least else low
        high = most if high is not None and most is not None and high > most else high
        return Interval(estimate=estimate, low=low, high=high, level=level, n=n, method=method)

    num, den = num[den > 0], den[den > 0]
    n = len(num)
    estimate: float | None = None
    if n == 0:
        return result(None, None, "none: no data")
    estimate = ratio = float(num.sum() / den.sum())
    if n < MIN_PROMPTS:
        return result(None, None, "none: too few prompts")
    error = num - ratio * den
    spread = _standard_error(float((error**2).sum()), float(den.sum()), n)
    if spread <= 1e-12 * max(1.0, abs(ratio)):
        return result(None, None, "none: no spread")
    t = _studentised(error, den, replicates, seed)
    low, high = np.quantile(t, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
    if not (np.isfinite(low) and np.isfinite(high)):
        return result(None, None, "none: no spread")
    return result(ratio - float(high) * spread, ratio - float(low) * spread, "studentised bootstrap")


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


def _standard_error(square_sum: float, den_sum: float, n: int) -> float:
    return float(np.sqrt(square_sum * n / (n - 1)) / den_sum)


def _studentised(error: Floats, den: Floats, replicates: int, seed: int) -> Floats:
    """The replicates' t*, from e_i = num_i - R den_i and den_i; zero spread gives ±∞ (0 where R* = R)."""
    n = len(error)
    columns = np.stack([error, den, error**2, error * den, den**2], axis=1)
    sums = np.concatenate([weights.astype(np.float64) @ columns for weights in _resamples(n, replicates, seed)])
    e, d, ee, ed, dd = sums.T
    shift = e / d
    square = ee - 2 * shift * ed + shift**2 * dd
    square[square <= 1e-12 * (ee + shift**2 * dd)] = 0.0
    spread = np.sqrt(square * n / (n - 1)) / d
    with np.errstate(divide="ignore", invalid="ignore"):
        t = shift / spread
    return np.where(np.isnan(t), 0.0, t)


@lru_cache(maxsize=4)
def _resamples(n: int, replicates: int, seed: int) -> tuple[npt.NDArray[np.uint16], ...]:
    """How often each of n prompts is in each replicate, in blocks of shape (some replicates, n).

    Kept, because all rates of one run ask for the same.
    """
    rng = np.random.default_rng(seed)
    block = max(1, 2_000_000 // n)
    found = []
    for start in range(0, replicates, block):
        size = min(block, replicates - start)
        picks = rng.integers(0, n, size=(size, n)) + np.arange(size)[:, None] * n
        found.append(np.bincount(picks.ravel(), minlength=size * n).reshape(size, n).astype(np.uint16))
    return tuple(found)


SliceKey = Literal["language", "suite", "category", "length"]


def slices(scores: Iterable[Score], prompts: Mapping[str, Prompt], by: SliceKey) -> dict[str, list[Score]]:
    """Scores grouped by a property of their prompt, the groups in sorted order.

    Raises `KeyError` where a score names a prompt that is not in `prompts`.
    """
    groups: dict[str, list[Score]] = {}
    for score in scores:
        groups.setdefault(str(getattr(prompts[score.prompt], by)), []).append(score)
    return dict(sorted(groups.items()))
