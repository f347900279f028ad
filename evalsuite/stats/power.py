"""What a comparison over n prompts can tell at best: its floor, its smallest detectable effect, what would decide it.

Levels are one-sided. Formulas are the normal-theory ones for a mean over prompts, with Student quantiles: they
plan and advise, they never decide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evalsuite.stats.gaffke import gaffke_draws
from evalsuite.stats.resampling import rank

if TYPE_CHECKING:
    from evalsuite.stats.bounds import Comparison
    from evalsuite.stats.resampling import Floats

POWER = 0.8
"""The power that is planned for."""

MOST = 100
"""Beyond this many times the prompts at hand, the advice is that no number of prompts will do."""

_DRAWS = 9_999


def resolution_floor(n: int, alpha: float, concentration: float = 1.0) -> float:
    """The smallest margin that n prompts can ever clear: 1 - α^(1/n), times `concentration`, at most 1.

    If a share δ of all prompts broke outright, n prompts would show none of them with probability (1 - δ)^n;
    unless that is below α, a spotless comparison proves nothing.

    Args:
        n: Prompts.
        alpha: Level in (0, 1).
        concentration: For ratios, the largest denominator over their mean: one prompt can carry that much more.
    """
    return min(1.0, -math.expm1(math.log(alpha) / n) * concentration)


def prompts_for_margin(margin: float, alpha: float, concentration: float = 1.0) -> int:
    """The fewest prompts that can clear `margin`: ⌈ln α / ln(1 - δ)⌉, with δ = margin / concentration."""
    prompts: float = math.log(alpha) / math.log1p(-margin / concentration)
    return math.ceil(prompts - 1e-9)


def minimum_detectable_effect(
    standard_error: float, n: int, alpha: float, *, power: float = POWER, concentration: float = 1.0
) -> float:
    """The smallest true change that n prompts tell from none with `power`, in the unit of the standard error.

    (t_(1-α) + t_power) · SE with n - 1 degrees of freedom, and never below the resolution floor. Where it is at
    most the margin, an equal checkpoint passes with at least that power.
    """
    floor = resolution_floor(n, alpha, concentration)
    if n < 2:
        return 1.0
    return min(1.0, max(floor, _quantiles(n, alpha, power) * standard_error))


def _quantiles(n: int, alpha: float, power: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(n - 1, 1 - alpha) + stdtrit(n - 1, power))


def look_level(alpha: float, fraction: float) -> float:
    """The level for each of two looks that err together with probability `alpha` (Pocock, Biometrika 64, 1977).

    Args:
        alpha: Level of both looks together.
        fraction: Share of the final data that the first look has, in (0, 1). The looks' statistics are taken to
            correlate by √fraction; that the prompts stay the same makes them correlate more, and the level safe.
    """
    from scipy.special import ndtr, ndtri

    if not 0 < fraction < 1:
        raise ValueError(f"fraction {fraction} is not between 0 and 1")
    rho = math.sqrt(fraction)
    nodes, weights = np.polynomial.legendre.leggauss(200)

    def both_quiet(c: float) -> float:
        # P(Z₁ ≤ c, Z₂ ≤ c) = ∫ φ(x) Φ((c - ρx) / √(1 - ρ²)) dx over x ≤ c; below -9 there is nothing.
        x = (nodes + 1) / 2 * (c + 9) - 9
        density = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
        return float((weights * density * ndtr((c - rho * x) / math.sqrt(1 - rho**2))).sum() * (c + 9) / 2)

    low, high = float(ndtri(1 - alpha)), float(ndtri(1 - alpha / 2))
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if both_quiet(middle) < 1 - alpha else (low, middle)
    return float(ndtr(-high))


@dataclass(frozen=True, slots=True)
class Needs:
    """What would decide a comparison if what was seen holds: so many prompts, or so many samples a prompt.

    None where no reasonable number would.
    """

    prompts: int | None
    samples: int | None


def needs(found: Comparison, differences: Floats, den: Floats, margin: float, alpha: float) -> Needs:
    """What would decide whether Δ lies above or below -`margin`, with a power of `POWER`.

    Args:
        found: The comparison that did not decide it.
        differences: Shape (n, k): numerators' differences by prompt and sample.
        den: Shape (n,): denominators, ones for a mean.
        margin: In (0, 1).
        alpha: Level in (0, 1).
    """
    gap = found.estimate + margin
    concentration = float(den.max() / den.mean())
    least = prompts_for_margin(margin, alpha, concentration) if gap > 0 else 2
    if found.method == "Gaffke":
        factor = _gaffke_factor(differences.mean(axis=1), den, margin, alpha)
        prompts = None if factor is None else max(least, math.ceil(factor * found.n))
        return Needs(prompts, None)
    if gap == 0:
        return Needs(None, None)
    allowed = abs(gap) / _quantiles(found.n, alpha, POWER)
    wanted = max(least, math.ceil(found.n * (found.standard_error / allowed) ** 2))
    prompts = wanted if wanted <= MOST * found.n else None
    return Needs(prompts, _samples(found, differences, den, allowed) if least <= found.n else None)


def _samples(found: Comparison, differences: Floats, den: Floats, allowed: float) -> int | None:
    """Samples a prompt that bring the standard error down to `allowed`, from the spread within prompts."""
    k = differences.shape[1]
    if k < 2:
        return None
    within = float(differences.var(axis=1, ddof=1).mean()) / float(den.mean()) ** 2
    between = max(0.0, found.standard_error**2 * found.n - within / k)
    room = found.n * allowed**2 - between
    if room <= 0:
        return None
    wanted = math.ceil(within / room)
    return wanted if k < wanted <= MOST * k else None


def _gaffke_factor(mean: Floats, den: Floats, margin: float, alpha: float) -> float | None:
    """How many times these same prompts would decide, by bisection; None beyond `MOST` times."""
    place = rank(alpha, _DRAWS)

    def decides(factor: float) -> bool:
        below, above = gaffke_draws(mean, den, least=-1.0, most=1.0, times=factor, draws=_DRAWS)
        return bool(below[place - 1] > -margin or above[-place] < -margin)

    if not decides(MOST):
        return None
    low, high = 1.0, float(MOST)
    while high / low > 1.01:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if decides(middle) else (middle, high)
    return high
