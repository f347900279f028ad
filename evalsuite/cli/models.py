"""The commands about models: list."""

from __future__ import annotations

import typer

from evalsuite.cli import console

app = typer.Typer(no_args_is_help=True, help="The models that can be named.")


@app.command("list")
def list_models() -> None:
    """List the models that can be named, what they need, and whether their weights are here."""
    from evalsuite.models import known_models

    rows = [(m.name, m.what, m.repository, m.licence, m.needs, "yes" if m.available else "no") for m in known_models()]
    console.table("Models", ("name", "what it is", "repository", "licence", "needs", "here"), rows)
