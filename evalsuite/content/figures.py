"""What was measured beside the text, by model and language, with intervals over prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from evalsuite.content.measures import psnr
from evalsuite.records import Record
from evalsuite.stats import Interval, mean_interval
from evalsuite.wording import with_ends

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from evalsuite.content.rows import AgreementRow, DistanceRow, PairRow, PictureRow
    from evalsuite.runs.opened import OpenRun

CLIPSCORE_MOST = 2.5
"""The greatest CLIPScore (`agreement`)."""

PICTURE_COLUMNS = ("model", "lang", "images", "not flat", "cannot tell")
AGREEMENT_COLUMNS = ("model", "lang", "measure", "images", "agreement", "prompts cut")
PAIR_COLUMNS = ("model", "lang", "against", "images", "similarity", "PSNR dB", "cannot tell")
DISTANCE_COLUMNS = ("model", "lang", "against", "measure", "images", "distance", "cannot tell")


def most_of(scorer: str) -> float:
    """The greatest score by a scorer of this name: a CLIPScore goes up to 2.5, a VQAScore is a probability."""
    return CLIPSCORE_MOST if scorer.startswith("CLIPScore ") else 1.0


class PictureFigure(Record, frozen=True, kw_only=True):
    """One model in one language: the share of its pictures that is not flat ground, in [0, 1].

    All figures are means over prompts of means over seeds. `untold` images have no share.
    """

    model: str
    language: str
    images: int
    untold: int
    share: Interval


class AgreementFigure(Record, frozen=True, kw_only=True):
    """One model in one language: how well its pictures agree with their prompts by one scorer (`measure`).

    Of `cut` images only the prompt's beginning was taken.
    """

    model: str
    language: str
    measure: str
    images: int
    agreement: Interval
    cut: int


class PairFigure(Record, frozen=True, kw_only=True):
    """One model in one language beside a baseline: mean SSIM outside the text, and the PSNR of the mean squared error.

    `decibels` is infinite where all pictures are equal there (in JSON null, with the similarity 1), None where none can
    be told.
    """

    model: str
    language: str
    against: str
    images: int
    untold: int
    similarity: Interval
    decibels: float | None

    @property
    def psnr(self) -> str:
        """The PSNR as text."""
        return "–" if self.decibels is None else "∞" if self.decibels == float("inf") else f"{self.decibels:.1f}"


class DistanceFigure(Record, frozen=True, kw_only=True):
    """One model in one language: its mean distance from a baseline's pictures by one network (`measure`), from 0."""

    model: str
    language: str
    against: str
    measure: str
    images: int
    untold: int
    distance: Interval


class ContentReport(Record, frozen=True, kw_only=True):
    """All that is known of a run's pictures beside their text."""

    pictures: tuple[PictureFigure, ...]
    agreements: tuple[AgreementFigure, ...]
    pairs: tuple[PairFigure, ...]
    distances: tuple[DistanceFigure, ...]


def report_of(
    run: OpenRun,
    pictures: Mapping[str, PictureRow],
    pairs: Iterable[PairRow],
    agreement: Iterable[AgreementRow],
    distances: Iterable[DistanceRow],
) -> ContentReport:
    """The figures of the rows that there are."""
    groups = _groups(run)
    singles = []
    for (model, language), keys in groups.items():
        rows = {key: pictures[key] for key in keys if key in pictures}
        if rows:
            told = {key: row.share for key, row in rows.items() if row.share is not None}
            singles.append(
                PictureFigure(
                    model=model,
                    language=language,
                    images=len(rows),
                    untold=len(rows) - len(told),
                    share=mean_interval(by_prompt(run, told), bounds=(0.0, 1.0)),
                )
            )
    return ContentReport(
        pictures=tuple(singles),
        agreements=tuple(_agreements(run, groups, agreement)),
        pairs=tuple(
            pair_figure(run, model, language, against, rows)
            for (against,), model, language, rows in _grouped(groups, pairs, lambda row: (row.against,))
        ),
        distances=tuple(
            _distance(run, model, language, of, rows)
            for of, model, language, rows in _grouped(
                groups, distances, lambda row: (row.against, row.scorer, row.scorer_digest)
            )
        ),
    )


R = TypeVar("R", "PairRow", "AgreementRow", "DistanceRow")


def _grouped(
    groups: Mapping[tuple[str, str], list[str]], rows: Iterable[R], of: Callable[[R], tuple[str, ...]]
) -> Iterator[tuple[tuple[str, ...], str, str, dict[str, R]]]:
    """The rows by what they are of, then by model and language, each group by the images' keys."""
    found: dict[tuple[str, ...], dict[str, R]] = {}
    for row in rows:
        found.setdefault(of(row), {})[row.key] = row
    for what, by_key in found.items():
        for (model, language), keys in groups.items():
            here = {key: by_key[key] for key in keys if key in by_key}
            if here:
                yield what, model, language, here


def _agreements(
    run: OpenRun, groups: Mapping[tuple[str, str], list[str]], rows: Iterable[AgreementRow]
) -> Iterator[AgreementFigure]:
    for (scorer, _), model, language, here in _grouped(groups, rows, lambda row: (row.scorer, row.scorer_digest)):
        values = by_prompt(run, {key: row.score for key, row in here.items()})
        yield AgreementFigure(
            model=model,
            language=language,
            measure=scorer,
            images=len(here),
            agreement=mean_interval(values, bounds=(0.0, most_of(scorer))),
            cut=sum(row.cut for row in here.values()),
        )


def _distance(
    run: OpenRun, model: str, language: str, of: tuple[str, ...], rows: Mapping[str, DistanceRow]
) -> DistanceFigure:
    told = {key: row.distance for key, row in rows.items() if row.distance is not None}
    against, measure, _ = of
    return DistanceFigure(
        model=model,
        language=language,
        against=against,
        measure=measure,
        images=len(rows),
        untold=len(rows) - len(told),
        distance=mean_interval(by_prompt(run, told), bounds=(0.0, None)),
    )


def pair_figure(run: OpenRun, model: str, language: str, against: str, rows: Mapping[str, PairRow]) -> PairFigure:
    """The figure of some pairs."""
    told = {key: row.similarity for key, row in rows.items() if row.similarity is not None}
    errors = [row.mse for row in rows.values() if row.mse is not None]
    return PairFigure(
        model=model,
        language=language,
        against=against,
        images=len(rows),
        untold=len(rows) - len(told),
        similarity=mean_interval(by_prompt(run, told), bounds=(0.0, 1.0)),
        decibels=psnr(sum(errors) / len(errors)) if errors else None,
    )


def by_prompt(run: OpenRun, values: Mapping[str, float]) -> list[float]:
    """The mean of each sampling unit's values, which are named by the images' keys."""
    return list(by_unit(run, values).values())


def by_unit(run: OpenRun, values: Mapping[str, float]) -> dict[str, float]:
    """The same with the unit's name."""
    found: dict[str, list[float]] = {}
    for key, value in values.items():
        found.setdefault(run.units[run.requests[key].prompt], []).append(value)
    return {unit: sum(each) / len(each) for unit, each in found.items()}


def picture_cells(each: PictureFigure) -> tuple[str, ...]:
    """A row of text under `PICTURE_COLUMNS`."""
    return each.model, each.language, str(each.images), with_ends(each.share), str(each.untold)


def agreement_cells(each: AgreementFigure) -> tuple[str, ...]:
    """A row of text under `AGREEMENT_COLUMNS`."""
    return each.model, each.language, each.measure, str(each.images), with_ends(each.agreement), str(each.cut)


def distance_cells(each: DistanceFigure) -> tuple[str, ...]:
    """A row of text under `DISTANCE_COLUMNS`."""
    return (
        each.model, each.language, each.against, each.measure, str(each.images), with_ends(each.distance),
        str(each.untold),
    )  # fmt: skip


def pair_cells(each: PairFigure) -> tuple[str, ...]:
    """A row of text under `PAIR_COLUMNS`."""
    return (
        each.model, each.language, each.against, str(each.images), with_ends(each.similarity), each.psnr,
        str(each.untold),
    )  # fmt: skip


def _groups(run: OpenRun) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for score in run.scores:
        language = run.prompts[score.prompt].language
        found.setdefault((score.model, language), []).append(score.key)
    return found
