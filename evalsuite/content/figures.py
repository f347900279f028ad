"""What was measured beside the text, by model and language, with intervals over prompts."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalsuite.content.measures import psnr
from evalsuite.stats import mean_interval
from evalsuite.wording import with_ends

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from evalsuite.content.rows import AgreementRow, PairRow, PictureRow
    from evalsuite.runs.opened import OpenRun
    from evalsuite.stats import Interval

CLIPSCORE_MOST = 2.5
"""The greatest CLIPScore (`agreement`)."""

PICTURE_COLUMNS = ("model", "lang", "images", "not flat", "CLIPScore", "cannot tell")
PAIR_COLUMNS = ("model", "lang", "against", "images", "similarity", "PSNR dB", "cannot tell")


@dataclass(frozen=True, slots=True)
class PictureFigure:
    """One model in one language: the share of its pictures that is not flat ground, and their agreement with prompts.

    Means over prompts of means over seeds. `untold` images have no share; `agreement` is None where nobody measured it.
    """

    model: str
    language: str
    images: int
    untold: int
    share: Interval
    agreement: Interval | None
    cut: int


@dataclass(frozen=True, slots=True)
class PairFigure:
    """One model in one language beside a baseline: mean SSIM outside the text, and the PSNR of the mean squared error.

    `decibels` is infinite where all pictures are equal there, None where none can be told.
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


@dataclass(frozen=True, slots=True)
class ContentReport:
    """All that is known of a run's pictures beside their text. `scorer` is what measured the agreement."""

    pictures: tuple[PictureFigure, ...]
    pairs: tuple[PairFigure, ...]
    scorer: str | None


def report_of(
    run: OpenRun,
    pictures: Mapping[str, PictureRow],
    pairs: Iterable[PairRow],
    agreement: Mapping[str, AgreementRow],
) -> ContentReport:
    """The figures of the rows that there are."""
    groups = _groups(run)
    singles, doubles = [], []
    for (model, language), keys in groups.items():
        rows = {key: pictures[key] for key in keys if key in pictures}
        scored = {key: agreement[key] for key in keys if key in agreement}
        if rows:
            told = {key: row.share for key, row in rows.items() if row.share is not None}
            singles.append(
                PictureFigure(
                    model=model,
                    language=language,
                    images=len(rows),
                    untold=len(rows) - len(told),
                    share=mean_interval(by_prompt(run, told), bounds=(0.0, 1.0)),
                    agreement=mean_interval(
                        by_prompt(run, {key: row.score for key, row in scored.items()}), bounds=(0.0, CLIPSCORE_MOST)
                    )
                    if scored
                    else None,
                    cut=sum(row.cut for row in scored.values()),
                )
            )
    by_baseline: dict[str, dict[str, PairRow]] = defaultdict(dict)
    for row in pairs:
        by_baseline[row.against][row.key] = row
    for against, found in by_baseline.items():
        for (model, language), keys in groups.items():
            rows_here = {key: found[key] for key in keys if key in found}
            if rows_here:
                doubles.append(pair_figure(run, model, language, against, rows_here))
    scorer = next((row.scorer for row in agreement.values()), None)
    return ContentReport(tuple(singles), tuple(doubles), scorer)


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
    agreement = "–" if each.agreement is None else with_ends(each.agreement, 4)
    return each.model, each.language, str(each.images), with_ends(each.share, 4), agreement, str(each.untold)


def pair_cells(each: PairFigure) -> tuple[str, ...]:
    """A row of text under `PAIR_COLUMNS`."""
    return (
        each.model, each.language, each.against, str(each.images), with_ends(each.similarity, 4), each.psnr,
        str(each.untold),
    )  # fmt: skip


def _groups(run: OpenRun) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for score in run.scores:
        language = run.prompts[score.prompt].language
        found.setdefault((score.model, language), []).append(score.key)
    return found
