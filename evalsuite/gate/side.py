"""One side of a gate: a model of an opened run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from evalsuite.errors import EvalsuiteError
from evalsuite.gate.metrics import METRICS
from evalsuite.gate.verdict import RunRef

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalsuite.gate.content import SideContent
    from evalsuite.gate.glyphs import JudgedGlyphs
    from evalsuite.records import Environment, Generation, Manifest, ModelSpec, Score, ScorerSpec
    from evalsuite.runs.evidence import Missing, Stage
    from evalsuite.runs.opened import OpenRun
    from evalsuite.scoring import Counts
    from evalsuite.stats import Floats

Slot = tuple[str, int]
"""Prompt id and seed."""


@dataclass(frozen=True)
class Side:
    """A model of a run that was opened, and so hashed and checked.

    `answered` are keys of images that count although they show nothing, as the policy wants it.
    """

    run: OpenRun
    model: ModelSpec
    answered: frozenset[str] = frozenset()

    @property
    def manifest(self) -> Manifest:
        """The run's plan."""
        return self.run.manifest

    @property
    def scorer(self) -> ScorerSpec:
        """What scored the readings."""
        return self.run.scorer

    @cached_property
    def scores(self) -> Mapping[Slot, Score]:
        """The scores that count, by prompt and seed."""
        return {
            (score.prompt, score.seed): score
            for score in self.run.scores_of(self.model.name)
            if score.status == "scored" or score.key in self.answered
        }

    @cached_property
    def counts(self) -> Mapping[Slot, Counts]:
        """The counts of the images that count, by prompt and seed."""
        return {slot: self.run.image_counts[score.key] for slot, score in self.scores.items()}

    @cached_property
    def place(self) -> Mapping[str, int]:
        """The place of each prompt in the plan, by id."""
        return {prompt.id: place for place, prompt in enumerate(self.manifest.prompts)}

    def parts(self, metric: str) -> Floats:
        """Numerator and denominator of a rate (`METRICS`) for each image: shape (prompts, seeds, 2), seeds rising.

        Raises:
            KeyError: An image does not count.
        """
        if metric not in self._parts:
            counts, parts, seeds = self.counts, METRICS[metric], sorted(self.manifest.seeds)
            self._parts[metric] = np.array(
                [[parts(counts[prompt.id, seed]) for seed in seeds] for prompt in self.manifest.prompts],
                dtype=np.float64,
            )
        return self._parts[metric]

    @cached_property
    def _parts(self) -> dict[str, Floats]:
        return {}

    @cached_property
    def drawn(self) -> tuple[Generation, ...]:
        """The images of all of the run's models that are there, in the order drawn."""
        return tuple(self.run.evidence.drawn.values())

    @cached_property
    def generations(self) -> Mapping[Slot, Generation]:
        """This model's images by prompt and seed."""
        return {(row.prompt, row.seed): row for row in self.drawn if row.model == self.model.name}

    @cached_property
    def environments(self) -> tuple[Environment, ...]:
        """The environments that this model's images were drawn in."""
        return self.run.environments(self.model.name)

    @cached_property
    def missing(self) -> tuple[Missing, ...]:
        """What is missing of this model."""
        return tuple(each for each in self.run.missing_of(self.model.name) if each.key not in self.answered)

    def counting(self, *stages: Stage) -> Side:
        """The same side, where images that came to nothing in these ways count as wholly wrong and not as missing."""
        found = (each.key for each in self.run.missing_of(self.model.name) if each.stage in stages)
        return replace(self, answered=frozenset(found))

    @cached_property
    def glyphs(self) -> JudgedGlyphs:
        """This model's glyphs as the verifier and a person see them.

        Raises:
            EvalsuiteError: They were not looked at, or not marked; the message says what to do.
        """
        from evalsuite.gate.glyphs import judged_glyphs

        return judged_glyphs(self)

    @cached_property
    def content(self) -> SideContent:
        """What this model's pictures hold beside their text, measured when it is asked for."""
        from evalsuite.gate.content import SideContent

        return SideContent(self)

    @cached_property
    def digest(self) -> str:
        """Digest of the plan, this model's images and their readings."""
        return self.run.evidence.digest_of(self.model.name)

    @property
    def ref(self) -> RunRef:
        """How the verdict names this side."""
        return RunRef(
            folder=self.run.folder.as_posix(),
            digest=self.digest,
            model=self.model.name,
            role=self.model.role,
            model_digest=self.model.digest,
            created_at=self.manifest.created_at,
        )


def side_of(run: OpenRun, model: str | None = None, *, option: str = "--model") -> Side:
    """A model of a run by name; without one, the only one besides the typeset reference.

    Raises:
        EvalsuiteError: The model is not in the run, or not the only one; `option` is what names it.
    """
    specs = run.manifest.models
    names = ", ".join(spec.name for spec in specs)
    if model is not None:
        found = [spec for spec in specs if spec.name == model]
        if not found:
            raise EvalsuiteError(f"{run.folder}: holds no model {model!r}; it has {names}")
        return Side(run, found[0])
    # The clean typeset references ride along; they are the ceilings, not what was evaluated.
    subjects = [spec for spec in specs if not spec.measures_reader] or list(specs)
    if len(subjects) != 1:
        raise EvalsuiteError(f"{run.folder}: holds several models ({names}); name one with {option}")
    return Side(run, subjects[0])
