"""What a gate on accuracy decides from its paired differences, and what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.gate.metrics import CONTENT, SOUND_GLYPHS
from evalsuite.gate.verdict import GateResult
from evalsuite.stats import power
from evalsuite.stats.gaffke import pseudo_length

if TYPE_CHECKING:
    from evalsuite.gate.paired import Measured
    from evalsuite.gate.policy import Policy
    from evalsuite.gate.verdict import Acknowledgement, Decision


def conclude(
    gate: Measured, policy: Policy, look: int, p_fail_holm: float, acknowledged: Acknowledgement | None
) -> GateResult:
    """The decision of one gate: PASS if L > -δ, FAIL if U < -δ after Holm's correction, else INCONCLUSIVE.

    Where the rule has a floor, a PASS also needs the candidate's own rate to be surely above it, and one that is
    surely below it is a FAIL.
    """
    level, found = policy.level, gate.found
    lower, upper = found.lower(level), found.upper(level)
    floor = power.resolution_floor(gate.den, level)
    decision, note = _decide(gate, level, lower, upper, floor, failed=p_fail_holm <= level)
    return GateResult(
        name=gate.name,
        against=gate.against,
        slice=gate.slice,
        metric=gate.metric,
        average=gate.average,
        decision=decision,
        prompts=found.n,
        differing=found.differing,
        samples=gate.differences.shape[1],
        baseline=gate.baseline,
        candidate=gate.candidate,
        delta=found.estimate,
        lower=lower,
        upper=upper,
        margin=gate.margin,
        standard_error=found.standard_error,
        method=found.method,
        p_pass=found.p_above(-gate.margin),
        p_fail=gate.p_fail,
        p_fail_holm=p_fail_holm,
        minimum_detectable_effect=power.minimum_detectable_effect(found, level),
        resolution_floor=floor,
        min_accuracy=gate.min_accuracy,
        note=note,
        advice=_advice(gate, policy, look, floor) if decision == "INCONCLUSIVE" else None,
        acknowledged=acknowledged if decision == "FAIL" else None,
    )


def _decide(
    gate: Measured, level: float, lower: float, upper: float, floor: float, *, failed: bool
) -> tuple[Decision, str]:
    margin, n = gate.margin, gate.found.n
    if failed:
        if upper < -margin:
            return "FAIL", f"worse by at least {points(-upper)}, more than the margin of {points(margin)}"
        return "FAIL", f"at most {points(gate.rate.upper(level))}, below the floor of {points(gate.min_accuracy or 0)}"
    if gate.nothing_to_lose:
        return "INCONCLUSIVE", (
            f"nothing to lose: the baseline has {points(gate.baseline)}, not more than the margin of {points(margin)}, "
            "so that any candidate would be within it"
        )
    if upper < -margin:
        return "INCONCLUSIVE", "beyond the margin on its own, but not after Holm's correction for all gates"
    if lower <= -margin:
        if floor >= margin:
            return "INCONCLUSIVE", (
                f"{n} prompts are too few: were a share of {margin:g} of all prompts broken, so few could miss it"
            )
        return "INCONCLUSIVE", f"the loss may lie on either side of the margin of {points(margin)}"
    if gate.min_accuracy is not None and gate.rate.lower(level) <= gate.min_accuracy:
        return "INCONCLUSIVE", (
            f"within the margin of {points(margin)}, but the candidate's {points(gate.candidate)} may be below the "
            f"floor of {points(gate.min_accuracy)}"
        )
    if upper < 0:
        return "PASS", f"worse by {points(-gate.found.estimate)}, within the margin of {points(margin)}"
    return "PASS", "better" if lower > 0 else f"no loss beyond the margin of {points(margin)}"


def _advice(gate: Measured, policy: Policy, look: int, floor: float) -> str:
    if gate.nothing_to_lose:
        return "a margin below the baseline's rate, or prompts that the baseline can draw, would let it decide"
    if gate.metric == SOUND_GLYPHS:
        return "more marked glyphs in both runs ('evalsuite glyphs RUN --sample N'), then more prompts, would narrow it"
    if gate.metric in CONTENT:
        return "more prompts would narrow it"
    wanted = power.needs(gate.found, gate.differences, gate.den, gate.margin, policy.level)
    k = gate.differences.shape[1]
    ways = []
    if wanted.prompts is not None and wanted.prompts > gate.found.n:
        ways.append(f"about {wanted.prompts} prompts of this kind")
    if wanted.samples is not None:
        ways.append(f"about {wanted.samples} samples per prompt instead of {k}")
    if ways:
        text = f"{' or '.join(ways)} would probably decide it"
    elif floor >= gate.margin:
        least = power.prompts_for_margin(gate.margin, policy.level, pseudo_length(gate.den) / float(gate.den.mean()))
        text = f"at least {least} prompts are needed for this margin"
    elif gate.found.lower(policy.level) > -gate.margin:
        text = "more prompts would show whether the candidate keeps the floor"
    else:
        text = "the loss is so close to the margin that no reasonable number of prompts would decide it"
    if look == 1 and policy.extension is not None:
        text += f"; the policy allows one extension: draw both runs with --samples {policy.extension.samples}"
    elif policy.extension is not None:
        text += "; the policy's one extension is spent"
    return text


def points(rate: float) -> str:
    """A rate as points of a hundred, e.g. `1.25 points`."""
    return f"{100 * rate:.2f} points"
