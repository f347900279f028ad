"""Where a verdict goes: files for CI, the job's summary page, the terminal."""

from __future__ import annotations

import inspect
import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from evalsuite.cli import console
from evalsuite.errors import EvalsuiteError
from evalsuite.gate.junit import junit
from evalsuite.gate.markdown import markdown
from evalsuite.gate.verdict import Verdict
from evalsuite.runs.rows import write_atomically

if TYPE_CHECKING:
    from evalsuite.gate.verdict import GateResult, SpeedResult
    from evalsuite.records import Json

_SHOWN = 10


def write(
    verdict: Verdict,
    *,
    json_file: Path | None = None,
    junit_file: Path | None = None,
    markdown_file: Path | None = None,
) -> None:
    """Write the verdict to the files named, and append it to `$GITHUB_STEP_SUMMARY` where that is set.

    Raises:
        EvalsuiteError: A file cannot be written.
    """
    for path, content in (
        (json_file, msgspec.json.format(msgspec.json.encode(verdict), indent=2) + b"\n"),
        (junit_file, junit(verdict)),
        (markdown_file, markdown(verdict).encode()),
    ):
        if path is None:
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)
        except OSError as error:
            raise EvalsuiteError(f"{path}: the verdict cannot be written: {error.strerror}") from error
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        try:
            with Path(summary).open("a", encoding="utf-8") as file:
                file.write(markdown(verdict))
        except OSError as error:
            raise EvalsuiteError(f"GITHUB_STEP_SUMMARY={summary}: cannot be written: {error.strerror}") from error


def schema() -> dict[str, Json]:
    """The JSON Schema (2020-12) of a verdict, as it is published in docs/verdict.schema.json."""
    generated = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "evalsuite gate verdict",
        **msgspec.json.schema(Verdict),
    }
    for definition in generated["$defs"].values():
        definition["description"] = inspect.cleandoc(definition["description"])
    plain: dict[str, Json] = msgspec.json.decode(msgspec.json.encode(generated))
    return plain


def show(verdict: Verdict) -> None:
    """Print the verdict: three lines a gate, the prompts that lost most, what lacks, and the outcome last."""
    console.say(f"{verdict.candidate.model} against {verdict.baseline.model}, policy {verdict.policy}")
    for gate in verdict.gates:
        _show_gate(gate)
    for speed in verdict.speed:
        _show_speed(speed)
    if verdict.gates:
        console.say(
            f"Bounds: one-sided, level {verdict.level:.3g} (α = {verdict.alpha:g}). Detectable: the smallest change "
            "told from none with 80 % power. Floor: the smallest margin that so many prompts can clear."
        )
    if verdict.worst:
        console.say("Lost most:")
    for worst in verdict.worst[:_SHOWN]:
        console.say(f"  {worst.delta:+.4f}  {worst.prompt} ({worst.baseline:.4f} → {worst.candidate:.4f})")
    for note in verdict.notes:
        console.notice(note)
    for each in verdict.differences:
        console.say(f"{each.what}: {each.against} {each.baseline}; candidate {each.candidate}")
    for name in verdict.missing[:_SHOWN]:
        console.say(f"missing: {name}")
    if len(verdict.missing) > _SHOWN:
        console.say(f"missing: {len(verdict.missing) - _SHOWN} more")
    accepted = len(verdict.acknowledged)
    console.say(verdict.outcome + (f", with {accepted} acknowledged" if accepted else ""))


def _show_gate(gate: GateResult) -> None:
    decision = f"{gate.decision}, acknowledged" if gate.acknowledged else gate.decision
    console.say(f"{decision}: {gate.name}")
    console.say(
        f"  {gate.baseline:.4f} → {gate.candidate:.4f}, change {gate.delta:+.4f} "
        f"[{gate.lower:+.4f}, {gate.upper:+.4f}], margin {gate.margin:g}, {gate.prompts} prompts × "
        f"{gate.samples}, detectable {gate.minimum_detectable_effect:.4f}, floor {gate.resolution_floor:.4f}"
    )
    console.say(f"  {gate.note}" + (f"; {gate.advice}" if gate.advice else ""))


def _show_speed(speed: SpeedResult) -> None:
    values = [
        f"{v / 2**20:,.0f} MiB" if speed.unit == "bytes" else f"{v:.3g} s" for v in (speed.baseline, speed.candidate)
    ]
    console.say(f"{speed.decision or 'Advisory'}: {speed.name}")
    console.say(
        f"  {values[0]} → {values[1]}, ratio {speed.ratio:.3f} [{speed.lower:.3f}, {speed.upper:.3f}], limit "
        f"{speed.limit:g}, {speed.prompts} prompts"
    )
    console.say(f"  {speed.advisory or speed.note}")
