"""From what was asked to a manifest: the suites' prompts, the models' specs, the seeds, the OCR, the scorer."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from evalsuite import hardware, scoring
from evalsuite.errors import EvalsuiteError
from evalsuite.models.editing import check_editors
from evalsuite.records import Manifest
from evalsuite.runs.promises import notice_repeated, sampling_units
from evalsuite.runs.readable import check_readable
from evalsuite.runs.shards import check_shard
from evalsuite.runs.sources import PlannedSources
from evalsuite.runs.store import FORMAT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalsuite.models.base import ImageModel
    from evalsuite.ocr.base import OcrEngine
    from evalsuite.records import Prompt, Shard, SuiteRef

MAX_SAMPLES = 1_000


@dataclass(frozen=True, slots=True)
class Plan:
    """A manifest with the models and the OCR engine that it names, and what is worth telling before the run starts."""

    manifest: Manifest
    models: tuple[ImageModel, ...]
    engine: OcrEngine
    notices: tuple[str, ...] = ()
    sources: PlannedSources = field(default_factory=PlannedSources)


def plan_prompts(
    *,
    refs: Sequence[SuiteRef],
    prompts: Sequence[Prompt],
    models: Sequence[ImageModel],
    engine: OcrEngine,
    profile: str,
    samples: int,
    seed: int,
    name: str,
    shard: Shard | None = None,
    sources: PlannedSources | None = None,
) -> Plan:
    """Plan a run over given prompts: `samples` images of each, with the seeds `seed`, `seed` + 1, ….

    With `shard`, the folder draws only that part of it. `sources` are the pictures that prompts change.

    Raises:
        EvalsuiteError: for anything that would make the run fail or mean nothing.
    """
    if not 1 <= samples <= MAX_SAMPLES:
        raise EvalsuiteError(f"--samples {samples}: 1 to {MAX_SAMPLES} images per prompt can be drawn")
    if not 0 <= seed < 2**32:
        raise EvalsuiteError(f"--seed {seed}: a seed lies between 0 and {2**32 - 1}")
    if not prompts:
        raise EvalsuiteError("no prompts: name at least one suite")
    for prompt in prompts:
        scoring.check_targets(prompt, profile)
    sources = sources or PlannedSources()
    if any(prompt.editing is not None for prompt in prompts):
        if not sources.pictures:
            raise EvalsuiteError("these prompts change pictures, which only 'evalsuite run' can have drawn")
        check_editors(tuple(models))
    unread = check_readable(prompts, engine, profile)
    names = [model.spec.name for model in models]
    for twice in {each for each in names if names.count(each) > 1}:
        raise EvalsuiteError(f"two models are called {twice!r}; leave one out, or rename its folder")
    seeds = tuple(range(seed, seed + samples))
    manifest = Manifest(
        format=FORMAT,
        name=name,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        suites=tuple(refs),
        prompts=tuple(prompts),
        models=tuple(model.spec for model in models),
        seeds=seeds,
        ocr=engine.spec,
        scorer=scoring.scorer_spec(profile),
        environment=hardware.describe(accelerator=any(model.spec.kind == "diffusion" for model in models)),
        shard=shard,
        sources=dict(sources.pictures),
    )
    if (wrong := check_shard(manifest)) is not None:
        raise EvalsuiteError(f"--shard: {wrong}; deal to fewer")
    notices = [
        *(f"{model.spec.name}: {notice}" for model in models for notice in model.notices(prompts, seeds)),
        *notice_repeated(sampling_units(prompts)),
        *unread,
    ]
    return Plan(manifest, tuple(models), engine, tuple(notices), sources)
