"""The commands that show or check a stored run: report, judge, compare, export, verify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from evalsuite.cli import console, figures
from evalsuite.cli.collecting import collecting_seldom
from evalsuite.cli.content import show_compared
from evalsuite.cli.options import GlyphsOption, JsonOption, RunFolder, SeedOption, examples
from evalsuite.errors import ExitCode
from evalsuite.files import WriteError

app = typer.Typer()


@app.command(epilog=examples("evalsuite report reports/mine", "evalsuite report reports/mine --single-file"))
def report(
    folder: RunFolder,
    single_file: Annotated[
        bool, typer.Option("--single-file", help="One HTML file with thumbnails of the worst images, for mail.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER",
            help="Where the page goes, with copies of the images; by default the run folder.",
        ),
    ] = None,
    glyphs: GlyphsOption = False,
) -> None:
    """Write the HTML report of a run again."""
    import evalsuite

    try:
        with collecting_seldom(), console.progress() as watch:
            result = evalsuite.report(folder, single_file=single_file, out=out, glyphs=glyphs, watch=watch)
    except WriteError as error:
        if out is not None:
            raise
        raise WriteError(f"{error}; to have the page elsewhere, name a folder with --out") from error
    for text in result.notices:
        console.notice(text)
    console.say(f"Report: {result.page}")
    figures.leave([result.run], figures.RESUME)


@app.command(
    epilog=examples("evalsuite glyphs reports/mine", "evalsuite glyphs reports/mine --sample 60 --marks marks.json")
)
def glyphs(
    folder: RunFolder,
    sample: Annotated[
        int | None,
        typer.Option("--sample", metavar="N", min=1, help="Draw so many judged glyphs at random for a person to mark."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", metavar="SEED", help="What the sample is drawn by; 0, or that of the stored sample."),
    ] = None,
    marks: Annotated[
        Path | None,
        typer.Option("--marks", metavar="FILE", help="Marks that a person made on glyphs.html, as exported there."),
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


@app.command(
    epilog=examples("evalsuite judge reports/mine --sample 40", "evalsuite judge reports/mine --marks marks.json")
)
def judge(
    folder: RunFolder,
    sample: Annotated[
        int | None,
        typer.Option(
            "--sample", metavar="N", min=1, help="How many images; 40, or as many as were drawn already, by default."
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", metavar="N", help="What the sample is drawn by; 0, or that of the stored sample."),
    ] = None,
    marks: Annotated[
        Path | None,
        typer.Option("--marks", metavar="FILE", help="Marks that a person made in the report, as exported there."),
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


@app.command(
    epilog=examples(
        "evalsuite compare reports/last reports/new --out reports/both",
        "evalsuite compare reports/mine --out reports/models",
    )
)
def compare(
    folders: Annotated[list[Path], typer.Argument(metavar="RUN…", help="Run folders; the first is compared with.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where the comparison goes.")],
    json: JsonOption = False,
) -> None:
    """Set two or more runs, or the models of one run, side by side: same prompt, same seed."""
    import evalsuite
    from evalsuite.results import COMPARED

    with collecting_seldom():
        result = evalsuite.compare(folders, out)
    notices = dict.fromkeys(text for run in result.runs for text in run.notices)
    if json:
        from evalsuite.cli.documents import ComparisonDocument

        lost = any(run.faults for run in result.runs)
        console.document(
            ComparisonDocument(
                page=str(result.page),
                folders=tuple(str(run.folder) for run in result.runs),
                complete=result.complete,
                exit_code=int(ExitCode.INCOMPLETE if lost else ExitCode.OK),
                differences=result.differences,
                sentences=result.sentences,
                notices=tuple(notices),
            )
        )
    else:
        for text in notices:
            console.notice(text)
        console.table(
            f"Character accuracy beside {result.contestants[0].name}, over prompts", COMPARED, result.rows,
            right=COMPARED[2:],
        )  # fmt: skip
        for text in result.sentences:
            console.say(text)
        show_compared(result.runs, result.contestants)
        console.say(f"Comparison: {result.page}")
    figures.leave(result.runs, figures.RESUME)


@app.command(
    epilog=examples(
        "evalsuite export reports/mine --to csv",
        "evalsuite export reports/mine --to parquet -o images.parquet",
        "evalsuite export reports/mine --to dataset -o my-dataset",
        "evalsuite export reports/mine --to hub -o my-dataset",
        "evalsuite export reports/mine --to model-card -m flux2-klein-4b -o tables/",
    )
)
def export(
    folder: RunFolder,
    form: Annotated[
        Literal["parquet", "csv", "dataset", "hub", "markdown", "model-card", "glyphs"],
        typer.Option("--to", help="What to write; glyphs are those that a person marked."),
    ],
    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="MODEL", help="The model that a model card is for.")
    ] = None,
    out: Annotated[
        str | None,  # a path would lose the slash that says that a folder is meant
        typer.Option(
            "--out",
            "-o",
            metavar="PATH",
            help="The file to write, or a folder for it; for dataset and hub the new folder itself, for glyphs the "
            "folder that they are added to. By default the run folder.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what --out names, where it is there already.")
    ] = False,
) -> None:
    """Write a run as Parquet, CSV, a dataset with images, Markdown, or a model card's evaluation block."""
    import evalsuite

    run = evalsuite.open_run(folder)
    from evalsuite.export import write_export

    console.say(f"Written: {write_export(run, form, out=out, model=model, overwrite=overwrite)}")
    figures.leave([run], figures.RESUME)


@app.command(epilog=examples("evalsuite verify reports/mine --read 20"))
def verify(
    folder: RunFolder,
    read: Annotated[
        int,
        typer.Option(
            "--read", metavar="N", min=0, help="Read this many images again, picked at random, with the run's OCR."
        ),
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
