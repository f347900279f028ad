"""What a person asks for, start to end: resolve the models, plan, carry out, and say what came of it."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evalsuite import models as registry
from evalsuite import scoring
from evalsuite.errors import EvalsuiteError
from evalsuite.models.sources import stand_ins
from evalsuite.records import digest
from evalsuite.runs import runner
from evalsuite.runs.plan import Plan, plan_prompts
from evalsuite.runs.store import RunStore
from evalsuite.runs.targets import read_targets
from evalsuite.suites import load_all
from evalsuite.suites import sample as sample_prompts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalsuite.models import ImageModel, ModelOptions
    from evalsuite.records import Manifest, OcrSpec, Prompt, Score, ScorerSpec

CEILING = "typeset"
"""The reference whose score is the OCR ceiling; it joins every run unless it is left out by name."""

NO_SAMPLER = ("typeset", "folder:")
"""Models without sampler settings, by how their names begin."""


def default_models() -> tuple[str, ...]:
    """What is drawn where no model is named: the stand-ins, where diffusers is installed, and the reference.

    Only what needs no download. With an installation that cannot draw with diffusers, the reference alone.
    """
    drawable = all(importlib.util.find_spec(package) is not None for package in ("torch", "diffusers"))
    return (*(stand_ins() if drawable else ()), CEILING)


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run after drawing, reading and scoring."""

    store: RunStore
    ocr: OcrSpec
    scorer: ScorerSpec
    scores: tuple[Score, ...]
    resumed: bool = False
    notices: tuple[str, ...] = ()

    @property
    def incomplete(self) -> tuple[Score, ...]:
        """The rows of images that are missing or could not be read."""
        return tuple(score for score in self.scores if score.status != "scored")


def run(
    models: Sequence[str] = (CEILING,),
    suites: Sequence[str] = ("all",),
    *,
    out: Path | None = None,
    options: ModelOptions | None = None,
    samples: int = 1,
    seed: int = 0,
    limit: int | None = None,
    prompts: Sequence[str] = (),
    ocr: str = "paddle",
    profile: str = "standard",
    ceiling: bool = True,
    interleave: bool = False,
    workers: int | None = None,
    watch: runner.Watcher | None = None,
) -> RunResult:
    """Plan a run, draw what is missing, read it, score it.

    `prompts` picks prompts by id, before `limit` samples. With `ceiling`, the typeset reference is drawn too.
    With `interleave`, the models asked for are loaded together and draw in turns, for comparable timings.
    `out` defaults to a folder under `reports/` that is named by the plan, so that the same call resumes.

    Raises:
        EvalsuiteError: for anything that the caller can mend. What was finished is kept.
    """
    loaded = load_all(suites)
    chosen = _choose([prompt for suite in loaded for prompt in suite.prompts], prompts)
    names = list(dict.fromkeys(models))
    asked = len(names)
    if interleave and asked < 2:
        raise EvalsuiteError("--interleave: draws models in turns, so name at least two with --model")
    if ceiling and CEILING not in names:
        names.append(CEILING)
    opened = _open(names, models, options)
    plan = plan_prompts(
        refs=[suite.ref for suite in loaded],
        prompts=sample_prompts(chosen, limit, seed),
        models=opened,
        ocr_name=ocr,
        profile=profile,
        samples=samples,
        seed=seed,
        name=_slug([*(model.spec.name for model in opened), *suites]),
    )
    in_turns = [model.spec.name for model in opened[:asked]] if interleave else []
    return _carry_out(plan, out, ocr, workers, watch, (), interleave=in_turns)


def _open(names: Sequence[str], asked: Sequence[str], options: ModelOptions | None) -> list[ImageModel]:
    """Resolve the models. Sampler options go to the diffusion models; where there is none, they are an error."""
    takes_options = [name for name in asked if not name.startswith(NO_SAMPLER)] or list(asked)
    return [registry.resolve(name, options=options if name in takes_options else None) for name in names]


def _choose(prompts: Sequence[Prompt], ids: Sequence[str]) -> list[Prompt]:
    known = {prompt.id for prompt in prompts}
    for ident in ids:
        if ident not in known:
            raise EvalsuiteError(
                f"--prompt {ident}: no prompt of the chosen suites has this id; see 'evalsuite suites show'"
            )
    return [prompt for prompt in prompts if not ids or prompt.id in ids]


def score(
    folder: Path,
    targets: Path,
    *,
    out: Path | None = None,
    ocr: str = "paddle",
    profile: str = "standard",
    workers: int | None = None,
    watch: runner.Watcher | None = None,
) -> RunResult:
    """Read and score the images of `folder` against the targets in a .txt, .jsonl or .csv file.

    Raises:
        EvalsuiteError: naming the file and line of what cannot be used.
    """
    ref, prompts, model, surplus = read_targets(folder, targets)
    plan = plan_prompts(
        refs=[ref],
        prompts=prompts,
        models=[model],
        ocr_name=ocr,
        profile=profile,
        samples=1,
        seed=0,
        name=_slug(["score", folder.resolve().name]),
    )
    notices = (f"{len(surplus)} images have no targets: {', '.join(surplus[:8])}",) if surplus else ()
    return _carry_out(plan, out, ocr, workers, watch, notices)


def rescore(
    folder: Path,
    *,
    ocr: str | None = None,
    profile: str | None = None,
    adjudications: Path | None = None,
    workers: int | None = None,
    watch: runner.Watcher | None = None,
) -> RunResult:
    """Score a stored run again, with its own OCR and profile or with others. Nothing is drawn.

    `adjudications` is a file of a person's marks on readings; the corrected scores carry a scorer of their own.

    Raises:
        EvalsuiteError: when there is no run, or the engine or profile is unknown.
    """
    store = RunStore.open(folder)
    watcher = watch or _silent
    scorer = scoring.scorer_spec(profile or store.manifest.scorer.profile)
    spec = store.manifest.ocr
    if ocr is not None:
        spec = runner.read_again(store, ocr, workers=workers, watch=watcher)
    if adjudications is not None:
        from evalsuite import adjudications as marks

        applied = marks.apply(store, spec, scorer, marks.load(adjudications))
        return RunResult(store, spec, applied.scorer, applied.scores, resumed=True)
    with store.writing():
        rows = runner.rescore(store, spec, scorer, watch=watcher)
    return RunResult(store, spec, scorer, tuple(rows), resumed=True)


def _carry_out(
    plan: Plan,
    out: Path | None,
    ocr: str,
    workers: int | None,
    watch: runner.Watcher | None,
    notices: tuple[str, ...],
    *,
    interleave: Sequence[str] = (),
) -> RunResult:
    folder = out or Path("reports") / f"{plan.manifest.name}-{_plan_digest(plan.manifest)}"
    store, resumed = RunStore.create_or_resume(folder, plan.manifest)
    # The stored manifest is the plan: it carries the environment in which the run began.
    stored = Plan(store.manifest, plan.models, plan.notices)
    watcher = watch or _silent
    for number, notice in enumerate(plan.notices, 1):  # before the hours that drawing may take
        watcher(runner.Progress("plan", number, len(plan.notices), notice))
    rows = runner.execute(stored, store, ocr, workers=workers, interleave=interleave, watch=watcher)
    return RunResult(
        store,
        store.manifest.ocr,
        store.manifest.scorer,
        tuple(rows),
        resumed=resumed,
        notices=(*notices, *plan.notices),
    )


def _plan_digest(manifest: Manifest) -> str:
    parts = [
        manifest.prompts,
        manifest.seeds,
        [model.digest for model in manifest.models],
        manifest.ocr.digest,
        manifest.scorer,
    ]
    return digest(parts)[:8]


def _slug(parts: Sequence[str]) -> str:
    text = "-".join(Path(part).stem if part.endswith((".yaml", ".yml", ".jsonl")) else part for part in parts)
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.")[:60] or "run"


def _silent(_: runner.Progress) -> None:
    return None
