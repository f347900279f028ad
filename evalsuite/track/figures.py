"""What is sent of a run, in one form for all trackers: figures by name, tables, settings. No client is known here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evalsuite.images import load_image
from evalsuite.runs.figures import run_figures
from evalsuite.scoring import count, rates
from evalsuite.wording import clipped, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from PIL.Image import Image

    from evalsuite.records import Json
    from evalsuite.runs.figures import RunFigure
    from evalsuite.runs.opened import OpenRun
    from evalsuite.stats import Interval
    from evalsuite.sweep.results import SweepRow

MAX_IMAGES = 24
"""Images in a table: the worst of all models of the run together."""
SIDE = 512
"""Pixels of an image's longer side as it is sent."""
MAX_TEXT = 300
"""Characters of a text in a table's cell."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table; `images` are one for each row, or none at all."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | float | int | None, ...], ...]
    images: tuple[Image, ...] = field(default=())


def figures_of_run(run: OpenRun) -> dict[str, float]:
    """Each figure under `model/language/name`; what was not measured has no name here.

    Rates and their ends are fractions, times are seconds.
    """
    values: dict[str, float] = {}
    for row in run_figures(run).figures:
        values |= {f"{row.model}/{row.language or 'all'}/{name}": value for name, value in _figures(row)}
    return values


def _figures(row: RunFigure) -> Iterator[tuple[str, float]]:
    yield from _interval("accuracy", row.accuracy)
    yield from _interval("exact", row.exact)
    yield from _interval("corrected", row.corrected)
    for name, ceiling in (("ceiling", row.ceiling), ("styled_ceiling", row.styled_ceiling)):
        if ceiling is not None and ceiling.estimate is not None:
            yield name, ceiling.estimate
    for name, seconds in (("p50_seconds", row.p50), ("p90_seconds", row.p90)):
        if seconds is not None:
            yield name, seconds
    yield "prompts", row.prompts
    yield "images", row.images
    yield "missing", row.missing


def _interval(name: str, found: Interval | None) -> Iterator[tuple[str, float]]:
    if found is not None:
        ends = ((name, found.estimate), (f"{name}_low", found.low), (f"{name}_high", found.high))
        yield from ((each, value) for each, value in ends if value is not None)


def figures_of_checkpoint(row: SweepRow) -> dict[str, float]:
    """A sweep's figures of one checkpoint, under names that are the same for all of them."""
    values = dict(_interval("accuracy", row.character_accuracy)) | dict(_interval("exact", row.exact_string_rate))
    others = {
        "p50_seconds": row.p50,
        "p90_seconds": row.p90,
        "images_per_second": row.images_per_second,
        "peak_memory_bytes": row.peak_memory,
        "change": row.delta,
        "change_low": row.lower,
        "change_high": row.upper,
    }
    return values | {name: float(value) for name, value in others.items() if value is not None}


FIGURE_COLUMNS = (
    "model",
    "role",
    "language",
    "prompts",
    "images",
    "missing",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "ceiling",
    "exact",
    "exact_low",
    "exact_high",
    "p50_seconds",
    "p90_seconds",
)


def figure_table(run: OpenRun) -> Table:
    """The headline figures as a table, a row per model and language."""
    rows: list[tuple[str | float | int | None, ...]] = []
    for row in run_figures(run).figures:
        named: dict[str, str | float | int | None] = {
            "model": row.model,
            "role": row.role,
            "language": row.language or "all",
        }
        named |= dict(_figures(row))
        rows.append(tuple(named.get(name) for name in FIGURE_COLUMNS))
    return Table(FIGURE_COLUMNS, tuple(rows))


WORST_COLUMNS = ("model", "prompt", "language", "seed", "accuracy", "targets", "read")


def worst_table(run: OpenRun, limit: int = MAX_IMAGES) -> Table:
    """The images of lowest character accuracy with what they should say and what was read, at most `limit`.

    References beside models are left out, as are images that are missing or unread.
    """
    subjects = {spec.name for spec in run.models(subjects=True)}
    known = [
        (accuracy, place, score)
        for place, score in enumerate(run.scores)
        if score.model in subjects and score.status == "scored" and score.key in run.evidence.drawn
        for accuracy in [rates(score.result).character_accuracy]
        if accuracy is not None and count(score.result).length
    ]
    rows: list[tuple[str | float | int | None, ...]] = []
    images: list[Image] = []
    for accuracy, _, score in sorted(known)[:limit]:
        prompt, reading = run.prompts[score.prompt], run.readings.get(score.key)
        targets, read = " / ".join(prompt.targets), " / ".join(line.text for line in reading.lines) if reading else ""
        image = load_image(run.store.image_path(run.evidence.drawn[score.key]))
        image.thumbnail((SIDE, SIDE))
        texts = (visible(clipped(text, MAX_TEXT)) for text in (targets, read))
        rows.append((score.model, prompt.id, prompt.language, score.seed, accuracy, *texts))
        images.append(image)
    return Table(WORST_COLUMNS, tuple(rows), tuple(images))


def settings_of_run(run: OpenRun) -> dict[str, Json]:
    """What a run was made with, for the tracker's own settings: plain JSON values."""
    manifest = run.manifest
    return {
        "run": manifest.name,
        "suites": {each.name: each.digest for each in manifest.suites},
        "seeds": list(manifest.seeds),
        "models": {each.name: _model(each.settings, each.weights_digest, each.role) for each in manifest.models},
        "ocr": f"{run.ocr.name} {run.ocr.digest[:16]}",
        "scorer": f"{run.scorer.name} {run.scorer.version}",
        "profile": run.scorer.profile,
        "complete": not run.missing,
    }


def _model(settings: Mapping[str, Json], weights: str, role: str) -> dict[str, Json]:
    return {"role": role, "weights": weights, **{f"set.{name}": value for name, value in settings.items()}}
