"""What a gate concludes, row by row, as it is stored, shown and published (docs/verdict.schema.json)."""

from __future__ import annotations

from typing import Literal

from evalsuite.errors import ExitCode
from evalsuite.records import ModelRole, Record

FORMAT = 1

Decision = Literal["PASS", "FAIL", "INCONCLUSIVE"]
Outcome = Literal["PASS", "FAIL", "INCONCLUSIVE", "INCOMPLETE", "NOT COMPARABLE"]
Against = Literal["baseline", "anchor"]

EXIT_CODES: dict[Outcome, ExitCode] = {
    "PASS": ExitCode.OK,
    "FAIL": ExitCode.FAIL,
    "INCONCLUSIVE": ExitCode.INCONCLUSIVE,
    "INCOMPLETE": ExitCode.INCOMPLETE,
    "NOT COMPARABLE": ExitCode.INCOMPLETE,
}


class RunRef(Record, frozen=True, kw_only=True):
    """One side of a comparison: a model of a stored run. `digest` is that of its plan and rows."""

    folder: str
    digest: str
    model: str
    role: ModelRole
    model_digest: str
    created_at: str


class Difference(Record, frozen=True, kw_only=True):
    """Something that keeps the candidate from being compared: what, and its value on either side."""

    against: Against
    what: str
    baseline: str
    candidate: str


class Acknowledgement(Record, frozen=True, kw_only=True):
    """A regression that someone accepted for one model: which gate, who, why, when (ISO 8601)."""

    gate: str
    model_digest: str
    by: str
    reason: str
    at: str


class GateResult(Record, frozen=True, kw_only=True):
    """One gate on accuracy.

    `delta` is the candidate's rate minus the baseline's; `lower` and `upper` are its one-sided bounds at the
    verdict's `level`; `margin` is δ. `p_pass` tests Δ ≤ -δ and `p_fail` Δ ≥ -δ; `p_fail_holm` is corrected over
    all gates. `minimum_detectable_effect` is the smallest change that these prompts tell from none with 80 %
    power, `resolution_floor` the smallest margin that so many prompts can ever clear. `min_accuracy` is the floor of
    the candidate's own rate, where the policy sets one. `note` says in words what was found, `advice` what would
    decide it.
    """

    name: str
    against: Against
    slice: str
    metric: str
    average: Literal["macro", "micro"]
    decision: Decision
    prompts: int
    differing: int
    samples: int
    baseline: float
    candidate: float
    delta: float
    lower: float
    upper: float
    margin: float
    standard_error: float
    method: Literal["Gaffke and studentised bootstrap", "Gaffke", "studentised bootstrap", "prediction-powered"]
    p_pass: float
    p_fail: float
    p_fail_holm: float
    minimum_detectable_effect: float
    resolution_floor: float
    min_accuracy: float | None = None
    note: str
    advice: str | None = None
    acknowledged: Acknowledgement | None = None


class SpeedResult(Record, frozen=True, kw_only=True):
    """One gate on speed or memory: the ratio candidate / baseline with its one-sided bounds, and its limit.

    `baseline` and `candidate` are in `unit`. Where `advisory` says why the figures do not count (other hardware,
    not drawn in turns), `decision` is None.
    """

    name: str
    against: Against
    quantity: Literal["p50", "p90", "memory"]
    unit: Literal["s", "bytes"]
    decision: Decision | None
    prompts: int
    baseline: float
    candidate: float
    ratio: float
    lower: float
    upper: float
    limit: float
    p_fail: float
    p_fail_holm: float | None
    advisory: str | None = None
    note: str


class WagerResult(Record, frozen=True, kw_only=True):
    """One wager of a gate on a candidate that was drawn until the verdict (`gate.sequential`).

    `subject` says what is bet on: that the loss is within the margin, or that the candidate's own rate is above the
    floor; `threshold` is the margin or the floor. `images` of `prompts` of its slice count; rates and `delta` are over
    them, None where there are none. `lower` and `upper` are the confidence sequence, at 1 - 2α, of the claim's mean: of
    the difference, or of the candidate's own rate for a floor. Both p-values hold at any time. `decision` fell after
    `images_to_decision` of the run; INCONCLUSIVE is what had not decided itself when the drawing ended.
    """

    name: str
    against: Against
    subject: Literal["loss", "floor"]
    decision: Decision
    images_to_decision: int | None
    images: int
    prompts: int
    threshold: float
    baseline: float | None
    candidate: float | None
    delta: float | None
    lower: float
    upper: float
    p_pass: float
    p_fail: float
    note: str
    acknowledged: Acknowledgement | None = None


class Drawn(Record, frozen=True, kw_only=True):
    """How far a candidate was drawn until the verdict, and what the verdict is about.

    `claim`: the mean over the complete run, or over all prompts like these (`stats.betting`). A gate passes at α and
    fails at `alpha_fail`, α divided by their number.
    """

    claim: Literal["this suite", "prompts like these"]
    images: int
    planned: int
    alpha_fail: float
    gates: tuple[WagerResult, ...]


class WorstPrompt(Record, frozen=True, kw_only=True):
    """A prompt that lost under the primary metric: its rates (mean over samples) and targets."""

    prompt: str
    language: str
    category: str
    baseline: float
    candidate: float
    delta: float
    targets: tuple[str, ...]


class Verdict(Record, frozen=True, kw_only=True):
    """What a gate concludes of a candidate, and all that it rests on.

    `gates` and `speed` are empty where nothing may be compared; `differences` or `missing` then say why. `drawn` is
    set, and `gates` empty, where the candidate was drawn until the verdict.
    `level` is the one-sided level of every bound: `alpha`, or less where the policy allows a second look.
    `exit_code` is what the command line leaves with.
    """

    format: int = FORMAT
    outcome: Outcome
    exit_code: int
    decided_at: str
    evalsuite: str
    policy: str
    policy_digest: str
    alpha: float
    level: float
    look: int | None
    samples: int
    candidate: RunRef
    baseline: RunRef
    anchor: RunRef | None = None
    differences: tuple[Difference, ...] = ()
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    gates: tuple[GateResult, ...] = ()
    speed: tuple[SpeedResult, ...] = ()
    worst: tuple[WorstPrompt, ...] = ()
    drawn: Drawn | None = None

    @property
    def acknowledged(self) -> tuple[GateResult | WagerResult, ...]:
        """The gates whose failure someone accepted by name."""
        gates: tuple[GateResult | WagerResult, ...] = (*self.gates, *(self.drawn.gates if self.drawn else ()))
        return tuple(gate for gate in gates if gate.acknowledged is not None)
