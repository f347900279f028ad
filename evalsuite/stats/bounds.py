"""One-sided confidence bounds for a paired difference between two runs over the same prompts.

The prompt is the sampling unit: prompt i gives one difference D_i (its mean over seeds, candidate minus
baseline), and whole prompts are resampled. A bound at level α errs with probability α; p-values are the same
bounds inverted, so a bound at level α lies beyond θ exactly where the p-value at θ is at most α.

Two bounds are computed, and the more cautious one counts:

* Gaffke's, which knows that a difference lies between -1 and 1 and keeps one unseen prompt at the worst of it;
* the studentised bootstrap's (bootstrap-t), which knows the spread.

The spread alone is not enough. Where all prompts lose a little and a few break outright, n prompts show no break with
probability (1 - share)ⁿ; what is seen then has hardly any spread, and a bound that learns from it alone is sure of a
loss that is not the true one, however it is made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from evalsuite.stats.gaffke import Gaffke
from evalsuite.stats.resampling import REPLICATES, SAME, SEED, Floats, pivots, rank, standard_errors

Method = Literal["Gaffke and studentised bootstrap", "Gaffke", "prediction-powered"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What paired prompts say about Δ, the candidate's rate minus the baseline's, with -1 ≤ Δ ≤ 1.

    `estimate` is Δ̂; `standard_error` its estimated standard error (0 where no prompt's difference stands out
    from the others'); `n` the prompts; `differing` those with a difference. `method` says how the bounds are made:
    by Gaffke alone where no prompt's difference stands out, since there is nothing to studentise.
    """

    estimate: float
    standard_error: float
    n: int
    differing: int
    gaffke: Gaffke = field(repr=False)
    _below: Floats = field(repr=False)
    _above: Floats = field(repr=False)

    @property
    def method(self) -> Method:
        """How the bounds are made."""
        return "Gaffke and studentised bootstrap" if len(self._below) else "Gaffke"

    def lower(self, alpha: float) -> float:
        """L, with Δ > L at confidence 1 - `alpha`; never below -1."""
        found = self.gaffke.lower(alpha)
        if len(self._below):
            place = rank(alpha, len(self._below))
            found = min(found, float(self._below[place - 1])) if place else -1.0
        return max(-1.0, found)

    def upper(self, alpha: float) -> float:
        """U, with Δ < U at confidence 1 - `alpha`; never above 1."""
        found = self.gaffke.upper(alpha)
        if len(self._above):
            place = rank(alpha, len(self._above))
            found = max(found, float(self._above[-place])) if place else 1.0
        return min(1.0, found)

    def p_above(self, theta: float) -> float:
        """p-value against Δ ≤ `theta`: at most α exactly where `lower(α)` > `theta`."""
        found = self.gaffke.p_above(theta)
        if not len(self._below):
            return found
        return max(found, float(1 + np.searchsorted(self._below, theta, side="right")) / (len(self._below) + 1))

    def p_below(self, theta: float) -> float:
        """p-value against Δ ≥ `theta`: at most α exactly where `upper(α)` < `theta`."""
        found = self.gaffke.p_below(theta)
        if not len(self._above):
            return found
        at_least = len(self._above) - np.searchsorted(self._above, theta, side="left")
        return max(found, float(1 + at_least) / (len(self._above) + 1))


def compare(
    differences: npt.ArrayLike,
    denominators: npt.ArrayLike | None = None,
    *,
    replicates: int = REPLICATES,
    seed: int = SEED,
) -> Comparison:
    """Compare two runs by one difference a prompt. The order of the prompts is no matter.

    Args:
        differences: Shape (n,). Without denominators, D_i in [-1, 1], and Δ is their mean ("macro"). With
            them, the difference of the numerators, at most the denominator in size.
        denominators: Shape (n,), positive, the same in both runs: Δ is then Σ differences / Σ denominators
            ("micro"), and its bounds are those of a ratio.
        replicates: Bootstrap replicates.
        seed: Of the bootstrap.

    Raises:
        ValueError: A value is not finite or out of range, or there is no prompt.
    """
    diff = np.asarray(differences, dtype=np.float64)
    den = np.ones_like(diff) if denominators is None else np.asarray(denominators, dtype=np.float64)
    _check(diff, den)
    # The seeded resamples go by place, so that the prompts are put in an order of their own.
    order = np.lexsort((den, diff))
    diff, den = diff[order], den[order]
    n = len(diff)
    estimate = float(diff.sum() / den.sum())
    differing = int(np.count_nonzero(np.abs(diff) > SAME * den))
    error = diff - estimate * den
    spread = float(standard_errors(error[None], den)[0]) if n > 1 else 0.0
    below = above = np.empty(0)
    if spread > SAME:
        least, greatest = pivots(error[None], None if denominators is None else den, replicates=replicates, seed=seed)
        below, above = _sorted(estimate - greatest[0] * spread), _sorted(estimate - least[0] * spread)
    return Comparison(estimate, spread, n, differing, Gaffke(diff, den, -1.0, 1.0), below, above)


def _sorted(values: Floats) -> Floats:
    """In order, without the replicates that have no spread: of what was not seen, Gaffke's bound speaks."""
    return np.sort(values[np.isfinite(values)])


def _check(diff: Floats, den: Floats) -> None:
    if diff.ndim != 1 or diff.shape != den.shape or not len(diff):
        raise ValueError(f"one difference and one denominator a prompt are needed, not {diff.shape} and {den.shape}")
    if not (np.isfinite(diff).all() and np.isfinite(den).all()):
        raise ValueError("differences and denominators must be finite")
    if not ((den > 0).all() and (np.abs(diff) <= den * (1 + 1e-9)).all()):
        raise ValueError("denominators must be positive, and no difference greater than its denominator")
