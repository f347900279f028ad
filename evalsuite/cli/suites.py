"""The commands about suites: list, show, validate."""

from __future__ import annotations

from typing import Annotated

import typer

from evalsuite.cli import console

app = typer.Typer(no_args_is_help=True, help="The prompt suites: list, show, validate.")

NameArgument = Annotated[str, typer.Argument(help="A suite's name, all, or a file.")]


@app.command("list")
def list_suites() -> None:
    """List the suites that ship with evalsuite, and the published ones that are read from your copy of their files."""
    from evalsuite import suites

    rows = [
        (
            suite.name,
            str(len(suite.prompts)),
            str(sum(len(p.targets) for p in suite.prompts)),
            suite.digest[:12],
            suite.description,
        )
        for name in ("all", "languages", *suites.shipped_benchmarks())
        for suite in suites.load(name)
    ]
    console.table(
        "Suites", ("name", "prompts", "targets", "digest", "what it holds"), rows, right=("prompts", "targets")
    )
    by_path = [
        (f"{each.name}:FOLDER", ", ".join(part.suite for part in each.parts), each.title, each.licence)
        for each in suites.BENCHMARKS
        if not each.ships
    ]
    console.table("Read from your copy", ("name", "suites", "what it holds", "licence"), by_path)


@app.command("show")
def show(name: NameArgument) -> None:
    """Print the prompts of a suite and their targets."""
    from evalsuite import suites

    for suite in suites.load(name):
        for prompt in suite.prompts:
            console.say(f"{prompt.id}  [{prompt.language}, {prompt.category}, {prompt.length}]")
            console.say(f"  {prompt.text}")
            for target in prompt.targets:
                console.say(f"  → {target}")


@app.command("validate")
def validate(name: NameArgument) -> None:
    """Check a suite: ids unique, every target verbatim in its prompt's text, nothing empty."""
    from evalsuite import scoring, suites

    for suite in suites.load(name):
        for prompt in suite.prompts:
            scoring.check_targets(prompt, "standard")
        for warning in suite.warnings:
            console.notice(warning)
        targets = sum(len(prompt.targets) for prompt in suite.prompts)
        console.say(f"{suite.name}: {len(suite.prompts)} prompts, {targets} targets, digest {suite.digest[:12]}: valid")
