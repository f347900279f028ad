"""The commands about suites: list, show, validate."""

from __future__ import annotations

from typing import Annotated

import typer

from evalsuite.cli import console

app = typer.Typer(no_args_is_help=True, help="The prompt suites: list, show, validate.")

NameArgument = Annotated[str, typer.Argument(help="A suite's name, all, or a file.")]


@app.command("list")
def list_suites() -> None:
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
