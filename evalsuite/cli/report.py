"""The commands that show a run: report, compare, export. Parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evalsuite.cli import console
from evalsuite.errors import EvalsuiteError

app = typer.Typer()


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="A run folder.")],
    single_file: Annotated[
        bool, typer.Option("--single-file", help="One HTML file with thumbnails of the worst images, for mail.")
    ] = False,
) -> None:
    """Write the HTML report of a run again."""
    from evalsuite.report import build_report

    console.say(f"Report: {build_report(folder, single_file=single_file)}")


@app.command()
def compare(
    folders: Annotated[list[Path], typer.Argument(help="Run folders; the first is the one compared with.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the comparison goes.")],
) -> None:
    """Set two or more runs, or the models of one run, side by side: same prompt, same seed."""
    from evalsuite.report import build_comparison

    console.say(f"Comparison: {build_comparison(folders, out)}")


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="A run folder.")],
    form: Annotated[str, typer.Option("--to", help="parquet, csv, dataset, markdown or model-card.")],
    model: Annotated[str | None, typer.Option("--model", "-m", help="The model that a model card is for.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Where it goes; by default the run folder.")] = None,
) -> None:
    """Write a run as Parquet, CSV, a dataset with images, Markdown, or a model card's evaluation block."""
    from evalsuite.export import FORMATS
    from evalsuite.export import export as write

    known = next((each for each in FORMATS if each == form), None)
    if known is None:
        raise EvalsuiteError(f"--to {form}: unknown form; known: {', '.join(FORMATS)}")
    console.say(f"Written: {write(folder, known, out=out, model=model)}")
