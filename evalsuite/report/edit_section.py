"""What the pages show of edits: a part of a run's page with before, after and difference, and one of a comparison's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalsuite.edits import edits_of
from evalsuite.report import figures
from evalsuite.runs.before import source_keys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalsuite.edits.figures import ImageEdit
    from evalsuite.records import Prompt
    from evalsuite.report.comparison import Contestant
    from evalsuite.report.payload import Picture
    from evalsuite.runs.figures import EditFigure
    from evalsuite.runs.opened import OpenRun

MOST_PICTURES = 6
"""Edits that are shown beside their sources on a run's page: the worst of its models."""


@dataclass(frozen=True, slots=True)
class EditLine:
    """A line of the table of edits: one model in one language."""

    of: EditFigure
    name: str
    target: figures.Figure
    gone: figures.Figure
    kept: figures.Figure | None
    similarity: figures.Figure | None
    psnr: str


@dataclass(frozen=True, slots=True)
class EditPictures:
    """One edit with its source: addresses of the pictures relative to the page, and what it is worth."""

    key: str
    model: str
    prompt: Prompt
    seed: int
    before: str
    after: str
    size: tuple[int, int]
    accuracy: str
    edit: ImageEdit
    psnr: str


@dataclass(frozen=True, slots=True)
class EditSection:
    """What a run's page shows of its edits; `first` are the lines for its first screen."""

    first: Sequence[EditLine]
    lines: Sequence[EditLine]
    pictures: Sequence[EditPictures]
    unmeasured: str | None
    untold: int


def section_of(run: OpenRun, found: Mapping[str, Picture]) -> EditSection | None:
    """The section of a run that edits, and None of any other. `found` are the pictures that the page has."""
    edits = edits_of(run)
    if edits is None:
        return None
    lines = _lines(edits.figures, {spec.name: spec.name for spec in run.manifest.models})
    shown = {spec.name for spec in run.models(subjects=True)} - {_source_name(run)}
    return EditSection(
        first=[line for line in lines if line.of.language is None and line.of.model in shown],
        lines=[*sorted(lines, key=lambda line: line.of.role == "reference")],
        pictures=_pictures(run, edits.images, found, shown),
        unmeasured=edits.unmeasured,
        untold=sum(line.of.kept_untold + line.of.similarity_untold for line in lines if line.of.language is None),
    )


def comparison_lines(runs: Sequence[OpenRun], called: Sequence[Contestant]) -> list[EditLine]:
    """The edits of every contestant, by its name on the page; nothing where no pictures are edited."""
    reports = [edits_of(run) for run in runs]
    lines: list[EditLine] = []
    for each in called:
        report = reports[each.run]
        if report is not None:
            own = [figure for figure in report.figures if figure.model == each.model]
            lines += _lines(own, {each.model: each.name})
    return lines


def _source_name(run: OpenRun) -> str | None:
    spec = run.manifest.source_model
    return spec.name if spec is not None else None


def _lines(found: Sequence[EditFigure], names: Mapping[str, str]) -> list[EditLine]:
    from evalsuite.edits.figures import decibels

    return [
        EditLine(
            of=each,
            name=names[each.model],
            target=figures.figure(each.target),
            gone=figures.figure(each.gone),
            kept=figures.figure(each.kept) if each.kept is not None else None,
            similarity=figures.figure(each.similarity) if each.similarity is not None else None,
            psnr=decibels(each),
        )
        for each in found
    ]


def _pictures(
    run: OpenRun, edits: Mapping[str, ImageEdit], found: Mapping[str, Picture], models: set[str]
) -> list[EditPictures]:
    """The worst edits of the models, by their worst figure; each prompt at most once while there are others."""
    from evalsuite import scoring
    from evalsuite.content.measures import psnr

    keys = source_keys(run.manifest)
    rows = []
    for score in run.scores:
        before = found.get(keys[score.prompt, score.seed])
        after = found.get(score.key)
        generation = run.generations.get(score.key)
        if score.model not in models or before is None or after is None or generation is None:
            continue
        addresses = [each.full or each.thumbnail for each in (before, after)]
        if addresses[0] is None or addresses[1] is None or not generation.width or not generation.height:
            continue
        edit = edits[score.key]
        accuracy = scoring.rates(score.result).character_accuracy or 0.0
        worst = min(accuracy, edit.gone, *(each for each in (edit.kept, edit.similarity) if each is not None))
        decibels = psnr(edit.mse)
        shown = EditPictures(
            key=score.key,
            model=score.model,
            prompt=run.prompts[score.prompt],
            seed=score.seed,
            before=addresses[0],
            after=addresses[1],
            size=(generation.width, generation.height),
            accuracy=f"{accuracy:.3f}",
            edit=edit,
            psnr="–" if decibels is None else "∞" if decibels == float("inf") else f"{decibels:.1f}",
        )
        rows.append((worst, shown))
    rows.sort(key=lambda row: row[0])
    chosen: list[EditPictures] = []
    for repeated in (False, True):
        for _, shown in rows:
            again = any(other.prompt.id == shown.prompt.id for other in chosen)
            if len(chosen) < MOST_PICTURES and shown not in chosen and again <= repeated:
                chosen.append(shown)
    return chosen
