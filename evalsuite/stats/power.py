"""What a comparison over n prompts can tell at best: its floor, its smallest detectable effect, what would decide it.

Levels are one-sided. Formulas are the normal-theory ones for a mean over prompts, with Student quantiles: they
plan and advise, they never decide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evalsuite.stats.gaffke import Gaffke

if TYPE_CHECKING:
    from evalsuite.stats.bounds import Comparison
    from evalsuite.stats.intervals import Interval
    from evalsuite.stats.resampling import Floats

POWER = 0.8
"""The power that is planned for."""

MOST = 100
"""Beyond this many times the prompts at hand, the advice is that no number of prompts will do."""


def resolution_floor(den: Floats, alpha: float) -> float:
    """The smallest margin that these prompts can ever clear: their bound where nothing differs, 1 - α^(1/n) for a mean.

    If a share δ of all prompts broke outright, n prompts would show none of them with probability (1 - δ)^n;
    unless that is below α, a spotless comparison proves nothing. Where long prompts weigh more (denominators), an
    unseen one can carry more of the loss, and the floor is higher.

    Args:
        den: Shape (n,): denominators, ones for a mean.
        alpha: Level in (0, 1).
    """
    return -Gaffke(np.zeros_like(den), den, -1.0, 1.0).lower(alpha)


def prompts_for_margin(margin: float, alpha: float, concentration: float = 1.0) -> int:
    """The fewest prompts that can clear `margin`: ⌈ln α / ln(1 - δ)⌉, with δ = margin / concentration.

    `concentration` is, for ratios, the length of an unseen prompt (`gaffke.pseudo_length`) over the mean.
    """
    prompts: float = math.log(alpha) / math.log1p(-margin / concentration)
    return math.ceil(prompts - 1e-9)


CARRIES = 1.25
"""A margin is carried by this many times the fewest prompts that can clear it.

With four samples per prompt an equal checkpoint then passes with a probability of 0.9 or more
(docs/gate-calibration.md).
"""


def prompts_that_carry(margin: float, alpha: float) -> int:
    """How many prompts a margin wants, for an equal checkpoint to pass most of the time; fewer mostly end undecided."""
    return math.ceil(CARRIES * math.log(alpha) / math.log1p(-margin) - 1e-9)


def carried_margin(n: int, alpha: float) -> float:
    """The smallest margin that n prompts carry: `prompts_that_carry` inverted, 1 - α^(1.25 / n)."""
    return -math.expm1(CARRIES * math.log(alpha) / n)


def prompts_for_width(found: Interval, width: float) -> int | None:
    """About how many prompts like these make an interval so narrow: n (w / `width`)², since w falls with the root of n.

    None where there is no interval. For pages that show one which decides nothing.
    """
    if found.low is None or found.high is None:
        return None
    return max(found.n, math.ceil(found.n * ((found.high - found.low) / width) ** 2 - 1e-9))


def minimum_detectable_effect(found: Comparison, alpha: float, *, power: float = POWER) -> float:
    """The smallest true change that these prompts tell from none with `power`.

    The distance from the estimate to its bound at level α, and t_power standard errors with n - 1 degrees of freedom
    on top, which the estimate may fall short by. Where it is at most the margin, an equal checkpoint passes with at
    least that power.
    """
    if found.n < 2:
        return 1.0
    from scipy.special import stdtrit

    chance = float(stdtrit(found.n - 1, power)) * found.standard_error
    return min(1.0, found.estimate - found.lower(alpha) + chance)


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
    """What would decide a comparison if what was seen holds: so many prompts, or so many samples per prompt.

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
    if gap == 0:
        return Needs(None, None)
    factor = _gaffke_factor(differences.mean(axis=1), den, margin, alpha)
    if factor is None:
        return Needs(None, None)
    wanted = math.ceil(factor * found.n)
    samples = None
    if found.standard_error > 0:
        allowed = abs(gap) / _quantiles(found.n, alpha, POWER)
        wanted = max(wanted, math.ceil(found.n * (found.standard_error / allowed) ** 2))
        # However many samples, there are no more prompts than these: at best, all of them show the estimate.
        at_best = Gaffke(found.estimate * den, den, -1.0, 1.0)
        if (at_best.p_above(-margin) if gap > 0 else at_best.p_below(-margin)) <= alpha:
            samples = _samples(found, differences, den, allowed)
    return Needs(wanted if wanted <= MOST * found.n else None, samples)


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
    """How many times these same prompts would decide by Gaffke's bounds, by bisection; None beyond `MOST` times."""

    def decides(factor: float) -> bool:
        more = Gaffke(mean, den, -1.0, 1.0, factor)
        return more.p_above(-margin) <= alpha or more.p_below(-margin) <= alpha

    if not decides(MOST):
        return None
    low, high = 1.0, float(MOST)
    if decides(low):
        return low
    while high / low > 1.01:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if decides(middle) else (middle, high)
    return high
