"""The plan of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from evalsuite.records.asked import ModelSpec, Prompt, Request, SourcePicture, SuiteRef
from evalsuite.records.base import Record, Whole
from evalsuite.records.environment import Environment
from evalsuite.records.read import OcrSpec
from evalsuite.records.scored import ScorerSpec


class SequentialPlan(Record, frozen=True, kw_only=True):
    """What a run is gated by that is drawn only until the verdict; fixed before its first image.

    `policy_digest` is that of all that decides; `baseline` and `anchor` are the digests of the evidence of the stored
    runs that it is compared with. `claim` says what the verdict is about (`stats.betting`).
    """

    claim: Literal["this suite", "prompts like these"]
    policy: str
    policy_digest: str
    baseline: str
    anchor: str | None = None


class Shard(Record, frozen=True, kw_only=True):
    """The part of a plan that one run folder draws: `number` (from 1) of `count` (`runs.shards`)."""

    number: Whole
    count: Whole

    def __str__(self) -> str:
        return f"shard {self.number} of {self.count}"


def _of_size(found: Sequence[ModelSpec], model: ModelSpec) -> ModelSpec | None:
    """The first of a model's own size, else the first; None of none."""
    return next((spec for spec in found if spec.size == model.size), found[0] if found else None)


class Manifest(Record, frozen=True, kw_only=True, omit_defaults=True):
    """The plan of a run, written first and never changed. It fixes the denominator: prompts × seeds × models.

    `sequential` is set where the one model is drawn only until a gate's verdict: then the plan says what would be drawn
    at most. `shard` is set where the folder draws only a part of it, to be merged with the others. `sources` holds the
    picture that each prompt starts from, by the prompt's id, where pictures are edited.
    """

    format: Whole
    name: str
    created_at: str
    suites: tuple[SuiteRef, ...]
    prompts: tuple[Prompt, ...]
    models: tuple[ModelSpec, ...]
    seeds: tuple[int, ...]
    ocr: OcrSpec
    scorer: ScorerSpec
    environment: Environment
    sequential: SequentialPlan | None = None
    shard: Shard | None = None
    sources: dict[str, SourcePicture] = msgspec.field(default_factory=dict)

    def plan_requests(self) -> tuple[Request, ...]:
        """All requests, model by model (weights are loaded once), prompt by prompt, seed by seed.

        Each is hashed anew; `RunStore.requests` keeps them.
        """
        return tuple(
            request for model in self.models for request in Request.plan(model, self.prompts, self.seeds, self.sources)
        )

    def model(self, name: str) -> ModelSpec:
        """The model of that name; raises `KeyError` where there is none."""
        return {spec.name: spec for spec in self.models}[name]

    @property
    def source_model(self) -> ModelSpec | None:
        """What stands for the source pictures; None where none are edited."""
        return next((spec for spec in self.models if spec.is_source), None)

    @property
    def ceiling(self) -> ModelSpec | None:
        """The first model whose score is the OCR ceiling, or None where none was drawn."""
        return next((spec for spec in self.models if spec.is_ceiling), None)

    def ceiling_of(self, model: ModelSpec, *, styled: bool = False) -> ModelSpec | None:
        """The clean (or the styled) reference beside a model: of its own size, else the first; None without any."""
        found = [spec for spec in self.models if (spec.is_styled_ceiling if styled else spec.is_ceiling)]
        return _of_size(found, model)

    def malformed_of(self, model: ModelSpec, *, styled: bool = False) -> ModelSpec | None:
        """The reference with malformed glyphs, in print or styled, beside a model: as `ceiling_of` chooses."""
        return _of_size([spec for spec in self.models if spec.is_malformed and spec.is_styled == styled], model)
