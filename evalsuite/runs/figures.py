"""A run's headline figures as rows: what the terminal, a notebook and scripts show of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.records import ModelRole, Record
from evalsuite.runs.corrected import Correction
from evalsuite.runs.sensitivity import Sensitivity, by_readers
from evalsuite.stats import Interval, prompts_for_width
from evalsuite.wording import with_ends

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalsuite.runs.opened import OpenRun


class RunFigure(Record, frozen=True, kw_only=True):
    """One model in one language, or in all of them together (`language` None).

    `accuracy` is of characters, `exact` of whole strings, both with their intervals over prompts; `ceiling` is the
    accuracy of the clean typeset reference on the same prompts, `styled_ceiling` that of designed lettering, None where
    that was not measured. `corrected` is the
    accuracy after a person judged a random sample of the images, None where nobody did or not all of it. Times are
    seconds of warm images, over all languages; None for references and where nothing was timed.
    """

    model: str
    role: ModelRole
    language: str | None
    prompts: int
    images: int
    missing: int
    accuracy: Interval
    ceiling: Interval | None
    exact: Interval
    styled_ceiling: Interval | None = None
    corrected: Interval | None = None
    p50: float | None = None
    p90: float | None = None


class EditFigure(Record, frozen=True, kw_only=True):
    """What one model's edits are worth in one language, or in all of them together (`language` None).

    `target` is the character accuracy of the new text, pooled over the images as everywhere. The others are means over
    prompts of means over seeds: `gone` the share of old texts that cannot be read any more, `kept` the character
    accuracy of the other lines, read in their places, `similarity` SSIM in [0, 1] outside the place of the edit, and
    `psnr` in decibels of the mean squared error there; `identical` where nothing differs, and `psnr` is None. Images
    that are missing or unread (`missing`) count 0 in all of them. `kept_untold` and `similarity_untold` are the images
    of which nobody can tell, which are in no mean; a figure of which none can be told is None.
    """

    model: str
    role: ModelRole
    language: str | None
    images: int
    missing: int
    target: Interval
    gone: Interval
    kept: Interval | None
    kept_untold: int
    similarity: Interval | None
    similarity_untold: int
    psnr: float | None
    identical: bool


class RunFigures(Record, frozen=True, kw_only=True):
    """The figures of a run, as `summary.json` holds them (docs/json.md); `format` rises with every change of meaning.

    `correction` is what a judged sample says, `missing` which images cannot count, and why. `stopped` is set where the
    run is drawn until a gate's verdict: `PASS after 64 of 640 images`. `sensitivity` is what each reader makes of the
    references with malformed glyphs; `edits` what edited pictures are worth, where pictures are edited.
    """

    format: int = 1
    run: str
    complete: bool
    ocr: str
    scorer: str
    profile: str
    figures: tuple[RunFigure, ...]
    correction: Correction | None
    missing: tuple[str, ...]
    notices: tuple[str, ...]
    stopped: str | None = None
    sensitivity: tuple[Sensitivity, ...] = ()
    edits: tuple[EditFigure, ...] = ()


WIDE = 0.2
"""An interval of character accuracy wider than this tells only broken models from whole ones."""
NARROW = 0.1
"""The width that is aimed at where one is `WIDE`."""


class TooFew(Record, frozen=True, kw_only=True):
    """A run whose `prompts` decide little: its widest interval has `width`; about `wanted` would make it `NARROW`."""

    prompts: int
    width: float
    wanted: int


def too_few_prompts(run: OpenRun) -> TooFew | None:
    """What to say of a run with so few prompts that its figures decide little; None where they do.

    Only models are looked at, or references that stand alone; and no run that a gate's verdict stopped, where the
    verdict counts, and no shard.
    """
    names = {spec.name for spec in run.models(subjects=True)}
    widest: TooFew | None = None
    for model in run.summary.models:
        found = model.overall.intervals["character_accuracy"]
        if model.name not in names or found.low is None or found.high is None:
            continue
        width, wanted = found.high - found.low, prompts_for_width(found, NARROW)
        if width > WIDE and wanted is not None and (widest is None or width > widest.width):
            widest = TooFew(prompts=found.n, width=width, wanted=wanted)
    return None if run.manifest.sequential is not None or run.manifest.shard is not None else widest


def figures_of(run: OpenRun) -> tuple[RunFigure, ...]:
    """Each model over all prompts and, where there are several languages, in each of them."""
    return tuple(_figures(run))


def _figures(run: OpenRun) -> Iterator[RunFigure]:
    found = run.correction.figures if run.correction else ()
    corrected = {(each.model, each.language): each.corrected for each in found}
    for model in run.summary.models:
        languages = model.by("language")
        timed = model.timing.total if model.timing is not None and model.role != "reference" else None
        for part in (model.overall, *(languages if len(languages) > 1 else ())):
            ceiling, styled = run.summary.ceiling(part), run.summary.styled_ceiling(part)
            language = part.value if part.dimension == "language" else None
            yield RunFigure(
                model=model.name,
                role=model.role,
                language=language,
                prompts=part.prompts,
                images=part.images,
                missing=part.missing,
                accuracy=part.intervals["character_accuracy"],
                ceiling=ceiling.intervals["character_accuracy"] if ceiling else None,
                exact=part.intervals["exact_string_rate"],
                styled_ceiling=styled.intervals["character_accuracy"] if styled else None,
                corrected=corrected.get((model.name, language)),
                p50=timed.p50 if timed else None,
                p90=timed.p90 if timed else None,
            )


def run_figures(run: OpenRun) -> RunFigures:
    """All that scripts need of a run, in one record."""
    return RunFigures(
        run=run.manifest.name,
        complete=not run.missing,
        ocr=f"{run.ocr.name} {run.ocr.digest[:12]}",
        scorer=f"{run.scorer.name} {run.scorer.version}",
        profile=run.scorer.profile,
        figures=figures_of(run),
        correction=run.correction,
        missing=tuple(f"{each.model} {each.text}" for each in run.faults),
        stopped=run.mark,
        sensitivity=by_readers(run),
        notices=run.notices,
    )


JUDGED_COLUMNS = ("model", "lang", "judged", "as the OCR reads it", "corrected", "images misread", "strings misread")


def correction_rows(found: Correction) -> list[tuple[str, ...]]:
    """The figures of a judged sample as text, under `JUDGED_COLUMNS`."""
    return [
        (
            each.model,
            each.language or "all",
            f"{each.judged} of {each.images}",
            with_ends(each.read),
            with_ends(each.corrected) if each.corrected else "too few judged",
            with_ends(each.misread_images),
            with_ends(each.misread_strings),
        )
        for each in found.figures
    ]
