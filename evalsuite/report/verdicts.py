"""A gate's verdict as the row that a page shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.report.conclusions import VerdictRow
from evalsuite.wording import images_per_prompt, rate, seconds, sentence, signed, size

if TYPE_CHECKING:
    from evalsuite.gate.verdict import GateResult, SpeedResult, Verdict

MAX_NAMES = 20
COLUMNS = ("Gate", "Decision", "Baseline", "Candidate", "Change", "Bounds", "Margin or limit", "Note")


def verdict_row(verdict: Verdict) -> VerdictRow:
    """The verdict with a line for each gate on accuracy and on speed; what forbids comparing, where something does."""
    candidate, baseline = verdict.candidate, verdict.baseline
    return VerdictRow(
        outcome=verdict.outcome,
        question=f"{candidate.model} {baseline.model} {baseline.digest} {verdict.policy}",
        title=f"{candidate.model} against {baseline.model} of {baseline.created_at[:10]}",
        text=_text(verdict),
        columns=COLUMNS if verdict.gates or verdict.speed else (),
        gates=(*(_gate(each) for each in verdict.gates), *(_speed(each) for each in verdict.speed)),
    )


def _text(verdict: Verdict) -> str:
    parts = [f"{each.what}: {each.baseline} there, {each.candidate} here." for each in verdict.differences]
    if verdict.missing:
        names = ", ".join(verdict.missing[:MAX_NAMES])
        more = f" and {len(verdict.missing) - MAX_NAMES} more" if len(verdict.missing) > MAX_NAMES else ""
        parts.append(f"Missing: {names}{more}.")
    parts += [sentence(note) for note in verdict.notes]
    images = images_per_prompt(verdict.samples)
    parts.append(f"Policy {verdict.policy}; one-sided bounds at level {verdict.level:.3g}, {images}.")
    return " ".join(parts)


def _gate(gate: GateResult) -> tuple[str, ...]:
    note = sentence(gate.note) if gate.advice is None else f"{sentence(gate.note)} {sentence(gate.advice)}"
    if gate.acknowledged is not None:
        note += f" Accepted by {gate.acknowledged.by}: {gate.acknowledged.reason}"
    name = gate.name if gate.against == "baseline" else f"{gate.name}, against the anchor"
    return (
        name,
        gate.decision,
        rate(gate.baseline),
        rate(gate.candidate),
        signed(gate.delta),
        f"{signed(gate.lower)}\u00a0…\u00a0{signed(gate.upper)}",
        rate(gate.margin),
        note,
    )


def _speed(gate: SpeedResult) -> tuple[str, ...]:
    shown = [seconds(value) if gate.unit == "s" else size(round(value)) for value in (gate.baseline, gate.candidate)]
    said = gate.advisory is None or gate.advisory in gate.note
    note = sentence(gate.note) if said else f"{sentence(gate.note)} Advisory: {gate.advisory}"
    return (
        gate.name,
        gate.decision or "–",
        *shown,
        f"×\u00a0{gate.ratio:.3f}",
        f"×\u00a0{gate.lower:.3f}\u00a0…\u00a0{gate.upper:.3f}",
        f"×\u00a0{gate.limit:.3f}",
        note,
    )
