"""The command line: parse, call, print. What the commands do lives in the rooms that they call."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from evalsuite import __version__
from evalsuite.cli import claims as cli_claims
from evalsuite.cli import console
from evalsuite.cli import gate as cli_gate
from evalsuite.cli import report as cli_report
from evalsuite.cli.claims import ProtocolOption
from evalsuite.errors import EvalsuiteError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalsuite.runs.api import RunResult

app = typer.Typer(
    name="evalsuite",
    help="Does this text-to-image checkpoint still draw text correctly, and how fast?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
suites_app = typer.Typer(no_args_is_help=True, help="The prompt suites: list, show, validate.")
models_app = typer.Typer(no_args_is_help=True, help="The models that can be named.")
app.add_typer(suites_app, name="suites")
app.add_typer(models_app, name="models")
app.add_typer(cli_report.app)
app.add_typer(cli_gate.app)
app.add_typer(cli_claims.app)

OcrOption = Annotated[
    str,
    typer.Option(
        "--ocr", help="OCR engine: paddle, rapidocr-v4, tesseract or qwen2.5-vl, some with :ARGUMENTS (docs/ocr.md)."
    ),
]
ProfileOption = Annotated[str, typer.Option("--profile", help="Scoring profile: strict, standard or lenient.")]
WorkersOption = Annotated[
    int | None, typer.Option("--ocr-workers", min=1, max=64, help="OCR processes; by default one a core, four at most.")
]
OutOption = Annotated[
    Path | None, typer.Option("--out", "-o", help="Run folder; by default one in reports/ named by the plan.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]


def _version(value: bool) -> None:
    if value:
        console.say(f"evalsuite {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def run(
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model", "-m", help="typeset, folder:DIR, a preset, a checkpoint folder or a hub id; repeatable."
        ),
    ] = None,
    suite: Annotated[
        list[str] | None,
        typer.Option("--suite", "-s", help="all, a suite's name, or a YAML or JSONL file; repeatable."),
    ] = None,
    samples: Annotated[int, typer.Option("--samples", "-n", help="Images a prompt.")] = 1,
    seed: Annotated[int, typer.Option("--seed", help="First seed; also picks the sample of --limit.")] = 0,
    limit: Annotated[
        int | None, typer.Option("--limit", help="At most this many prompts, balanced over the suites.")
    ] = None,
    prompt: Annotated[
        list[str] | None, typer.Option("--prompt", help="Only the prompt with this id; repeatable.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Sampler settings, e.g. --set steps=8 size=768x1344.")
    ] = None,
    lora: Annotated[list[str] | None, typer.Option("--lora", help="PATH[:scale] of an adapter; repeatable.")] = None,
    transformer: Annotated[
        str | None, typer.Option("--transformer", help="A fine-tuned transformer's safetensors.")
    ] = None,
    out: OutOption = None,
    ocr: OcrOption = "paddle",
    profile: ProfileOption = "standard",
    ceiling: Annotated[bool, typer.Option("--ceiling/--no-ceiling", help="Draw the typeset reference too.")] = True,
    interleave: Annotated[
        bool, typer.Option("--interleave", help="Load the models together and draw in turns, to compare their speed.")
    ] = False,
    protocol: ProtocolOption = None,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
) -> None:
    """Draw, read and score prompts, and write the report. The same command resumes a run that was stopped."""
    import evalsuite
    from evalsuite.models import ModelOptions, parse_settings
    from evalsuite.runs.api import default_models

    cli_claims.check_protocols(protocol)
    options = ModelOptions(settings=parse_settings(settings or []), lora=tuple(lora or ()), transformer=transformer)
    with console.progress(quiet=quiet) as watch:
        result = evalsuite.run(
            tuple(model or default_models()),
            tuple(suite or ("all",)),
            out=out,
            options=options,
            samples=samples,
            seed=seed,
            limit=limit,
            prompts=tuple(prompt or ()),
            ocr=ocr,
            profile=profile,
            ceiling=ceiling,
            interleave=interleave,
            workers=workers,
            watch=watch,
        )
    _conclude(result, protocol)


@app.command()
def score(
    folder: Annotated[Path, typer.Argument(help="A run folder to score again, or a folder of images with --targets.")],
    targets: Annotated[
        Path | None, typer.Option("--targets", help="What the images must show: .txt (one a line), .jsonl or .csv.")
    ] = None,
    out: OutOption = None,
    ocr: Annotated[str | None, typer.Option("--ocr", help="OCR engine; by default that of the run, or paddle.")] = None,
    profile: Annotated[
        str | None, typer.Option("--profile", help="Scoring profile: strict, standard or lenient.")
    ] = None,
    adjudications: Annotated[
        Path | None, typer.Option("--adjudications", help="Marks that a person made in the report, as exported there.")
    ] = None,
    protocol: ProtocolOption = None,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
) -> None:
    """Score a stored run again, with other OCR or another profile, or score images that exist already."""
    import evalsuite

    cli_claims.check_protocols(protocol)
    with console.progress(quiet=quiet) as watch:
        if targets is not None:
            if adjudications is not None:
                raise EvalsuiteError("--adjudications is for a stored run; score the images first, then the run folder")
            result = evalsuite.score(
                folder,
                targets,
                out=out,
                ocr=ocr or "paddle",
                profile=profile or "standard",
                workers=workers,
                watch=watch,
            )
        elif not (folder / "manifest.json").is_file():
            raise EvalsuiteError(
                f"{folder}: no run folder; to score images in it, name their targets with --targets FILE"
            )
        else:
            result = evalsuite.rescore(
                folder, ocr=ocr, profile=profile, adjudications=adjudications, workers=workers, watch=watch
            )
    _conclude(result, protocol)


@app.command()
def doctor() -> None:
    """Check what is installed here: OCR, fonts, models, memory."""
    from evalsuite.cli.doctor import examine

    findings = examine()
    console.table("evalsuite doctor", ("part", "state", "detail"), [(f.part, f.state, f.detail) for f in findings])
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(ExitCode.USAGE)


@suites_app.command("list")
def suites_list() -> None:
    """List the suites that ship with evalsuite."""
    from evalsuite import suites

    rows = [
        (
            suite.name,
            str(len(suite.prompts)),
            str(sum(len(p.targets) for p in suite.prompts)),
            suite.digest[:12],
            suite.description,
        )
        for suite in suites.load("all")
    ]
    console.table(
        "Suites", ("name", "prompts", "targets", "digest", "what it holds"), rows, right=("prompts", "targets")
    )


@suites_app.command("show")
def suites_show(name: Annotated[str, typer.Argument(help="A suite's name, all, or a file.")]) -> None:
    """Print the prompts of a suite and their targets."""
    from evalsuite import suites

    for suite in suites.load(name):
        for prompt in suite.prompts:
            console.say(f"{prompt.id}  [{prompt.language}, {prompt.category}, {prompt.length}]")
            console.say(f"  {prompt.text}")
            for target in prompt.targets:
                console.say(f"  → {target}")


@suites_app.command("validate")
def suites_validate(name: Annotated[str, typer.Argument(help="A suite's name, all, or a file.")]) -> None:
    """Check a suite: ids unique, every target verbatim in its prompt's text, nothing empty."""
    from evalsuite import scoring, suites

    for suite in suites.load(name):
        for prompt in suite.prompts:
            scoring.check_targets(prompt, "standard")
        for warning in suite.warnings:
            console.notice(warning)
        targets = sum(len(prompt.targets) for prompt in suite.prompts)
        console.say(f"{suite.name}: {len(suite.prompts)} prompts, {targets} targets, digest {suite.digest[:12]}: valid")


@models_app.command("list")
def models_list() -> None:
    """List the models that can be named, what they need, and whether their weights are here."""
    from evalsuite.models import known_models

    rows = [(m.name, m.what, m.repository, m.licence, m.needs, "yes" if m.available else "no") for m in known_models()]
    console.table("Models", ("name", "what it is", "repository", "licence", "needs", "here"), rows)


def _conclude(result: RunResult, protocols: Sequence[str] | None) -> NoReturn:
    """Write the report, print the table and the path, and leave with the exit code of completeness."""
    from evalsuite.cli import figures as terminal
    from evalsuite.report import build_report

    page = build_report(result.store.folder, ocr=result.ocr, scorer=result.scorer)
    terminal.show(result)
    cli_claims.show_protocols(result, protocols)
    for text in result.notices:
        console.notice(text)
    console.say(f"Report: {page}")
    if result.incomplete:
        names = ", ".join(f"{row.model} {row.prompt} seed {row.seed}" for row in result.incomplete[:5])
        more = f" and {len(result.incomplete) - 5} more" if len(result.incomplete) > 5 else ""
        reason = result.incomplete[0].detail or "unknown"
        console.error(
            f"incomplete: {len(result.incomplete)} of {len(result.scores)} images are missing or unread ({names}"
            f"{more}): {reason}; run the same command again to fill them in"
        )
        raise typer.Exit(ExitCode.INCOMPLETE)
    raise typer.Exit(ExitCode.OK)


def spread_settings(arguments: Sequence[str]) -> list[str]:
    """Write `--set steps=8 size=768x1344` as `--set steps=8 --set size=768x1344`, which is what Typer takes."""
    spread: list[str] = []
    setting = False
    for argument in arguments:
        if setting and spread[-1] != "--set" and "=" in argument and not argument.startswith("-"):
            spread.append("--set")
        elif argument == "--set":
            setting = True
        elif argument.startswith("-") or "=" not in argument:
            setting = False
        spread.append(argument)
    return spread


def main() -> None:
    """Entry point: runs a command; what the user can mend is one line and a documented exit code."""
    try:
        app(spread_settings(sys.argv[1:]))
    except EvalsuiteError as error:
        console.error(str(error))
        sys.exit(int(error.exit_code))
