"""A verdict as Markdown, for a CI job's summary page and for pull requests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from evalsuite.gate.drawn_words import COLUMNS, about, wager_cells
from evalsuite.gate.names import spelled
from evalsuite.gate.verdict import GateResult
from evalsuite.wording import amount, one_sided, rate, signed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalsuite.gate.verdict import RunRef, SpeedResult, Verdict, WagerResult

MAX_BYTES = 900_000
"""A summary page of GitHub Actions holds 1 MiB for all steps of a job."""

_SIGNS = {"PASS": "✅", "FAIL": "❌", "INCONCLUSIVE": "⚠️", "INCOMPLETE": "⛔", "NOT COMPARABLE": "⛔"}
_LISTED = 200
_TEXT = 300


def markdown(verdict: Verdict) -> str:
    """The verdict, its table, and the prompts that lost most; below `MAX_BYTES` of UTF-8."""
    text = "\n".join(_lines(verdict)) + "\n"
    if len(text.encode()) < MAX_BYTES:
        return text
    note = "\n\n… cut short; the JSON verdict holds the rest.\n"
    kept = text.encode()[: MAX_BYTES - len(note.encode()) - 1].decode(errors="ignore")
    return kept[: kept.rfind("\n")] + note


def _lines(verdict: Verdict) -> Iterator[str]:
    yield f"## {_SIGNS[verdict.outcome]} Gate: {verdict.outcome}"
    yield ""
    yield _summary(verdict)
    if verdict.differences:
        yield from _table(
            ("What differs", "against", "there", "candidate"),
            [(d.what, d.against, d.baseline, d.candidate) for d in verdict.differences[:_LISTED]],
        )
    if verdict.missing:
        yield ""
        yield f"{len(verdict.missing)} missing:"
        yield ""
        yield from (f"- {plain(name)}" for name in verdict.missing[:_LISTED])
        if len(verdict.missing) > _LISTED:
            yield f"- … and {len(verdict.missing) - _LISTED} more"
    if verdict.gates:
        yield from _table(
            ("", "Gate", "Baseline", "Candidate", "Change", "Bounds", "Margin", "Prompts", "Detectable", "Floor"),
            [_gate_row(gate) for gate in verdict.gates],
        )
        yield ""
        yield (
            f"Bounds are one-sided at level {verdict.level:.3g} (α = {verdict.alpha:g}). *Detectable*: smallest change "
            "told from none with 80 % power. *Floor*: smallest margin that so many prompts can clear."
        )
        yield ""
        yield from (f"- **{plain(spelled(gate))}**: {plain(_said(gate))}" for gate in verdict.gates)
    if verdict.drawn is not None:
        yield ""
        yield f"{plain(about(verdict.drawn))}"
        yield from _table(("", *COLUMNS), [_wager_row(each) for each in verdict.drawn.gates])
        yield ""
        yield from (f"- **{plain(spelled(each))}**: {plain(_said(each))}" for each in verdict.drawn.gates)
    if verdict.speed:
        yield from _table(
            ("", "Speed", "Baseline", "Candidate", "Ratio", "Bounds", "Limit"),
            [_speed_row(speed) for speed in verdict.speed],
        )
        yield ""
        yield from (f"- **{plain(spelled(speed))}**: {plain(speed.note)}" for speed in verdict.speed)
    if verdict.worst:
        yield ""
        yield f"### The {len(verdict.worst)} prompts that lost most"
        yield from _table(
            ("Prompt", "Language", "Baseline", "Candidate", "Change", "Targets"),
            [
                (w.prompt, w.language, rate(w.baseline), rate(w.candidate), signed(w.delta), _quoted(w.targets))
                for w in verdict.worst
            ],
        )
    if verdict.notes:
        yield ""
        yield from (f"- {plain(note)}" for note in verdict.notes)


def _summary(verdict: Verdict) -> str:
    text = f"Candidate {_run(verdict.candidate)} against baseline {_run(verdict.baseline)}"
    if verdict.anchor is not None:
        text += f" and anchor {_run(verdict.anchor)}"
    text += f"; policy {plain(verdict.policy)} ({verdict.policy_digest[:12]}), {verdict.samples} samples per prompt"
    return text + (", second and last look." if verdict.look == 2 else ".")


def _run(ref: RunRef) -> str:
    role = {"model": "", "reference": ", reference, not a model", "stand-in": ", stand-in"}[ref.role]
    return f"**{plain(ref.model)}** ({ref.digest[:12]}{role})"


def _gate_row(gate: GateResult) -> tuple[str, ...]:
    sign = "☑️ acknowledged" if gate.acknowledged else _SIGNS[gate.decision]
    return (
        sign,
        spelled(gate),
        rate(gate.baseline),
        rate(gate.candidate),
        signed(gate.delta),
        one_sided(signed(gate.lower), signed(gate.upper)),
        f"−{gate.margin:g}",
        f"{gate.prompts} × {gate.samples} ({gate.differing} differ)",
        amount(gate.minimum_detectable_effect),
        amount(gate.resolution_floor),
    )


def _wager_row(each: WagerResult) -> tuple[str, ...]:
    return ("☑️ acknowledged" if each.acknowledged else _SIGNS[each.decision], *wager_cells(each))


def _speed_row(speed: SpeedResult) -> tuple[str, ...]:
    shown = [
        f"{v / 2**20:,.0f} MiB" if speed.unit == "bytes" else f"{v:.3g} s" for v in (speed.baseline, speed.candidate)
    ]
    sign = _SIGNS[speed.decision] if speed.decision else "advisory"
    bounds = one_sided(f"{speed.lower:.3f}", f"{speed.upper:.3f}")
    return sign, spelled(speed), *shown, f"{speed.ratio:.3f}", bounds, f"{speed.limit:g}"


def _said(gate: GateResult | WagerResult) -> str:
    parts = [f"{gate.decision}, {gate.note}"]
    if gate.acknowledged is not None:
        parts.append(f"acknowledged by {gate.acknowledged.by} ({gate.acknowledged.at}): {gate.acknowledged.reason}")
    if isinstance(gate, GateResult) and gate.advice:
        parts.append(gate.advice)
    return "; ".join(parts)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield ""
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(plain(cell) for cell in row)} |"


def _quoted(targets: Sequence[str]) -> str:
    return " ".join(f"“{target}”" for target in targets)


def plain(text: str) -> str:
    """Text from outside on one line, clipped, with every character that Markdown or HTML would act on escaped."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    line = line[: _TEXT - 1] + "…" if len(line) > _TEXT else line
    return re.sub(r"([\\`*_{}\[\]<>()#|&~@:!$])", r"\\\1", line)
