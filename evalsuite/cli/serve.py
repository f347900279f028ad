"""The command `serve`: a local checkpoint behind the OpenAI-compatible image protocol."""

from __future__ import annotations

from typing import Annotated

import typer

from evalsuite.cli import console
from evalsuite.cli.options import LoraOption, SettingsOption, TransformerOption, examples

app = typer.Typer()


@app.command(epilog=examples("evalsuite serve -m ./checkpoint --set steps=8 --port 8000"))
def serve(
    model: Annotated[
        str,
        typer.Option("--model", "-m", metavar="MODEL", help="A preset, a checkpoint folder, a hub id or a TOML file."),
    ],
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="The port; 0 takes a free one.")
    ] = 8000,
    queue: Annotated[int, typer.Option("--queue", metavar="N", min=1, max=10_000, help="Requests that may wait.")] = 64,
    settings: SettingsOption = None,
    lora: LoraOption = None,
    transformer: TransformerOption = None,
) -> None:
    """Serve a local checkpoint by the OpenAI-compatible image protocol, one image at a time."""
    import evalsuite

    console.notice(f"loading {model}")
    evalsuite.serve(
        model,
        host=host,
        port=port,
        queue=queue,
        settings=settings or (),
        lora=lora or (),
        transformer=transformer,
        ready=lambda address: console.say(f"{model} is served at {address}"),
    )
