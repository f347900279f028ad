"""Gates on accuracy: the paired differences of a slice, their bounds, and what they decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evalsuite.gate.metrics import CONTENT, METRICS, SOUND_GLYPHS
from evalsuite.gate.slices import expand
from evalsuite.gate.verdict import GateResult, WorstPrompt
from evalsuite.stats import Gaffke, bounds, power
from evalsuite.stats.gaffke import pseudo_length

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalsuite.gate.policy import Average, GateRule, Policy
    from evalsuite.gate.side import Side, Slot
    from evalsuite.gate.verdict import Acknowledgement, Against, Decision
    from evalsuite.records import Manifest, Prompt
    from evalsuite.scoring import Counts
    from evalsuite.stats import Comparison, Floats

WORST = 20
"""Prompts that a verdict lists at most."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One gate's comparison before the decision, which waits for all gates' p-values.

    `differences` has shape (n, k), sampling units by samples, in the unit of the denominators `den` (n,); `achieved`
    are the candidate's numerators, shape (n,). `min_accuracy` is the floor that the candidate must keep, if any.
    """

    name: str
    against: Against
    slice: str
    metric: str
    average: Average
    margin: float
    baseline: float
    candidate: float
    found: Comparison
    differences: Floats
    den: Floats
    achieved: Floats
    min_accuracy: float | None = None

    @property
    def p_fail(self) -> float:
        """p-value against Δ ≥ -δ, and, where there is a floor, against a rate at or above it (Bonferroni)."""
        loss = self.found.p_below(-self.margin)
        if self.min_accuracy is None:
            return loss
        return min(1.0, 2 * min(loss, self.rate.p_below(self.min_accuracy)))

    @property
    def rate(self) -> Gaffke:
        """Bounds of the candidate's own rate."""
        return Gaffke(self.achieved, self.den, 0.0, 1.0)

    @property
    def nothing_to_lose(self) -> bool:
        """Whether even a candidate that gets all wrong would lose no more than the margin."""
        return self.baseline <= self.margin


def sizes(policy: Policy, manifest: Manifest, unit: Mapping[str, str] | None = None) -> dict[str, int]:
    """For each slice that the policy names, the sampling units in it; for `language=*` those of the smallest."""
    names = unit or {}
    return {
        rule.slice: min(len({names.get(prompt.id, prompt.id) for prompt in prompts}) for _, prompts in found)
        for rule in policy.gates
        if (found := expand(rule, manifest))
    }


def measure(
    policy: Policy,
    baseline: Side,
    candidate: Side,
    against: Against,
    unit: Mapping[str, str] | None = None,
) -> list[Measured]:
    """Compare two complete, comparable runs under every gate of the policy.

    Args:
        policy: Whose gates.
        baseline: One run.
        candidate: The other.
        against: What the baseline is to the candidate.
        unit: From a prompt's id to the sampling unit that it belongs to: prompts of the same text under several ids
            are no independent ones. By default, and for ids that are not in it, each prompt is its own.

    Raises:
        ValueError: The runs' denominators differ, so they were not scored alike.
    """
    counts = [side.counts for side in (baseline, candidate)]
    seeds = sorted(baseline.manifest.seeds)
    measured = []
    for rule in policy.gates:
        metric, average = rule.metric or policy.metric, rule.average or policy.average
        for label, prompts in expand(rule, baseline.manifest):
            if metric == SOUND_GLYPHS:
                measured.append(_sound_glyphs(rule, label, prompts, baseline, candidate, against))
                continue
            if metric in CONTENT:
                measured.append(_content(rule, label, prompts, baseline, candidate, against))
                continue
            name = f"{label}/{metric}" + ("" if average == policy.average else f"/{average}")
            anchored = against == "anchor"
            one, other, den = _arrays(metric, prompts, seeds, *counts)
            if average == "macro":
                one, other, den = one / den[:, None], other / den[:, None], np.ones_like(den)
            units = [prompt.id if unit is None else unit.get(prompt.id, prompt.id) for prompt in prompts]
            one, other, den = _merged(units, one, other, den)
            difference = other - one
            measured.append(
                Measured(
                    name=f"anchor/{name}" if anchored else name,
                    against=against,
                    slice=label,
                    metric=metric,
                    average=average,
                    margin=rule.anchor_margin if anchored and rule.anchor_margin is not None else rule.margin,
                    baseline=float(one.mean(axis=1).sum() / den.sum()),
                    candidate=float(other.mean(axis=1).sum() / den.sum()),
                    found=bounds.compare(difference.mean(axis=1), None if (den == 1).all() else den),
                    differences=difference,
                    den=den,
                    achieved=other.mean(axis=1),
                    min_accuracy=rule.min_accuracy,
                )
            )
    return measured


def _sound_glyphs(
    rule: GateRule, label: str, prompts: Sequence[Prompt], baseline: Side, candidate: Side, against: Against
) -> Measured:
    from evalsuite.gate.glyphs import compare_glyphs

    anchored, found = against == "anchor", compare_glyphs(baseline, candidate, prompts)
    difference = found.candidate - found.baseline
    return Measured(
        name=f"anchor/{label}/{SOUND_GLYPHS}" if anchored else f"{label}/{SOUND_GLYPHS}",
        against=against,
        slice=label,
        metric=SOUND_GLYPHS,
        average="macro",
        margin=rule.anchor_margin if anchored and rule.anchor_margin is not None else rule.margin,
        baseline=float(found.baseline.mean()),
        candidate=float(found.candidate.mean()),
        found=found.found,
        differences=np.repeat(difference[:, None], len(baseline.manifest.seeds), axis=1),
        den=np.ones_like(difference),
        achieved=found.candidate,
    )


def _content(
    rule: GateRule, label: str, prompts: Sequence[Prompt], baseline: Side, candidate: Side, against: Against
) -> Measured:
    from evalsuite.gate.content import compare_content

    metric = str(rule.metric)
    anchored, found = against == "anchor", compare_content(metric, baseline, candidate, prompts)
    difference = found.candidate - found.baseline
    return Measured(
        name=f"anchor/{label}/{metric}" if anchored else f"{label}/{metric}",
        against=against,
        slice=label,
        metric=metric,
        average="macro",
        margin=rule.anchor_margin if anchored and rule.anchor_margin is not None else rule.margin,
        baseline=float(found.baseline.mean()),
        candidate=float(found.candidate.mean()),
        found=bounds.compare(difference),
        differences=np.repeat(difference[:, None], len(baseline.manifest.seeds), axis=1),
        den=np.ones_like(difference),
        achieved=found.candidate,
    )


def _merged(units: Sequence[str], one: Floats, other: Floats, den: Floats) -> tuple[Floats, Floats, Floats]:
    """The sums over the prompts of each sampling unit, in the order of the units' first prompts.

    A mean over prompts thereby becomes a ratio, of the unit's sum to its number of prompts: the rate stays the same,
    and its bounds are those of so many units.
    """
    place = {name: index for index, name in enumerate(dict.fromkeys(units))}
    owner = np.array([place[name] for name in units])
    merged = [np.zeros((len(place), *values.shape[1:])) for values in (one, other, den)]
    for sums, values in zip(merged, (one, other, den), strict=True):
        np.add.at(sums, owner, values)
    return merged[0], merged[1], merged[2]


def _arrays(
    metric: str,
    prompts: Sequence[Prompt],
    seeds: Sequence[int],
    baseline: Mapping[Slot, Counts],
    candidate: Mapping[Slot, Counts],
) -> tuple[Floats, Floats, Floats]:
    """Numerators of both runs, shape (prompts, seeds), and the denominators, shape (prompts,)."""
    parts = METRICS[metric]
    both = [
        np.array([[parts(counts[prompt.id, seed]) for seed in seeds] for prompt in prompts], dtype=np.float64)
        for counts in (baseline, candidate)
    ]
    den = both[0][:, 0, 1]
    for values in both:
        if not (values[:, :, 1] == den[:, None]).all():
            raise ValueError(f"{metric}: the runs count the targets differently, so they were not scored alike")
    return both[0][:, :, 0], both[1][:, :, 0], den


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


def worst_prompts(policy: Policy, baseline: Side, candidate: Side) -> tuple[WorstPrompt, ...]:
    """The prompts that lost most under the primary metric, worst first, `WORST` at most."""
    prompts = baseline.manifest.prompts
    seeds = sorted(baseline.manifest.seeds)
    one, other, den = _arrays(policy.metric, prompts, seeds, baseline.counts, candidate.counts)
    rates = [(each / den[:, None]).mean(axis=1) for each in (one, other)]
    change = rates[1] - rates[0]
    return tuple(
        WorstPrompt(
            prompt=prompts[place].id,
            language=prompts[place].language,
            category=prompts[place].category,
            baseline=float(rates[0][place]),
            candidate=float(rates[1][place]),
            delta=float(change[place]),
            targets=prompts[place].targets,
        )
        for place in np.argsort(change, kind="stable")[:WORST]
        if change[place] < -1e-12
    )
