"""The commands about suites: list, show, validate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from evalsuite.cli import console
from evalsuite.cli.options import JsonOption, examples

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evalsuite.suites import Suite

app = typer.Typer(no_args_is_help=True, help="The prompt suites: list, show, validate.")

NameArgument = Annotated[str, typer.Argument(metavar="SUITE", help="A suite's name, all, or a file.")]


def _document(found: Iterable[Suite], *, rows: bool = False) -> None:
    from evalsuite.cli.documents import SuiteRow, SuitesDocument

    suites = [
        SuiteRow(
            name=suite.name,
            description=suite.description,
            digest=suite.digest,
            prompts=len(suite.prompts),
            targets=sum(len(prompt.targets) for prompt in suite.prompts),
            warnings=suite.warnings,
            rows=suite.prompts if rows else (),
        )
        for suite in found
    ]
    console.document(SuitesDocument(suites=tuple(suites)))


@app.command("list", epilog=examples("evalsuite suites list"))
def list_suites(json: JsonOption = False) -> None:
    """List the suites that ship with evalsuite, and the published ones that are read from your copy of their files."""
    from evalsuite import suites

    shipped = [
        suite for name in ("all", "languages", "editing", *suites.shipped_benchmarks()) for suite in suites.load(name)
    ]
    if json:
        _document(shipped)
        return
    rows = [
        (
            suite.name,
            str(len(suite.prompts)),
            str(sum(len(p.targets) for p in suite.prompts)),
            suite.digest[:12],
            suite.description,
        )
        for suite in shipped
    ]
    console.table(
        "Suites", ("name", "prompts", "targets", "digest", "what it holds"), rows, right=("prompts", "targets")
    )
    by_path = [
        (f"{each.name}:FOLDER", ", ".join(part.suite for part in each.parts), each.title, each.licence)
        for each in suites.BENCHMARKS
        if not each.ships
    ]
    by_path.append(("textedit:FOLDER", "textedit, textedit-full", "TextEdit: text in pictures, to be changed", "MIT"))
    console.table("Read from your copy", ("name", "suites", "what it holds", "licence"), by_path)


@app.command("show", epilog=examples("evalsuite suites show signage-en", "evalsuite suites show prompts.yaml --json"))
def show(name: NameArgument, json: JsonOption = False) -> None:
    """Print the prompts of a suite and their targets."""
    from evalsuite import suites

    if json:
        _document(suites.load(name), rows=True)
        return
    for suite in suites.load(name):
        for prompt in suite.prompts:
            console.say(f"{prompt.id}  [{prompt.language}, {prompt.category}, {prompt.length}]")
            console.say(f"  {prompt.text}")
            for target in prompt.targets:
                console.say(f"  → {target}")


@app.command("validate", epilog=examples("evalsuite suites validate prompts.yaml"))
def validate(name: NameArgument, json: JsonOption = False) -> None:
    """Check a suite: ids unique, every target verbatim in its prompt's text, nothing empty."""
    from evalsuite import scoring, suites

    found = suites.load(name)
    for prompt in (prompt for suite in found for prompt in suite.prompts):
        scoring.check_targets(prompt, "standard")
    if json:
        _document(found)
        return
    for suite in found:
        for warning in suite.warnings:
            console.notice(warning)
        targets = sum(len(prompt.targets) for prompt in suite.prompts)
        console.say(f"{suite.name}: {len(suite.prompts)} prompts, {targets} targets, digest {suite.digest[:12]}: valid")
