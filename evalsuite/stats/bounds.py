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
from typing import Literal

import numpy as np
import numpy.typing as npt

from evalsuite.stats.gaffke import DRAWS, gaffke_draws
from evalsuite.stats.resampling import REPLICATES, SAME, SEED, Floats, pivots, rank, standard_errors

Method = Literal["studentised bootstrap", "Gaffke"]

SPARSE = 10
"""With fewer prompts that differ than this, the bound is Gaffke's."""


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
        place = rank(alpha, len(self._below))
        return max(-1.0, float(self._below[place - 1])) if place else -1.0

    def upper(self, alpha: float) -> float:
        """U, with Δ < U at confidence 1 - `alpha`; never above 1."""
        place = rank(alpha, len(self._above))
        return min(1.0, float(self._above[-place])) if place else 1.0

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
    differing = int(np.count_nonzero(np.abs(diff) > SAME * den))
    error = diff - estimate * den
    spread = float(standard_errors(error[None], den)[0]) if n > 1 else 0.0
    if differing < SPARSE or spread <= SAME:
        below, above = gaffke_draws(diff, den, least=-1.0, most=1.0, draws=draws, seed=seed)
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
