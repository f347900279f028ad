"""A gate's name in the words of a page, which can be put into another language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.gate.metrics import METRICS
from evalsuite.gate.names import parse
from evalsuite.gate.verdict import GateResult, WagerResult
from evalsuite.report.cells import Cell, label, message, word
from evalsuite.report.conclusions import GateLabel

if TYPE_CHECKING:
    from evalsuite.gate.verdict import SpeedResult


def gate_label(gate: GateResult | WagerResult | SpeedResult) -> GateLabel:
    """What the page names a gate by."""
    return GateLabel(
        id=gate.name,
        average=gate.average if isinstance(gate, GateResult) and gate.metric in METRICS else None,
        floor=isinstance(gate, WagerResult) and gate.subject == "floor",
    )


def gate_cell(named: GateLabel) -> Cell:
    """A gate in words, e.g. `Character accuracy, mean over prompts: zh, against the anchor`; an unknown id as it is."""
    found = parse(named.id)
    if found is None:
        return Cell(label(named.id))
    average = found.average or named.average
    words = word(f"gate.{found.metric}")
    if not found.is_speed:
        value = label(found.value)
        where = Cell(value) if found.dimension == "language" else message(f"gate.slice.{found.dimension}", value=value)
        words = message(f"gate.words.{average}" if average else "gate.words", metric=words, slice=where)
    if named.floor:
        words = message("gate.words.floor", words=words)
    return message("gate.words.anchor", words=words) if found.is_anchored else words
