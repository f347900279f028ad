"""From two or three runs and a policy to a verdict."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypedDict

from evalsuite.gate.accuracy import conclude
from evalsuite.gate.compare import differences, settings_notes
from evalsuite.gate.metrics import CONTENT, SOUND_GLYPHS
from evalsuite.gate.paired import measure, sizes, worst_prompts
from evalsuite.gate.slices import expand
from evalsuite.gate.speed import conclude_speed, measure_speed
from evalsuite.gate.verdict import EXIT_CODES, RunRef, Verdict
from evalsuite.runs.evidence import NOT_DUE
from evalsuite.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evalsuite.gate.paired import Measured
    from evalsuite.gate.policy import Policy
    from evalsuite.gate.side import Side
    from evalsuite.gate.speed import MeasuredSpeed
    from evalsuite.gate.verdict import (
        Acknowledgement,
        Against,
        Difference,
        Drawn,
        GateResult,
        Outcome,
        SpeedResult,
        WorstPrompt,
    )
    from evalsuite.records import Manifest


def judge(
    baseline: Side,
    candidate: Side,
    policy: Policy,
    *,
    anchor: Side | None = None,
    acknowledged: Sequence[Acknowledgement] = (),
) -> Verdict:
    """Decide whether a candidate may ship, against its baseline and, if given, a fixed anchor.

    Comparability comes first (NOT COMPARABLE), then completeness (INCOMPLETE), then the gates. PASS needs every
    gate; a FAIL counts after Holm's correction over all gates. A failure that was acknowledged for this very
    model is shown and does not count. An anchor that is the baseline itself is left out.
    """
    if anchor is not None and anchor.digest == baseline.digest:
        anchor = None
    anchor = None if anchor is None else under(policy, anchor)
    baseline, candidate = under(policy, baseline), under(policy, candidate, is_candidate=True)
    sides: list[tuple[Against, Side]] = [("baseline", baseline)]
    if anchor is not None:
        sides.append(("anchor", anchor))
    notes = [
        note
        for against, side in sides
        for note in (*settings_notes(side, candidate, against), *label_notes(against, side))
    ]
    notes += label_notes("candidate", candidate)
    notes += list(
        dict.fromkeys(notice for _, side in (*sides, ("candidate", candidate)) for notice in side.run.notices)
    )
    notes += policy.too_few(sizes(policy, candidate.manifest, candidate.run.units))
    look = policy.look(len(candidate.manifest.seeds))
    facts = facts_of(policy, candidate, baseline, anchor, level=policy.level, look=look)
    unlike = tuple(each for against, side in sides for each in differences(side, candidate, against))
    if unlike:
        return verdict_of(facts, policy, "NOT COMPARABLE", notes, differences=unlike)
    notes += blank_notes(policy, [*sides, ("candidate", candidate)])
    missing = tuple(_missing(policy, [*sides, ("candidate", candidate)]))
    if not missing and any(rule.metric == SOUND_GLYPHS for rule in policy.gates):
        from evalsuite.gate.glyphs import glyph_notes, missing_glyphs

        missing = tuple(missing_glyphs(policy, [*sides, ("candidate", candidate)]))
        notes += () if missing else glyph_notes(policy, sides, candidate)
    if not missing and any(rule.metric in CONTENT for rule in policy.gates):
        from evalsuite.gate.content import content_notes, missing_content

        missing = tuple(missing_content(policy, sides, candidate))
        notes += () if missing else content_notes(policy, sides, candidate)
    if missing or look is None:
        return verdict_of(facts, policy, "INCOMPLETE", notes, missing=missing)
    gates, speed, more = _measure_all(policy, sides, candidate, look, acknowledged)
    failed = failed_images(policy, candidate)
    return verdict_of(
        facts,
        policy,
        "FAIL" if failed else _outcome(gates, speed),
        [*notes, *more],
        missing=failed,
        gates=tuple(gates),
        speed=tuple(speed),
        worst=worst_prompts(policy, baseline, candidate),
    )


def under(policy: Policy, side: Side, *, is_candidate: bool = False) -> Side:
    """A side as a policy sees it: images that came to nothing count as wholly wrong where it says so."""
    if policy.blank_images == "count":
        return side.counting("blank")
    return side.counting("blank", "not-finite") if policy.blank_images == "fail" and is_candidate else side


def failed_images(policy: Policy, candidate: Side) -> tuple[str, ...]:
    """The images with which the candidate fails, whatever its others are; none unless the policy says so."""
    if policy.blank_images != "fail":
        return ()
    lost = candidate.run.missing_of(candidate.model.name)
    return tuple(f"candidate: {each.text}" for each in lost if each.key in candidate.answered)


def blank_notes(policy: Policy, sides: Sequence[tuple[str, Side]]) -> Iterable[str]:
    """What is to be said of images that came to nothing and count all the same."""
    for name, side in sides:
        if side.answered and policy.blank_images == "count":
            yield f"the {name}'s blank images ({len(side.answered)}) count as wholly wrong, as the policy says"
        elif side.answered:
            yield f"the {name} drew images that are blank or not finite ({len(side.answered)}): the policy fails it"


class Facts(TypedDict):
    """What a verdict says whatever its outcome."""

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
    anchor: RunRef | None


def facts_of(
    policy: Policy, candidate: Side, baseline: Side, anchor: Side | None, *, level: float, look: int | None = None
) -> Facts:
    """What a verdict says of these sides now, whatever its outcome."""
    return Facts(
        decided_at=datetime.now(UTC).isoformat(timespec="seconds"),
        evalsuite=__version__,
        policy=policy.name,
        policy_digest=policy.digest,
        alpha=policy.alpha,
        level=level,
        look=look,
        samples=len(candidate.manifest.seeds),
        candidate=candidate.ref,
        baseline=baseline.ref,
        anchor=anchor.ref if anchor else None,
    )


def _measure_all(
    policy: Policy,
    sides: Sequence[tuple[Against, Side]],
    candidate: Side,
    look: int,
    acknowledged: Sequence[Acknowledgement],
) -> tuple[list[GateResult], list[SpeedResult], list[str]]:
    accepted = {each.gate: each for each in acknowledged if each.model_digest == candidate.model.digest}
    accuracy = [
        gate for against, side in sides for gate in measure(policy, side, candidate, against, candidate.run.units)
    ]
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


def _missing(policy: Policy, sides: Sequence[tuple[str, Side]]) -> Iterable[str]:
    for name, side in sides:
        torn = side.run.evidence.torn
        if side.missing and torn:
            yield f"{name}: the last row of {' and '.join(torn)} is cut off"
        if any(each.stage == "turn" for each in side.missing):
            yield (
                f"{name}: {side.run.mark}: it was drawn only until a gate's verdict, which 'evalsuite gate --draw' "
                "tells again; to gate it from stored runs, draw it whole with 'evalsuite run'"
            )
        elif side.run.not_whole is not None:
            yield f"{name}: {side.run.not_whole}"
        yield from (f"{name}: {each.text}" for each in side.missing if each.stage not in NOT_DUE)
    manifest = sides[-1][1].manifest
    yield from without_prompts(policy, manifest)
    samples = len(manifest.seeds)
    if policy.look(samples) is None:
        extension = f" (or {policy.extension.samples}, its extension)" if policy.extension else ""
        yield (
            f"policy: {policy.name} asks for {policy.samples} samples per prompt{extension}, the runs have {samples}; "
            f"draw both with --samples {policy.samples}"
        )


def without_prompts(policy: Policy, manifest: Manifest) -> Iterable[str]:
    """The gates of slices in which a run has no prompt."""
    for rule in policy.gates:
        if not expand(rule, manifest):
            yield f"policy: gates {rule.slice}, but no prompt of the runs is in that slice"


def label_notes(name: str, side: Side) -> list[str]:
    """What must be said of a side that is no real model."""
    if side.model.role == "model":
        return []
    what = {"reference": "the typeset reference, not a model", "stand-in": "a stand-in checkpoint"}[side.model.role]
    return [f"the {name}, {side.model.name}, is {what}"]


def verdict_of(
    facts: Facts,
    policy: Policy,
    outcome: Outcome,
    notes: Sequence[str],
    *,
    differences: tuple[Difference, ...] = (),
    missing: tuple[str, ...] = (),
    gates: tuple[GateResult, ...] = (),
    speed: tuple[SpeedResult, ...] = (),
    worst: tuple[WorstPrompt, ...] = (),
    drawn: Drawn | None = None,
) -> Verdict:
    """The verdict with its exit code; where the policy lets an undecided checkpoint ship, it says so."""
    warns = outcome == "INCONCLUSIVE" and policy.on_inconclusive == "warn"
    if warns:
        notes = [*notes, "undecided, but the policy lets an undecided checkpoint ship"]
    return Verdict(
        outcome=outcome,
        exit_code=0 if warns else int(EXIT_CODES[outcome]),
        notes=tuple(notes),
        differences=differences,
        missing=missing,
        gates=gates,
        speed=speed,
        worst=worst,
        drawn=drawn,
        **facts,
    )
