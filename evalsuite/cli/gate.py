"""The commands that decide about checkpoints: gate, baseline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from evalsuite.cli import console
from evalsuite.cli.options import LockOption, ModelOption, PolicyOption, RunFolder
from evalsuite.wording import size

if TYPE_CHECKING:
    from evalsuite.gate.verdict import GateResult, SpeedResult, Verdict

app = typer.Typer()
baseline_app = typer.Typer(
    no_args_is_help=True, help="The baseline that gates compare with: promote, acknowledge, show."
)
app.add_typer(baseline_app, name="baseline")

CandidateOption = Annotated[Path, typer.Option("--candidate", help="Run folder of the checkpoint that wants to ship.")]
CandidateModelOption = Annotated[
    str | None, typer.Option("--candidate-model", help="The model in the candidate's run, where it has several.")
]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, for the record.")]
ByOption = Annotated[str | None, typer.Option("--by", help="Who; by default this account, or the CI's actor.")]
LOCK = Path("baseline.lock")
SHOWN = 10
"""Prompts and missing images that the terminal lists."""


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
    lock: LockOption = LOCK,
    candidate_model: CandidateModelOption = None,
    baseline_model: Annotated[
        str | None, typer.Option("--baseline-model", help="The model in the baseline's run, where it has several.")
    ] = None,
    anchor_model: Annotated[
        str | None, typer.Option("--anchor-model", help="The model in the anchor's run, where it has several.")
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write the verdict as JSON here.")] = None,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML here, one case per gate.")] = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", help="Write a Markdown summary here.")] = None,
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="Show the verdict in the candidate's HTML report.")
    ] = True,
    _: Annotated[
        bool, typer.Option("--schema", callback=_schema, is_eager=True, help="Print the JSON schema of a verdict.")
    ] = False,
) -> None:
    """Decide from stored runs whether a checkpoint may ship: exit code 0 PASS, 10 FAIL, 11 INCONCLUSIVE, 12 neither."""
    import evalsuite
    from evalsuite.gate import output

    result = evalsuite.gate(
        candidate,
        baseline,
        anchor=anchor,
        policy=policy,
        lock=lock,
        candidate_model=candidate_model,
        baseline_model=baseline_model,
        anchor_model=anchor_model,
        report=report,
    )
    output.write(result.verdict, json_file=json, junit_file=junit, markdown_file=markdown)
    if result.page is not None:
        console.say(f"Report: {result.page}")
    for text in result.notices:
        console.notice(text)
    _show(result.verdict)
    raise typer.Exit(result.exit_code)


@baseline_app.command("promote")
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
        run, reason=reason, lock=lock, bootstrap=bootstrap, anchor=anchor, policy=policy, model=model, by=by
    )
    if result.verdict is not None:
        _show(result.verdict)
    pin = result.lock.baseline
    how = "without a gate" if pin.admitted == "bootstrap" else "having passed its gate"
    console.say(f"{lock}: {pin.model} ({pin.digest[:12]}) is the baseline, {how}")


@baseline_app.command("acknowledge")
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


@baseline_app.command("show")
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


def _show(verdict: Verdict) -> None:
    """Print the verdict: three lines per gate, the prompts that lost most, what is missing, and the outcome last."""
    console.say(f"{verdict.candidate.model} against {verdict.baseline.model}, policy {verdict.policy}")
    for gate in verdict.gates:
        _show_gate(gate)
    for speed in verdict.speed:
        _show_speed(speed)
    if verdict.gates:
        console.say(
            f"Bounds: one-sided, level {verdict.level:.3g} (α = {verdict.alpha:g}). Detectable: the smallest change "
            "told from none with 80 % power. Floor: the smallest margin that so many prompts can clear."
        )
    if verdict.worst:
        console.say("Lost most:")
    for worst in verdict.worst[:SHOWN]:
        console.say(f"  {worst.delta:+.4f}  {worst.prompt} ({worst.baseline:.4f} → {worst.candidate:.4f})")
    for note in verdict.notes:
        console.notice(note)
    for each in verdict.differences:
        console.say(f"{each.what}: {each.against} {each.baseline}; candidate {each.candidate}")
    for name in verdict.missing[:SHOWN]:
        console.say(f"missing: {name}")
    if len(verdict.missing) > SHOWN:
        console.say(f"missing: {len(verdict.missing) - SHOWN} more")
    accepted = len(verdict.acknowledged)
    console.say(verdict.outcome + (f", with {accepted} acknowledged" if accepted else ""))


def _show_gate(gate: GateResult) -> None:
    decision = f"{gate.decision}, acknowledged" if gate.acknowledged else gate.decision
    console.say(f"{decision}: {gate.name}")
    console.say(
        f"  {gate.baseline:.4f} → {gate.candidate:.4f}, change {gate.delta:+.4f} "
        f"[{gate.lower:+.4f}, {gate.upper:+.4f}], margin {gate.margin:g}, {gate.prompts} prompts × "
        f"{gate.samples}, detectable {gate.minimum_detectable_effect:.4f}, floor {gate.resolution_floor:.4f}"
    )
    console.say(f"  {gate.note}" + (f"; {gate.advice}" if gate.advice else ""))


def _show_speed(speed: SpeedResult) -> None:
    values = [size(round(v)) if speed.unit == "bytes" else f"{v:.3g} s" for v in (speed.baseline, speed.candidate)]
    console.say(f"{speed.decision or 'Advisory'}: {speed.name}")
    console.say(
        f"  {values[0]} → {values[1]}, ratio {speed.ratio:.3f} [{speed.lower:.3f}, {speed.upper:.3f}], limit "
        f"{speed.limit:g}, {speed.prompts} prompts"
    )
    console.say(f"  {speed.advisory or speed.note}")
