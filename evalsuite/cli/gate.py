"""The commands that decide about checkpoints: gate, baseline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from evalsuite.cli import console
from evalsuite.cli.collecting import collecting_seldom
from evalsuite.cli.options import (
    LockOption,
    LoraOption,
    ModelOption,
    OtherOcrOption,
    OutOption,
    PolicyOption,
    QuietOption,
    RunFolder,
    SettingsOption,
    TransformerOption,
    WorkersOption,
    examples,
)
from evalsuite.errors import EvalsuiteError
from evalsuite.wording import amount, one_sided, rate, signed, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalsuite.gate import Policy
    from evalsuite.gate.verdict import GateResult, SpeedResult, Verdict, WagerResult

app = typer.Typer()
baseline_app = typer.Typer(
    no_args_is_help=True, help="The baseline that gates compare with: promote, acknowledge, show."
)
app.add_typer(baseline_app, name="baseline")

CandidateOption = Annotated[
    Path, typer.Option("--candidate", metavar="RUN", help="Run folder of the checkpoint that wants to ship.")
]
CandidateModelOption = Annotated[
    str | None,
    typer.Option("--candidate-model", metavar="MODEL", help="The model in the candidate's run, where it has several."),
]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the record.")]
ByOption = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Who; by default this account, or the CI's actor.")
]
LOCK = Path("baseline.lock")
SHOWN = 10
"""Prompts and missing images that the terminal lists."""


def load_noted(name: str) -> Policy:
    """The policy, and on the error stream what its margins ask of the number of prompts."""
    from evalsuite.gate import load_policy

    policy = load_policy(name)
    for text in policy.notes:
        console.notice(f"policy {policy.name}: {text}")
    return policy


def _schema(value: bool) -> None:
    if value:
        from evalsuite.gate import output

        console.say(msgspec.json.format(msgspec.json.encode(output.schema()), indent=2).decode())
        raise typer.Exit


@app.command(
    epilog=examples(
        "evalsuite gate --baseline reports/last --candidate reports/new",
        "evalsuite gate --candidate reports/new --json verdict.json --junit gate.xml",
        "evalsuite gate --draw --baseline reports/last -m ./checkpoint",
    )
)
def gate(
    candidate: Annotated[
        Path | None,
        typer.Option("--candidate", metavar="RUN", help="Run folder of the checkpoint that wants to ship."),
    ] = None,
    draw: Annotated[
        bool,
        typer.Option("--draw", help="Draw the candidate, --model, image by image, and stop at the verdict."),
    ] = False,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", metavar="MODEL", help="With --draw, what draws; see 'evalsuite run --help'."),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option("--baseline", metavar="RUN", help="Run folder to compare with; by default what --lock names."),
    ] = None,
    anchor: Annotated[
        Path | None,
        typer.Option("--anchor", metavar="RUN", help="A second, fixed run to compare with, beside --baseline."),
    ] = None,
    policy: PolicyOption = "default",
    lock: LockOption = LOCK,
    candidate_model: CandidateModelOption = None,
    baseline_model: Annotated[
        str | None,
        typer.Option(
            "--baseline-model", metavar="MODEL", help="The model in the baseline's run, where it has several."
        ),
    ] = None,
    anchor_model: Annotated[
        str | None,
        typer.Option("--anchor-model", metavar="MODEL", help="The model in the anchor's run, where it has several."),
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the verdict as JSON here.")] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            "--samples",
            "-n",
            metavar="N",
            help="With --draw, images per prompt; by default the baseline's, at most those.",
        ),
    ] = None,
    settings: SettingsOption = None,
    lora: LoraOption = None,
    transformer: TransformerOption = None,
    out: OutOption = None,
    ocr: OtherOcrOption = None,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML here, one case per gate.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="Write a Markdown summary here.")
    ] = None,
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="Show the verdict in the candidate's HTML report.")
    ] = True,
    _: Annotated[
        bool, typer.Option("--schema", callback=_schema, is_eager=True, help="Print the JSON schema of a verdict.")
    ] = False,
) -> None:
    """Decide whether a checkpoint may ship: exit code 0 PASS, 10 FAIL, 11 INCONCLUSIVE, 12 neither.

    From stored runs (--candidate), or while the checkpoint is drawn (--draw --model), with as few images as it takes.
    """
    import evalsuite
    from evalsuite.gate import output

    drawing = {
        "--model": model, "--samples": samples, "--set": settings, "--lora": lora, "--transformer": transformer,
        "--out": out, "--ocr": ocr, "--ocr-workers": workers,
    }  # fmt: skip
    if draw == (candidate is not None) or (draw and (model is None or candidate_model is not None)):
        raise EvalsuiteError("gate: name the stored run with --candidate, or what is to be drawn with --draw --model")
    if not draw and (given := [name for name, value in drawing.items() if value is not None]):
        raise EvalsuiteError(f"gate: {', '.join(given)} go with --draw")
    rules = load_noted(policy)
    if draw:
        with console.progress(quiet=quiet) as watch:
            result = evalsuite.gate_while_drawing(
                str(model),
                baseline,
                anchor=anchor,
                policy=rules,
                lock=lock,
                out=out,
                samples=samples,
                settings=settings or (),
                lora=lora or (),
                transformer=transformer,
                ocr=ocr,
                baseline_model=baseline_model,
                anchor_model=anchor_model,
                workers=workers,
                report=report,
                watch=watch,
            )
    else:
        with collecting_seldom():
            result = evalsuite.gate(
                str(candidate),
                baseline,
                anchor=anchor,
                policy=rules,
                lock=lock,
                candidate_model=candidate_model,
                baseline_model=baseline_model,
                anchor_model=anchor_model,
                report=report,
            )
    output.write(result.verdict, json_file=json, junit_file=junit, markdown_file=markdown)
    if result.page is not None:
        console.say(f"Report: {result.page}")
    elif result.run is not None:
        console.say(f"Run: {result.run.folder}")
    for text in result.notices:
        console.notice(text)
    show_verdict(result.verdict)
    raise typer.Exit(result.exit_code)


@app.command(epilog=examples("evalsuite plan --baseline reports/last --policy quick"))
def plan(
    baseline: Annotated[
        Path, typer.Option("--baseline", metavar="RUN", help="A complete run folder to foretell from.")
    ],
    policy: PolicyOption = "default",
    model: ModelOption = None,
) -> None:
    """Foretell how many images 'gate --draw' takes to its verdict, for 1, 2 and 4 images per prompt."""
    import evalsuite
    from evalsuite.gate.foresee import COLUMNS, cells

    rules = load_noted(policy)
    found = evalsuite.plan(baseline, policy=rules, model=model)
    console.table(
        f"Expected images to the verdict, by the true loss; policy {rules.name}, {rules.sequential.claim}",
        COLUMNS,
        [cells(each) for each in found.forecasts],
        right=COLUMNS[1:],
    )
    console.say("In brackets how often it is the right verdict; all gates of the policy share the images of a run.")
    if not all(each.seeds_known for each in found.forecasts):
        console.notice("the baseline has one image per prompt: how much seeds matter is not known, so this is hopeful")


@baseline_app.command(
    "promote",
    epilog=examples(
        "evalsuite baseline promote reports/last --bootstrap --reason 'first baseline'",
        "evalsuite baseline promote reports/new --reason 'release 2'",
    ),
)
def promote(
    run: RunFolder,
    reason: ReasonOption,
    bootstrap: Annotated[
        bool, typer.Option("--bootstrap", help="Take it ungated: the first baseline, or a new start.")
    ] = False,
    anchor: Annotated[bool, typer.Option("--anchor", help="Make it the anchor too.")] = False,
    model: ModelOption = None,
    policy: PolicyOption = "default",
    lock: LockOption = LOCK,
    by: ByOption = None,
) -> None:
    """Make a run the baseline, if it passes its gate against the present one."""
    import evalsuite

    result = evalsuite.promote(
        run, reason=reason, lock=lock, bootstrap=bootstrap, anchor=anchor, policy=load_noted(policy), model=model, by=by
    )
    if result.verdict is not None:
        show_verdict(result.verdict)
    pin = result.lock.baseline
    how = "without a gate" if pin.admitted == "bootstrap" else "having passed its gate"
    console.say(f"{lock}: {pin.model} ({pin.digest[:12]}) is the baseline, {how}")


@baseline_app.command(
    "acknowledge",
    epilog=examples("evalsuite baseline acknowledge all/ned --candidate reports/new --reason known"),
)
def acknowledge(
    name: Annotated[str, typer.Argument(metavar="GATE", help="The failing gate's name, e.g. language=zh/ned.")],
    candidate: CandidateOption,
    reason: ReasonOption,
    model: CandidateModelOption = None,
    policy: PolicyOption = "default",
    lock: LockOption = LOCK,
    by: ByOption = None,
) -> None:
    """Accept one regression of one candidate by name; the gate goes on showing it."""
    from evalsuite.gate import baseline, load_policy, side_of
    from evalsuite.runs import open_run

    side = side_of(open_run(candidate), model, option="--candidate-model")
    entry = baseline.acknowledge(name, side, reason=reason, policy=load_policy(policy), path=lock, by=by).acknowledged[
        -1
    ]
    console.say(f"{lock}: {entry.gate} is acknowledged for model {entry.model_digest[:12]} by {entry.by}")


@baseline_app.command("show", epilog=examples("evalsuite baseline show"))
def show(lock: LockOption = LOCK) -> None:
    """Show baseline, anchor, acknowledged regressions and former baselines."""
    from evalsuite.gate.baseline import read_lock

    found = read_lock(lock)
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


def show_verdict(verdict: Verdict) -> None:
    """Print the verdict: three lines per gate, the prompts that lost most, what is missing, and the outcome last."""
    from evalsuite.gate.drawn_words import about, wager_cells

    console.say(f"{verdict.candidate.model} against {verdict.baseline.model}, policy {verdict.policy}")
    for gate in verdict.gates:
        _show_gate(gate)
    for wager in verdict.drawn.gates if verdict.drawn is not None else ():
        _show_wager(wager, wager_cells(wager))
    for speed in verdict.speed:
        _show_speed(speed)
    if verdict.drawn is not None:
        console.say(about(verdict.drawn))
    if verdict.gates:
        console.say(
            f"Bounds: one-sided, level {verdict.level:.3g} (α = {verdict.alpha:g}). Detectable: the smallest change "
            "told from none with 80 % power. Floor: the smallest margin that so many prompts can clear."
        )
    if verdict.worst:
        console.say("Lost most:")
    for worst in verdict.worst[:SHOWN]:
        console.say(f"  {signed(worst.delta)}  {worst.prompt} ({rate(worst.baseline)} → {rate(worst.candidate)})")
    for note in verdict.notes:
        console.notice(note)
    for each in verdict.differences:
        console.say(f"{each.what}: {each.against} {each.baseline}; candidate {each.candidate}")
    for name in verdict.missing[:SHOWN]:
        console.say(f"missing: {name}")
    if len(verdict.missing) > SHOWN:
        console.say(f"missing: {len(verdict.missing) - SHOWN} more")
    accepted = len(verdict.acknowledged)
    after = f" after {verdict.drawn.images} of {verdict.drawn.planned} images" if verdict.drawn is not None else ""
    console.say(verdict.outcome + after + (f", with {accepted} acknowledged" if accepted else ""))


def _show_gate(gate: GateResult) -> None:
    from evalsuite.gate.names import spelled

    decision = f"{gate.decision}, acknowledged" if gate.acknowledged else gate.decision
    console.say(f"{decision}: {spelled(gate)}")
    console.say(
        f"  {rate(gate.baseline)} → {rate(gate.candidate)}, change {signed(gate.delta)} "
        f"({one_sided(signed(gate.lower), signed(gate.upper))}), margin {gate.margin:g}, {gate.prompts} prompts × "
        f"{gate.samples}, detectable {amount(gate.minimum_detectable_effect)}, floor {amount(gate.resolution_floor)}"
    )
    console.say(f"  {gate.note}" + (f"; {gate.advice}" if gate.advice else ""))


def _show_wager(each: WagerResult, cells: Sequence[str]) -> None:
    name, before, now, change, bounds, limit, images, _ = cells
    console.say(f"{each.decision}{', acknowledged' if each.acknowledged else ''}: {name}")
    what = "margin" if each.subject == "loss" else "floor"
    console.say(f"  {before} → {now}, change {change}; {bounds}, {what} {limit.lstrip('−')}, images {images}")
    console.say(f"  {each.note}")


def _show_speed(speed: SpeedResult) -> None:
    from evalsuite.gate.names import spelled

    values = [size(round(v)) if speed.unit == "bytes" else f"{v:.3g} s" for v in (speed.baseline, speed.candidate)]
    bounds = one_sided(f"{speed.lower:.3f}", f"{speed.upper:.3f}")
    console.say(f"{speed.decision or 'Advisory'}: {spelled(speed)}")
    console.say(
        f"  {values[0]} → {values[1]}, ratio {speed.ratio:.3f} ({bounds}), limit "
        f"{speed.limit:g}, {speed.prompts} prompts"
    )
    console.say(f"  {speed.advisory or speed.note}")
