"""What is made of stored runs: pages, comparisons, judged samples, checks of published figures, exports, proofs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from evalsuite.api.arguments import Names, StrPath, engine_of, names_of, path_of
from evalsuite.errors import EvalsuiteError

if TYPE_CHECKING:
    from evalsuite.glyphs.looking import Looked
    from evalsuite.results import ClaimsResult, ComparisonResult, ContentResult, GlyphsResult, JudgeResult, RunResult
    from evalsuite.runs.opened import OpenRun
    from evalsuite.runs.progress import Watcher
    from evalsuite.runs.verify import Verification
    from evalsuite.track import Tracked


def report(
    folder: StrPath,
    *,
    single_file: bool = False,
    out: StrPath | None = None,
    glyphs: bool = False,
    watch: Watcher | None = None,
) -> RunResult:
    """Write the HTML report of a stored run, and its figures as `summary.json`; by default into its folder.

    With `out`, page, figures and copies of the images go there, and the run's folder is only read. With `glyphs`, the
    glyph verifier looks first at what it has not seen yet; what it saw earlier is shown in any case.

    Raises:
        EvalsuiteError: when there is no run, a file of it is damaged, or the folder cannot be written.
    """
    from evalsuite.edits import measure as measure_edits
    from evalsuite.report import build_report, store_summary
    from evalsuite.results import RunResult
    from evalsuite.runs import open_run

    opened = open_run(Path(folder))
    elsewhere = path_of(out)
    if elsewhere is not None and (elsewhere / "manifest.json").exists():
        raise EvalsuiteError(f"--out {elsewhere}: a run folder; name another folder for the page")
    if elsewhere is None:
        measure_edits(opened, watch=watch)
    looked = look_and_show(opened, out=elsewhere, watch=watch) if glyphs else None
    store_summary(opened, elsewhere)
    page = build_report(opened, single_file=single_file, out=elsewhere, looked=looked)
    return RunResult(opened, page, opened.notices)


def judge(
    folder: StrPath,
    *,
    sample: int | None = None,
    seed: int | None = None,
    marks: StrPath | None = None,
    report: bool = True,
) -> JudgeResult:
    """Draw the random sample of a run's images that a person judges, and correct the accuracy once all are judged.

    Args:
        folder: The run folder. Sample and marks are kept in it.
        sample: How many images; 40 by default, or as many as were drawn already. A larger sample keeps the smaller.
        seed: What the sample is drawn by, 0 by default. A sample that was drawn already keeps its seed.
        marks: Marks that a person made in the report, as exported there.
        report: Write the page, on which the sampled images are judged.

    Raises:
        IncompleteError: Images are missing or unread: the sample would not be of what was promised.
        EvalsuiteError: The sample is too small, was drawn with another seed, or the marks do not fit.
    """
    from evalsuite.report import build_report, store_summary
    from evalsuite.results import JudgeResult
    from evalsuite.runs.judging import judge_sample

    opened, correction = judge_sample(Path(folder), size=sample, seed=seed, marks=path_of(marks))
    store_summary(opened)
    return JudgeResult(opened, correction, build_report(opened) if report else None)


def compare(folders: StrPath | Iterable[StrPath], out: StrPath) -> ComparisonResult:
    """Set two or more runs, or the models of one run, side by side on a page in `out`.

    Raises:
        NotComparableError: when prompts, seeds, OCR or scorer differ, naming what.
        EvalsuiteError: when a run cannot be read or `out` cannot be written.
    """
    from evalsuite.report import build_comparison
    from evalsuite.report.comparison import compare_all, contestants
    from evalsuite.results import ComparisonResult
    from evalsuite.runs import open_run

    paths = [Path(folders)] if isinstance(folders, (str, os.PathLike)) else [Path(each) for each in folders]
    runs = tuple(open_run(path) for path in paths)
    page = build_comparison(runs, Path(out))
    called = contestants(runs)
    return ComparisonResult(page, runs, tuple(compare_all(runs, called)), tuple(called))


def claims(
    folder: StrPath,
    claims: Names = (),
    *,
    models: Names = (),
    ocr: str | None = None,
    trust_settings: bool = False,
    report: bool = True,
) -> ClaimsResult:
    """Hold a run against published figures: reproduced, not reproduced, inconclusive or not comparable.

    Args:
        folder: The run folder.
        claims: Ids of claims; by default those about the run's models.
        models: Only these models of the run.
        ocr: The engine whose readings count; by default the published reader's where the run has them.
        trust_settings: Take settings that the run does not know to be the claim's.
        report: Put the verdicts on the run's page. Where that fails, `notices` say so: the verdicts stand all the same.

    Raises:
        EvalsuiteError: when there is no run, or a claim, model or engine is not known.
    """
    from evalsuite.claims import check_claims, exit_code, published_reader
    from evalsuite.report import build_report, store_claims
    from evalsuite.report.claim_rows import report_rows, standing_rows
    from evalsuite.results import ClaimsResult
    from evalsuite.runs import RunStore, open_run

    store = RunStore.open(Path(folder))
    names = names_of(claims)
    opened = open_run(store, engine_of(store, ocr) if ocr is not None else published_reader(store))
    found = check_claims(opened, names, models=names_of(models), trust_settings=trust_settings)
    page, notices = None, []
    if report and (found.verdicts or any(row.role for row in found.standings)):
        try:
            store_claims(opened, report_rows(found.verdicts), standing_rows(found.standings))
            page = build_report(opened.read_by(store.manifest.ocr))
        except (EvalsuiteError, OSError) as error:
            notices.append(f"the verdicts are not in the report: {error}")
    code = exit_code(found.verdicts, named=bool(names))
    return ClaimsResult(found.verdicts, found.standings, int(code), page, tuple(notices))


def export(
    folder: StrPath, form: str, *, out: StrPath | None = None, model: str | None = None, overwrite: bool = False
) -> Path:
    """Write a run as `parquet`, `csv`, `dataset`, `hub`, `markdown`, `model-card` or `glyphs`, and return where.

    Args:
        folder: The run folder.
        form: What to write.
        out: The file, or a folder for it; for `dataset` and `hub` the folder itself. By default in the run folder.
        model: The model of a model card.
        overwrite: Whether what `out` names may be there already.

    Raises:
        EvalsuiteError: for an unknown form or model, or a place that cannot be written.
        IncompleteError: for a model card of an incomplete run.
    """
    from evalsuite.export import write_export
    from evalsuite.runs import open_run

    return write_export(open_run(Path(folder)), form, out=out, model=model, overwrite=overwrite)


def verify(folder: StrPath, *, read: int = 0, seed: int = 0) -> Verification:
    """Check that a run is what it says: every row, every image, and with `read` a sample of readings, read again.

    Raises:
        EvalsuiteError: when there is no run, a file of it is damaged, or its OCR is not to be had here.
    """
    from evalsuite.runs import open_run
    from evalsuite.runs.verify import verify_run

    return verify_run(open_run(Path(folder)), read=read, seed=seed)


def glyphs(
    folder: StrPath,
    *,
    sample: int | None = None,
    seed: int | None = None,
    marks: StrPath | None = None,
    report: bool = True,
    watch: Watcher | None = None,
) -> GlyphsResult:
    """Look at every character that was read in a run, for glyphs that are malformed though they were read as meant.

    Nothing is drawn or read again, and no score changes. What was seen is kept in the folder, and only images that were
    not looked at yet cost time. What the verifier can see, and how often it errs, is in docs/glyphs.md.

    Args:
        folder: The run folder.
        sample: Draw a random sample of so many judged glyphs for a person to mark, or enlarge the one that is there.
        seed: What the sample is drawn by, 0 by default; a sample that was drawn already keeps its seed.
        marks: Marks that a person made on `glyphs.html`, as exported there; they are kept.
        report: Write `glyphs.html`, with the cut-outs beside their references, and the run's page.
        watch: Told after each image how far it has come.

    Raises:
        EvalsuiteError: There is no run, an image cannot be opened, sample or marks do not fit, or the parts that this
            needs are not installed.
    """
    from evalsuite.glyphs.looking import look, mark
    from evalsuite.results import GlyphsResult
    from evalsuite.runs import open_run
    from evalsuite.runs.progress import ignore

    opened = open_run(Path(folder))
    looked = mark(opened, look(opened, watch=watch or ignore), sample=sample, seed=seed, marks=path_of(marks))
    page = None
    if report:
        from evalsuite.report import build_report
        from evalsuite.report.glyphs_page import build_glyphs_page

        page = build_glyphs_page(opened, looked)
        build_report(opened, looked=looked)
    return GlyphsResult(opened, looked.found, page, looked.correction)


def content(
    folder: StrPath,
    baseline: StrPath | None = None,
    *,
    baseline_model: str | None = None,
    agreement: Names = (),
    distance: Names = (),
    report: bool = True,
    watch: Watcher | None = None,
) -> ContentResult:
    """Measure whether the pictures of a run still hold what is beside their text.

    Nothing is drawn or read again, and no score changes. What was measured is kept in the folder, and only images that
    are new cost time. What the figures can tell is in docs/content.md.

    Args:
        folder: The run folder.
        baseline: Run folder whose images of the same prompts and seeds are the standard; may be the same folder, where
            it holds several models.
        baseline_model: The model in the baseline's run, where it has several.
        agreement: `clip:FOLDER` or `vqa:FOLDER`, or both: also CLIPScore or VQAScore, by a local checkpoint.
        distance: `lpips:FOLDER` or `dino:FOLDER`, or both: also the distance from the baseline's images.
        report: Write the run's page. `summary.json` holds the figures either way.
        watch: Told after each image how far it has come.

    Raises:
        NotComparableError: The runs differ in prompts, seeds or OCR.
        EvalsuiteError: There is no run, an image cannot be opened, or what this needs is not there.
    """
    from evalsuite.content import measure
    from evalsuite.report import build_report, store_summary
    from evalsuite.results import ContentResult
    from evalsuite.runs import open_run

    run = open_run(Path(folder))
    standard = None if baseline is None else open_run(Path(baseline))
    found = measure(
        run,
        standard,
        baseline_model=baseline_model,
        agreement=names_of(agreement),
        distance=names_of(distance),
        watch=watch,
    )
    store_summary(run)
    return ContentResult(run, found, build_report(run) if report else None)


def look_and_show(run: OpenRun, *, out: Path | None = None, watch: Watcher | None = None) -> Looked:
    """Look at a run's glyphs and write the page of cut-outs; with `out`, the run's folder is only read."""
    from evalsuite.glyphs.looking import look
    from evalsuite.report.glyphs_page import build_glyphs_page
    from evalsuite.runs.progress import ignore

    looked = look(run, keep=out is None, watch=watch or ignore)
    build_glyphs_page(run, looked, out=out)
    return looked


def track(folder: StrPath, trackers: Names) -> tuple[Tracked, ...]:
    """Send a stored run to experiment trackers: figures with intervals, the worst images, the report.

    Args:
        folder: The run folder, or a `RunResult`'s `folder`.
        trackers: `wandb`, `mlflow` or `tensorboard`, or several of them; each makes a new run there.

    Raises:
        EvalsuiteError: for an unknown tracker, or one that is not installed, before any is written to.
        TrackError: when a tracker refuses or cannot be reached; the run folder is as it was.
    """
    from evalsuite.runs import open_run
    from evalsuite.track import check_trackers, track_run

    names = tuple(dict.fromkeys(names_of(trackers)))
    check_trackers(names)
    run = open_run(Path(folder))
    return tuple(track_run(run, name) for name in names)
