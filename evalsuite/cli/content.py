"""The command that measures pictures beside their text: content."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalsuite.cli import console, figures
from evalsuite.cli.options import JsonOption, RunFolder, examples
from evalsuite.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalsuite.content.figures import ContentReport
    from evalsuite.report.comparison import Contestant
    from evalsuite.runs.opened import OpenRun

app = typer.Typer()


@app.command(
    epilog=examples(
        "evalsuite content reports/mine --baseline reports/before",
        "evalsuite content reports/mine --baseline reports/before --distance lpips:ALEX",
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
        list[str] | None,
        typer.Option(
            "--agreement",
            metavar="KIND:FOLDER",
            help="Also CLIPScore (clip:FOLDER) or VQAScore by Qwen2.5-VL (vqa:FOLDER), by local weights; repeatable.",
        ),
    ] = None,
    distance: Annotated[
        list[str] | None,
        typer.Option(
            "--distance",
            metavar="KIND:FOLDER",
            help="Also LPIPS (lpips:FOLDER) or DINO distance (dino:FOLDER) from the baseline, by local weights; "
            "repeatable.",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Measure whether the picture around the text is still there. No score changes."""
    import evalsuite

    with console.progress() as watch:
        result = evalsuite.content(
            folder,
            baseline,
            baseline_model=baseline_model,
            agreement=agreement or (),
            distance=distance or (),
            watch=watch,
        )
    if json:
        from evalsuite.cli.documents import ContentDocument

        code = ExitCode.INCOMPLETE if result.run.faults else ExitCode.OK
        console.document(
            ContentDocument(folder=str(folder), page=str(result.page), exit_code=int(code), content=result.found)
        )
        figures.leave([result.run], figures.RESUME)
        return
    show(result.found)
    console.say(f"Report: {result.page}")
    figures.leave([result.run], figures.RESUME)


def show(found: ContentReport) -> None:
    """Print what was measured, by model and language."""
    from evalsuite.content import figures as of

    tables = (
        ("Pictures beside their text", of.PICTURE_COLUMNS, [of.picture_cells(each) for each in found.pictures], 2),
        ("Agreement with the prompt", of.AGREEMENT_COLUMNS, [of.agreement_cells(each) for each in found.agreements], 3),
        ("Beside the baseline, outside the text", of.PAIR_COLUMNS, [of.pair_cells(each) for each in found.pairs], 3),
        (
            "Distance from the baseline, outside the text",
            of.DISTANCE_COLUMNS,
            [of.distance_cells(each) for each in found.distances],
            4,
        ),
    )
    for title, columns, rows, numbers in tables:
        if rows:
            console.table(title, columns, rows, right=columns[numbers:])
    if cut := sum(each.cut for each in found.agreements):
        console.say(f"{cut} prompts are longer than the scorer takes: only their beginning counts.")


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
                with_ends(each.share, sign="+") if each.share else "–",
            )
            for each in lines
        ]
        console.table(f"Pictures outside the text, beside {called[0].name}", columns, rows, right=columns[2:])
