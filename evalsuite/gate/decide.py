"""From two or three runs and a policy to a verdict."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

import evalsuite
from evalsuite.gate.accuracy import conclude, expand, measure, sizes, worst_prompts
from evalsuite.gate.compare import differences, settings_notes
from evalsuite.gate.speed import conclude_speed, measure_speed
from evalsuite.gate.verdict import EXIT_CODES, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evalsuite.gate.accuracy import Measured
    from evalsuite.gate.policy import Policy
    from evalsuite.gate.speed import MeasuredSpeed
    from evalsuite.gate.verdict import Acknowledgement, Against, GateResult, Outcome, SpeedResult
    from evalsuite.gate.view import RunView


def judge(
    baseline: RunView,
    candidate: RunView,
    policy: Policy,
    *,
    anchor: RunView | None = None,
    acknowledged: Sequence[Acknowledgement] = (),
) -> Verdict:
    """Decide whether a candidate may ship, against its baseline and, if given, a fixed anchor.

    Comparability comes first (NOT COMPARABLE), then completeness (INCOMPLETE), then the gates. PASS needs every
    gate; a FAIL counts after Holm's correction over all gates. A failure that was acknowledged for this very
    model is shown and does not count. An anchor that is the baseline itself is left out.
    """
    if anchor is not None and anchor.digest == baseline.digest:
        anchor = None
    sides: list[tuple[Against, RunView]] = [("baseline", baseline)]
    if anchor is not None:
        sides.append(("anchor", anchor))
    notes = [
        note
        for against, side in sides
        for note in (*settings_notes(side, candidate, against), *_label_notes(against, side))
    ]
    notes += _label_notes("candidate", candidate)
    notes += policy.too_few(sizes(policy, candidate.manifest))
    if candidate.digest == baseline.digest:
        notes.append("the candidate is the baseline's own run: it cannot but agree with itself")
    draft = Verdict(
        outcome="NOT COMPARABLE",
        exit_code=0,
        decided_at=datetime.now(UTC).isoformat(timespec="seconds"),
        evalsuite=evalsuite.__version__,
        policy=policy.name,
        policy_digest=policy.digest,
        alpha=policy.alpha,
        level=policy.level,
        look=policy.look(len(candidate.manifest.seeds)),
        samples=len(candidate.manifest.seeds),
        candidate=candidate.ref,
        baseline=baseline.ref,
        anchor=anchor.ref if anchor else None,
        notes=tuple(notes),
    )
    unlike = tuple(each for against, side in sides for each in differences(side, candidate, against))
    if unlike:
        return _close(draft, policy, "NOT COMPARABLE", differences=unlike)
    missing = tuple(_missing(policy, [*sides, ("candidate", candidate)]))
    if missing or draft.look is None:
        return _close(draft, policy, "INCOMPLETE", missing=missing)
    gates, speed, more = _measure_all(policy, sides, candidate, draft.look, acknowledged)
    return _close(
        draft,
        policy,
        _outcome(gates, speed),
        notes=(*draft.notes, *more),
        gates=tuple(gates),
        speed=tuple(speed),
        worst=worst_prompts(policy, baseline, candidate),
    )


def _measure_all(
    policy: Policy,
    sides: Sequence[tuple[Against, RunView]],
    candidate: RunView,
    look: int,
    acknowledged: Sequence[Acknowledgement],
) -> tuple[list[GateResult], list[SpeedResult], list[str]]:
    accepted = {each.gate: each for each in acknowledged if each.model_digest == candidate.model.digest}
    accuracy = [gate for against, side in sides for gate in measure(policy, side, candidate, against)]
    speed, notes = [], []
    for against, side in sides:
        found, more = measure_speed(policy, side, candidate, against)
        speed += found
        notes += more
    counted = [gate for gate in speed if gate.advisory is None]
    family: list[Measured | MeasuredSpeed] = [*accuracy, *counted]
    adjusted = holm([gate.p_fail for gate in family])
    corrected = dict(zip((gate.name for gate in family), adjusted, strict=True))
    gates = [conclude(gate, policy, look, corrected[gate.name], accepted.get(gate.name)) for gate in accuracy]
    for gate in gates:
        if gate.acknowledged is not None:
            by, reason = gate.acknowledged.by, gate.acknowledged.reason
            notes.append(f"{gate.name} failed and was acknowledged by {by}: {reason}")
    return gates, [conclude_speed(gate, policy.level, corrected.get(gate.name)) for gate in speed], notes


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm, A simple sequentially rejective multiple test procedure, 1979)."""
    count = len(p_values)
    adjusted = [0.0] * count
    greatest = 0.0
    for rank, place in enumerate(sorted(range(count), key=p_values.__getitem__)):
        greatest = max(greatest, min(1.0, (count - rank) * p_values[place]))
        adjusted[place] = greatest
    return adjusted


def _outcome(gates: Iterable[GateResult], speed: Iterable[SpeedResult]) -> Outcome:
    decisions = {gate.decision for gate in gates if gate.acknowledged is None}
    decisions |= {gate.decision for gate in speed if gate.decision is not None}
    if "FAIL" in decisions:
        return "FAIL"
    return "INCONCLUSIVE" if "INCONCLUSIVE" in decisions else "PASS"


def _missing(policy: Policy, sides: Sequence[tuple[str, RunView]]) -> Iterable[str]:
    for side, view in sides:
        yield from (f"{side}: {name}" for name in view.missing)
    manifest = sides[-1][1].manifest
    for rule in policy.gates:
        if not expand(rule, manifest):
            yield f"policy: gates {rule.slice}, but no prompt of the runs is in that slice"
    samples = len(manifest.seeds)
    if policy.look(samples) is None:
        wanted = f"{policy.samples}" + (
            f", or {policy.extension.samples} after its extension" if policy.extension else ""
        )
        yield f"policy: {policy.name} asks for {wanted} samples a prompt, the runs have {samples}"


def _label_notes(side: str, view: RunView) -> list[str]:
    if view.model.role == "model":
        return []
    what = {"reference": "the typeset reference, no model", "stand-in": "a stand-in checkpoint"}[view.model.role]
    return [f"the {side}, {view.model.name}, is {what}"]


def _close(draft: Verdict, policy: Policy, outcome: Outcome, **found: object) -> Verdict:
    warns = outcome == "INCONCLUSIVE" and policy.on_inconclusive == "warn"
    closed: Verdict = msgspec.structs.replace(
        draft, outcome=outcome, exit_code=0 if warns else int(EXIT_CODES[outcome]), **found
    )
    if warns:
        note = "undecided, but the policy lets an undecided checkpoint ship"
        closed = msgspec.structs.replace(closed, notes=(*closed.notes, note))
    return closed
