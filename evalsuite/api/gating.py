"""Gates: of stored runs, while drawing, their forecast, and the baseline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalsuite.api.arguments import Names, Settings, StrPath, options_of, path_of, policy_of
from evalsuite.errors import EvalsuiteError
from evalsuite.runs.progress import Watcher, ignore

if TYPE_CHECKING:
    from evalsuite.gate import Policy, Verdict
    from evalsuite.gate.draw import Gated, Yardstick
    from evalsuite.results import GateVerdict, PlanResult, Promotion, RunResult
    from evalsuite.runs.opened import OpenRun


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

    rules = policy_of(policy)
    if baseline is None and (anchor is not None or baseline_model is not None or anchor_model is not None):
        raise EvalsuiteError("--anchor, --anchor-model and --baseline-model go with --baseline; --lock names its own")
    opened = open_run(Path(candidate))
    side = side_of(opened, candidate_model, option="--candidate-model")

    def judged() -> Verdict:
        """The verdict; the other runs are held in memory no longer than this takes."""
        if baseline is None:
            return gate_against_lock(side, path=Path(lock), policy=rules)
        same = Path(baseline).resolve() == opened.folder.resolve()
        one = side_of(opened if same else open_run(Path(baseline)), baseline_model, option="--baseline-model")
        fixed = side_of(open_run(Path(anchor)), anchor_model, option="--anchor-model") if anchor is not None else None
        return judge(one, side, rules, anchor=fixed)

    verdict = judged()
    page, notices = show_verdict(opened, verdict) if report else (None, ())
    return GateVerdict(verdict, page, notices)


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
        workers: OCR processes; by default as many as cores and memory allow.
        report: Write the HTML report.
        watch: Called with the progress.

    Raises:
        NotComparableError: OCR or scoring are others than the baseline's. Nothing was drawn.
        IncompleteError: The baseline is incomplete. Nothing was drawn.
        EvalsuiteError: for anything else that the caller can fix. What was finished is kept.
    """
    from evalsuite.gate.draw import draw_until_verdict
    from evalsuite.results import GateVerdict
    from evalsuite.runs.api import plan_like

    by = yardstick(
        baseline, policy_of(policy), lock=lock, anchor=anchor, baseline_model=baseline_model, anchor_model=anchor_model
    )
    options = options_of(settings, lora, transformer)
    plan = plan_like(by.baseline.run, model, options, ocr=ocr, samples=samples)
    result = gated_result(draw_until_verdict(plan, by, out=path_of(out), workers=workers, watch=watch), report=report)
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

    rules = policy_of(policy)
    return PlanResult(foresee(side_of(open_run(Path(baseline)), model), rules), rules)


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
        side, reason=reason, policy=policy_of(policy), path=Path(lock), bootstrap=bootstrap, move_anchor=anchor, by=by
    )
    return Promotion(written, verdict)


def yardstick(
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


def gated_result(done: Gated, *, report: bool) -> RunResult:
    """A run that was drawn until a verdict, with its figures and its page."""
    from evalsuite.report import store_summary
    from evalsuite.results import RunResult
    from evalsuite.runs import open_run

    run = open_run(done.run.folder)
    store_summary(run)
    page, notices = show_verdict(run, done.verdict) if report else (None, ())
    return RunResult(run, page, (*done.notices, *notices), done.resumed, done.verdict)


def show_verdict(run: OpenRun, verdict: Any) -> tuple[Path | None, tuple[str, ...]]:
    """Put the verdict on the run's page. Where that fails, say so: the verdict stands all the same."""
    from evalsuite.report import build_report, store_verdict, verdict_row

    try:
        store_verdict(run, verdict_row(verdict))
        return build_report(run), ()
    except (EvalsuiteError, OSError) as error:
        return None, (f"the verdict is not in the report: {error}",)
