"""Why a gate decided as it did, in one sentence that the page can put into another language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.report.cells import Cell, message
from evalsuite.report.gate_names import gate_cell, gate_label
from evalsuite.wording import clipped, rate, signed, visible

if TYPE_CHECKING:
    from evalsuite.gate.verdict import Drawn, GateResult, SpeedResult, Verdict

MAX_TEXT = 300
"""Characters of a text from outside within the sentence."""


def reason(verdict: Verdict) -> Cell:
    """The figure that decided: of the first gate that agrees with the outcome, and how many gates do.

    Where nothing was compared, what is missing or differs first.
    """
    if verdict.outcome == "NOT COMPARABLE" and verdict.differences:
        first = verdict.differences[0]
        return message(
            "sweep.why.not-comparable",
            what=quoted(first.what),
            there=quoted(first.baseline),
            here=quoted(first.candidate),
            n=str(len(verdict.differences)),
        )
    if verdict.outcome == "INCOMPLETE" and verdict.missing:
        return message("sweep.why.incomplete", first=quoted(verdict.missing[0]), n=str(len(verdict.missing)))
    if verdict.drawn is not None:
        return _drawn(verdict, verdict.drawn)
    # A failure that someone accepted by name does not count, and so explains nothing.
    counted: list[GateResult | SpeedResult] = [gate for gate in verdict.gates if gate.acknowledged is None]
    counted += [gate for gate in verdict.speed if gate.decision is not None]
    agreeing = [gate for gate in counted if gate.decision == verdict.outcome]
    if not agreeing:
        return Cell(quoted(" ".join(verdict.notes)))
    return _gate(agreeing[0], len(agreeing), len(counted))


def _drawn(verdict: Verdict, drawn: Drawn) -> Cell:
    """The outcome's own gate, and after how many images it fell."""
    gates = [each for each in drawn.gates if each.acknowledged is None]
    agreeing = [each for each in gates if each.decision == verdict.outcome] or gates
    counts = {"images": str(drawn.images), "planned": str(drawn.planned)}
    if not agreeing:
        return message("sweep.why.drawn", **counts)
    first = agreeing[0]
    shown = signed if first.subject == "loss" else rate
    figures = {name: shown(getattr(first, name)) for name in ("delta", "lower", "upper")}
    key = f"sweep.why.drawn.{first.subject}"
    return message(key, **counts, **figures, gate=gate_cell(gate_label(first)), limit=rate(first.threshold))


def _gate(gate: GateResult | SpeedResult, agreeing: int, counted: int) -> Cell:
    counts: dict[str, str | Cell] = {"gate": gate_cell(gate_label(gate)), "n": str(agreeing), "total": str(counted)}
    # GateResult has a margin, SpeedResult a limit; both are plain records without a common base.
    margin = getattr(gate, "margin", None)
    if margin is None:
        figures = {name: f"{getattr(gate, name):.3f}" for name in ("ratio", "lower", "upper", "limit")}
        keys = {"PASS": "sweep.why.pass.ratio", "FAIL": "sweep.why.fail.ratio"}
        return message(keys.get(gate.decision or "", "sweep.why.inconclusive.ratio"), **counts, **figures)
    figures = {name: signed(getattr(gate, name)) for name in ("delta", "lower", "upper")}
    keys = {"PASS": "sweep.why.pass", "FAIL": "sweep.why.fail"}
    key = keys.get(gate.decision or "", "sweep.why.inconclusive")
    return message(key, **counts, **figures, margin=rate(margin))


def quoted(text: str) -> str:
    """A text from outside for the midst of a sentence: visible, on one line, not too long."""
    return clipped(visible(" ".join(text.split())), MAX_TEXT)
