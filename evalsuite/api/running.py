"""Draw, read and score; runs until a gate's verdict go on in `gating`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from evalsuite.api.arguments import Names, Settings, StrPath, names_of, options_of, path_of, policy_of
from evalsuite.api.gating import gated_result, yardstick
from evalsuite.errors import EvalsuiteError
from evalsuite.runs.progress import Watcher, ignore

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evalsuite.gate import Policy
    from evalsuite.results import RunResult
    from evalsuite.runs.api import Finished


def run(
    models: Names | None = None,
    suites: Names = "all",
    *,
    out: StrPath | None = None,
    samples: int = 1,
    seed: int = 0,
    limit: int | None = None,
    prompts: Names = (),
    settings: Settings = (),
    lora: Names = (),
    transformer: StrPath | None = None,
    ocr: str = "paddle",
    profile: str = "standard",
    ceiling: bool = True,
    styled_ceiling: bool = False,
    sensitivity: bool = False,
    interleave: bool = False,
    shard: str | None = None,
    devices: str | None = None,
    backend: str = "local",
    address: str | None = None,
    until_verdict: bool = False,
    baseline: StrPath | None = None,
    policy: StrPath | Policy = "default",
    lock: StrPath = "baseline.lock",
    workers: int | None = None,
    glyphs: bool = False,
    concurrency: int | None = None,
    rate: float | None = None,
    report: bool = True,
    watch: Watcher = ignore,
) -> RunResult:
    """Draw, read and score prompts, and write the report. The same call resumes a run that was stopped.

    Args:
        models: What draws: `typeset`, `folder:DIR`, a preset, a checkpoint folder, a hub id or a TOML file; by default
            the stand-ins that ship with evalsuite.
        suites: `all`, names of suites, or YAML or JSONL files.
        out: The run folder; by default one under `reports/` that is named by the plan.
        samples: Images per prompt.
        seed: The first seed; it also picks the sample of `limit`.
        limit: At most this many prompts, balanced over the suites.
        prompts: Only the prompts with these ids.
        settings: Sampler settings, e.g. `{"steps": 8}` or `["steps=8", "size=768x1344"]`.
        lora: Adapters as `PATH[:scale]`.
        transformer: A fine-tuned transformer's safetensors.
        ocr: The OCR engine.
        profile: `strict`, `standard` or `lenient`.
        ceiling: Draw the typeset reference too, at the size of each model.
        styled_ceiling: Draw it in designed lettering as well.
        sensitivity: Draw these with malformed glyphs too, and tell how many of them the reader notices.
        interleave: Load the models together and draw in turns, to compare their speed.
        shard: Draw only this part of the plan, e.g. `3/8`; `merge` puts the parts together.
        devices: Draw in one process for each: `all` GPUs, `0,1`, or `cpu:2`; with `backend="ray"`, `cpu:N` actors.
        backend: `local`, or `ray`: actors draw and read, this process writes.
        address: Of a Ray cluster (`auto`, `HOST:PORT`); without it, Ray is started on this machine.
        until_verdict: Draw the one model image by image, and stop once the policy's gates have decided; see
            `gate_while_drawing`. The typeset reference is not drawn then.
        baseline: With `until_verdict`, the run folder to compare with; by default what `lock` names.
        policy: With `until_verdict`, its gates.
        lock: With `until_verdict`, the file that names baseline and anchor.
        workers: OCR processes; by default as many as cores and memory allow.
        glyphs: Let the glyph verifier look at every character that was read (`evalsuite.glyphs`).
        concurrency: For `server:URL` models, requests under way at a time.
        rate: For `server:URL` models, requests a second, sent at random moments.
        report: Write the HTML report.
        watch: Called with the progress.

    Raises:
        EvalsuiteError: for anything that the caller can fix. What was finished is kept.
    """
    from evalsuite.models.servers import under_load
    from evalsuite.runs import api

    if glyphs:
        check_verifier()
    if until_verdict and glyphs:
        raise EvalsuiteError(
            "--glyphs looks at whole runs; leave out --until-verdict, or use 'evalsuite glyphs' afterwards"
        )
    if not until_verdict and baseline is not None:
        raise EvalsuiteError("--baseline goes with --until-verdict; to gate a whole run, use 'evalsuite gate'")
    if until_verdict and sensitivity:
        raise EvalsuiteError("--sensitivity draws references, which --until-verdict leaves out; name one of the two")
    if until_verdict and shard is not None:
        raise EvalsuiteError("--shard: what is drawn until a verdict cannot be dealt; leave out --until-verdict")
    if until_verdict and (devices is not None or backend != "local"):
        raise EvalsuiteError("--until-verdict: draws image by image in one process; leave out --devices and --backend")
    names = names_of(models) if models is not None else api.default_models()
    options = api.RunOptions(
        models=tuple(under_load(name, concurrency, rate) for name in names),
        suites=names_of(suites),
        out=path_of(out),
        model_options=options_of(settings, lora, transformer),
        samples=samples,
        seed=seed,
        limit=limit,
        prompts=names_of(prompts),
        ocr=ocr,
        profile=profile,
        ceiling=ceiling and not until_verdict,
        styled_ceiling=styled_ceiling and not until_verdict,
        sensitivity=sensitivity,
        interleave=interleave,
        shard=shard,
        devices=devices,
        backend=backend,
        address=address,
        workers=workers,
    )
    if until_verdict:
        from evalsuite.gate.draw import draw_until_verdict

        plan, _ = api.plan_run(options)
        if plan.sources.pictures:
            raise EvalsuiteError("--until-verdict: edits are drawn whole; leave it out, and gate the run afterwards")
        by = yardstick(baseline, policy_of(policy), lock=lock)
        done = draw_until_verdict(plan, by, out=options.out, workers=workers, watch=watch)
        return gated_result(done, report=report)
    return with_report(api.draw(options, watch=watch), glyphs=glyphs, report=report, watch=watch)


def merge(out: StrPath, shards: Iterable[StrPath], *, report: bool = True, watch: Watcher = ignore) -> RunResult:
    """Put the shards of a run together in `out`: what comes out is the run that one machine would have made.

    Args:
        out: The folder of the whole run; what it holds already is kept.
        shards: The run folders of the shards.
        report: Write the HTML report.
        watch: Called with the progress.

    Raises:
        EvalsuiteError: The plans differ, or two shards hold different images of one request.
    """
    from evalsuite.runs.api import Finished
    from evalsuite.runs.merge import merge_runs

    run, notices = merge_runs(Path(out), [Path(each) for each in shards], watch=watch)
    return with_report(Finished(run, notices=notices), glyphs=False, report=report, watch=watch)


def score(
    folder: StrPath,
    targets: StrPath,
    *,
    out: StrPath | None = None,
    ocr: str = "paddle",
    profile: str = "standard",
    workers: int | None = None,
    glyphs: bool = False,
    report: bool = True,
    watch: Watcher = ignore,
) -> RunResult:
    """Read and score the images of a folder against the targets in a .txt, .jsonl or .csv file.

    Raises:
        EvalsuiteError: naming the file and line of what cannot be used.
    """
    from evalsuite.runs import api

    if glyphs:
        check_verifier()
    done = api.score_images(
        Path(folder), Path(targets), out=path_of(out), ocr=ocr, profile=profile, workers=workers, watch=watch
    )
    return with_report(done, glyphs=glyphs, report=report, watch=watch)


def rescore(
    folder: StrPath,
    *,
    ocr: str | None = None,
    profile: str | None = None,
    adjudications: StrPath | None = None,
    workers: int | None = None,
    glyphs: bool = False,
    report: bool = True,
    watch: Watcher = ignore,
) -> RunResult:
    """Score a stored run again, with other OCR, another profile, or a person's marks. Nothing is drawn.

    Raises:
        EvalsuiteError: when there is no run, or the engine or profile is unknown.
    """
    from evalsuite.runs import api

    if glyphs:
        check_verifier()
    done = api.score_again(
        Path(folder), ocr=ocr, profile=profile, adjudications=path_of(adjudications), workers=workers, watch=watch
    )
    return with_report(done, glyphs=glyphs, report=report, watch=watch)


def check_verifier() -> None:
    """Say what is not installed before anything is drawn or read.

    Raises:
        EvalsuiteError: The glyph verifier cannot be used here.
    """
    from evalsuite.glyphs.verifier import open_verifier

    open_verifier()


def with_report(done: Finished, *, glyphs: bool, report: bool, watch: Watcher) -> RunResult:
    """A finished run with its figures stored and, if wanted, its glyphs looked at and its page written."""
    from evalsuite.api.stored import look_and_show
    from evalsuite.edits import measure as measure_edits
    from evalsuite.report import build_report, store_summary
    from evalsuite.results import RunResult

    measure_edits(done.run, watch=watch)
    looked = None
    if glyphs:
        from evalsuite.glyphs import look

        looked = look_and_show(done.run, watch=watch) if report else look(done.run, watch=watch)
    store_summary(done.run)
    page = build_report(done.run, looked=looked) if report else None
    return RunResult(done.run, page, done.notices, done.resumed)
