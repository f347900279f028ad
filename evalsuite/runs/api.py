"""What a person asks for, start to end: resolve the models, plan, carry out. `evalsuite.api` puts a report on it."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from evalsuite import models as registry
from evalsuite import ocr as engines
from evalsuite import scoring
from evalsuite.errors import EvalsuiteError
from evalsuite.extras import extras_of_run, require
from evalsuite.models.sources import stand_ins
from evalsuite.records import digest
from evalsuite.runs import adjudications as marks
from evalsuite.runs import runner
from evalsuite.runs.backends import backend_for, check_models, parse_devices
from evalsuite.runs.plan import Plan, plan_prompts
from evalsuite.runs.progress import Progress, Watcher, ignore
from evalsuite.runs.readable import check_readable
from evalsuite.runs.shards import parse_shard
from evalsuite.runs.sources import plan_sources
from evalsuite.runs.store import RunStore
from evalsuite.runs.targets import read_targets
from evalsuite.suites import load_all
from evalsuite.suites import sample as sample_prompts
from evalsuite.wording import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalsuite.models import ImageModel, ModelOptions
    from evalsuite.records import Manifest, ModelSpec, Prompt
    from evalsuite.runs.backends import Backend
    from evalsuite.runs.opened import OpenRun
    from evalsuite.runs.sources import PlannedSources

CEILING = "typeset"
"""The reference whose score is the OCR ceiling; it joins every run at its models' sizes unless it is left out."""


def default_models() -> tuple[str, ...]:
    """What is drawn where no model is named: the stand-ins, or where diffusers is not installed, the reference.

    Only what needs no download.
    """
    drawable = all(importlib.util.find_spec(package) is not None for package in ("torch", "diffusers"))
    return tuple(stand_ins()) if drawable else (CEILING,)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What is asked for: what draws which prompts how often, what reads, and how it is scored.

    `prompts` picks prompts by id, before `limit` samples. With `ceiling`, the typeset reference is drawn too, at
    the size of each model, and with `styled_ceiling` the same in designed lettering; with `sensitivity`, each of these
    is drawn with malformed glyphs as well. With `interleave`, the models asked for are loaded together and draw in
    turns, for comparable timings. `shard` (`3/8`) draws that part of the plan (`runs.shards`). `out` defaults to a
    folder under `reports/` that is named by the plan, so that the same options resume.
    """

    models: tuple[str, ...] = (CEILING,)
    suites: tuple[str, ...] = ("all",)
    out: Path | None = None
    model_options: ModelOptions | None = None
    samples: int = 1
    seed: int = 0
    limit: int | None = None
    prompts: tuple[str, ...] = ()
    ocr: str = "paddle"
    profile: str = "standard"
    ceiling: bool = True
    styled_ceiling: bool = False
    sensitivity: bool = False
    interleave: bool = False
    shard: str | None = None
    devices: str | None = None
    backend: str = "local"
    address: str | None = None
    workers: int | None = None


@dataclass(frozen=True)
class Finished:
    """A run after drawing, reading and scoring, and what the user should know of how it went."""

    run: OpenRun
    resumed: bool = False
    notices: tuple[str, ...] = ()


def draw(options: RunOptions, *, watch: Watcher = ignore) -> Finished:
    """Plan a run, draw what is missing, read it, score it.

    Raises:
        EvalsuiteError: for anything that the caller can fix. What was finished is kept.
    """
    backend = backend_of(options)
    plan, in_turns = plan_run(options)
    return _carry_out(plan, options.out, workers=options.workers, watch=watch, interleave=in_turns, backend=backend)


def plan_run(options: RunOptions) -> tuple[Plan, list[str]]:
    """The plan of what is asked for, and the models to draw in turns.

    Raises:
        EvalsuiteError: for anything that the caller can fix.
    """
    references = options.ceiling or options.styled_ceiling or options.sensitivity
    require(extras_of_run(options.models, options.ocr, references=references), "this run")
    loaded = load_all(options.suites)
    chosen = _choose([prompt for suite in loaded for prompt in suite.prompts], options.prompts)
    names = list(dict.fromkeys(options.models))
    asked = len(names)
    if options.interleave and asked < 2:
        raise EvalsuiteError("--interleave: draws models in turns, so name at least two with --model")
    devices = devices_of(options)
    opened = _open(names, options.models, _on_devices(options, devices))
    if devices or options.backend != "local":
        check_models(opened, "--devices" if options.backend == "local" else f"--backend {options.backend}")
    picked = sample_prompts(chosen, options.limit, options.seed)
    sources = plan_sources(loaded, picked)
    if sources.pictures:
        opened += _editing_references(options, opened, sources)
        options = replace(options, ceiling=False, styled_ceiling=False, sensitivity=False)
    for styled, wanted in ((False, options.ceiling), (True, options.styled_ceiling)):
        opened += ceilings_for([model.spec for model in opened], styled=styled) if wanted else []
    if options.sensitivity:
        for styled in (False, True) if options.styled_ceiling else (False,):
            opened += malformed_for([model.spec for model in opened], styled=styled)
    plan = plan_prompts(
        refs=[suite.ref for suite in loaded],
        prompts=picked,
        models=opened,
        engine=engines.resolve(options.ocr),
        profile=options.profile,
        samples=options.samples,
        seed=options.seed,
        name=_slug([*(model.spec.name for model in opened), *options.suites]),
        shard=parse_shard(options.shard) if options.shard is not None else None,
        sources=sources,
    )
    if len(devices) > 1 or options.backend != "local":
        where = ",".join(devices) if options.backend == "local" else options.backend
        plan = replace(plan, manifest=_recording(plan.manifest, where))
    return plan, [model.spec.name for model in opened[:asked]] if options.interleave else []


def _editing_references(options: RunOptions, opened: Sequence[ImageModel], sources: PlannedSources) -> list[ImageModel]:
    """What stands beside models that edit: the source pictures as they are, and the mechanical editor as the ceiling.

    The editor needs to know what stands where, so it joins where all pictures are made.

    Raises:
        EvalsuiteError: A reference is asked for that draws no edits.
    """
    from evalsuite.models.mechanical_editor import EditorModel

    for flag, asked in (("--styled-ceiling", options.styled_ceiling), ("--sensitivity", options.sensitivity)):
        if asked:
            raise EvalsuiteError(f"{flag}: is drawn from nothing, which says nothing of edits; leave it out")
    there = {model.spec.name for model in opened}
    wanted = [EditorModel(unchanged=True), *([EditorModel()] if options.ceiling and sources.all_made else [])]
    return [model for model in wanted if model.spec.name not in there]


def devices_of(options: RunOptions) -> tuple[str, ...]:
    """The torch devices that models are fitted to, one for each process; none where the run's own process draws.

    Ray says only when it runs how many GPUs there are: one stands for all.

    Raises:
        EvalsuiteError: They cannot be had, or what is asked for does not go with several processes.
    """
    asked = "--devices" if options.devices is not None else f"--backend {options.backend}"
    if options.devices is None and options.backend == "local":
        return ()
    if options.interleave:
        raise EvalsuiteError(f"--interleave: compares speed on one device; leave out {asked}")
    if options.model_options is not None and "device" in options.model_options.settings and options.devices is not None:
        raise EvalsuiteError("--devices and --set device=… name devices both; leave out one of them")
    if options.backend == "ray" and (options.devices or "all").strip().lower() == "all":
        return ("cuda:0",)
    return parse_devices(options.devices or "")


def backend_of(options: RunOptions) -> Backend | None:
    """What draws, where that is not the run's own process.

    Raises:
        EvalsuiteError: It cannot be had here.
    """
    return backend_for(options.backend, options.devices, options.address, partial(engines.resolve, options.ocr))


def _on_devices(options: RunOptions, devices: Sequence[str]) -> ModelOptions | None:
    """The options for models: what is drawn on named devices is fitted to the first of them."""
    given = options.model_options
    if not devices or not any(map(registry.takes_options, options.models)):
        return given
    given = given or registry.ModelOptions()
    return replace(given, settings={**given.settings, "device": devices[0]})


def _recording(manifest: Manifest, where: str) -> Manifest:
    """The plan with the devices on record beside each model that draws there: they decide its speed."""
    models = tuple(
        msgspec.structs.replace(spec, runtime={**spec.runtime, "devices": where}) if spec.kind == "diffusion" else spec
        for spec in manifest.models
    )
    return msgspec.structs.replace(manifest, models=models)


def plan_like(
    run: OpenRun, model: str, options: ModelOptions | None = None, *, ocr: str | None = None, samples: int | None = None
) -> Plan:
    """The plan of another model over the prompts of a stored run, read and scored as that was.

    Args:
        run: The stored run.
        model: What draws.
        options: Its settings.
        ocr: The engine, where its name alone does not tell it.
        samples: Images per prompt, with the first of the run's seeds; by default as many as it has.

    Raises:
        EvalsuiteError: The model or the engine cannot be had, or the run has fewer seeds.
    """
    seeds = sorted(run.manifest.seeds)
    if samples is not None and not 1 <= samples <= len(seeds):
        raise EvalsuiteError(
            f"--samples {samples}: {run.folder} has {len(seeds)} images per prompt; name fewer, or as many"
        )
    seeds = seeds[:samples]
    opened = registry.resolve(model, options=options)
    plan = plan_prompts(
        refs=run.manifest.suites,
        prompts=run.manifest.prompts,
        models=[opened],
        engine=engines.resolve(ocr or run.ocr.name),
        profile=run.scorer.profile,
        samples=len(seeds),
        seed=seeds[0],
        name=_slug([opened.spec.name, *(ref.name for ref in run.manifest.suites)]),
    )
    return replace(plan, manifest=msgspec.structs.replace(plan.manifest, seeds=tuple(seeds)))


def _open(names: Sequence[str], asked: Sequence[str], options: ModelOptions | None) -> list[ImageModel]:
    """Resolve the models. Sampler options go to those that take them; where none does, they are an error."""
    takers = [name for name in asked if registry.takes_options(name)] or list(asked)
    return [registry.resolve(name, options=options if name in takers else None) for name in names]


def ceilings_for(specs: Sequence[ModelSpec], *, styled: bool) -> list[ImageModel]:
    """The references that the models lack as ceilings: one of each size that they draw at, or the default."""
    return _references_for(specs, styled=styled, malformed=0.0)


MALFORMED_RATE = 0.1
"""The share of characters that are malformed on the references which measure a reader's sensitivity."""


def malformed_for(specs: Sequence[ModelSpec], *, styled: bool) -> list[ImageModel]:
    """The references with malformed glyphs that the models lack: of the sizes of their ceilings."""
    return _references_for(specs, styled=styled, malformed=MALFORMED_RATE)


def _references_for(specs: Sequence[ModelSpec], *, styled: bool, malformed: float) -> list[ImageModel]:
    from evalsuite.models.typeset.malformed import Malforming
    from evalsuite.models.typeset.model import DEFAULT_SIZE, MAX_SIZE, MIN_SIZE, TypesetModel

    there = {spec.name for spec in specs}
    found = {}
    for spec in specs:
        size = spec.size
        if size is None or not all(MIN_SIZE <= side <= MAX_SIZE for side in size):
            size = DEFAULT_SIZE, DEFAULT_SIZE
        if not spec.measures_reader or all(each.measures_reader for each in specs):
            model = TypesetModel(width=size[0], height=size[1], styled=styled, malforming=Malforming(malformed))
            found[model.spec.name] = model
    return [model for name, model in found.items() if name not in there]


def _choose(prompts: Sequence[Prompt], ids: Sequence[str]) -> list[Prompt]:
    known = {prompt.id for prompt in prompts}
    for ident in ids:
        if ident not in known:
            raise EvalsuiteError(
                f"--prompt {ident}: no prompt of the chosen suites has this id; see 'evalsuite suites show'"
            )
    return [prompt for prompt in prompts if not ids or prompt.id in ids]


def score_images(
    folder: Path,
    targets: Path,
    *,
    out: Path | None = None,
    ocr: str = "paddle",
    profile: str = "standard",
    workers: int | None = None,
    watch: Watcher = ignore,
) -> Finished:
    """Read and score the images of `folder` against the targets in a .txt, .jsonl or .csv file.

    Raises:
        EvalsuiteError: naming the file and line of what cannot be used.
    """
    ref, prompts, model, surplus = read_targets(folder, targets)
    plan = plan_prompts(
        refs=[ref],
        prompts=prompts,
        models=[model],
        engine=engines.resolve(ocr),
        profile=profile,
        samples=1,
        seed=0,
        name=_slug(["score", folder.resolve().name]),
    )
    notices = (f"{len(surplus)} images have no targets: {listed(surplus, 8)}",) if surplus else ()
    return _carry_out(plan, out, workers=workers, watch=watch, notices=notices)


def score_again(
    folder: Path,
    *,
    ocr: str | None = None,
    profile: str | None = None,
    adjudications: Path | None = None,
    workers: int | None = None,
    watch: Watcher = ignore,
) -> Finished:
    """Score a stored run again, with its own OCR and profile or with others. Nothing is drawn.

    `adjudications` is a file of a person's marks on readings; the corrected scores carry a scorer of their own.

    Raises:
        EvalsuiteError: when there is no run, or the engine or profile is unknown.
    """
    store = RunStore.open(folder)
    scorer = scoring.scorer_spec(profile or store.manifest.scorer.profile)
    engine = None
    unread: list[str] = []
    if ocr is not None:
        engine = engines.resolve(ocr)
        unread = check_readable(store.manifest.prompts, engine, scorer.profile)
        runner.read_again(store, engine, workers=workers, watch=watch)
    with store.writing():
        run = runner.finish(store, engine.spec if engine else store.manifest.ocr, scorer, watch=watch)
        if adjudications is not None:
            judged = marks.load(adjudications)
            run = marks.apply(run, judged)
            marks.keep(run, judged)
    return Finished(run, resumed=True, notices=(*unread, *run.notices))


def _carry_out(
    plan: Plan,
    out: Path | None,
    *,
    workers: int | None,
    watch: Watcher,
    notices: tuple[str, ...] = (),
    interleave: Sequence[str] = (),
    backend: Backend | None = None,
) -> Finished:
    store, resumed = open_folder(plan, out, watch=watch)
    finished = runner.execute(plan, store, workers=workers, interleave=interleave, backend=backend, watch=watch)
    return Finished(finished, resumed=resumed, notices=(*notices, *plan.notices))


def open_folder(plan: Plan, out: Path | None, *, watch: Watcher) -> tuple[RunStore, bool]:
    """The run folder of a plan, and whether it was there already; what is worth telling of the plan is told.

    Raises:
        EvalsuiteError: The folder holds another run, or cannot be written.
    """
    shard = plan.manifest.shard
    part = f"-shard-{shard.number}-of-{shard.count}" if shard is not None else ""
    folder = out or Path("reports") / f"{plan.manifest.name}-{_plan_digest(plan.manifest)}{part}"
    store, resumed = RunStore.create_or_resume(folder, plan.manifest)
    for number, notice in enumerate(plan.notices, 1):  # before the hours that drawing may take
        watch(Progress("plan", number, len(plan.notices), notice))
    return store, resumed


def _plan_digest(manifest: Manifest) -> str:
    parts = [
        manifest.prompts,
        manifest.seeds,
        [model.digest for model in manifest.models],
        manifest.ocr.digest,
        manifest.scorer,
        *([manifest.sequential] if manifest.sequential is not None else []),
        *([manifest.sources] if manifest.sources else []),
    ]
    return digest(parts)[:8]


def _slug(parts: Sequence[str]) -> str:
    text = "-".join(Path(part).stem if part.endswith((".yaml", ".yml", ".jsonl")) else part for part in parts)
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.")[:60] or "run"
