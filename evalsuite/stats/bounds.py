"""One-sided confidence bounds for a paired difference between two runs over the same prompts.

The prompt is the sampling unit: prompt i gives one difference D_i (its mean over seeds, candidate minus
baseline), and whole prompts are resampled. A bound at level α errs with probability α; p-values are the same
bounds inverted, so a bound at level α lies beyond θ exactly where the p-value at θ is at most α.

Two methods, chosen by the data:

* the studentised bootstrap (bootstrap-t) where at least `SPARSE` prompts differ;
* a bound of Gaffke's type where fewer do, since a handful of changed prompts carries no spread to estimate
  from: identical runs would otherwise seem equal beyond doubt, however few the prompts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Method = Literal["studentised bootstrap", "Gaffke"]

REPLICATES = 9_999
"""Bootstrap replicates: one short of a round number, so that α (replicates + 1) is whole."""

DRAWS = 99_999
"""Dirichlet draws of the Gaffke bound; its quantile at α = 0.05 is then known to ±0.0014 in probability (2 σ)."""

SPARSE = 10
"""With fewer prompts that differ than this, the bound is Gaffke's."""

SEED = 20_240_229
_SAME = 1e-12
"""Differences up to this are rounding, not difference; so is a variance of this share of its terms."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What paired prompts say about Δ, the candidate's rate minus the baseline's, with -1 ≤ Δ ≤ 1.

    `estimate` is Δ̂; `standard_error` its estimated standard error (0 where no prompt's difference stands out
    from the others'); `n` the prompts; `differing` those with a difference. `method` says how the bounds are made.
    """

    estimate: float
    standard_error: float
    n: int
    differing: int
    method: Method
    _below: Floats = field(repr=False)
    _above: Floats = field(repr=False)

    def lower(self, alpha: float) -> float:
        """L, with Δ > L at confidence 1 - `alpha`; never below -1."""
        rank = _rank(alpha, len(self._below))
        return max(-1.0, float(self._below[rank - 1])) if rank else -1.0

    def upper(self, alpha: float) -> float:
        """U, with Δ < U at confidence 1 - `alpha`; never above 1."""
        rank = _rank(alpha, len(self._above))
        return min(1.0, float(self._above[-rank])) if rank else 1.0

    def p_above(self, theta: float) -> float:
        """p-value against Δ ≤ `theta`: at most α exactly where `lower(α)` > `theta`."""
        return float(1 + np.searchsorted(self._below, theta, side="right")) / (len(self._below) + 1)

    def p_below(self, theta: float) -> float:
        """p-value against Δ ≥ `theta`: at most α exactly where `upper(α)` < `theta`."""
        at_least = len(self._above) - np.searchsorted(self._above, theta, side="left")
        return float(1 + at_least) / (len(self._above) + 1)


def compare(
    differences: npt.ArrayLike,
    denominators: npt.ArrayLike | None = None,
    *,
    replicates: int = REPLICATES,
    draws: int = DRAWS,
    seed: int = SEED,
) -> Comparison:
    """Compare two runs by one difference a prompt.

    Args:
        differences: Shape (n,). Without denominators, D_i in [-1, 1], and Δ is their mean ("macro"). With
            them, the difference of the numerators, at most the denominator in size.
        denominators: Shape (n,), positive, the same in both runs: Δ is then Σ differences / Σ denominators
            ("micro"), and its bounds are those of a ratio.
        replicates: Bootstrap replicates.
        draws: Dirichlet draws of the Gaffke bound.
        seed: Of either.

    Raises:
        ValueError: A value is not finite or out of range, or there is no prompt.
    """
    diff = np.asarray(differences, dtype=np.float64)
    den = np.ones_like(diff) if denominators is None else np.asarray(denominators, dtype=np.float64)
    _check(diff, den)
    n = len(diff)
    estimate = float(diff.sum() / den.sum())
    differing = int(np.count_nonzero(np.abs(diff) > _SAME * den))
    error = diff - estimate * den
    spread = float(standard_errors(error[None], den)[0]) if n > 1 else 0.0
    if differing < SPARSE or spread <= _SAME:
        below, above = gaffke_draws(diff, den, draws=draws, seed=seed)
        return Comparison(estimate, spread, n, differing, "Gaffke", below, above)
    least, greatest = pivots(error[None], None if denominators is None else den, replicates=replicates, seed=seed)
    below, above = np.sort(estimate - greatest[0] * spread), np.sort(estimate - least[0] * spread)
    return Comparison(estimate, spread, n, differing, "studentised bootstrap", below, above)


def _check(diff: Floats, den: Floats) -> None:
    if diff.ndim != 1 or diff.shape != den.shape or not len(diff):
        raise ValueError(f"one difference and one denominator a prompt are needed, not {diff.shape} and {den.shape}")
    if not (np.isfinite(diff).all() and np.isfinite(den).all()):
        raise ValueError("differences and denominators must be finite")
    if not ((den > 0).all() and (np.abs(diff) <= den * (1 + 1e-9)).all()):
        raise ValueError("denominators must be positive, and no difference greater than its denominator")


def _rank(alpha: float, size: int) -> int:
    """The order statistic of `size` draws that bounds at level alpha: ⌊α (size + 1)⌋."""
    if not 0 < alpha < 1:
        raise ValueError(f"level {alpha} is not between 0 and 1")
    return int(np.floor(alpha * (size + 1) + 1e-9))


# --- The studentised bootstrap -----------------------------------------------------------------------


@lru_cache(maxsize=4)
def resample_counts(n: int, replicates: int = REPLICATES, seed: int = SEED) -> Floats:
    """How often each of n prompts occurs in each replicate: shape (replicates, n), rows that sum to n."""
    picks = np.random.default_rng(seed).integers(0, n, size=(replicates, n))
    picks += np.arange(replicates)[:, None] * n
    counts = np.bincount(picks.ravel(), minlength=replicates * n).reshape(replicates, n).astype(np.float64)
    counts.setflags(write=False)
    return counts


def standard_errors(errors: Floats, den: Floats) -> Floats:
    """Standard error of each row's ratio from its errors e_i = num_i - R den_i: sqrt(n / (n - 1) Σe²) / Σden.

    Linearisation (Cochran, Sampling Techniques, 3rd ed., 1977, ch. 6); with equal denominators, that of a mean.
    """
    n = errors.shape[-1]
    result: Floats = np.sqrt((errors**2).sum(axis=-1) * n / (n - 1)) / den.sum()
    return result


def pivots(
    errors: Floats, den: Floats | None = None, *, replicates: int = REPLICATES, seed: int = SEED
) -> tuple[Floats, Floats]:
    """The replicates' t* = (R* - R) / se* of m data sets, in the order drawn (Efron and Tibshirani, 1993, ch. 12.5).

    A replicate of zero spread counts as ±∞, by the sign of R* - R. Where that too is zero, the replicate says
    nothing, and it counts against either bound: -∞ in the first array, +∞ in the second.

    Args:
        errors: Shape (m, n): e_i = num_i - R den_i of each data set.
        den: Shape (n,); None for denominators of 1, which is faster.
        replicates: Their number.
        seed: Of the resampling; the same resamples serve all m data sets.

    Returns:
        Two arrays of shape (m, replicates) that differ at such replicates only.
    """
    n = errors.shape[1]
    counts = resample_counts(n, replicates, seed)
    first, square = counts @ errors.T, counts @ (errors**2).T
    if den is None:
        shift = first / n
        deviation, scale = square - n * shift**2, square
        size: Floats | float = float(n)
    else:
        size = (counts @ den)[:, None]
        cross, den_square = counts @ (errors * den).T, (counts @ den**2)[:, None]
        shift = first / size
        scale = square + shift**2 * den_square
        deviation = scale - 2 * shift * cross
    deviation[deviation <= _SAME * scale] = 0.0
    spread = np.sqrt(deviation * n / (n - 1)) / size
    # Errors that cancel leave a rounding error, which beside a zero spread would decide the sign of infinity.
    shift[np.abs(shift) <= _SAME * np.abs(errors).max(axis=1)] = 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (shift / spread).T
    silent = np.isnan(t)
    return np.where(silent, -np.inf, t), np.where(silent, np.inf, t)


# --- Gaffke's bound ----------------------------------------------------------------------------------


def gaffke_draws(
    diff: Floats, den: Floats, *, times: float = 1.0, draws: int = DRAWS, seed: int = SEED
) -> tuple[Floats, Floats]:
    """Sorted draws whose α-quantile is L and whose (1 - α)-quantile is U.

    L is the α-quantile of w₀·(-1) + Σ wᵢDᵢ with w ~ Dirichlet(1, …, 1) over n + 1 points: the prompts, and one
    at the worst possible value for all that was not sampled; U mirrors it with +1 (Gaffke, Three test statistics
    for a nonparametric one-sided hypothesis on the mean of a nonnegative variable, 2005; Learned-Miller and
    Thomas, A new confidence interval for the mean of a bounded random variable, arXiv:1905.06208). On data of
    two values it is the Clopper-Pearson bound.

    With denominators the weighted ratio (Σ wᵢ diffᵢ ∓ w₀ d) / (Σ wᵢ denᵢ + w₀ d) takes its place, d the largest
    denominator: the same bound for diffᵢ - θ denᵢ, solved for θ.

    `times` counts each prompt so often, to see what more prompts like these would show.
    """
    rng = np.random.default_rng(seed)
    pairs, multiplicity = np.unique(np.stack([diff, den], axis=1), axis=0, return_counts=True)
    # Dirichlet by gamma variables; equal prompts share one, whose shape is their number.
    top, bottom = np.zeros(draws), np.zeros(draws)
    for (value, size), count in zip(pairs, multiplicity, strict=True):
        weight = rng.standard_gamma(count * times, size=draws)
        top += weight * value
        bottom += weight * size
    extreme = rng.standard_exponential(size=draws) * den.max()
    return np.sort((top - extreme) / (bottom + extreme)), np.sort((top + extreme) / (bottom + extreme))
