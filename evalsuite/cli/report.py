"""The commands that show or check a stored run: report, judge, compare, export, verify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evalsuite.cli import console, figures
from evalsuite.cli.options import GlyphsOption, RunFolder, SeedOption
from evalsuite.errors import ExitCode
from evalsuite.files import WriteError

app = typer.Typer()


@app.command()
def report(
    folder: RunFolder,
    single_file: Annotated[
        bool, typer.Option("--single-file", help="One HTML file with thumbnails of the worst images, for mail.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Where the page goes, with copies of the images; by default the run folder."),
    ] = None,
    glyphs: GlyphsOption = False,
) -> None:
    """Write the HTML report of a run again."""
    import evalsuite

    try:
        with console.progress() as watch:
            result = evalsuite.report(folder, single_file=single_file, out=out, glyphs=glyphs, watch=watch)
    except WriteError as error:
        if out is not None:
            raise
        raise WriteError(f"{error}; to have the page elsewhere, name a folder with --out") from error
    for text in result.notices:
        console.notice(text)
    console.say(f"Report: {result.page}")
    figures.leave([result.run], figures.RESUME)


@app.command()
def glyphs(
    folder: RunFolder,
    sample: Annotated[
        int | None,
        typer.Option("--sample", min=1, help="Draw so many judged glyphs at random for a person to mark."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="What the sample is drawn by; 0, or that of the stored sample.")
    ] = None,
    marks: Annotated[
        Path | None, typer.Option("--marks", help="Marks that a person made on glyphs.html, as exported there.")
    ] = None,
) -> None:
    """Look for glyphs that are malformed though they were read as meant. No score changes."""
    import evalsuite

    with console.progress() as watch:
        result = evalsuite.glyphs(folder, sample=sample, seed=seed, marks=marks, watch=watch)
    found = result.correction
    figures.show_glyphs(result.found, found)
    console.say(f"Page: {result.page}")
    if found is not None and found.withheld is not None:
        console.say(f"{found.marked} of {found.size} sampled glyphs marked (seed {found.seed}).")
        console.say("Mark them on the page, export the marks, and give them back with --marks FILE.")
        if marks is not None:
            console.error(f"no corrected figures: {found.withheld}")
            raise typer.Exit(ExitCode.INCOMPLETE)
    figures.leave([result.run], figures.RESUME)


@app.command()
def judge(
    folder: RunFolder,
    sample: Annotated[
        int | None,
        typer.Option("--sample", min=1, help="How many images; 40, or as many as were drawn already, by default."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="What the sample is drawn by; 0, or that of the stored sample.")
    ] = None,
    marks: Annotated[
        Path | None, typer.Option("--marks", help="Marks that a person made in the report, as exported there.")
    ] = None,
) -> None:
    """Draw a random sample for a person to judge, and correct the accuracy by it once all of it is judged."""
    import evalsuite

    result = evalsuite.judge(folder, sample=sample, seed=seed, marks=marks)
    found = result.correction
    console.say(f"{found.judged} of {len(found.keys)} sampled images judged (seed {found.seed}).")
    if found.withheld is None:
        figures.show_correction(found)
    console.say(f"Report: {result.page}")
    if found.withheld is not None:
        console.say(
            "Open its images, choose 'Judge the sample', export the marks, and give them back with --marks FILE."
        )
        if marks is not None:
            console.error(f"no corrected figures: {found.withheld}")
            raise typer.Exit(ExitCode.INCOMPLETE)


@app.command()
def compare(
    folders: Annotated[list[Path], typer.Argument(metavar="RUN…", help="Run folders; the first is compared with.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the comparison goes.")],
) -> None:
    """Set two or more runs, or the models of one run, side by side: same prompt, same seed."""
    import evalsuite

    result = evalsuite.compare(folders, out)
    for text in dict.fromkeys(text for run in result.runs for text in run.notices):
        console.notice(text)
    console.say(f"Comparison: {result.page}")
    figures.leave(result.runs, figures.RESUME)


@app.command()
def export(
    folder: RunFolder,
    form: Annotated[
        str,
        typer.Option("--to", help="parquet, csv, dataset, markdown, model-card, or glyphs (those marked by a person)."),
    ],
    model: Annotated[str | None, typer.Option("--model", "-m", help="The model that a model card is for.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="The file (for dataset and glyphs: the folder) to write; by default in the run folder."
        ),
    ] = None,
) -> None:
    """Write a run as Parquet, CSV, a dataset with images, Markdown, or a model card's evaluation block."""
    import evalsuite

    run = evalsuite.open_run(folder)
    from evalsuite.export import write_export

    console.say(f"Written: {write_export(run, form, out=out, model=model)}")
    figures.leave([run], figures.RESUME)


@app.command()
def verify(
    folder: RunFolder,
    read: Annotated[
        int, typer.Option("--read", min=0, help="Read this many images again, picked at random, with the run's OCR.")
    ] = 0,
    seed: SeedOption = 0,
) -> None:
    """Check that a run is what it says: every row, every image, and with --read a sample of its readings."""
    import evalsuite

    found = evalsuite.verify(folder, read=read, seed=seed)
    for text in found.notices:
        console.notice(text)
    for text in found.problems:
        console.say(f"wrong: {text}")
    again = f", {found.read_again} read again" if found.read_again else ""
    console.say(f"{found.images} images hashed{again}")
    for name, sha256 in found.files.items():
        console.say(f"  {sha256[:16]}  {name}")
    console.say("sound" if found.sound else f"NOT SOUND: {len(found.problems)} problems")
    raise typer.Exit(ExitCode.OK if found.sound else ExitCode.INCOMPLETE)
