"""A verdict as JUnit XML: one test case a gate, for the test tab of a CI service."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

from evalsuite.gate.drawn_words import COLUMNS, wager_cells
from evalsuite.gate.names import spelled
from evalsuite.wording import amount, one_sided, signed

if TYPE_CHECKING:
    from evalsuite.gate.verdict import GateResult, SpeedResult, Verdict, WagerResult

# What XML 1.0 cannot hold, even escaped (section 2.2).
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(verdict: Verdict) -> bytes:
    """JUnit XML of a verdict, UTF-8.

    A failed gate is a `failure`, an undecided one too unless the policy lets it ship, then it is `skipped`; so are
    acknowledged failures and advisory figures, with the reason. Where nothing could be compared, one case
    `comparability` holds an `error`.
    """
    suite = ET.Element("testsuite", name=f"evalsuite gate {verdict.policy}", timestamp=verdict.decided_at[:19])
    properties = ET.SubElement(suite, "properties")
    for name, value in (
        ("outcome", verdict.outcome),
        ("candidate", f"{verdict.candidate.model} {verdict.candidate.digest}"),
        ("baseline", f"{verdict.baseline.model} {verdict.baseline.digest}"),
        ("policy", f"{verdict.policy} {verdict.policy_digest}"),
    ):
        ET.SubElement(properties, "property", name=name, value=_clean(value))
    comparability = _case(suite, "comparability", "comparability")
    reasons = [f"{d.what}: {d.against} {d.baseline}, candidate {d.candidate}" for d in verdict.differences]
    reasons += verdict.missing
    if reasons:
        _result(comparability, "error", verdict.outcome, f"{verdict.outcome}: {reasons[0]}", "\n".join(reasons))
    for gate in verdict.gates:
        _gate(_case(suite, "accuracy", spelled(gate)), gate, blocks=verdict.exit_code != 0)
    for wager in verdict.drawn.gates if verdict.drawn else ():
        _wager(_case(suite, "accuracy", spelled(wager)), wager, blocks=verdict.exit_code != 0)
    for speed in verdict.speed:
        _speed(_case(suite, "speed", spelled(speed)), speed, blocks=verdict.exit_code != 0)
    for kind, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(kind, str(len(list(suite.iter(tag)))))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    content: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def _case(suite: ET.Element, kind: str, name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=f"evalsuite.gate.{kind}", name=_clean(name), time="0")


def _gate(case: ET.Element, gate: GateResult, *, blocks: bool) -> None:
    text = (
        f"{spelled(gate)}: {gate.decision}; change {signed(gate.delta)} "
        f"({one_sided(signed(gate.lower), signed(gate.upper))}), margin "
        f"{gate.margin:g}, {gate.prompts} prompts × {gate.samples}, smallest detectable "
        f"{amount(gate.minimum_detectable_effect)}, floor {amount(gate.resolution_floor)}; {gate.note}"
    ) + (f". {gate.advice}" if gate.advice else "")
    _decided(case, gate, text, blocks=blocks)


def _wager(case: ET.Element, wager: WagerResult, *, blocks: bool) -> None:
    cells = zip(COLUMNS, wager_cells(wager), strict=True)
    text = f"{wager.decision}; {'; '.join(f'{name} {value}' for name, value in cells)}; {wager.note}"
    _decided(case, wager, text, blocks=blocks)


def _decided(case: ET.Element, gate: GateResult | WagerResult, text: str, *, blocks: bool) -> None:
    if gate.acknowledged is not None:
        _result(case, "skipped", "ACKNOWLEDGED", f"acknowledged by {gate.acknowledged.by}: {gate.acknowledged.reason}")
    elif gate.decision == "FAIL" or (gate.decision == "INCONCLUSIVE" and blocks):
        _result(case, "failure", gate.decision, f"{gate.decision}: {gate.note}", text)
    elif gate.decision == "INCONCLUSIVE":
        _result(case, "skipped", gate.decision, gate.note)
    ET.SubElement(case, "system-out").text = _clean(text)


def _speed(case: ET.Element, speed: SpeedResult, *, blocks: bool) -> None:
    text = (
        f"{spelled(speed)}: ratio {speed.ratio:.3f} ({one_sided(f'{speed.lower:.3f}', f'{speed.upper:.3f}')}), "
        f"limit {speed.limit:g}, {speed.prompts} prompts; {speed.note}"
    )
    if speed.decision == "FAIL" or (speed.decision == "INCONCLUSIVE" and blocks):
        _result(case, "failure", speed.decision, f"{speed.decision}: {speed.note}", text)
    elif speed.decision != "PASS":
        _result(case, "skipped", speed.decision or "ADVISORY", speed.note)
    ET.SubElement(case, "system-out").text = _clean(text)


def _result(case: ET.Element, tag: str, kind: str, message: str, text: str = "") -> None:
    ET.SubElement(case, tag, type=kind, message=_clean(message)).text = _clean(text) or None


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
