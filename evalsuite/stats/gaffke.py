"""Bounds of Gaffke's type for a rate with a known range, from however few prompts and however little spread.

The bootstrap learns all from the spread of the prompts at hand: where they agree, it has nothing to say about the rest.
These bounds ask instead what a prompt that was not drawn could do at worst, which takes the range of the rate.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from evalsuite.stats.dirichlet import quantile, share_below
from evalsuite.stats.resampling import Floats


def pseudo_length(den: Floats) -> float:
    """The denominator of a prompt that was not drawn, Σd² / Σd: the mean length of the prompt that a character is in.

    The mean Σd / n would let the long prompts, in which most characters are, go unseen; the greatest would take every
    unseen prompt for the longest.
    """
    return float((den**2).sum() / den.sum())


@dataclass(frozen=True, slots=True)
class Gaffke:
    """One-sided bounds and p-values for a rate Σ num / Σ den of which each prompt's part lies in [least, most].

    For a mean of values xᵢ in [least, most], L at level α is the α-quantile of w₀·least + Σ wᵢxᵢ with
    w ~ Dirichlet(1, …, 1) over n + 1 points: the prompts, and one at the worst possible value for all that was not
    sampled; U mirrors it with `most` (Gaffke, Three test statistics for a nonparametric one-sided hypothesis on the
    mean of a nonnegative variable, 2005; Learned-Miller and Thomas, A new confidence interval for the mean of a bounded
    random variable, arXiv:1905.06208). On data of the two values `least` and `most` it is the Clopper-Pearson bound.
    The quantiles are exact (`stats.dirichlet`): no draws, and the order of the prompts is no matter.

    With denominators, the weighted ratio (w₀ least d + Σ wᵢ numᵢ) / (w₀ d + Σ wᵢ denᵢ) takes the place of the mean,
    with d = `pseudo_length`: the same bound for numᵢ - θ denᵢ, solved for θ.

    It is taken that the prompts are drawn independently of one another from those that the rate speaks of, and that
    each of those has numᵢ / denᵢ in [least, most]. That the bound of a mean then errs with probability α at most is
    proven for two values; for others it is a conjecture, with no counter-example known. That of a ratio rests on
    simulation (docs/gate-calibration.md).

    Attributes:
        num: Shape (n,): numerators, each between least·den and most·den.
        den: Shape (n,): denominators, positive; ones for a mean.
        least: The least value that a prompt can have.
        most: The greatest.
        times: Counts each prompt so often, to see what more prompts like these would show.
    """

    num: Floats
    den: Floats
    least: float
    most: float
    times: float = 1.0
    _values: Floats = field(init=False, repr=False)
    _sizes: Floats = field(init=False, repr=False)
    _counts: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        pairs, counts = np.unique(np.stack([self.num, self.den], axis=1), axis=0, return_counts=True)
        object.__setattr__(self, "_values", pairs[:, 0])
        object.__setattr__(self, "_sizes", pairs[:, 1])
        object.__setattr__(self, "_counts", counts * self.times)

    def lower(self, alpha: float) -> float:
        """L, with the rate > L at confidence 1 - `alpha`; never above the estimate."""
        return min(self._quantile(alpha, self.least), self._estimate)

    def upper(self, alpha: float) -> float:
        """U, with the rate < U at confidence 1 - `alpha`; never below the estimate."""
        return max(self._quantile(1 - alpha, self.most), self._estimate)

    def p_above(self, theta: float) -> float:
        """p-value against a rate of at most `theta`: at most α exactly where L lies above it."""
        return self._share_below(theta, self.least)

    def p_below(self, theta: float) -> float:
        """p-value against a rate of at least `theta`: at most α exactly where U lies below it."""
        return 1 - self._share_below(theta, self.most)

    @property
    def _estimate(self) -> float:
        return float(self.num.sum() / self.den.sum())

    def _with(self, extreme: float) -> tuple[Floats, Floats, Floats]:
        size = pseudo_length(self.den)
        return np.append(self._values, extreme * size), np.append(self._sizes, size), np.append(self._counts, 1.0)

    def _share_below(self, theta: float, extreme: float) -> float:
        num, den, shapes = self._with(extreme)
        return share_below(num - theta * den, shapes)

    def _quantile(self, level: float, extreme: float) -> float:
        if not 0 < level < 1:
            raise ValueError(f"level {level} is not between 0 and 1")
        num, den, shapes = self._with(extreme)
        return quantile(num, den, shapes, level, least=self.least, most=self.most)


def gaffke_bounds(num: Floats, den: Floats, alpha: float, *, least: float, most: float) -> tuple[float, float]:
    """L and U of `Gaffke`, each at level `alpha`: together they hold the rate at confidence 1 - 2 alpha."""
    found = Gaffke(num, den, least, most)
    return found.lower(alpha), found.upper(alpha)
