"""What a check of a published figure concludes, with all that it rests on."""

from __future__ import annotations

from typing import Literal

from evalsuite.claims.published import ScoreClaim, SpeedClaim
from evalsuite.records import Record
from evalsuite.stats import Interval

Outcome = Literal["reproduced", "not reproduced", "inconclusive", "not comparable"]

Kind = Literal["model", "completeness", "prompts", "settings", "protocol", "reader", "hardware"]


class Difference(Record, frozen=True, kw_only=True):
    """Something that forbids comparing: what kind of thing, and how the run and the claim differ in it."""

    kind: Kind
    text: str


class Measured(Record, frozen=True, kw_only=True):
    """One language of a score, or `average`: the published figure against the run's.

    `measured` is under the claim's protocol, `fixed` under the same with its faults corrected, `accuracy` the suite's
    own character accuracy over the same readings; each `ceiling` is that of the typeset reference. Differences are
    measured - published; their ends are None where there is no interval.
    """

    of: str
    published: float
    text: str
    measured: Interval
    fixed: Interval
    accuracy: Interval | None
    ceiling: Interval | None
    fixed_ceiling: Interval | None
    accuracy_ceiling: Interval | None

    @property
    def difference(self) -> float | None:
        """Measured less published."""
        return None if self.measured.estimate is None else self.measured.estimate - self.published

    @property
    def difference_interval(self) -> tuple[float, float] | None:
        """The interval of the difference, with that of the measured score."""
        if self.measured.low is None or self.measured.high is None:
            return None
        return self.measured.low - self.published, self.measured.high - self.published


class Gap(Record, frozen=True, kw_only=True):
    """The run's average less the published one, and the chance in it: the same prompts, other seeds on either side."""

    value: float
    standard_error: float

    @property
    def reach(self) -> float:
        """Half the width of its 95 % interval."""
        return 1.96 * self.standard_error


class MoreImages(Record, frozen=True, kw_only=True):
    """What would settle an inconclusive claim.

    `images` is how many images per prompt it takes in all; None where no number does, and `text` says why. `at_least`
    marks a lower bound.
    """

    images: int | None
    at_least: bool
    text: str


class ClaimVerdict(Record, frozen=True, kw_only=True):
    """What a run says of one published figure.

    `text` is a few sentences for people. `figures` are empty for speeds and for runs without the prompts;
    `quantity` holds what was measured for a speed, `gap` what decides a score. `rank` is the place that the run's
    average would take among the `of` published ones, counting from 1; only a comparable run has one.
    """

    claim: ScoreClaim | SpeedClaim
    model: str
    outcome: Outcome
    text: str
    engine: str | None = None
    images_per_prompt: int
    figures: tuple[Measured, ...] = ()
    gap: Gap | None = None
    quantity: Interval | None = None
    differences: tuple[Difference, ...] = ()
    more: MoreImages | None = None
    rank: int | None = None
    of: int | None = None
    settings_vouched: bool = False

    @property
    def average(self) -> Measured | None:
        """The figure that the verdict is about, where there is one."""
        return next((figure for figure in self.figures if figure.of == "average"), None)
