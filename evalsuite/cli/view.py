"""The command `view`: all runs in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evalsuite.cli import console
from evalsuite.cli.options import examples

app = typer.Typer()


@app.command(
    epilog=examples("evalsuite view", "evalsuite view reports/ --port 0", "evalsuite view --votes votes.jsonl")
)
def view(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder that the runs lie below.")] = Path(
        "reports"
    ),
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="The port; 0 takes a free one.")
    ] = 8001,
    votes: Annotated[
        Path | None,
        typer.Option(
            "--votes", metavar="FILE", help="Allow blind votes on two runs' images, kept here. Nothing else is written."
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="What the order of the pairs and their sides are drawn by.")
    ] = 0,
    token: Annotated[
        bool,
        typer.Option(
            "--token/--no-token",
            help="Show nothing without the token in the address; else every account of this machine may look.",
        ),
    ] = True,
) -> None:
    """Show all runs of a folder in the browser: figures, progress, history, comparisons. Only from this machine."""
    import evalsuite

    evalsuite.view(
        folder,
        port=port,
        votes=votes,
        seed=seed,
        token=token,
        ready=lambda address: console.say(f"{folder} is shown at {address}; Ctrl-C ends it, and nothing is lost"),
    )
