"""The gate that draws: the candidate image by image until every gate has passed or one has failed.

The rule is `gate.sequential`, the drawing `runs.sequential`. Comparability and completeness of the baseline come first,
before anything is drawn. An image that cannot be drawn or read counts as wholly wrong: it may make a gate fail, and
never lets the candidate pass.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from evalsuite.errors import EvalsuiteError, IncompleteError, NotComparableError
from evalsuite.gate.accuracy import points
from evalsuite.gate.compare import settings_notes
from evalsuite.gate.copies import copied
from evalsuite.gate.decide import (
    blank_notes,
    facts_of,
    failed_images,
    label_notes,
    under,
    verdict_of,
    without_prompts,
)
from evalsuite.gate.paired import sizes
from evalsuite.gate.policy import refuse_unscored
from evalsuite.gate.sequential import SequentialGates
from evalsuite.gate.side import side_of
from evalsuite.gate.verdict import Difference, Drawn, Verdict, WagerResult
from evalsuite.records import SequentialPlan, digest
from evalsuite.runs.api import open_folder
from evalsuite.runs.comparable import unlike
from evalsuite.runs.progress import Watcher, ignore
from evalsuite.runs.promises import sampling_units
from evalsuite.runs.sequential import draw_until
from evalsuite.runs.stop import Stop, store_stop

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from evalsuite.gate.policy import Policy
    from evalsuite.gate.sequential import SequentialVerdict, Standing
    from evalsuite.gate.side import Side
    from evalsuite.gate.verdict import Acknowledgement, Against, Outcome
    from evalsuite.records import Manifest
    from evalsuite.runs.opened import OpenRun
    from evalsuite.runs.plan import Plan


@dataclass(frozen=True, kw_only=True)
class Yardstick:
    """What a candidate is held against while it is drawn: the policy, the stored runs, the accepted failures."""

    policy: Policy
    baseline: Side
    anchor: Side | None = None
    acknowledged: Sequence[Acknowledgement] = ()

    @property
    def sides(self) -> dict[Against, Side]:
        """The stored runs as the policy sees them; an anchor that is the baseline itself is left out."""
        found: dict[Against, Side] = {"baseline": under(self.policy, self.baseline)}
        if self.anchor is not None and self.anchor.digest != self.baseline.digest:
            found["anchor"] = under(self.policy, self.anchor)
        return found


@dataclass(frozen=True)
class Gated:
    """A run that was drawn until a verdict, with the verdict. `resumed`: it was there before."""

    run: OpenRun
    verdict: Verdict
    resumed: bool
    notices: tuple[str, ...] = ()


def draw_until_verdict(
    plan: Plan, by: Yardstick, *, out: Path | None = None, workers: int | None = None, watch: Watcher = ignore
) -> Gated:
    """Draw, read and score the plan's one model until the gates have decided. Resumes by itself.

    The order of the images is a lot from what is drawn and what it is gated by: the same candidate gets the same order
    wherever it is drawn, and nobody can choose it.

    Args:
        plan: One model, over the baseline's prompts; its seeds may be fewer.
        by: What it is held against.
        out: The run folder; by default one under `reports/` that is named by the plan.
        workers: OCR processes.
        watch: Called with the progress.

    Raises:
        NotComparableError: Suite, prompts, seeds, OCR or scoring differ. Nothing was drawn.
        IncompleteError: A stored run misses images, or the policy gates a slice without prompts. Nothing was drawn.
        EvalsuiteError: The folder holds another run, or the model cannot go on.
    """
    if len(plan.models) != 1:
        raise EvalsuiteError("one model is drawn until a verdict; draw and gate the others by themselves")
    sides, policy = by.sides, by.policy
    refuse_unscored(policy, "which takes a complete run")
    manifest = msgspec.structs.replace(
        plan.manifest,
        sequential=SequentialPlan(
            claim=policy.sequential.claim,
            policy=policy.name,
            policy_digest=policy.digest,
            baseline=by.baseline.digest,
            anchor=sides["anchor"].digest if "anchor" in sides else None,
        ),
    )
    _check(policy, manifest, sides)
    plan = dataclasses.replace(plan, manifest=manifest)
    store, resumed = open_folder(plan, out, watch=watch)
    model = manifest.models[0]
    accepted = {each.gate: each for each in by.acknowledged if each.model_digest == model.digest}
    gates = SequentialGates(
        policy,
        manifest,
        {against: side.counts for against, side in sides.items()},
        lot=digest([manifest.prompts, manifest.seeds, model.digest, manifest.sequential]),
        unit=sampling_units(manifest.prompts),
        acknowledged=accepted,
    )
    run = draw_until(plan, store, gates, workers=workers, watch=watch)
    verdict = _verdict(run, gates, by, accepted)
    with store.writing():
        store_stop(
            store,
            Stop(
                outcome=verdict.outcome,
                claim=gates.claim,
                policy=policy.name,
                images=gates.images,
                planned=len(gates.order),
                basis=run.evidence.digest_of(model.name),
                wagers=gates.wagers,
            ),
        )
    return Gated(run, verdict, resumed, plan.notices)


def _check(policy: Policy, manifest: Manifest, sides: Mapping[Against, Side]) -> None:
    for against, side in sides.items():
        if side.missing:
            raise IncompleteError(
                f"{side.run.folder}: {len(side.missing)} images of the {against} are missing or unread, e.g. "
                f"{side.missing[0].text}; nothing can be gated against it before they are there"
            )
        theirs = side.run.measured_by
        if set(manifest.seeds) <= set(theirs.seeds):  # fewer seeds are a smaller suite of the same cells
            theirs = msgspec.structs.replace(theirs, seeds=manifest.seeds)
        found = unlike(theirs, manifest)
        if found:
            raise NotComparableError(
                f"{side.run.folder}: not comparable with what is to be drawn: {'; '.join(each.text for each in found)}"
            )
    for problem in without_prompts(policy, manifest):
        raise IncompleteError(problem)


def _verdict(run: OpenRun, gates: SequentialGates, by: Yardstick, accepted: Mapping[str, Acknowledgement]) -> Verdict:
    policy, sides = by.policy, by.sides
    candidate = under(policy, side_of(run, run.manifest.models[0].name), is_candidate=True)
    found = gates.verdict()
    differing = tuple(
        Difference(against=against, what=each.what, baseline=each.one, candidate=each.other)
        for against, side in sides.items()
        for each in copied(side, candidate)
    )
    counted = set(gates.order[: gates.images])
    missing = tuple(f"candidate: {each.text}" for each in candidate.missing if (each.prompt, each.seed) in counted)
    failed = failed_images(policy, candidate)
    outcome = _outcome(found, failed=bool(failed), missing=bool(missing), copied=bool(differing))
    notes = [
        *_notes(policy, run, sides, candidate),
        *blank_notes(policy, [*sides.items(), ("candidate", candidate)]),
        *(f"{name} failed and was acknowledged by {each.by}: {each.reason}" for name, each in _failed(found, accepted)),
    ]
    if missing and outcome == "FAIL":
        notes.append(f"{len(missing)} images that could not be drawn or read count as wholly wrong")
    return verdict_of(
        facts_of(policy, candidate, by.baseline, sides.get("anchor"), level=policy.alpha),
        policy,
        outcome,
        notes,
        differences=differing,
        missing=(*failed, *missing),
        drawn=Drawn(
            claim=gates.claim,
            images=found.images,
            planned=found.planned,
            alpha_fail=gates.alpha_fail,
            gates=tuple(_result(each, accepted.get(each.name)) for each in found.gates),
        ),
    )


def _outcome(found: SequentialVerdict, *, failed: bool, missing: bool, copied: bool) -> Outcome:
    """What follows; missing images forbid a PASS, and leave open what they might have decided."""
    if copied:
        return "NOT COMPARABLE"
    if failed or found.decision == "FAIL":
        return "FAIL"
    if missing:
        return "INCOMPLETE"
    return found.decision or "INCONCLUSIVE"


def _failed(found: SequentialVerdict, accepted: Mapping[str, Acknowledgement]) -> list[tuple[str, Acknowledgement]]:
    names = dict.fromkeys(each.name for each in found.gates if each.decision == "FAIL" and each.name in accepted)
    return [(name, accepted[name]) for name in names]


def _notes(policy: Policy, run: OpenRun, sides: Mapping[Against, Side], candidate: Side) -> list[str]:
    notes = [
        note
        for against, side in sides.items()
        for note in (*settings_notes(side, candidate, against), *label_notes(against, side), *side.run.notices)
    ]
    notes += label_notes("candidate", candidate)
    if policy.sequential.claim == "prompts like these":
        notes += policy.too_few(sizes(policy, run.manifest, run.units))
    if any(limit is not None for limit in (policy.speed.p50, policy.speed.p90, policy.speed.memory)):
        notes.append("speed and memory are not gated while drawing; a complete run is, by 'evalsuite gate --candidate'")
    return list(dict.fromkeys(notes))


def _result(found: Standing, acknowledged: Acknowledgement | None) -> WagerResult:
    candidate = found.estimate
    if found.subject == "loss" and candidate is not None and found.baseline is not None:
        candidate = found.baseline + candidate
    delta = None if candidate is None or found.baseline is None else candidate - found.baseline
    return WagerResult(
        name=found.name,
        against=found.against,
        subject=found.subject,
        decision=found.decision or "INCONCLUSIVE",
        images_to_decision=found.images_to_decision,
        images=found.images,
        prompts=found.prompts,
        threshold=found.threshold,
        baseline=found.baseline,
        candidate=candidate,
        delta=delta,
        lower=found.lower,
        upper=found.upper,
        p_pass=found.p_pass,
        p_fail=found.p_fail,
        note=_note(found),
        acknowledged=acknowledged if found.decision == "FAIL" else None,
    )


def _note(found: Standing) -> str:
    limit = f"the {'margin' if found.subject == 'loss' else 'floor'} of {points(found.threshold)}"
    if found.decision is None:
        return (
            found.never
            or f"not decided: the {'loss' if found.subject == 'loss' else 'rate'} may lie on either side of {limit}"
        )
    passed = found.decision == "PASS"
    if found.subject == "loss":
        said = f"the loss is {'within' if passed else 'beyond'} {limit}"
    else:
        said = f"the candidate's own rate is {'above' if passed else 'below'} {limit}"
    return f"{said}; decided after {found.images_to_decision} images of the run"
