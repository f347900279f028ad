"""From what was asked to a manifest: the suites' prompts, the models' specs, the seeds, the OCR, the scorer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from evalsuite import hardware, ocr, scoring
from evalsuite.errors import EvalsuiteError
from evalsuite.models.diffusion import DiffusionModel
from evalsuite.models.folder import FolderModel
from evalsuite.records import Manifest
from evalsuite.runs.store import FORMAT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalsuite.models.base import ImageModel
    from evalsuite.records import Prompt, SuiteRef

MAX_SAMPLES = 1_000


@dataclass(frozen=True, slots=True)
class Plan:
    """A manifest with the opened models that it names, and what is worth telling before the run starts."""

    manifest: Manifest
    models: tuple[ImageModel, ...]
    notices: tuple[str, ...] = ()


def plan_prompts(
    *,
    refs: Sequence[SuiteRef],
    prompts: Sequence[Prompt],
    models: Sequence[ImageModel],
    ocr_name: str,
    profile: str,
    samples: int,
    seed: int,
    name: str,
) -> Plan:
    """Plan a run over given prompts: `samples` images of each, with the seeds `seed`, `seed` + 1, ….

    Raises:
        EvalsuiteError: for anything that would make the run fail or mean nothing.
    """
    if not 1 <= samples <= MAX_SAMPLES:
        raise EvalsuiteError(f"--samples {samples}: 1 to {MAX_SAMPLES} images a prompt can be drawn")
    if not 0 <= seed < 2**32:
        raise EvalsuiteError(f"--seed {seed}: a seed lies between 0 and {2**32 - 1}")
    if not prompts:
        raise EvalsuiteError("no prompts: name at least one suite")
    for prompt in prompts:
        scoring.check_targets(prompt, profile)
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
        ocr=ocr.resolve(ocr_name).spec,
        scorer=scoring.scorer_spec(profile),
        environment=hardware.describe(accelerator=any(model.spec.kind == "diffusion" for model in models)),
    )
    own = [notice for model in models if isinstance(model, DiffusionModel) for notice in model.notices]
    return Plan(manifest, tuple(models), (*own, *_folder_notices(models, prompts, seeds)))


def _folder_notices(models: Sequence[ImageModel], prompts: Sequence[Prompt], seeds: Sequence[int]) -> list[str]:
    notices = []
    for model in models:
        if isinstance(model, FolderModel):
            match = model.match(prompts, seeds)
            if len(match.missing) == len(prompts) * len(seeds):
                raise EvalsuiteError(
                    f"{model.spec.name}: no file fits a prompt, e.g. {match.missing[0]}.png; files there: "
                    f"{', '.join(match.surplus[:5])}"
                )
            for kind, listed in (("missing", match.missing), ("surplus", match.surplus)):
                if listed:
                    shown = ", ".join(listed[:8]) + (" …" if len(listed) > 8 else "")
                    notices.append(f"{model.spec.name}: {len(listed)} {kind}: {shown}")
    return notices
