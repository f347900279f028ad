"""Gates on what a picture holds beside its text, paired over prompts.

`content_similarity` is the likeness of a candidate's image to the baseline's of the same prompt and seed, outside the
text of both; the baseline itself has 1. `content_share` is the share of either picture, outside its text, that is not
flat ground. Both are measured from images and readings; kept rows count only under this user's seal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from evalsuite.content.measuring import measure_pairs, measure_pictures
from evalsuite.gate.metrics import CONTENT, CONTENT_SHARE
from evalsuite.gate.slices import expand

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from evalsuite.gate.policy import Policy
    from evalsuite.gate.side import Side, Slot
    from evalsuite.records import Prompt
    from evalsuite.stats import Floats


@dataclass(frozen=True)
class ContentGate:
    """Both sides' means of the sampling units that can be compared, shape (n,), in [0, 1]."""

    baseline: Floats
    candidate: Floats


@dataclass(frozen=True)
class SideContent:
    """One side's pictures. Images that came to nothing and count all the same hold nothing: their value is 0."""

    side: Side = field(repr=False)
    _similarities: dict[str, dict[Slot, float]] = field(default_factory=dict, repr=False)

    @cached_property
    def shares(self) -> Mapping[Slot, float]:
        """The share that is not flat ground, of the images of which it can be told."""
        rows = measure_pictures(self.side.run, only_sealed=True)
        return self._by_slot({key: row.share for key, row in rows.items()})

    def similarities(self, baseline: Side) -> Mapping[Slot, float]:
        """Likeness to a baseline's images, of the pairs of which it can be told."""
        if baseline.digest not in self._similarities:
            rows = measure_pairs(
                self.side.run, self.side.model.name, baseline.run, baseline.model.name, only_sealed=True
            )
            found = self._by_slot({key: row.similarity for key, row in rows.items()})
            self._similarities[baseline.digest] = found
        return self._similarities[baseline.digest]

    def _by_slot(self, values: Mapping[str, float | None]) -> dict[Slot, float]:
        side = self.side
        found = {}
        for score in side.run.scores_of(side.model.name):
            value = 0.0 if score.key in side.answered else values.get(score.key)
            if value is not None:
                found[score.prompt, score.seed] = value
        return found


def compare_content(metric: str, baseline: Side, candidate: Side, prompts: Sequence[Prompt]) -> ContentGate:
    """The values of both sides in the sampling units with images that can be compared: means over those images."""
    pairs = _pairs(metric, baseline, candidate)
    units: dict[str, list[tuple[float, float]]] = {}
    wanted = {prompt.id for prompt in prompts}
    for (prompt, _), pair in pairs.items():
        if prompt in wanted:
            units.setdefault(candidate.run.units[prompt], []).append(pair)
    means = np.array([np.mean(values, axis=0) for values in units.values()], dtype=np.float64).reshape(-1, 2)
    return ContentGate(means[:, 0], means[:, 1])


def missing_content(policy: Policy, sides: Sequence[tuple[str, Side]], candidate: Side) -> Iterable[str]:
    """What keeps the policy's gates on content from a verdict: images that cannot be compared, where they are many."""
    for name, metric, label, found, total in _counted(policy, sides, candidate):
        if 2 * found < total:
            yield (
                f"{name}: {metric}: only {found} of {total} images in {label} can be compared: the others differ in "
                "size, are nearly all text, or their reader does not say where it read"
            )


def content_notes(policy: Policy, sides: Sequence[tuple[str, Side]], candidate: Side) -> Iterable[str]:
    """What is to be said of images that these gates cannot compare."""
    for name, metric, label, found, total in _counted(policy, sides, candidate):
        if found < total:
            lost = total - found
            yield (
                f"{label}/{metric} against the {name}: left out {lost} image{'s' * (lost > 1)} that cannot be compared"
            )


def _counted(
    policy: Policy, sides: Sequence[tuple[str, Side]], candidate: Side
) -> Iterable[tuple[str, str, str, int, int]]:
    for rule in policy.gates:
        if rule.metric not in CONTENT:
            continue
        for label, prompts in expand(rule, candidate.manifest):
            wanted = {prompt.id for prompt in prompts}
            for name, side in sides:
                found = sum(prompt in wanted for prompt, _ in _pairs(rule.metric, side, candidate))
                yield name, rule.metric, label, found, len(wanted) * len(candidate.manifest.seeds)


def _pairs(metric: str, baseline: Side, candidate: Side) -> dict[Slot, tuple[float, float]]:
    if metric == CONTENT_SHARE:
        before, after = baseline.content.shares, candidate.content.shares
        return {slot: (before[slot], value) for slot, value in after.items() if slot in before}
    return {slot: (1.0, value) for slot, value in candidate.content.similarities(baseline).items()}
