"""A run's figures in the terminal, the same as on the page, and how an incomplete run is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from evalsuite.cli import console
from evalsuite.errors import ExitCode
from evalsuite.wording import listed, point, with_ends

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalsuite.glyphs.corrected import GlyphCorrection
    from evalsuite.glyphs.counts import GlyphReport
    from evalsuite.report.sensitivity_tables import SensitivityCell
    from evalsuite.results import RunResult
    from evalsuite.runs.corrected import Correction
    from evalsuite.runs.figures import RunFigure
    from evalsuite.runs.opened import OpenRun

_COLUMNS = ("model", "lang", "images", "accuracy [95 %]", "ceiling", "styled", "exact", "p50/p90 s")
_FIGURES = _COLUMNS[2:]
_STYLED = _COLUMNS.index("styled")

RESUME = "the command that made the run, given again, fills them in"


def show(result: RunResult) -> None:
    """Print one row per model and language, and what the figures rest on."""
    run = result.run
    names = listed([suite.name for suite in run.manifest.suites], 8)
    mark = f"; {run.mark}" if run.mark else ""
    rows = [_row(each) for each in result.figures]
    # Where designed lettering was not drawn, its column would only take room.
    shown = [k for k in range(len(_COLUMNS)) if k != _STYLED or any(each.styled_ceiling for each in result.figures)]
    console.table(
        f"{len(run.manifest.prompts)} prompts of {names}{mark}",
        [_COLUMNS[k] for k in shown],
        [[row[k] for k in shown] for row in rows],
        right=_FIGURES,
    )
    if run.correction is not None:
        show_correction(run.correction)
    show_sensitivity(run)
    show_edits(run)
    scorer = run.scorer
    console.say(
        f"Accuracy is of characters, pooled over the images; exact is of whole strings; intervals are over prompts. "
        f"Scorer {scorer.name} {scorer.version}, profile {scorer.profile}; OCR {run.ocr.name} "
        f"({run.ocr.settings.get('recognition', run.ocr.digest[:12])})."
    )
    from evalsuite.report.figures import few_prompts

    few = few_prompts(run)
    if few is not None:
        console.say(few.text)
    for model in run.manifest.models:
        if model.is_malformed:
            console.say(f"{model.name} is not a model: it draws the targets in real fonts with malformed glyphs.")
        elif model.kind == "editor":
            what = (
                "the source pictures, unchanged"
                if model.is_source
                else "the mechanical editor, which sets the new text"
            )
            says = ", with the faults planted in it" if model.settings.get("faults") else ""
            console.say(f"{model.name} is not a model: it is {what}{says}.")
        elif model.role == "reference":
            says = "the styled ceiling" if model.is_styled_ceiling else "the OCR ceiling"
            console.say(
                f"{model.name} is not a model: it draws the targets with real fonts, so its score is {says}"
                + ("." if model.measures_reader else ", less the errors planted in it.")
            )
        elif model.role == "stand-in":
            console.say(f"{model.name} is a small stand-in checkpoint; its figures say nothing about the real model.")
    if all(model.role != "model" for model in run.manifest.models):
        console.say("To draw with the real models: 'evalsuite models list' names them and what they need.")


def show_correction(found: Correction) -> None:
    """Print each model's accuracy as the OCR reads it and as a person's sample corrects it, or why it is withheld."""
    from evalsuite.runs.figures import JUDGED_COLUMNS, correction_rows

    if found.withheld is not None:
        console.notice(f"no figures corrected by a person: {found.withheld}")
        return
    console.table(
        "Corrected by a person, who judged a random sample", JUDGED_COLUMNS, correction_rows(found),
        right=JUDGED_COLUMNS[2:],
    )  # fmt: skip


def show_seen(run: OpenRun) -> None:
    """Print what the glyph verifier saw of a run; nothing where nobody has looked."""
    from evalsuite.glyphs import looked_at

    looked = looked_at(run)
    if looked is not None:
        show_glyphs(looked.found, looked.correction)


def show_glyphs(found: GlyphReport, correction: GlyphCorrection | None) -> None:
    """Print what the glyph verifier saw, by model and language, and what a person's marks of a sample say of it."""
    from evalsuite.glyphs.rows import GLYPH_COLUMNS, MARKED_COLUMNS, glyph_rows, marked_rows

    console.table("Glyphs looked at one by one", GLYPH_COLUMNS, glyph_rows(found), right=GLYPH_COLUMNS[2:6])
    if found.unseen:
        console.notice(f"{found.unseen} images have not been looked at; 'evalsuite glyphs' on the folder does it")
    if correction is not None and correction.withheld is None:
        title = "Malformed glyphs, corrected by a person who marked a random sample"
        console.table(title, MARKED_COLUMNS, marked_rows(correction), right=MARKED_COLUMNS[2:])


def show_sensitivity(run: OpenRun) -> None:
    """Print of 100 malformed characters how many each reader notices, by kind and language; nothing without any."""
    from evalsuite.report.i18n import translate
    from evalsuite.report.sensitivity_tables import sensitivity_tables

    for table in sensitivity_tables(run):
        found = table.found
        pages = f"{found.pages} of {found.pages + found.unread} pages" if found.unread else f"{found.pages} pages"
        console.table(
            f"Of 100 malformed characters, {found.reader} notices ({found.reference}; {pages})",
            ("kind", *(language or "all" for language in table.languages)),
            [(translate(row.key), *map(_of_hundred, row.cells)) for row in table.rows],
            right=tuple(language or "all" for language in table.languages),
        )  # fmt: skip


def show_edits(run: OpenRun) -> None:
    """Print what a run's edits are worth; nothing where no pictures are edited."""
    from evalsuite.edits import edits_of

    found = edits_of(run)
    if found is None:
        return
    from evalsuite.edits.figures import COLUMNS, cells

    console.table("Edited pictures beside their sources", COLUMNS, [*map(cells, found.figures)], right=COLUMNS[2:])
    if found.unmeasured is not None:
        console.notice(f"the pictures elsewhere were not compared: {found.unmeasured}")


def _of_hundred(cell: SensitivityCell | None) -> str:
    return "–" if cell is None else f"{cell.text} {cell.interval or ''} ({cell.count:,})"


def _row(each: RunFigure) -> tuple[str, ...]:
    return (
        each.model if each.role == "model" else f"{each.model} ({each.role})",
        each.language or "all",
        str(each.images) + (f" ({each.missing} missing)" if each.missing else ""),
        with_ends(each.accuracy),
        point(each.ceiling) if each.ceiling else "not measured",
        point(each.styled_ceiling) if each.styled_ceiling else "not measured",
        point(each.exact),
        _times(each),
    )


def _times(each: RunFigure) -> str:
    """Latency, which is of all languages together, on the row of all of them."""
    if each.language is not None:
        return ""
    return f"{each.p50:.2f}/{each.p90:.2f}" if each.p50 is not None and each.p90 is not None else "–"


def leave(runs: Sequence[OpenRun], remedy: str) -> None:
    """Where images are missing, damaged or unread, name them and leave with exit code 12; else do nothing."""
    missing = [each for run in runs for each in run.faults]
    if not missing:
        return
    total = sum(len(run.scores) for run in runs)
    names = listed([f"{each.model} {each.text}" for each in missing])
    console.error(f"incomplete: {len(missing)} of {total} images are missing or unread ({names}); {remedy}")
    raise typer.Exit(ExitCode.INCOMPLETE)
