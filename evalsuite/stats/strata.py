"""Smooth statistics of summed counts, their intervals, and what more images would do to the intervals.

A protocol counts something in every image. Its score is a function f of the sums of those counts over all
images: a ratio of two sums, or a product of ratios. The prompt is the sampling unit, as in `evalsuite.stats`;
an average over languages is a weighted sum of such functions over separate sets of prompts (strata).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from evalsuite.stats import LEVEL, MIN_PROMPTS, REPLICATES, SEED, Bounds, Floats, Interval
from evalsuite.stats.gaffke import pseudo_length
from evalsuite.stats.intervals import FAR, NEAR, Reason, cut, ends_in_range, pivoted, unrefuted
from evalsuite.stats.resampling import SAME, draw_times


@dataclass(frozen=True, slots=True)
class Statistic:
    """A function of sums, homogeneous of degree 0: doubling every count leaves it as it is.

    Both functions take sums of shape (…, K); `value` gives shape (…), `gradient` the partial derivatives in
    shape (…, K). Where a denominator is 0 they give NaN. `bounds` are the least and the greatest value that it can have
    for any set of images; `columns` are numerator and denominator where it is a plain ratio of two of them.
    """

    value: Callable[[Floats], Floats]
    gradient: Callable[[Floats], Floats]
    bounds: Bounds = (None, None)
    columns: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Stratum:
    """Prompts that are sampled apart from others, e.g. those of one language.

    `counts` has shape (n, K): one row per prompt, summed over its images. `weight` is the part that the
    stratum's statistic plays in the whole, positive.
    """

    counts: Floats
    statistic: Statistic
    weight: float = 1.0


def ratio(numerator: int, denominator: int, *, bounds: Bounds = (None, None)) -> Statistic:
    """The statistic Σ column `numerator` / Σ column `denominator`, with `bounds` as its range for any image."""

    def value(sums: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(sums[..., numerator] / sums[..., denominator], dtype=np.float64)

    def gradient(sums: Floats) -> Floats:
        slope = np.zeros_like(sums)
        with np.errstate(divide="ignore", invalid="ignore"):
            slope[..., numerator] = 1 / sums[..., denominator]
            slope[..., denominator] -= sums[..., numerator] / sums[..., denominator] ** 2
        return slope

    return Statistic(value, gradient, bounds, (numerator, denominator))


def interval(
    strata: Sequence[Stratum], *, level: float = LEVEL, replicates: int = REPLICATES, seed: int = SEED
) -> Interval:
    """Interval for the weighted sum of the strata's statistics.

    Where every statistic is a plain ratio whose range is known it is the Bayesian bootstrap of
    `evalsuite.stats.ratio_interval`, for one stratum exactly that. For several, each has Dirichlet weights and
    pseudo-prompts of its own, and the ends are quantiles of `replicates` draws of the weighted sum.

    Otherwise it is the studentised bootstrap. With g the gradient at the sums of a stratum of n prompts and x_i the
    counts of prompt i, the variance of its statistic is n / (n - 1) Σ (g·x_i)² (linearisation), and those of the strata
    add up. Replicates resample the prompts within each stratum; with t* = (f* - f) / se*, the interval is
    [f - t*_(1-α/2) se, f - t*_(α/2) se] (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 12.5), cut
    off at the ends of the statistics' range. There is none where a stratum has fewer than `MIN_PROMPTS` prompts or too
    little varies.
    """
    n = sum(len(stratum.counts) for stratum in strata)
    estimate = float(sum(stratum.weight * float(_value(stratum)) for stratum in strata)) if strata else math.nan
    if math.isnan(estimate):
        return Interval(estimate=None, low=None, high=None, level=level, n=n, method="none: no data")
    ratios = _ratios(strata)
    if ratios is not None:
        low, high = _in_range(ratios, level, replicates, seed)
        low, high = min(low, estimate), max(high, estimate)
        return Interval(estimate=estimate, low=low, high=high, level=level, n=n, method="Bayesian bootstrap")
    found = _studentised(strata, estimate, level, replicates, seed)
    if isinstance(found, str):
        return Interval(estimate=estimate, low=None, high=None, level=level, n=n, method=found)
    low, high = cut(found, _range(strata), estimate)
    return Interval(estimate=estimate, low=low, high=high, level=level, n=n, method="studentised bootstrap")


@dataclass(frozen=True, slots=True)
class _Ratio:
    """A stratum whose statistic is a plain ratio within [least, most]."""

    num: Floats
    den: Floats
    least: float
    most: float
    weight: float


def _ratios(strata: Sequence[Stratum]) -> list[_Ratio] | None:
    """The strata as ratios; None where a statistic is none, or its range is not known or refuted."""
    found = []
    for stratum in strata:
        sides = _sides(stratum)
        least, most = unrefuted(*sides, stratum.statistic.bounds) if sides else (None, None)
        if sides is None or least is None or most is None:
            return None
        found.append(_Ratio(*sides, least, most, stratum.weight))
    return found


def _in_range(ratios: Sequence[_Ratio], level: float, replicates: int, seed: int) -> tuple[float, float]:
    if len(ratios) == 1:
        (only,) = ratios
        low, high = ends_in_range(only.num, only.den, only.least, only.most, level)
        return only.weight * low, only.weight * high
    rng = np.random.default_rng(seed)
    lows, highs = np.zeros(replicates), np.zeros(replicates)
    for each in ratios:
        at_worst, at_best = _draws(each, replicates, rng)
        lows += each.weight * at_worst
        highs += each.weight * at_best
    tail = (1 - level) / 2
    return float(np.quantile(lows, tail)), float(np.quantile(highs, 1 - tail))


def _draws(part: _Ratio, replicates: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """The stratum's ratio under random weights, with the greater part of the pseudo-prompt at either end."""
    pairs, counts = np.unique(np.stack([part.num, part.den], axis=1), axis=0, return_counts=True)
    top, bottom = np.zeros(replicates), np.zeros(replicates)
    for (value, size), count in zip(pairs, counts, strict=True):
        weight = rng.standard_gamma(count, size=replicates)
        top += weight * value
        bottom += weight * size
    length = pseudo_length(part.den)
    ends = []
    for at_least in (NEAR, 1 - NEAR):
        worst = rng.standard_gamma(at_least, size=replicates) * length
        best = rng.standard_gamma(NEAR + FAR - at_least, size=replicates) * length
        ends.append((top + part.least * worst + part.most * best) / (bottom + worst + best))
    return ends[0], ends[1]


def _studentised(
    strata: Sequence[Stratum], estimate: float, level: float, replicates: int, seed: int
) -> tuple[float, float] | Reason:
    if any(len(stratum.counts) < MIN_PROMPTS for stratum in strata):
        return "none: too few prompts"
    spread = math.sqrt(sum(stratum.weight**2 * _variance(stratum) for stratum in strata))
    if spread <= SAME * max(1.0, abs(estimate)):
        return "none: no spread"
    rng = np.random.default_rng(seed)
    drawn = [_replicates(stratum, replicates, rng) for stratum in strata]
    shift = sum((s.weight * (values - _value(s)) for s, (values, _) in zip(strata, drawn, strict=True)), np.zeros(1))
    variance = sum((s.weight**2 * v for s, (_, v) in zip(strata, drawn, strict=True)), np.zeros(1))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = shift / np.sqrt(variance)
    return pivoted(estimate, spread, np.where(np.isnan(t), 0.0, t), level)


def _sides(stratum: Stratum) -> tuple[Floats, Floats] | None:
    """Numerator and denominator of each prompt that has one; None where the statistic is no plain ratio."""
    if stratum.statistic.columns is None:
        return None
    num, den = stratum.counts[:, stratum.statistic.columns].T
    return num[den > 0], den[den > 0]


def _range(strata: Sequence[Stratum]) -> Bounds:
    """The range of the weighted sum; None for an end that some stratum does not know, or that its prompts refute."""
    found = []
    for stratum in strata:
        sides = _sides(stratum)
        found.append(unrefuted(*sides, stratum.statistic.bounds) if sides else stratum.statistic.bounds)
    least, most = (_weighted([bounds[end] for bounds in found], strata) for end in (0, 1))
    return least, most


def _weighted(ends: Sequence[float | None], strata: Sequence[Stratum]) -> float | None:
    known = [stratum.weight * end for stratum, end in zip(strata, ends, strict=True) if end is not None]
    return math.fsum(known) if len(known) == len(strata) else None


def _value(stratum: Stratum) -> Floats:
    if not len(stratum.counts):
        return np.asarray(math.nan)
    return stratum.statistic.value(stratum.counts.sum(axis=0))


def _variance(stratum: Stratum) -> float:
    influence = stratum.counts @ stratum.statistic.gradient(stratum.counts.sum(axis=0))
    n = len(influence)
    return float((influence**2).sum() * n / (n - 1))


def _replicates(stratum: Stratum, replicates: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Values and variances of the statistic over resampled prompts, each of shape (replicates,)."""
    n, width = stratum.counts.shape
    products = (stratum.counts[:, :, None] * stratum.counts[:, None, :]).reshape(n, width * width)
    values, variances = np.empty(replicates), np.empty(replicates)
    block = max(1, 2_000_000 // n)
    for start in range(0, replicates, block):
        size = min(block, replicates - start)
        weights = draw_times(rng, n, size).astype(np.float64)
        sums = weights @ stratum.counts
        moments = (weights @ products).reshape(size, width, width)
        slope = stratum.statistic.gradient(sums)
        square = np.einsum("bk,bkl,bl->b", slope, moments, slope)
        # Rounding leaves a little where every resampled prompt lies on the same ratio.
        scale = np.einsum("bk,bkl,bl->b", np.abs(slope), np.abs(moments), np.abs(slope))
        square[square <= SAME * scale] = 0.0
        values[start : start + size] = stratum.statistic.value(sums)
        variances[start : start + size] = square * n / (n - 1)
    return values, variances


@dataclass(frozen=True, slots=True)
class Components:
    """Where the variance of a score over k images per prompt comes from.

    The variance of the score over n prompts of k images each is (between + within / k) / n, summed over the
    strata with their squared weights: `between` and `within` below hold those sums, already divided by n.
    `within` is None where every prompt has one image: then nothing tells the two apart.
    """

    images: int
    between: float
    within: float | None

    def spread(self, images: float) -> float:
        """The standard error with that many images per prompt, `math.inf` for the limit; needs `within`."""
        if self.within is None:
            raise ValueError("one image per prompt does not show how much seeds vary")
        return math.sqrt(self.between + self.within / images)


def components(strata: Sequence[Stratum], images: Sequence[Floats], *, unseen: float = 0.0) -> Components:
    """The components of variance between prompts and between the images of a prompt (one-way random effects).

    Args:
        strata: As for `interval`.
        images: For each stratum the counts of the single images, shape (n, k, K), the same k everywhere.
        unseen: So much of one more image at the far end of a range of 1 goes into the variance within prompts (with
            one image per prompt, between them), so that images which all agree do not pass for certain.

    With D_ij = n k g·x_ij, so that the score is about the mean of all D_ij, `within` is the mean over prompts of
    the variance of D_ij over j, and `between` the variance of the prompts' means less within / k, at least 0
    (method of moments; Searle, Casella and McCulloch, Variance Components, 1992, ch. 3).
    """
    count = images[0].shape[1]
    between = within = 0.0
    for stratum, single in zip(strata, images, strict=True):
        n, k, _ = single.shape
        influence = n * k * (single @ stratum.statistic.gradient(stratum.counts.sum(axis=0)))
        inner = float(influence.var(axis=1, ddof=1).mean()) if k > 1 else 0.0
        outer = max(0.0, float(influence.mean(axis=1).var(ddof=1)) - inner / k)
        free = n * (k - 1) if k > 1 else n - 1
        if k > 1:
            inner = (free * inner + unseen) / (free + unseen)
        else:
            outer = (free * outer + unseen) / (free + unseen)
        between += stratum.weight**2 * outer / n
        within += stratum.weight**2 * inner / n
    return Components(count, between, within if count > 1 else None)
