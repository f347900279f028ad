"""The commands about models: list."""

from __future__ import annotations

import typer

from evalsuite.cli import console
from evalsuite.cli.options import JsonOption, examples

app = typer.Typer(no_args_is_help=True, help="The models that can be named.")


@app.command("list", epilog=examples("evalsuite models list", "evalsuite models list --json"))
def list_models(json: JsonOption = False) -> None:
    """List the models that can be named, what they need, and whether their weights are here."""
    from evalsuite.models import known_models

    if json:
        from evalsuite.cli.documents import ModelRow, ModelsDocument

        found = [
            ModelRow(
                name=m.name,
                what=m.what,
                repository=m.repository,
                licence=m.licence,
                settings=dict(m.settings),
                needs=m.needs,
                available=m.available,
            )
            for m in known_models()
        ]
        console.document(ModelsDocument(models=tuple(found)))
        return
    rows = [(m.name, m.what, m.repository, m.licence, m.needs, "yes" if m.available else "no") for m in known_models()]
    console.table("Models", ("name", "what it is", "repository", "licence", "needs", "here"), rows)
