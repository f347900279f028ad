"""A gate's verdict as the row that a page shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.gate.drawn_words import COLUMNS as DRAWN
from evalsuite.gate.drawn_words import about, wager_cells
from evalsuite.report.conclusions import VerdictRow
from evalsuite.report.gate_names import gate_cell, gate_label
from evalsuite.wording import images_per_prompt, one_sided, rate, seconds, sentence, signed, size

if TYPE_CHECKING:
    from evalsuite.gate.verdict import GateResult, SpeedResult, Verdict, WagerResult

MAX_NAMES = 20
COLUMNS = ("Gate", "Decision", "Baseline", "Candidate", "Change", "Bounds", "Margin or limit", "Note")


def verdict_row(verdict: Verdict) -> VerdictRow:
    """The verdict with a line for each gate on accuracy and on speed; what forbids comparing, where something does."""
    candidate, baseline = verdict.candidate, verdict.baseline
    return VerdictRow(
        outcome=verdict.outcome,
        question=f"{candidate.model} {baseline.model} {baseline.digest} {verdict.policy}"
        + (f" {verdict.drawn.claim}" if verdict.drawn else ""),
        title=f"{candidate.model} against {baseline.model} of {baseline.created_at[:10]}",
        text=_text(verdict),
        columns=_columns(verdict),
        labels=(
            *(gate_label(each) for each in verdict.gates),
            *(gate_label(each) for each in (verdict.drawn.gates if verdict.drawn else ())),
            *(gate_label(each) for each in verdict.speed),
        ),
        gates=(
            *(_gate(each) for each in verdict.gates),
            *(_wager(each) for each in (verdict.drawn.gates if verdict.drawn else ())),
            *(_speed(each) for each in verdict.speed),
        ),
    )


def _columns(verdict: Verdict) -> tuple[str, ...]:
    if verdict.drawn is not None:
        return (DRAWN[0], "Decision", *DRAWN[1:], "Note")
    return COLUMNS if verdict.gates or verdict.speed else ()


def _wager(each: WagerResult) -> tuple[str, ...]:
    _, *figures = map(_together, wager_cells(each))
    note = sentence(each.note)
    if each.acknowledged is not None:
        note += f" Accepted by {each.acknowledged.by}: {each.acknowledged.reason}"
    return (gate_cell(gate_label(each)).text, each.decision, *figures, note)


def _text(verdict: Verdict) -> str:
    parts = [f"{each.what}: {each.baseline} there, {each.candidate} here." for each in verdict.differences]
    if verdict.missing:
        names = ", ".join(verdict.missing[:MAX_NAMES])
        more = f" and {len(verdict.missing) - MAX_NAMES} more" if len(verdict.missing) > MAX_NAMES else ""
        parts.append(f"Missing: {names}{more}.")
    parts += [sentence(note) for note in verdict.notes]
    images = images_per_prompt(verdict.samples)
    if verdict.drawn is not None:
        parts.insert(0, about(verdict.drawn))
        parts.append(f"Policy {verdict.policy}; α = {verdict.alpha:g}, {images}.")
        return " ".join(parts)
    parts.append(f"Policy {verdict.policy}; one-sided bounds at level {verdict.level:.3g}, {images}.")
    return " ".join(parts)


def _together(text: str) -> str:
    """The text with spaces that no line break parts."""
    return text.replace(" ", "\u00a0")


def _gate(gate: GateResult) -> tuple[str, ...]:
    note = sentence(gate.note) if gate.advice is None else f"{sentence(gate.note)} {sentence(gate.advice)}"
    if gate.acknowledged is not None:
        note += f" Accepted by {gate.acknowledged.by}: {gate.acknowledged.reason}"
    return (
        gate_cell(gate_label(gate)).text,
        gate.decision,
        rate(gate.baseline),
        rate(gate.candidate),
        signed(gate.delta),
        _together(one_sided(signed(gate.lower), signed(gate.upper))),
        rate(gate.margin),
        note,
    )


def _speed(gate: SpeedResult) -> tuple[str, ...]:
    shown = [seconds(value) if gate.unit == "s" else size(round(value)) for value in (gate.baseline, gate.candidate)]
    said = gate.advisory is None or gate.advisory in gate.note
    note = sentence(gate.note) if said else f"{sentence(gate.note)} Advisory: {gate.advisory}"
    return (
        gate_cell(gate_label(gate)).text,
        gate.decision or "–",
        *shown,
        f"×\u00a0{gate.ratio:.3f}",
        _together(one_sided(f"× {gate.lower:.3f}", f"{gate.upper:.3f}")),
        f"×\u00a0{gate.limit:.3f}",
        note,
    )
