"""The command that measures pictures beside their text: content."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalsuite.cli import console, figures
from evalsuite.cli.options import RunFolder, examples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalsuite.content.figures import ContentReport
    from evalsuite.report.comparison import Contestant
    from evalsuite.runs.opened import OpenRun

app = typer.Typer()


@app.command(
    epilog=examples(
        "evalsuite content reports/mine --baseline reports/before",
        "evalsuite content reports/mine --agreement clip:/models/clip-vit-base-patch32",
    )
)
def content(
    folder: RunFolder,
    baseline: Annotated[
        Path | None,
        typer.Option(
            "--baseline", metavar="RUN", help="Run folder whose images of the same prompts and seeds are the standard."
        ),
    ] = None,
    baseline_model: Annotated[
        str | None,
        typer.Option(
            "--baseline-model", metavar="MODEL", help="The model in the baseline's run, where it has several."
        ),
    ] = None,
    agreement: Annotated[
        str | None,
        typer.Option("--agreement", metavar="clip:FOLDER", help="Also CLIPScore, by a CLIP checkpoint in a folder."),
    ] = None,
) -> None:
    """Measure whether the picture around the text is still there. No score changes."""
    import evalsuite

    with console.progress() as watch:
        result = evalsuite.content(folder, baseline, baseline_model=baseline_model, agreement=agreement, watch=watch)
    show(result.found)
    console.say(f"Report: {result.page}")
    figures.leave([result.run], figures.RESUME)


def show(found: ContentReport) -> None:
    """Print what was measured, by model and language."""
    from evalsuite.content.figures import PAIR_COLUMNS, PICTURE_COLUMNS, pair_cells, picture_cells

    console.table(
        "Pictures beside their text", PICTURE_COLUMNS, [picture_cells(each) for each in found.pictures],
        right=PICTURE_COLUMNS[2:],
    )  # fmt: skip
    if found.scorer is not None:
        cut = sum(each.cut for each in found.pictures)
        note = f"; {cut} prompts are longer than it takes, and only their beginning counts" if cut else ""
        console.say(f"Agreement with the prompt: {found.scorer}{note}.")
    if found.pairs:
        console.table(
            "Beside the baseline, outside the text", PAIR_COLUMNS, [pair_cells(each) for each in found.pairs],
            right=PAIR_COLUMNS[3:],
        )  # fmt: skip


def show_compared(runs: Sequence[OpenRun], called: Sequence[Contestant]) -> None:
    """Print what is kept of models beside the first; nothing where nobody has measured."""
    from evalsuite.report.content_section import comparison_lines
    from evalsuite.wording import with_ends

    lines = comparison_lines(runs, called)
    if lines:
        columns = ("model", "lang", "similarity", "PSNR dB", "not flat, change")
        rows = [
            (
                each.contestant.name,
                each.language,
                f"{each.similarity.text} {each.similarity.interval or ''}".rstrip() if each.similarity else "–",
                each.psnr,
                with_ends(each.share, 4, sign="+") if each.share else "–",
            )
            for each in lines
        ]
        console.table(f"Pictures outside the text, beside {called[0].name}", columns, rows, right=columns[2:])
