"""Confidence by wager: a verdict that may be looked at after every image, and an interval that holds at all times.

Two players bet against a hypothesis as the differences come in: one that the loss is at least the margin, the other
that it is at most the margin. Neither can expect to gain while the hypothesis that it bets against is true, however it
bets, so that by Ville's inequality its wealth ever reaches 1/α with probability α at most (Ville, Étude critique de la
notion de collectif, 1939; Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting, JRSS-B 86,
2024). Looking, pausing and going on cost nothing, and nothing is estimated from a spread.

Two claims can be bet on:

* "this suite": the mean over a finite population of N cells (prompt and seed) that is fixed beforehand. The cells come
  in a uniformly random order, and that order is all the chance there is: no assumption on prompts, seeds or models.
* "prompts like these": the mean over all prompts there could be, of which those seen are independent draws.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from evalsuite.records import Record
from evalsuite.stats.resampling import Floats

Claim = Literal["this suite", "prompts like these"]
Side = Literal["PASS", "FAIL"]

BETS = np.array([0.99, 0.7, 0.4, 0.2, 0.1])
"""Shares of the wealth that the players of "this suite" stake, side by side."""

STAKES = np.array([0.7, 0.1, 0.1, 0.05, 0.05])
"""What each starts with. A mixture of wealths is a wealth, and nearly as great as its greatest part."""

CAP = 0.95
"""The greatest share of the wealth that a player of "prompts like these" stakes."""

PRIOR_PROMPTS = 20
PRIOR_VARIANCE: dict[Side, float] = {"PASS": 0.002, "FAIL": 0.005}
PRIOR_AHEAD: dict[Side, float] = {"PASS": 1.0, "FAIL": 4.0}
"""What a player of "prompts like these" believes before the first prompt, as if it had seen 20: the variance, and how
far the mean lies from the one that it bets against, in margins (no loss at all for PASS, five margins lost for FAIL).

Beliefs make a player fast or slow, never wrong. These were chosen on simulated checkpoints (docs/gate-calibration.md).
"""

_GRID = 801
_SLACK = 1e-9
"""Sums are compared up to this, so that rounding is no certainty."""


class WagerState(Record, frozen=True, kw_only=True):
    """All that a wager needs to go on as if it had never stopped: its terms and what it has seen, look by look."""

    claim: Claim
    margin: float
    population: int | None = None
    seen: tuple[tuple[float, ...], ...] = ()


class _Player:
    """One side's wealth against each of several means θ: that Δ ≤ θ for PASS, that Δ ≥ θ for FAIL.

    A FAIL is a PASS in the mirror: Δ ≥ θ where -Δ ≤ -θ.
    """

    def __init__(self, side: Side, claim: Claim, theta: Floats, margin: float, population: int | None) -> None:
        self._sign = 1.0 if side == "PASS" else -1.0
        self._claim, self._population = claim, population or 0
        self._theta = self._sign * theta
        self._count, self._sum = 0, 0.0
        # "this suite": the players' wealths; "prompts like these": one wealth, and the moments that its bet goes by.
        stakes = STAKES if claim == "this suite" else np.ones(1)
        self._logs = np.log(stakes)[:, None] + np.zeros_like(theta)
        prior = 1 + self._theta + PRIOR_AHEAD[side] * margin
        self._first = PRIOR_PROMPTS * prior
        self._second = PRIOR_PROMPTS * (PRIOR_VARIANCE[side] + prior**2)
        self.greatest: Floats = np.zeros_like(theta)

    @property
    def wealth(self) -> Floats:
        """Logarithm of the wealth now."""
        found: Floats = np.logaddexp.reduce(self._logs, axis=0)
        return found

    def look(self, values: tuple[float, ...]) -> None:
        """Take one look's differences, all under bets that were made before the first of them."""
        signed = [self._sign * value for value in values]
        if self._claim == "this suite":
            for value in signed:
                self._finite(value)
        else:
            self._independent(signed)
        self.greatest = np.maximum(self.greatest, self.wealth)

    def _finite(self, value: float) -> None:
        """Factor 1 + c (D - m) / (1 + m), m = (Nθ - S) / (N - t + 1): what the rest would average if all averaged θ."""
        left = self._population - self._count
        m = (self._population * self._theta - self._sum) / left
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = (value - m) / np.maximum(1 + m, 0.0)
            factor = np.log1p(BETS[:, None] * np.where(np.abs(value - m) <= _SLACK, 0.0, gain))
        # With m below -1 the mean cannot be θ any more, whatever is to come.
        self._logs = self._logs + np.where(m < -1 - _SLACK, np.inf, factor)
        self._count += 1
        self._sum += value

    def _independent(self, values: list[float]) -> None:
        """Factor 1 - c + c Y / μ with Y = 1 + D and μ = 1 + θ; c by aGRAPA (Waudby-Smith and Ramdas, section B.3)."""
        mu = 1 + self._theta
        count = PRIOR_PROMPTS + self._count
        mean = self._first / count
        variance = self._second / count - mean**2
        with np.errstate(divide="ignore", invalid="ignore"):
            ahead = mean - mu
            c = np.clip(ahead / (variance + ahead**2) * mu, 0.0, CAP)
            for value in values:
                # At μ = 0 every Y must be 0: one that is not refutes it.
                growth = np.where(mu > 0, np.log1p(c * ((1 + value) / mu - 1)), np.inf if value > -1 else 0.0)
                self._logs = self._logs + growth
        for value in values:
            self._first = self._first + (1 + value)
            self._second = self._second + (1 + value) ** 2
        self._count += len(values)


class Wager:
    """Bets on whether the mean of differences in [-1, 1], candidate minus baseline, lies above or below -`margin`.

    Args:
        margin: δ, in (0, 1): PASS says that the mean is above -δ, FAIL that it is below.
        claim: What the mean is over.
        population: For "this suite" the number N of cells that the complete run has.

    Raises:
        ValueError: The margin is out of range, or the population is missing or too much.
    """

    def __init__(self, margin: float, *, claim: Claim, population: int | None = None) -> None:
        if not 0 < margin < 1:
            raise ValueError(f"margin {margin} is not between 0 and 1")
        if (population is not None) != (claim == "this suite"):
            raise ValueError('"this suite" takes the number of its cells, "prompts like these" none')
        if population is not None and population < 1:
            raise ValueError(f"a population of {population} cells is none")
        self.margin, self.claim, self.population = margin, claim, population
        self._seen: list[tuple[float, ...]] = []
        self._count, self._sum = 0, 0.0
        theta = np.array([-margin])
        self._for, self._against = (_Player(side, claim, theta, margin, population) for side in ("PASS", "FAIL"))

    def observe(self, *differences: float) -> None:
        """Take the next look: one difference, or those of a block in which every stratum has one.

        Within a block the bets stay as they are, so that strata may have different means: for equal bets on their
        mean, Π(1 + λ aₛ) ≤ (1 + λ ā)^S.

        Raises:
            ValueError: A difference is no number between -1 and 1, or there are more than the population has.
        """
        for value in differences:
            if not -1 - _SLACK <= value <= 1 + _SLACK:
                raise ValueError(f"difference {value} is not between -1 and 1")
        if self.population is not None and self._count + len(differences) > self.population:
            raise ValueError(f"more differences than the {self.population} cells of the population")
        look = tuple(min(1.0, max(-1.0, float(value))) for value in differences)
        self._seen.append(look)
        self._count += len(look)
        self._sum = math.fsum((self._sum, *look))
        self._for.look(look)
        self._against.look(look)

    @property
    def count(self) -> int:
        """The differences seen."""
        return self._count

    @property
    def estimate(self) -> float | None:
        """Their mean."""
        return self._sum / self._count if self._count else None

    @property
    def certain(self) -> Side | None:
        """What is decided without any chance: whatever the cells to come are, the whole mean is above, or below, -δ."""
        if self.population is None:
            return None
        left, at_margin = self.population - self._count, -self.margin * self.population
        if self._sum - left > at_margin + _SLACK:
            return "PASS"
        return "FAIL" if self._sum + left < at_margin - _SLACK else None

    @property
    def log_wealth(self) -> tuple[float, float]:
        """Logarithms of the wealth of PASS and of FAIL now, from 0 at the start."""
        return float(self._for.wealth[0]), float(self._against.wealth[0])

    @property
    def p_pass(self) -> float:
        """Anytime-valid p-value against a mean of at most -δ: 1 / the greatest wealth so far."""
        return 0.0 if self.certain == "PASS" else math.exp(-float(self._for.greatest[0]))

    @property
    def p_fail(self) -> float:
        """Anytime-valid p-value against a mean of at least -δ."""
        return 0.0 if self.certain == "FAIL" else math.exp(-float(self._against.greatest[0]))

    def verdict(self, alpha: float, *, alpha_fail: float | None = None) -> Side | None:
        """PASS or FAIL once its p-value is at most `alpha` (`alpha_fail` for FAIL), None while undecided."""
        if self.p_pass <= alpha:
            return "PASS"
        return "FAIL" if self.p_fail <= (alpha if alpha_fail is None else alpha_fail) else None

    def bounds(self, alpha: float) -> tuple[float, float]:
        """The confidence sequence: the mean lies between, at confidence 1 - 2 `alpha`, at all looks together.

        Each end is the last mean that its player could not refute at level `alpha`, on a grid that is rounded outwards.
        """
        grid = np.linspace(-1.0, 1.0, _GRID)
        sides = [_Player(side, self.claim, grid, self.margin, self.population) for side in ("PASS", "FAIL")]
        for look in self._seen:
            for side in sides:
                side.look(look)
        known = self._known(grid)
        high_enough = (sides[0].greatest < -math.log(alpha)) & (known >= 0)
        low_enough = (sides[1].greatest < -math.log(alpha)) & (known <= 0)
        step = grid[1] - grid[0]
        lower = max(-1.0, float(grid[high_enough].min(initial=1.0) - step))
        upper = min(1.0, float(grid[low_enough].max(initial=-1.0) + step))
        return lower, upper

    def _known(self, grid: Floats) -> npt.NDArray[np.int8]:
        """For each mean -1 where the whole mean is certainly above it, 1 where certainly below, else 0."""
        if self.population is None:
            return np.zeros(len(grid), dtype=np.int8)
        left = self.population - self._count
        above = self._sum - left > grid * self.population + _SLACK
        below = self._sum + left < grid * self.population - _SLACK
        found: npt.NDArray[np.int8] = below.astype(np.int8) - above.astype(np.int8)
        return found

    @property
    def state(self) -> WagerState:
        """To be stored, and gone on from by `resumed`."""
        return WagerState(claim=self.claim, margin=self.margin, population=self.population, seen=tuple(self._seen))


def resumed(state: WagerState) -> Wager:
    """The wager that has seen what `state` has: the same to the last bit, since it sees it again in the same order."""
    wager = Wager(state.margin, claim=state.claim, population=state.population)
    for look in state.seen:
        wager.observe(*look)
    return wager
