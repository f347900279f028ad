"""The command `load`: how fast a server draws under load."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalsuite.cli import console
from evalsuite.cli.options import QuietOption, SettingsOption, SuitesOption, examples
from evalsuite.errors import EvalsuiteError, ExitCode, InterruptedRunError

if TYPE_CHECKING:
    from evalsuite.claims import SpeedClaim
    from evalsuite.load.records import LevelFigures

app = typer.Typer()


@app.command(
    epilog=examples(
        "evalsuite load -m server:http://localhost:30000 --concurrency 8",
        "evalsuite load -m server:http://localhost:30000 --rate 0.5 --requests 100",
    )
)
def load(
    model: Annotated[str, typer.Option("--model", "-m", metavar="MODEL", help="server:URL with its options.")],
    concurrency: Annotated[
        list[int] | None,
        typer.Option("--concurrency", metavar="N", help="Requests under way at all times; repeatable."),
    ] = None,
    rate: Annotated[
        list[float] | None,
        typer.Option("--rate", metavar="RATE", help="Requests a second, arriving at random; repeatable."),
    ] = None,
    requests: Annotated[int, typer.Option("--requests", metavar="N", help="Measured requests per level.")] = 50,
    warm_up: Annotated[int, typer.Option("--warm-up", metavar="N", help="Requests before them that are left out.")] = 4,
    suite: SuitesOption = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="First seed; also that of the arrivals.")] = 0,
    settings: SettingsOption = None,
    claim: Annotated[
        str | None,
        typer.Option("--claim", metavar="ID", help="Hold the fastest level against this published throughput."),
    ] = None,
    trust_settings: Annotated[
        bool, typer.Option("--trust-settings", help="With --claim, take the server to be what it calls itself.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FOLDER", help="Folder; by default one in reports/.")
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(
            "--into", metavar="RUN", help="In place of it, a run folder of this server; its page shows the curve."
        ),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Measure images per second and latency of a server over levels of load."""
    from evalsuite.api.serving import load_writers
    from evalsuite.claims import check_load
    from evalsuite.load import LoadOptions, measure_load
    from evalsuite.load.api import levels_of
    from evalsuite.models import ModelOptions, parse_settings

    if into is not None and out is not None:
        raise EvalsuiteError("--into and --out: the result goes into one folder; name one of the two")
    wanted = _claim(claim)

    def watch(level: str, done: int, total: int) -> None:
        if not quiet and (done == total or done % max(1, total // 10) == 0):
            console.err.print(f"{level}: {done}/{total}", markup=False)

    options = LoadOptions(
        model=model,
        levels=levels_of(concurrency or ([] if rate else [1, 2, 4, 8]), rate or []),
        requests=requests,
        warm_up=warm_up,
        suites=tuple(suite or ("all",)),
        seed=seed,
        settings=ModelOptions(parse_settings(settings or [])),
        out=out,
        into=into,
    )
    try:
        result, folder = measure_load(options, watch=watch, **load_writers(into))
    except KeyboardInterrupt:
        raise InterruptedRunError("interrupted; a load test that is not whole is not kept") from None
    columns = ("load", "images/s", "95 %", "p50", "p90", "p99", "service p50", "queueing p50", "images", "errors")
    rows = [_row(each) for each in result.figures]
    console.table(f"Load on {result.model.name}", columns, rows, right=columns[1:])
    for each in result.figures:
        for reason, number in each.errors.items():
            console.notice(f"{each.level.name}: {number} × {reason}")
        if not each.keeps_up:
            console.notice(f"{each.level.name}: the server does not keep up; its latency grows with the test's length")
    console.say(f"Report: {folder / 'index.html'}")
    if wanted is not None:
        verdict = check_load(wanted, result, vouched=trust_settings)
        console.say(f"{wanted.id}: {verdict.outcome}. {verdict.text}")
    if any(each.errors for each in result.figures):
        raise typer.Exit(ExitCode.INCOMPLETE)


def _claim(name: str | None) -> SpeedClaim | None:
    """The published throughput of that id; raises `EvalsuiteError` for another, before anything is drawn."""
    from evalsuite.claims import published

    if name is None:
        return None
    known = {each.id: each for each in published().speeds if each.quantity == "images/s"}
    if name not in known:
        raise EvalsuiteError(f"--claim {name}: no published images per second; there are {', '.join(known)}")
    return known[name]


def _row(each: LevelFigures) -> tuple[str, ...]:
    interval = "" if each.low is None or each.high is None else f"[{each.low:.3g}, {each.high:.3g}]"
    from evalsuite.load.records import seconds_of

    latency = [seconds_of(each.latency, name) for name in ("p50", "p90", "p99")]
    return (
        each.level.name,
        f"{each.throughput:.3g}",
        interval,
        *latency,
        seconds_of(each.service, "p50"),
        seconds_of(each.queueing, "p50"),
        f"{each.images}/{each.requests}",
        str(sum(each.errors.values())),
    )
