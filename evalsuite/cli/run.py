"""The commands that draw and score: run, score."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from evalsuite.cli import console, figures
from evalsuite.cli.gate import load_noted, show_verdict
from evalsuite.cli.options import (
    AddressOption,
    BackendOption,
    CeilingOption,
    DevicesOption,
    GlyphsOption,
    JsonOption,
    LimitOption,
    LockOption,
    LoraOption,
    ModelsOption,
    OcrOption,
    OtherOcrOption,
    OtherProfileOption,
    OutOption,
    PolicyOption,
    ProfileOption,
    ProtocolOption,
    QuietOption,
    SamplesOption,
    SeedOption,
    SettingsOption,
    ShardOption,
    SuitesOption,
    TrackOption,
    TransformerOption,
    UntilVerdictOption,
    WorkersOption,
    examples,
)
from evalsuite.cli.protocols import show_protocols
from evalsuite.cli.tracking import check_asked, send
from evalsuite.errors import EvalsuiteError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalsuite.cli.documents import RunDocument
    from evalsuite.cli.options import Protocol, TrackerName
    from evalsuite.results import RunResult
    from evalsuite.runs.protocol_scores import ProtocolScores

app = typer.Typer()


@app.command(
    epilog=examples(
        "evalsuite run --limit 18",
        "evalsuite run -m flux2-klein-4b -m ernie-image-turbo -s signage-en -n 4",
        "evalsuite run -m ./checkpoint --set steps=8 size=768x1344 -o reports/mine",
        "evalsuite run -m flux2-klein-4b --lora style.safetensors:0.8 --json",
    )
)
def run(
    model: ModelsOption = None,
    suite: SuitesOption = None,
    samples: SamplesOption = 1,
    seed: SeedOption = 0,
    limit: LimitOption = None,
    prompt: Annotated[
        list[str] | None, typer.Option("--prompt", metavar="ID", help="Only the prompt with this id; repeatable.")
    ] = None,
    settings: SettingsOption = None,
    lora: LoraOption = None,
    transformer: TransformerOption = None,
    out: OutOption = None,
    ocr: OcrOption = "paddle",
    profile: ProfileOption = "standard",
    ceiling: CeilingOption = True,
    styled_ceiling: Annotated[
        bool, typer.Option("--styled-ceiling", help="Draw the reference in designed lettering too.")
    ] = False,
    sensitivity: Annotated[
        bool,
        typer.Option(
            "--sensitivity",
            help="Draw the reference with a tenth of its characters malformed too; tell how many the reader notices.",
        ),
    ] = False,
    interleave: Annotated[
        bool, typer.Option("--interleave", help="Load the models together and draw in turns, to compare their speed.")
    ] = False,
    shard: ShardOption = None,
    devices: DevicesOption = None,
    backend: BackendOption = "local",
    address: AddressOption = None,
    until_verdict: UntilVerdictOption = False,
    baseline: Annotated[
        Path | None,
        typer.Option(
            "--baseline",
            metavar="RUN",
            help="With --until-verdict, the run to compare with; by default what --lock names.",
        ),
    ] = None,
    policy: PolicyOption = "default",
    lock: LockOption = Path("baseline.lock"),
    protocol: ProtocolOption = None,
    workers: WorkersOption = None,
    json: JsonOption = False,
    glyphs: GlyphsOption = False,
    concurrency: Annotated[
        int | None,
        typer.Option("--concurrency", metavar="N", help="For server:URL models: requests under way at a time."),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option("--rate", metavar="R", help="For server:URL models: requests a second, at random moments."),
    ] = None,
    track: TrackOption = None,
    quiet: QuietOption = False,
) -> None:
    """Draw, read and score prompts, and write the report. The same command resumes a run that was stopped."""
    import evalsuite

    if shard is not None and protocol:
        raise EvalsuiteError("--protocol: other benchmarks' protocols want complete runs; merge the shards first")
    if until_verdict and protocol:
        raise EvalsuiteError("--protocol: other benchmarks' protocols want complete runs; leave out --until-verdict")
    check_asked(track)
    with console.progress(quiet=quiet) as watch:
        result = evalsuite.run(
            model,
            suite or "all",
            out=out,
            samples=samples,
            seed=seed,
            limit=limit,
            prompts=prompt or (),
            settings=settings or (),
            lora=lora or (),
            transformer=transformer,
            ocr=ocr,
            profile=profile,
            ceiling=ceiling,
            styled_ceiling=styled_ceiling,
            sensitivity=sensitivity,
            interleave=interleave,
            shard=shard,
            devices=devices,
            backend=backend,
            address=address,
            until_verdict=until_verdict,
            baseline=baseline,
            policy=load_noted(policy) if until_verdict else policy,
            lock=lock,
            workers=workers,
            glyphs=glyphs,
            concurrency=concurrency,
            rate=rate,
            watch=watch,
        )
    _conclude(result, protocol, track, json=json)


@app.command(
    epilog=examples(
        "evalsuite score reports/mine --profile strict",
        "evalsuite score reports/mine --ocr rapidocr-v4",
        "evalsuite score images/ --targets targets.csv -o reports/images",
        "evalsuite score reports/mine --adjudications marks.json",
    )
)
def score(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="A run folder to score again, or a folder of images with --targets."),
    ],
    targets: Annotated[
        Path | None,
        typer.Option(
            "--targets", metavar="FILE", help="What the images must show: .txt (one per line), .jsonl or .csv."
        ),
    ] = None,
    out: OutOption = None,
    ocr: OtherOcrOption = None,
    profile: OtherProfileOption = None,
    adjudications: Annotated[
        Path | None,
        typer.Option(
            "--adjudications", metavar="FILE", help="Marks that a person made in the report, as exported there."
        ),
    ] = None,
    protocol: ProtocolOption = None,
    workers: WorkersOption = None,
    json: JsonOption = False,
    glyphs: GlyphsOption = False,
    track: TrackOption = None,
    quiet: QuietOption = False,
) -> None:
    """Score a stored run again, with other OCR or another profile, or score images that exist already."""
    import evalsuite

    check_asked(track)
    with console.progress(quiet=quiet) as watch:
        if targets is not None:
            if adjudications is not None:
                raise EvalsuiteError("--adjudications is for a stored run; score the images first, then the run folder")
            result = evalsuite.score(
                folder,
                targets,
                out=out,
                ocr=ocr or "paddle",
                profile=profile or "standard",
                workers=workers,
                glyphs=glyphs,
                watch=watch,
            )
        elif not (folder / "manifest.json").is_file():
            raise EvalsuiteError(
                f"{folder}: no run folder; to score images in it, name their targets with --targets FILE"
            )
        else:
            result = evalsuite.rescore(
                folder,
                ocr=ocr,
                profile=profile,
                adjudications=adjudications,
                workers=workers,
                glyphs=glyphs,
                watch=watch,
            )
    _conclude(result, protocol, track, json=json)


@app.command(epilog=examples("evalsuite merge reports/whole reports/shard-1 reports/shard-2"))
def merge(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder of the whole run.")],
    shards: Annotated[list[Path], typer.Argument(metavar="SHARD...", help="The run folders of its shards.")],
    protocol: ProtocolOption = None,
    json: JsonOption = False,
    track: TrackOption = None,
    quiet: QuietOption = False,
) -> None:
    """Put the shards of a run together: the run that one machine would have made."""
    import evalsuite

    check_asked(track)
    with console.progress(quiet=quiet) as watch:
        result = evalsuite.merge(out, shards, watch=watch)
    _conclude(result, protocol, track, json=json)


def _conclude(
    result: RunResult, protocols: Sequence[Protocol] | None, trackers: Sequence[TrackerName] | None, *, json: bool
) -> NoReturn:
    """Print the table and the path of the report, or the document, and leave with the exit code of completeness.

    What a tracker does changes no exit code: the run is done by then.
    """
    from evalsuite.runs.protocol_scores import score_run

    scores = [score_run(result.run, name.value) for name in protocols or ()]
    code = int(ExitCode.INCOMPLETE if result.run.faults else ExitCode.OK)
    if result.verdict is not None:
        code = result.verdict.exit_code
    if json:
        console.document(_document(result, scores, code))
    else:
        figures.show(result)
        show_protocols(scores)
        figures.show_seen(result.run)
        for text in result.notices:
            console.notice(text)
        console.say(f"Report: {result.page}")
        if result.verdict is not None:
            show_verdict(result.verdict)
    send(result.run, trackers)
    if result.verdict is None:
        figures.leave([result.run], "run the same command again to fill them in")
    raise typer.Exit(code)


def _document(result: RunResult, scores: Sequence[ProtocolScores], code: int) -> RunDocument:
    from evalsuite.cli.documents import RunDocument
    from evalsuite.report import run_summary

    return RunDocument(
        folder=str(result.folder),
        page=str(result.page) if result.page is not None else None,
        resumed=result.resumed,
        exit_code=code,
        summary=run_summary(result.run),
        protocols=tuple(scores),
        verdict=result.verdict,
        notices=result.notices,
    )
