"""What gates measure: the paired differences of a slice of the prompts, and their bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evalsuite.gate.metrics import CONTENT, SOUND_GLYPHS
from evalsuite.gate.slices import expand
from evalsuite.gate.verdict import WorstPrompt
from evalsuite.stats import Gaffke, bounds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from evalsuite.gate.policy import Average, GateRule, Policy
    from evalsuite.gate.side import Side
    from evalsuite.gate.verdict import Against
    from evalsuite.records import Manifest, Prompt
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
    measured = []
    for rule in policy.gates:
        metric, average = rule.metric or policy.metric, rule.average or policy.average
        for label, prompts in expand(rule, baseline.manifest):
            if metric == SOUND_GLYPHS:
                measured.append(_sound_glyphs(rule, label, prompts, baseline, candidate, against))
            elif metric in CONTENT:
                measured.append(_content(rule, label, metric, prompts, baseline, candidate, against))
            else:
                ids = [prompt.id for prompt in prompts]
                units = ids if unit is None else [unit.get(ident, ident) for ident in ids]
                one, other, den = _merged(units, *_rates(metric, average, ids, baseline, candidate))
                found = bounds.compare((other - one).mean(axis=1), None if (den == 1).all() else den)
                name = f"{label}/{metric}" + ("" if average == policy.average else f"/{average}")
                measured.append(
                    _measured(
                        rule,
                        against,
                        name=name,
                        slice=label,
                        metric=metric,
                        average=average,
                        found=found,
                        baseline=one.mean(axis=1),
                        candidate=other.mean(axis=1),
                        differences=other - one,
                        den=den,
                        min_accuracy=rule.min_accuracy,
                    )
                )
    return measured


def _sound_glyphs(
    rule: GateRule, label: str, prompts: Sequence[Prompt], baseline: Side, candidate: Side, against: Against
) -> Measured:
    from evalsuite.gate.glyphs import compare_glyphs

    glyphs = compare_glyphs(baseline, candidate, prompts)
    seeds = len(baseline.manifest.seeds)
    return _unseeded(rule, against, label, SOUND_GLYPHS, glyphs.found, glyphs.baseline, glyphs.candidate, seeds)


def _content(
    rule: GateRule, label: str, metric: str, prompts: Sequence[Prompt], baseline: Side, candidate: Side,
    against: Against,
) -> Measured:  # fmt: skip
    from evalsuite.gate.content import compare_content

    content = compare_content(metric, baseline, candidate, prompts)
    found = bounds.compare(content.candidate - content.baseline)
    seeds = len(baseline.manifest.seeds)
    return _unseeded(rule, against, label, metric, found, content.baseline, content.candidate, seeds)


def _unseeded(
    rule: GateRule, against: Against, label: str, metric: str, found: Comparison, baseline: Floats, candidate: Floats,
    seeds: int,
) -> Measured:  # fmt: skip
    """A gate on what is known of prompts, shape (n,), and not of the images of each seed."""
    difference = candidate - baseline
    return _measured(
        rule,
        against,
        name=f"{label}/{metric}",
        slice=label,
        metric=metric,
        average="macro",
        found=found,
        baseline=baseline,
        candidate=candidate,
        differences=np.repeat(difference[:, None], seeds, axis=1),
        den=np.ones_like(difference),
    )


def _measured(
    rule: GateRule,
    against: Against,
    *,
    name: str,
    slice: str,  # noqa: A002
    metric: str,
    average: Average,
    found: Comparison,
    baseline: Floats,
    candidate: Floats,
    differences: Floats,
    den: Floats,
    min_accuracy: float | None = None,
) -> Measured:
    """`baseline` and `candidate` are the sampling units' numerators, shape (n,)."""
    anchored = against == "anchor"
    return Measured(
        name=f"anchor/{name}" if anchored else name,
        against=against,
        slice=slice,
        metric=metric,
        average=average,
        margin=rule.anchor_margin if anchored and rule.anchor_margin is not None else rule.margin,
        baseline=float(baseline.sum() / den.sum()),
        candidate=float(candidate.sum() / den.sum()),
        found=found,
        differences=differences,
        den=den,
        achieved=candidate,
        min_accuracy=min_accuracy,
    )


def _rates(
    metric: str, average: Average, ids: Sequence[str], baseline: Side, candidate: Side
) -> tuple[Floats, Floats, Floats]:
    """Numerators of both runs, shape (prompts, seeds), and denominators, shape (prompts,): ones for a mean of rates."""
    one, other, den = _arrays(metric, ids, baseline, candidate)
    return (one, other, den) if average == "micro" else (one / den[:, None], other / den[:, None], np.ones_like(den))


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


def _arrays(metric: str, ids: Iterable[str], baseline: Side, candidate: Side) -> tuple[Floats, Floats, Floats]:
    """Numerators of both runs, shape (prompts, seeds), and the denominators, shape (prompts,)."""
    both = [side.parts(metric)[[side.place[ident] for ident in ids]] for side in (baseline, candidate)]
    den = both[0][:, 0, 1]
    for values in both:
        if not (values[:, :, 1] == den[:, None]).all():
            raise ValueError(f"{metric}: the runs count the targets differently, so they were not scored alike")
    return both[0][:, :, 0], both[1][:, :, 0], den


def worst_prompts(policy: Policy, baseline: Side, candidate: Side) -> tuple[WorstPrompt, ...]:
    """The prompts that lost most under the primary metric, worst first, `WORST` at most."""
    prompts = baseline.manifest.prompts
    one, other, den = _arrays(policy.metric, [prompt.id for prompt in prompts], baseline, candidate)
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
