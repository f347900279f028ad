"""Bounds of Gaffke's type for a rate with a known range, from however few prompts and however little spread.

The bootstrap learns all from the spread of the prompts at hand: where they agree, it has nothing to say about the rest.
These bounds ask instead what a prompt that was not drawn could do at worst, which takes the range of the rate.
"""

from __future__ import annotations

import numpy as np

from evalsuite.stats.resampling import SEED, Floats, rank

DRAWS = 99_999
"""Dirichlet draws; their quantile at α = 0.05 is then known to ±0.0014 in probability (2 σ)."""


def gaffke_draws(
    num: Floats, den: Floats, *, least: float, most: float, times: float = 1.0, draws: int = DRAWS, seed: int = SEED
) -> tuple[Floats, Floats]:
    """Sorted draws whose α-quantile is L and whose (1 - α)-quantile is U, each a one-sided bound at level α.

    For a mean of values xᵢ in [least, most], L is the α-quantile of w₀·least + Σ wᵢxᵢ with w ~ Dirichlet(1, …, 1)
    over n + 1 points: the prompts, and one at the worst possible value for all that was not sampled; U mirrors it
    with `most` (Gaffke, Three test statistics for a nonparametric one-sided hypothesis on the mean of a nonnegative
    variable, 2005; Learned-Miller and Thomas, A new confidence interval for the mean of a bounded random variable,
    arXiv:1905.06208). On data of the two values `least` and `most` it is the Clopper-Pearson bound.

    With denominators the weighted ratio (w₀ least d + Σ wᵢ numᵢ) / (w₀ d + Σ wᵢ denᵢ) takes its place, d the largest
    denominator: the same bound for numᵢ - θ denᵢ, solved for θ.

    It is taken that the prompts are drawn independently of one another from those that the rate speaks of, that every
    one of those has numᵢ / denᵢ in [least, most], and that none has a denominator above d. That the bound then errs
    with probability α at most is proven for two values; for others it is a conjecture, with no counter-example known.

    Args:
        num: Shape (n,): numerators, each between least·den and most·den.
        den: Shape (n,): denominators, positive; ones for a mean.
        least: The least value that a prompt can have.
        most: The greatest.
        times: Counts each prompt so often, to see what more prompts like these would show.
        draws: Their number.
        seed: Of the draws; the order of the prompts is no matter.
    """
    below, above = _draws(num, den, least, most, times, draws, seed)
    return np.sort(below), np.sort(above)


def _draws(
    num: Floats, den: Floats, least: float, most: float, times: float, draws: int, seed: int
) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    pairs, multiplicity = np.unique(np.stack([num, den], axis=1), axis=0, return_counts=True)
    # Dirichlet by gamma variables; equal prompts share one, whose shape is their number.
    top, bottom = np.zeros(draws), np.zeros(draws)
    for (value, size), count in zip(pairs, multiplicity, strict=True):
        weight = rng.standard_gamma(count * times, size=draws)
        top += weight * value
        bottom += weight * size
    extreme = rng.standard_exponential(size=draws) * den.max()
    bottom += extreme
    return (top + least * extreme) / bottom, (top + most * extreme) / bottom


def gaffke_bounds(
    num: Floats, den: Floats, alpha: float, *, least: float, most: float, draws: int = DRAWS, seed: int = SEED
) -> tuple[float, float]:
    """L and U of `gaffke_draws`, each at level `alpha`: together they hold the rate at confidence 1 - 2 alpha.

    Within [least, most], with the estimate Σ num / Σ den between them.
    """
    below, above = _draws(num, den, least, most, 1.0, draws, seed)
    low, high = least, most
    place = rank(alpha, draws)
    if place:
        low = float(np.partition(below, place - 1)[place - 1])
        high = float(np.partition(above, draws - place)[draws - place])
    estimate = float(num.sum() / den.sum())
    return min(max(least, low), estimate), max(min(most, high), estimate)
