"""What the gates of a policy bet on while a candidate is drawn, and the order in which its images count."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from evalsuite.gate.metrics import METRICS
from evalsuite.gate.slices import expand
from evalsuite.runs.stop import WealthPoint, clamped
from evalsuite.stats.betting import Claim, Side, Wager
from evalsuite.wording import rate as worded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalsuite.gate.policy import GateRule, Policy
    from evalsuite.gate.verdict import Against
    from evalsuite.records import Manifest
    from evalsuite.scoring import Counts

Slot = tuple[str, int]
"""A cell of the run: a prompt's id and a seed."""

Subject = Literal["loss", "floor"]


def drawing_order(
    manifest: Manifest, claim: Claim, lot: str, unit: Mapping[str, str] | None = None
) -> tuple[Slot, ...]:
    """The order in which images count.

    For "this suite" a uniform permutation of all cells, so that every slice inherits a uniform order. For "prompts like
    these" a permutation of the sampling units, each with all its prompts and seeds together.

    Args:
        manifest: The plan.
        claim: What the verdict is about.
        lot: The digests of the plan and of the candidate, joined. The candidate must exist before the order does, or
            it could be made to fit.
        unit: From a prompt's id to its sampling unit, by default its own.
    """
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(lot.encode()).digest(), "big"))
    seeds = sorted(manifest.seeds)
    if claim == "this suite":
        cells = [(prompt.id, seed) for prompt in manifest.prompts for seed in seeds]
        return tuple(cells[place] for place in rng.permutation(len(cells)))
    members = _members(manifest, unit)
    units = list(members)
    return tuple(
        (prompt, seed) for place in rng.permutation(len(units)) for prompt in members[units[place]] for seed in seeds
    )


def _members(manifest: Manifest, unit: Mapping[str, str] | None) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for prompt in manifest.prompts:
        found.setdefault((unit or {}).get(prompt.id, prompt.id), []).append(prompt.id)
    return found


@dataclass(slots=True)
class Bet:
    """A wager of one gate, with what it is on.

    Attributes:
        name: The gate's.
        against: What the baseline is to the candidate.
        subject: What is bet on.
        threshold: The margin δ of a loss, or the floor.
        metric: Its name.
        micro: Whether sums are divided, and not rates averaged.
        baseline: What was counted in each of its cells.
        looks: For each cell of the slice the look that it belongs to: itself, or its sampling unit.
        waiting: For each look the cells that have not come yet.
        most: The greatest length of a look: 1 for a mean over cells.
        mean: The mean length.
        wager: Where the wealth is.
        never: Why the gate cannot pass, or None.
        images: Those of its slice that count so far, `prompts` theirs.
        stored: The baseline's sum over the same cells.
    """

    name: str
    against: Against
    subject: Subject
    threshold: float
    metric: str
    micro: bool
    baseline: Mapping[Slot, Counts]
    looks: Mapping[Slot, str]
    waiting: dict[str, int]
    most: float
    mean: float
    wager: Wager
    never: str | None
    images: int = 0
    prompts: set[str] = field(default_factory=set)
    stored: float = 0.0
    total: list[float] = field(default_factory=lambda: [0.0, 0.0])
    sums: dict[str, list[float]] = field(default_factory=dict)
    decision: Side | None = None
    images_to_decision: int | None = None
    path: list[WealthPoint] = field(default_factory=list)

    def take(self, slot: Slot, counts: Counts) -> bool:
        """Whether the cell completed a look."""
        look = self.looks.get(slot)
        if look is None:
            return False
        num, den = METRICS[self.metric](counts)
        before, wanted = METRICS[self.metric](self.baseline[slot])
        if den != wanted:
            raise ValueError(f"{self.metric}: the runs count the targets differently, so they were not scored alike")
        gained = num - before if self.subject == "loss" else num
        scale = 1.0 if self.micro else den
        sums = self.sums.setdefault(look, [0.0, 0.0])
        sums[0] += gained / scale
        sums[1] += den / scale
        self.prompts.add(slot[0])
        self.stored += before / scale
        self.total[0] += gained / scale
        self.total[1] += den / scale
        self.images += 1
        self.waiting[look] -= 1
        if self.waiting[look]:
            return False
        self.wager.observe(self._value(*self.sums.pop(look)))
        return True

    def note_wealth(self, images: int) -> None:
        """Keep the wealth after so many images of the run."""
        log_pass, log_fail = self.wager.log_wealth
        self.path.append(WealthPoint(images=images, log_pass=clamped(log_pass), log_fail=clamped(log_fail)))

    def _value(self, num: float, den: float) -> float:
        """The look on the wager's scale: in [-1, 1], its mean below -margin where the rate is below its threshold.

        For looks of equal length d it is num / d, or, for a floor, num / d - 1.
        """
        if self.subject == "loss":
            return (num + self.threshold * den) / self.most - self.threshold
        return (num - self.threshold * den) / self.most - (1 - self.threshold)

    @property
    def before(self) -> float | None:
        """The baseline's rate over the cells that count so far."""
        return self.stored / self.total[1] if self.total[1] else None

    @property
    def estimate(self) -> float | None:
        """The difference, or the candidate's rate, so far."""
        return self.total[0] / self.total[1] if self.total[1] else None

    def bounds(self, alpha: float) -> tuple[float, float]:
        """The confidence sequence of the difference, or of the rate: `_value` undone."""
        lower, upper = self.wager.bounds(alpha)
        stretch = self.most / self.mean
        if self.subject == "loss":
            shift, least = self.threshold, -1.0
            ends = [(end + shift) * stretch - shift for end in (lower, upper)]
        else:
            shift, least = self.threshold, 0.0
            ends = [(end + 1 - shift) * stretch + shift for end in (lower, upper)]
        return max(least, ends[0]), min(1.0, ends[1])


def bets(
    policy: Policy,
    rule: GateRule,
    manifest: Manifest,
    against: Against,
    baseline: Mapping[Slot, Counts],
    unit: Mapping[str, str] | None,
) -> list[Bet]:
    """The wagers of a rule: one for each slice that it gates, and one more for each floor. See `SequentialGates`."""
    metric, average = rule.metric or policy.metric, rule.average or policy.average
    anchored = against == "anchor"
    margin = rule.anchor_margin if anchored and rule.anchor_margin is not None else rule.margin
    found: list[Bet] = []
    for label, prompts in expand(rule, manifest):
        name = f"{label}/{metric}" + ("" if average == policy.average else f"/{average}")
        cells = [(prompt.id, seed) for prompt in prompts for seed in sorted(manifest.seeds)]
        whole = policy.sequential.claim == "this suite"
        looks = {cell: f"{cell[0]} {cell[1]}" if whole else (unit or {}).get(cell[0], cell[0]) for cell in cells}
        parts = {cell: METRICS[metric](baseline[cell]) for cell in cells}
        scales = {cell: 1.0 if average == "micro" else parts[cell][1] for cell in cells}
        lengths: dict[str, float] = {}
        waiting: dict[str, int] = {}
        for cell, look in looks.items():
            lengths[look] = lengths.get(look, 0.0) + parts[cell][1] / scales[cell]
            waiting[look] = waiting.get(look, 0) + 1
        rate = sum(parts[cell][0] / scales[cell] for cell in cells) / sum(lengths.values())
        never = None
        if rate <= margin:
            never = f"the baseline's rate of {worded(rate)} is not above the margin of {margin:g}: nothing to lose"
        terms: list[tuple[Subject, float, float]] = [("loss", margin, margin)]
        if rule.min_accuracy is not None and not anchored:
            terms.append(("floor", rule.min_accuracy, 1 - rule.min_accuracy))
        found += [
            Bet(
                name=f"anchor/{name}" if anchored else name,
                against=against,
                subject=subject,
                threshold=threshold,
                metric=metric,
                micro=average == "micro",
                baseline=baseline,
                looks=looks,
                waiting=dict(waiting),
                most=max(lengths.values()),
                mean=sum(lengths.values()) / len(lengths),
                wager=Wager(distance, claim=policy.sequential.claim, population=len(waiting) if whole else None),
                never=never if subject == "loss" else None,
            )
            for subject, threshold, distance in terms
        ]
    return found
