"""The command `sweep`: every checkpoint of a training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalsuite.cli import console
from evalsuite.cli.gate import load_noted
from evalsuite.cli.options import (
    CeilingOption,
    LimitOption,
    OcrOption,
    PolicyOption,
    ProfileOption,
    QuietOption,
    SeedOption,
    SettingsOption,
    SuitesOption,
    TrackOption,
    UntilVerdictOption,
    WorkersOption,
    examples,
)
from evalsuite.cli.tracking import check_asked, sweep_tracking
from evalsuite.errors import ExitCode

if TYPE_CHECKING:
    from evalsuite.sweep import Sweep

app = typer.Typer()

SHOWN = 20
"""Files and folders passed over that the terminal lists."""


@app.command(
    epilog=examples(
        "evalsuite sweep checkpoints/ -m flux2-klein-4b -s signage-en",
        "evalsuite sweep checkpoints/ -m flux2-klein-4b --until-verdict --watch",
    )
)
def sweep(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder of checkpoints, adapters, pipelines or folders of images.")
    ],
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", metavar="MODEL", help="What adapters and transformers were trained on."),
    ] = None,
    suite: SuitesOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FOLDER", help="Where the runs go; by default reports/sweep-FOLDER."),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option("--baseline", metavar="RUN", help="Run folder to gate against; by default the first checkpoint."),
    ] = None,
    policy: PolicyOption = "default",
    samples: Annotated[
        int | None,
        typer.Option("--samples", "-n", metavar="N", help="Images per prompt; by default the policy's."),
    ] = None,
    seed: SeedOption = 0,
    limit: LimitOption = None,
    settings: SettingsOption = None,
    ocr: OcrOption = "paddle",
    profile: ProfileOption = "standard",
    ceiling: CeilingOption = True,
    until_verdict: UntilVerdictOption = False,
    workers: WorkersOption = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on, taking new checkpoints as they appear.")] = False,
    every: Annotated[
        float, typer.Option("--every", metavar="SECONDS", min=0.1, help="Seconds between looks with --watch.")
    ] = 30.0,
    track: TrackOption = None,
    quiet: QuietOption = False,
) -> None:
    """Run every checkpoint of a folder in step order, and show accuracy, speed and verdict. Resumes by itself."""
    from evalsuite.api import plan_sweep
    from evalsuite.sweep import follow, run_sweep

    check_asked(track)
    plan = plan_sweep(
        folder,
        model,
        suites=suite or "all",
        out=out,
        baseline=baseline,
        policy=load_noted(policy),
        samples=samples,
        seed=seed,
        limit=limit,
        settings=settings or (),
        ocr=ocr,
        profile=profile,
        ceiling=ceiling,
        until_verdict=until_verdict,
        workers=workers,
    )
    complete = True
    with sweep_tracking(track, plan.out) as tracked, console.progress(quiet=quiet) as watcher:
        for state in follow(plan, every=every, watch=watcher) if watch else [run_sweep(plan, watch=watcher)]:
            _show(state, plan.out)
            tracked(state)
            complete = not state.incomplete
    raise typer.Exit(ExitCode.OK if complete else ExitCode.INCOMPLETE)


def _show(found: Sweep, out: Path) -> None:
    from evalsuite.sweep import FIGURES, cells, columns

    console.table(f"Sweep of {found.folder}", columns(found), [cells(found, row) for row in found.rows], right=FIGURES)
    if found.waiting:
        console.say(f"Not written to the end yet: {', '.join(found.waiting)}")
    for each in found.passed_over[:SHOWN]:
        console.say(f"Passed over: {each.name}: {each.text}")
    if len(found.passed_over) > SHOWN:
        console.say(f"Passed over: {len(found.passed_over) - SHOWN} more")
    console.say(f"Figures: {out / 'sweep.json'}, {out / 'sweep.md'}")
    console.say(f"Page: {out / 'index.html'}")
