"""The commands that decide about checkpoints: gate, baseline, sweep. Parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from evalsuite.cli import console
from evalsuite.errors import EvalsuiteError, ExitCode

if TYPE_CHECKING:
    from evalsuite.gate.verdict import Verdict
    from evalsuite.sweep import Sweep

app = typer.Typer()
baseline_app = typer.Typer(
    no_args_is_help=True, help="The baseline that gates compare with: promote, acknowledge, show."
)
app.add_typer(baseline_app, name="baseline")

CandidateOption = Annotated[Path, typer.Option("--candidate", help="Run folder of the checkpoint that wants to ship.")]
CandidateModelOption = Annotated[
    str | None, typer.Option("--candidate-model", help="The model in the candidate's run, where it has several.")
]
PolicyOption = Annotated[
    str, typer.Option("--policy", help="default, quick, longtext-bench, or a TOML file of the team's.")
]
LockOption = Annotated[Path, typer.Option("--lock", help="The file that names baseline and anchor.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, for the record.")]
ByOption = Annotated[str | None, typer.Option("--by", help="Who; by default this account, or the CI's actor.")]
DEFAULT_LOCK = Path("baseline.lock")


def _schema(value: bool) -> None:
    if value:
        from evalsuite.gate import output

        console.say(msgspec.json.format(msgspec.json.encode(output.schema()), indent=2).decode())
        raise typer.Exit


@app.command()
def gate(
    candidate: CandidateOption,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="Run folder to compare with; by default what --lock names.")
    ] = None,
    anchor: Annotated[
        Path | None, typer.Option("--anchor", help="A second, fixed run to compare with, beside --baseline.")
    ] = None,
    policy: PolicyOption = "default",
    lock: LockOption = DEFAULT_LOCK,
    candidate_model: CandidateModelOption = None,
    baseline_model: Annotated[
        str | None, typer.Option("--baseline-model", help="The model in the baseline's run, where it has several.")
    ] = None,
    anchor_model: Annotated[
        str | None, typer.Option("--anchor-model", help="The model in the anchor's run, where it has several.")
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write the verdict as JSON here.")] = None,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML here, one case a gate.")] = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", help="Write a Markdown summary here.")] = None,
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="Show the verdict in the candidate's HTML report.")
    ] = True,
    _: Annotated[
        bool, typer.Option("--schema", callback=_schema, is_eager=True, help="Print the JSON schema of a verdict.")
    ] = False,
) -> None:
    """Decide from stored runs whether a checkpoint may ship: exit code 0 PASS, 10 FAIL, 11 INCONCLUSIVE, 12 neither."""
    from evalsuite.gate import baseline as baselines
    from evalsuite.gate import check, output

    if baseline is not None:
        verdict = check(
            baseline,
            candidate,
            policy=policy,
            anchor=anchor,
            baseline_model=baseline_model,
            candidate_model=candidate_model,
            anchor_model=anchor_model,
        )
    elif anchor is not None or baseline_model is not None or anchor_model is not None:
        raise EvalsuiteError("--anchor, --anchor-model and --baseline-model go with --baseline; --lock names its own")
    else:
        verdict = baselines.gate_against_lock(candidate, path=lock, policy=policy, model=candidate_model)
    output.write(verdict, json_file=json, junit_file=junit, markdown_file=markdown)
    if report:
        _show_in_report(candidate, verdict)
    output.show(verdict)
    raise typer.Exit(verdict.exit_code)


def _show_in_report(folder: Path, verdict: Verdict) -> None:
    """Put the verdict on the run's page. Where that fails, say so: the verdict and its exit code stand all the same."""
    from evalsuite.report import build_report, keep_verdict, verdict_row
    from evalsuite.runs.store import RunStore

    try:
        store = RunStore.open(folder)
        keep_verdict(store, store.manifest.ocr, verdict_row(verdict))
        console.say(f"Report: {build_report(folder)}")
    except (EvalsuiteError, OSError) as error:
        console.notice(f"the verdict is not in the report: {error}")


@baseline_app.command("promote")
def baseline_promote(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    reason: ReasonOption,
    bootstrap: Annotated[
        bool, typer.Option("--bootstrap", help="Take it ungated: the first baseline, or a new start.")
    ] = False,
    anchor: Annotated[bool, typer.Option("--anchor", help="Make it the anchor too.")] = False,
    model: Annotated[str | None, typer.Option("--model", help="The model in the run, where it has several.")] = None,
    policy: PolicyOption = "default",
    lock: LockOption = DEFAULT_LOCK,
    by: ByOption = None,
) -> None:
    """Make a run the baseline, if it passes its gate against the present one."""
    from evalsuite.gate import baseline as baselines
    from evalsuite.gate import output

    written, verdict = baselines.promote(
        run, reason=reason, path=lock, bootstrap=bootstrap, move_anchor=anchor, policy=policy, model=model, by=by
    )
    if verdict is not None:
        output.show(verdict)
    how = "without a gate" if written.baseline.admitted == "bootstrap" else "having passed its gate"
    console.say(f"{lock}: {written.baseline.model} ({written.baseline.digest[:12]}) is the baseline, {how}")


@baseline_app.command("acknowledge")
def baseline_acknowledge(
    name: Annotated[str, typer.Argument(metavar="GATE", help="The failing gate's name, e.g. language=zh/ned.")],
    candidate: CandidateOption,
    reason: ReasonOption,
    model: CandidateModelOption = None,
    policy: PolicyOption = "default",
    lock: LockOption = DEFAULT_LOCK,
    by: ByOption = None,
) -> None:
    """Accept one regression of one candidate by name; the gate goes on showing it."""
    from evalsuite.gate import baseline as baselines

    entry = baselines.acknowledge(
        name, candidate, reason=reason, path=lock, policy=policy, model=model, by=by
    ).acknowledged[-1]
    console.say(f"{lock}: {entry.gate} is acknowledged for model {entry.model_digest[:12]} by {entry.by}")


@baseline_app.command("show")
def baseline_show(lock: LockOption = DEFAULT_LOCK) -> None:
    """Show baseline, anchor, acknowledged regressions and former baselines."""
    from evalsuite.gate import baseline as baselines

    found = baselines.read_lock(lock)
    pins = [("baseline", found.baseline), ("anchor", found.anchor), *(("former", pin) for pin in found.history)]
    console.table(
        str(lock),
        ("what", "model", "run", "digest", "by", "when", "admitted", "reason"),
        [(what, p.model, p.run, p.digest[:12], p.by, p.at, p.admitted, p.reason) for what, p in pins],
    )
    for entry in found.acknowledged:
        console.say(
            f"acknowledged: {entry.gate} for model {entry.model_digest[:12]}, {entry.by}, {entry.at}: {entry.reason}"
        )


@app.command()
def sweep(
    folder: Annotated[Path, typer.Argument(help="Folder of checkpoints, adapters, pipelines or folders of images.")],
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="What adapters and transformers were trained on.")
    ] = None,
    suite: Annotated[
        list[str] | None, typer.Option("--suite", "-s", help="all, a suite's name, or a file; repeatable.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where the runs go; by default reports/sweep-FOLDER.")
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="Run folder to gate against; by default the first checkpoint.")
    ] = None,
    policy: PolicyOption = "default",
    samples: Annotated[
        int | None, typer.Option("--samples", "-n", help="Images a prompt; by default the policy's.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="First seed; also picks the sample of --limit.")] = 0,
    limit: Annotated[
        int | None, typer.Option("--limit", help="At most this many prompts, balanced over the suites.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A sampler setting, e.g. steps=8; repeatable.")
    ] = None,
    ocr: Annotated[str, typer.Option("--ocr", help="OCR engine: paddle, or paddle:DET_DIR,REC_DIR.")] = "paddle",
    profile: Annotated[
        str, typer.Option("--profile", help="Scoring profile: strict, standard or lenient.")
    ] = "standard",
    ceiling: Annotated[bool, typer.Option("--ceiling/--no-ceiling", help="Draw the typeset reference too.")] = True,
    workers: Annotated[int | None, typer.Option("--ocr-workers", min=1, max=64, help="OCR processes.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on, taking new checkpoints as they appear.")] = False,
    every: Annotated[float, typer.Option("--every", min=0.1, help="Seconds between looks with --watch.")] = 30.0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Run every checkpoint of a folder in step order, and show accuracy, speed and verdict. Resumes by itself."""
    from evalsuite.gate import load_policy
    from evalsuite.models import parse_settings
    from evalsuite.sweep import SweepPlan, follow
    from evalsuite.sweep import sweep as run_sweep

    plan = SweepPlan(
        folder=folder,
        out=out or Path("reports") / f"sweep-{folder.resolve().name}",
        policy=load_policy(policy),
        model=model,
        suites=tuple(suite or ("all",)),
        baseline=baseline,
        settings=parse_settings(settings or []),
        samples=samples,
        seed=seed,
        limit=limit,
        ocr=ocr,
        profile=profile,
        ceiling=ceiling,
        workers=workers,
    )
    complete = True
    with console.progress(quiet=quiet) as watcher:
        for state in follow(plan, every=every, watch=watcher) if watch else [run_sweep(plan, watch=watcher)]:
            _show_sweep(state, plan.out)
            complete = not state.incomplete
    raise typer.Exit(ExitCode.OK if complete else ExitCode.INCOMPLETE)


def _show_sweep(found: Sweep, out: Path) -> None:
    from evalsuite.sweep import COLUMNS, FIGURES, cells

    console.table(f"Sweep of {found.folder}", COLUMNS, [cells(found, row) for row in found.rows], right=FIGURES)
    if found.waiting:
        console.say(f"Not written to the end yet: {', '.join(found.waiting)}")
    console.say(f"Figures: {out / 'sweep.json'}, {out / 'sweep.md'}")
    console.say(f"Page: {out / 'index.html'}")
