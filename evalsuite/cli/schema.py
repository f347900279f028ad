"""The command `schema`: what scripts may rely on."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import typer

from evalsuite.cli import console
from evalsuite.cli.options import examples

app = typer.Typer()


@app.command(epilog=examples("evalsuite schema > output.schema.json", "evalsuite schema verdict"))
def schema(
    what: Annotated[
        Literal["output", "verdict"],
        typer.Argument(help="What --json prints and summary.json holds, or a gate's verdict."),
    ] = "output",
) -> None:
    """Print the JSON schema of what evalsuite writes for scripts."""
    if what == "verdict":
        from evalsuite.gate import output

        found = output.schema()
    else:
        from evalsuite.cli import documents

        found = documents.schema()
    console.say(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
