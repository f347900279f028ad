"""The Python API: every command of the command line as a function.

Folders may be given as text or as a path, names one at a time or several. What comes back holds the figures, is short
in a console and a table in a notebook. Nothing is printed. Heavy libraries load only when a function needs them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalsuite.errors import EvalsuiteError
from evalsuite.runs.progress import Watcher, ignore

if TYPE_CHECKING:
    from evalsuite.gate import Policy
    from evalsuite.gate.draw import Gated, Yardstick
    from evalsuite.records import Json, OcrSpec
    from evalsuite.results import (
        ClaimsResult,
        ComparisonResult,
        GateVerdict,
        JudgeResult,
        PlanResult,
        Promotion,
        RunResult,
        SweepResult,
    )
    from evalsuite.runs.api import Finished
    from evalsuite.runs.opened import OpenRun
    from evalsuite.runs.verify import Verification
    from evalsuite.sweep import SweepPlan

StrPath = str | os.PathLike[str]
Names = str | Iterable[str]
Settings = Mapping[str, Any] | Iterable[str]
"""Sampler settings: `{"steps": 8}`, `["steps=8", "size=768x1344"]` or `"steps=8"`."""


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
    interleave: bool = False,
    until_verdict: bool = False,
    baseline: StrPath | None = None,
    policy: StrPath | Policy = "default",
    lock: StrPath = "baseline.lock",
    workers: int | None = None,
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
        interleave: Load the models together and draw in turns, to compare their speed.
        until_verdict: Draw the one model image by image, and stop once the policy's gates have decided; see
            `gate_while_drawing`. The typeset reference is not drawn then.
        baseline: With `until_verdict`, the run folder to compare with; by default what `lock` names.
        policy: With `until_verdict`, its gates.
        lock: With `until_verdict`, the file that names baseline and anchor.
        workers: OCR processes; by default one per core, four at most.
        report: Write the HTML report.
        watch: Called with the progress.

    Raises:
        EvalsuiteError: for anything that the caller can fix. What was finished is kept.
    """
    from evalsuite.models import ModelOptions
    from evalsuite.runs import api

    if not until_verdict and baseline is not None:
        raise EvalsuiteError("--baseline goes with --until-verdict; to gate a whole run, use 'evalsuite gate'")
    options = api.RunOptions(
        models=_names(models) if models is not None else api.default_models(),
        suites=_names(suites),
        out=_path(out),
        model_options=ModelOptions(
            _settings(settings), _names(lora), os.fspath(transformer) if transformer is not None else None
        ),
        samples=samples,
        seed=seed,
        limit=limit,
        prompts=_names(prompts),
        ocr=ocr,
        profile=profile,
        ceiling=ceiling and not until_verdict,
        styled_ceiling=styled_ceiling and not until_verdict,
        interleave=interleave,
        workers=workers,
    )
    if until_verdict:
        from evalsuite.gate.draw import draw_until_verdict

        plan, _ = api.plan_run(options)
        by = _yardstick(baseline, _policy(policy), lock=lock)
        done = draw_until_verdict(plan, by, out=options.out, workers=workers, watch=watch)
        return _gated(done, report=report)
    return _with_report(api.draw(options, watch=watch), report=report)


def gate_while_drawing(
    model: str,
    baseline: StrPath | None = None,
    *,
    anchor: StrPath | None = None,
    policy: StrPath | Policy = "default",
    lock: StrPath = "baseline.lock",
    out: StrPath | None = None,
    samples: int | None = None,
    settings: Settings = (),
    lora: Names = (),
    transformer: StrPath | None = None,
    ocr: str | None = None,
    baseline_model: str | None = None,
    anchor_model: str | None = None,
    workers: int | None = None,
    report: bool = True,
    watch: Watcher = ignore,
) -> GateVerdict:
    """Draw a checkpoint image by image, and stop as soon as every gate of the policy has passed or one has failed.

    Prompts, seeds, OCR and scoring are the baseline's. The same call resumes what was stopped, with the same verdict.

    Args:
        model: What draws, as for `run`.
        baseline: Run folder to compare with; by default what `lock` names.
        anchor: A second, fixed run to compare with, beside `baseline`.
        policy: `default`, `quick`, `longtext-bench`, or a TOML file; its `[sequential]` says what the verdict is about.
        lock: The file that names baseline and anchor, and acknowledged failures.
        out: The run folder; by default one under `reports/` that is named by the plan.
        samples: Images per prompt, with the first of the baseline's seeds; by default all of them.
        settings: Sampler settings, as for `run`.
        lora: Adapters as `PATH[:scale]`.
        transformer: A fine-tuned transformer's safetensors.
        ocr: The OCR engine with its arguments, where the name in the baseline's plan does not tell it.
        baseline_model: The model in the baseline's run, where it has several.
        anchor_model: The model in the anchor's run, where it has several.
        workers: OCR processes; by default one per core, four at most.
        report: Write the HTML report.
        watch: Called with the progress.

    Raises:
        NotComparableError: OCR or scoring are others than the baseline's. Nothing was drawn.
        IncompleteError: The baseline is incomplete. Nothing was drawn.
        EvalsuiteError: for anything else that the caller can fix. What was finished is kept.
    """
    from evalsuite.gate.draw import draw_until_verdict
    from evalsuite.models import ModelOptions
    from evalsuite.results import GateVerdict
    from evalsuite.runs.api import plan_like

    by = _yardstick(
        baseline, _policy(policy), lock=lock, anchor=anchor, baseline_model=baseline_model, anchor_model=anchor_model
    )
    options = ModelOptions(
        _settings(settings), _names(lora), os.fspath(transformer) if transformer is not None else None
    )
    plan = plan_like(by.baseline.run, model, options, ocr=ocr, samples=samples)
    result = _gated(draw_until_verdict(plan, by, out=_path(out), workers=workers, watch=watch), report=report)
    assert result.verdict is not None  # noqa: S101 - a gated run has one
    return GateVerdict(result.verdict, result.page, result.notices, result.run)


def plan(
    baseline: StrPath,
    *,
    policy: StrPath | Policy = "default",
    model: str | None = None,
) -> PlanResult:
    """The images that a gate while drawing will take to its verdict, foretold from a stored baseline.

    For 1, 2 and 4 images per prompt, and true losses of none, half a margin, two and five margins.

    Args:
        baseline: The run folder.
        policy: Its gates, its level and what its verdict is about.
        model: The model in the run, where it has several.

    Raises:
        IncompleteError: The baseline misses images.
        EvalsuiteError: The run or the policy cannot be read.
    """
    from evalsuite.gate import side_of
    from evalsuite.gate.foresee import foresee
    from evalsuite.results import PlanResult
    from evalsuite.runs import open_run

    rules = _policy(policy)
    return PlanResult(foresee(side_of(open_run(Path(baseline)), model), rules), rules)


def score(
    folder: StrPath,
    targets: StrPath,
    *,
    out: StrPath | None = None,
    ocr: str = "paddle",
    profile: str = "standard",
    workers: int | None = None,
    report: bool = True,
    watch: Watcher = ignore,
) -> RunResult:
    """Read and score the images of a folder against the targets in a .txt, .jsonl or .csv file.

    Raises:
        EvalsuiteError: naming the file and line of what cannot be used.
    """
    from evalsuite.runs import api

    done = api.score_images(
        Path(folder), Path(targets), out=_path(out), ocr=ocr, profile=profile, workers=workers, watch=watch
    )
    return _with_report(done, report=report)


def rescore(
    folder: StrPath,
    *,
    ocr: str | None = None,
    profile: str | None = None,
    adjudications: StrPath | None = None,
    workers: int | None = None,
    report: bool = True,
    watch: Watcher = ignore,
) -> RunResult:
    """Score a stored run again, with other OCR, another profile, or a person's marks. Nothing is drawn.

    Raises:
        EvalsuiteError: when there is no run, or the engine or profile is unknown.
    """
    from evalsuite.runs import api

    done = api.score_again(
        Path(folder), ocr=ocr, profile=profile, adjudications=_path(adjudications), workers=workers, watch=watch
    )
    return _with_report(done, report=report)


def report(folder: StrPath, *, single_file: bool = False) -> RunResult:
    """Write the HTML report of a stored run, and its figures as `summary.json`.

    Raises:
        EvalsuiteError: when there is no run, a file of it is damaged, or the folder cannot be written.
    """
    from evalsuite.report import build_report, store_summary
    from evalsuite.results import RunResult
    from evalsuite.runs import open_run

    opened = open_run(Path(folder))
    store_summary(opened)
    return RunResult(opened, build_report(opened, single_file=single_file), opened.notices)


def judge(
    folder: StrPath,
    *,
    sample: int | None = None,
    seed: int | None = None,
    marks: StrPath | None = None,
    report: bool = True,
) -> JudgeResult:
    """Draw the random sample of a run's images that a person judges, and correct the accuracy once all are judged.

    Args:
        folder: The run folder. Sample and marks are kept in it.
        sample: How many images; 40 by default, or as many as were drawn already. A larger sample keeps the smaller.
        seed: What the sample is drawn by, 0 by default. A sample that was drawn already keeps its seed.
        marks: Marks that a person made in the report, as exported there.
        report: Write the page, on which the sampled images are judged.

    Raises:
        IncompleteError: Images are missing or unread: the sample would not be of what was promised.
        EvalsuiteError: The sample is too small, was drawn with another seed, or the marks do not fit.
    """
    from evalsuite.report import build_report, store_summary
    from evalsuite.results import JudgeResult
    from evalsuite.runs.judging import judge_sample

    opened, correction = judge_sample(Path(folder), size=sample, seed=seed, marks=_path(marks))
    store_summary(opened)
    return JudgeResult(opened, correction, build_report(opened) if report else None)


def compare(folders: StrPath | Iterable[StrPath], out: StrPath) -> ComparisonResult:
    """Set two or more runs, or the models of one run, side by side on a page in `out`.

    Raises:
        NotComparableError: when prompts, seeds, OCR or scorer differ, naming what.
        EvalsuiteError: when a run cannot be read or `out` cannot be written.
    """
    from evalsuite.report import build_comparison
    from evalsuite.report.comparison import compare_all, contestants
    from evalsuite.results import ComparisonResult
    from evalsuite.runs import open_run

    paths = [Path(folders)] if isinstance(folders, (str, os.PathLike)) else [Path(each) for each in folders]
    runs = tuple(open_run(path) for path in paths)
    page = build_comparison(runs, Path(out))
    return ComparisonResult(page, runs, tuple(compare_all(runs, contestants(runs))))


def gate(
    candidate: StrPath,
    baseline: StrPath | None = None,
    *,
    anchor: StrPath | None = None,
    policy: StrPath | Policy = "default",
    lock: StrPath = "baseline.lock",
    candidate_model: str | None = None,
    baseline_model: str | None = None,
    anchor_model: str | None = None,
    report: bool = True,
) -> GateVerdict:
    """Decide from stored runs whether a checkpoint may ship. Every image of the runs is hashed.

    Args:
        candidate: Run folder of the checkpoint that wants to ship.
        baseline: Run folder to compare with; by default what `lock` names.
        anchor: A second, fixed run to compare with, beside `baseline`.
        policy: `default`, `quick`, `longtext-bench`, or a TOML file.
        lock: The file that names baseline and anchor.
        candidate_model: The model in the candidate's run, where it has several; likewise the others.
        baseline_model: See `candidate_model`.
        anchor_model: See `candidate_model`.
        report: Put the verdict on the candidate's page; where that fails, a notice says so.

    Raises:
        EvalsuiteError: A run or the policy cannot be read; what can be read but not compared is a verdict.
    """
    from evalsuite.gate import judge, side_of
    from evalsuite.gate.baseline import gate_against_lock
    from evalsuite.results import GateVerdict
    from evalsuite.runs import open_run

    rules = _policy(policy)
    if baseline is None and (anchor is not None or baseline_model is not None or anchor_model is not None):
        raise EvalsuiteError("--anchor, --anchor-model and --baseline-model go with --baseline; --lock names its own")
    opened = open_run(Path(candidate))
    side = side_of(opened, candidate_model, option="--candidate-model")
    if baseline is None:
        verdict = gate_against_lock(side, path=Path(lock), policy=rules)
    else:
        same = Path(baseline).resolve() == opened.folder.resolve()
        one = side_of(opened if same else open_run(Path(baseline)), baseline_model, option="--baseline-model")
        fixed = side_of(open_run(Path(anchor)), anchor_model, option="--anchor-model") if anchor is not None else None
        verdict = judge(one, side, rules, anchor=fixed)
    page, notices = _show_verdict(opened, verdict) if report else (None, ())
    return GateVerdict(verdict, page, notices)


def _yardstick(
    baseline: StrPath | None,
    policy: Policy,
    *,
    lock: StrPath,
    anchor: StrPath | None = None,
    baseline_model: str | None = None,
    anchor_model: str | None = None,
) -> Yardstick:
    """What a candidate is held against while it is drawn: the runs that are named, or those of the lock."""
    from evalsuite.gate import side_of
    from evalsuite.gate.baseline import open_pin, read_lock
    from evalsuite.gate.draw import Yardstick
    from evalsuite.runs import open_run

    if baseline is None:
        if anchor is not None or baseline_model is not None or anchor_model is not None:
            raise EvalsuiteError(
                "--anchor, --anchor-model and --baseline-model go with --baseline; --lock names its own"
            )
        path = Path(lock)
        named = read_lock(path)
        return Yardstick(
            policy=policy,
            baseline=open_pin(path, named.baseline),
            anchor=open_pin(path, named.anchor) if named.anchor.digest != named.baseline.digest else None,
            acknowledged=named.acknowledged,
        )
    return Yardstick(
        policy=policy,
        baseline=side_of(open_run(Path(baseline)), baseline_model, option="--baseline-model"),
        anchor=side_of(open_run(Path(anchor)), anchor_model, option="--anchor-model") if anchor is not None else None,
    )


def _gated(done: Gated, *, report: bool) -> RunResult:
    """A run that was drawn until a verdict, with its figures and its page."""
    from evalsuite.report import store_summary
    from evalsuite.results import RunResult
    from evalsuite.runs import open_run

    run = open_run(done.run.folder)
    store_summary(run)
    page, notices = _show_verdict(run, done.verdict) if report else (None, ())
    return RunResult(run, page, (*done.notices, *notices), done.resumed, done.verdict)


def _show_verdict(run: OpenRun, verdict: Any) -> tuple[Path | None, tuple[str, ...]]:
    """Put the verdict on the run's page. Where that fails, say so: the verdict stands all the same."""
    from evalsuite.report import build_report, store_verdict, verdict_row

    try:
        store_verdict(run, verdict_row(verdict))
        return build_report(run), ()
    except (EvalsuiteError, OSError) as error:
        return None, (f"the verdict is not in the report: {error}",)


def promote(
    folder: StrPath,
    *,
    reason: str,
    lock: StrPath = "baseline.lock",
    bootstrap: bool = False,
    anchor: bool = False,
    policy: StrPath | Policy = "default",
    model: str | None = None,
    by: str | None = None,
) -> Promotion:
    """Make a run the baseline, if it passes its gate against the present one, and write the lock.

    Raises:
        NotPromotedError: The gate did not pass; the lock is as it was.
        BaselineError: There is no lock and no `bootstrap`, or no reason was given.
    """
    from evalsuite.gate import side_of
    from evalsuite.gate.baseline import promote_side
    from evalsuite.results import Promotion
    from evalsuite.runs import open_run

    side = side_of(open_run(Path(folder)), model)
    written, verdict = promote_side(
        side, reason=reason, policy=_policy(policy), path=Path(lock), bootstrap=bootstrap, move_anchor=anchor, by=by
    )
    return Promotion(written, verdict)


def claims(
    folder: StrPath,
    claims: Names = (),
    *,
    models: Names = (),
    ocr: str | None = None,
    trust_settings: bool = False,
    report: bool = True,
) -> ClaimsResult:
    """Hold a run against published figures: reproduced, not reproduced, inconclusive or not comparable.

    Args:
        folder: The run folder.
        claims: Ids of claims; by default those about the run's models.
        models: Only these models of the run.
        ocr: The engine whose readings count; by default the published reader's where the run has them.
        trust_settings: Take settings that the run does not know to be the claim's.
        report: Put the verdicts on the run's page.

    Raises:
        EvalsuiteError: when there is no run, or a claim, model or engine is not known.
    """
    from evalsuite.claims import check_claims, exit_code, published_reader
    from evalsuite.report import build_report, store_claims
    from evalsuite.report.claim_rows import report_rows, standing_rows
    from evalsuite.results import ClaimsResult
    from evalsuite.runs import RunStore, open_run

    store = RunStore.open(Path(folder))
    names = _names(claims)
    opened = open_run(store, _engine(store, ocr) if ocr is not None else published_reader(store))
    found = check_claims(opened, names, models=_names(models), trust_settings=trust_settings)
    page = None
    if report and (found.verdicts or any(row.role for row in found.standings)):
        store_claims(opened, report_rows(found.verdicts), standing_rows(found.standings))
        page = build_report(opened.read_by(store.manifest.ocr))
    code = exit_code(found.verdicts, named=bool(names))
    return ClaimsResult(found.verdicts, found.standings, int(code), page)


def sweep(folder: StrPath, model: str | None = None, *, watch: Watcher = ignore, **options: Any) -> SweepResult:
    """Run and gate every checkpoint of a folder in step order. Resumes by itself.

    Args:
        folder: Checkpoints, adapters, pipelines or folders of images.
        model: What adapters and transformers were trained on.
        watch: Called with the progress.
        options: Further options, as `plan_sweep` takes them.

    Raises:
        EvalsuiteError: There is no checkpoint, or what they all need is wrong.
    """
    from evalsuite.results import SweepResult
    from evalsuite.sweep import run_sweep

    plan = plan_sweep(folder, model, **options)
    return SweepResult(run_sweep(plan, watch=watch), plan.out / "index.html")


def plan_sweep(
    folder: StrPath,
    model: str | None = None,
    *,
    suites: Names = "all",
    out: StrPath | None = None,
    baseline: StrPath | None = None,
    policy: StrPath | Policy = "default",
    samples: int | None = None,
    seed: int = 0,
    limit: int | None = None,
    settings: Settings = (),
    ocr: str = "paddle",
    profile: str = "standard",
    ceiling: bool = True,
    until_verdict: bool = False,
    workers: int | None = None,
) -> SweepPlan:
    """What a sweep does with each checkpoint.

    `out` defaults to `reports/sweep-FOLDER`, `baseline` (a run folder to gate against) to the first checkpoint, and
    `samples` to the policy's images per prompt. With `until_verdict`, each but the baseline is drawn only until its
    gate has decided. The other options are those of `run`.

    Raises:
        EvalsuiteError: The policy or a setting cannot be used.
    """
    from evalsuite.sweep import SweepPlan

    path = Path(folder)
    return SweepPlan(
        folder=path,
        out=_path(out) or Path("reports") / f"sweep-{path.resolve().name}",
        policy=_policy(policy),
        model=model,
        suites=_names(suites),
        baseline=_path(baseline),
        settings=_settings(settings),
        samples=samples,
        seed=seed,
        limit=limit,
        ocr=ocr,
        profile=profile,
        ceiling=ceiling,
        until_verdict=until_verdict,
        workers=workers,
    )


def export(folder: StrPath, form: str, *, out: StrPath | None = None, model: str | None = None) -> Path:
    """Write a run as `parquet`, `csv`, `dataset`, `markdown` or `model-card`, and return where.

    Raises:
        EvalsuiteError: for an unknown form or model, or a place that cannot be written.
        IncompleteError: for a model card of an incomplete run.
    """
    from evalsuite.export import write_export
    from evalsuite.runs import open_run

    return write_export(open_run(Path(folder)), form, out=_path(out), model=model)


def verify(folder: StrPath, *, read: int = 0, seed: int = 0) -> Verification:
    """Check that a run is what it says: every row, every image, and with `read` a sample of readings, read again.

    Raises:
        EvalsuiteError: when there is no run, a file of it is damaged, or its OCR is not to be had here.
    """
    from evalsuite.runs import open_run
    from evalsuite.runs.verify import verify_run

    return verify_run(open_run(Path(folder)), read=read, seed=seed)


def _with_report(done: Finished, *, report: bool) -> RunResult:
    from evalsuite.report import build_report, store_summary
    from evalsuite.results import RunResult

    store_summary(done.run)
    page = build_report(done.run) if report else None
    return RunResult(done.run, page, done.notices, done.resumed)


def _names(value: Names) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _settings(settings: Settings) -> dict[str, Json]:
    from evalsuite.models import parse_settings

    pairs = [f"{key}={value}" for key, value in settings.items()] if isinstance(settings, Mapping) else settings
    return parse_settings([pairs] if isinstance(pairs, str) else list(pairs))


def _path(value: StrPath | None) -> Path | None:
    return None if value is None else Path(value)


def _policy(policy: StrPath | Policy) -> Policy:
    from evalsuite.gate import Policy, load_policy

    return policy if isinstance(policy, Policy) else load_policy(policy if isinstance(policy, str) else Path(policy))


def _engine(store: Any, name: str) -> OcrSpec:
    """The engine of that name: by name alone where it has read the run, so that its weights need not be here."""
    from evalsuite import ocr as engines

    known = {each.name: each for each in store.engines()}
    return known.get(name) or engines.resolve(name).spec
