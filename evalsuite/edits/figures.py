"""What a run's edits are worth, by model and language, each figure by itself with its interval over prompts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalsuite import scoring
from evalsuite.content.figures import by_prompt
from evalsuite.content.measures import psnr
from evalsuite.edits import pixels
from evalsuite.errors import EvalsuiteError
from evalsuite.records import TextLine
from evalsuite.runs.figures import EditFigure
from evalsuite.stats import mean_interval
from evalsuite.wording import with_ends

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from evalsuite.edits.pixels import PixelRow
    from evalsuite.records import Score
    from evalsuite.runs.opened import OpenRun
    from evalsuite.runs.summary import Slice
    from evalsuite.scoring import Before
    from evalsuite.stats import Interval

COLUMNS = (
    "model",
    "lang",
    "images",
    "new text",
    "old text gone",
    "other lines kept",
    "similarity elsewhere",
    "PSNR dB",
)


@dataclass(frozen=True, slots=True)
class ImageEdit:
    """One edited picture beside its source.

    `gone` is the share of its old texts that cannot be read any more, `kept` the character accuracy of the lines that
    stay, read in their places; None where there are none, or where it cannot be told. `similarity` (SSIM in [0, 1]) and
    `mse` are of the pixels outside the place of the edit, None where they cannot be told.

    An image that is missing or unread has 0 everywhere: nothing shows that anything was done or kept.
    """

    gone: float
    kept: float | None
    similarity: float | None
    mse: float | None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class EditReport:
    """All that is known of a run's edits. `unmeasured` says why no pixels were compared; None where they were."""

    images: Mapping[str, ImageEdit]
    figures: tuple[EditFigure, ...]
    unmeasured: str | None = None


def report_of(run: OpenRun) -> EditReport:
    """The edits of a run, image by image and in figures. Pixels that nobody has compared yet are compared."""
    unmeasured = None
    rows: Mapping[str, PixelRow] = {}
    try:
        rows = pixels.measure(run)
    except EvalsuiteError as error:
        unmeasured = str(error)
    images = {score.key: _image(run, score, rows.get(score.key)) for score in run.scores}
    return EditReport(images, tuple(_figures(run, images, measured=unmeasured is None)), unmeasured)


def _image(run: OpenRun, score: Score, row: PixelRow | None) -> ImageEdit:
    if score.status != "scored" or score.key not in run.readings:
        return ImageEdit(gone=0.0, kept=0.0, similarity=0.0, mse=None, failed=True)
    before = run.befores.get((score.prompt, score.seed))
    generation = run.generations[score.key]
    if before is not None and generation.width and generation.height:
        before = before.scaled(generation.width, generation.height)
    lines = run.readings[score.key].lines
    edit = run.prompts[score.prompt].editing
    profile = run.scorer.profile
    # Beyond what the source shows, nothing can be kept; what is old is known from the prompt in any case.
    keep = before.keep if before is not None else ()
    olds = _old_lines(edit.old if edit else (), before)
    targets = [row.target for row in score.result.targets]
    left = scoring.old_left(olds, targets, [line.text for line in keep], lines, profile)
    return ImageEdit(
        gone=1 - sum(left) / len(left) if left else 1.0,
        kept=_kept(before, lines, profile),
        similarity=row.similarity if row else None,
        mse=row.mse if row else None,
    )


def _old_lines(texts: Iterable[str], before: Before | None) -> list[TextLine]:
    places = {line.text: line for line in (before.old or ())} if before is not None else {}
    return [places.get(text, TextLine(text=text)) for text in texts]


def _kept(before: Before | None, lines: tuple[TextLine, ...], profile: str) -> float | None:
    """The character accuracy of the lines that stay; None where there are none, or nobody knows where they stood."""
    if before is None or before.old is None or not before.keep:
        return None
    length = errors = 0
    for line in before.keep:
        row = scoring.kept_row(line, lines, profile)
        if row is None:
            return None
        length, errors = length + row.length, errors + row.distance
    return 1 - errors / length


def _figures(run: OpenRun, images: Mapping[str, ImageEdit], *, measured: bool) -> Iterable[EditFigure]:
    for model in run.summary.models:
        languages = model.by("language")
        for part in (model.overall, *(languages if len(languages) > 1 else ())):
            keys = [
                score.key
                for score in run.scores_of(model.name)
                if part.dimension == "all" or run.prompts[score.prompt].language == part.value
            ]
            yield _figure(run, model.name, part, {key: images[key] for key in keys}, measured=measured)


def _figure(run: OpenRun, model: str, part: Slice, images: Mapping[str, ImageEdit], *, measured: bool) -> EditFigure:
    kept = {key: each.kept for key, each in images.items() if each.kept is not None}
    alike = {key: each.similarity for key, each in images.items() if each.similarity is not None}
    errors = [each.mse for each in images.values() if each.mse is not None]
    decibels = psnr(sum(errors) / len(errors)) if errors else None
    alone = {key for key, each in images.items() if each.kept is None and _has_no_line_to_keep(run, key)}
    return EditFigure(
        model=model,
        role=run.manifest.model(model).role,
        language=part.value if part.dimension == "language" else None,
        images=len(images),
        missing=sum(each.failed for each in images.values()),
        target=part.intervals["character_accuracy"],
        gone=mean_interval(by_prompt(run, {key: each.gone for key, each in images.items()}), bounds=(0.0, 1.0)),
        kept=mean_interval(by_prompt(run, kept), bounds=(0.0, 1.0)) if kept else None,
        kept_untold=sum(each.kept is None for each in images.values()) - len(alone),
        similarity=mean_interval(by_prompt(run, alike), bounds=(0.0, 1.0)) if alike and measured else None,
        similarity_untold=sum(each.similarity is None for each in images.values()),
        psnr=None if decibels is None or decibels == float("inf") else decibels,
        identical=decibels == float("inf") and not any(each.failed for each in images.values()),
    )


def _has_no_line_to_keep(run: OpenRun, key: str) -> bool:
    request = run.requests[key]
    before = run.befores.get((request.prompt, request.seed))
    return before is not None and before.old is not None and not before.keep


def cells(each: EditFigure) -> tuple[str, ...]:
    """A row of text under `COLUMNS`."""
    return (
        each.model if each.role == "model" else f"{each.model} ({each.role})",
        each.language or "all",
        str(each.images) + (f" ({each.missing} missing)" if each.missing else ""),
        with_ends(each.target),
        with_ends(each.gone),
        _told(each.kept, each.kept_untold),
        _told(each.similarity, each.similarity_untold),
        decibels(each),
    )


def _told(interval: Interval | None, untold: int) -> str:
    text = "cannot tell" if interval is None else with_ends(interval)
    return f"{text} ({untold} untold)" if untold and interval is not None else text


def decibels(each: EditFigure) -> str:
    """The PSNR as text."""
    return "∞" if each.identical else "–" if each.psnr is None else f"{each.psnr:.1f}"
