"""What the pages show of pictures beside their text: a part of a run's page, and one of a comparison's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalsuite.content import measured
from evalsuite.report import figures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalsuite.content.figures import AgreementFigure, DistanceFigure, PairFigure, PictureFigure
    from evalsuite.report.comparison import Contestant
    from evalsuite.runs.opened import OpenRun
    from evalsuite.stats import Interval


@dataclass(frozen=True, slots=True)
class PictureLine:
    """A line of the table of single pictures."""

    of: PictureFigure
    share: figures.Figure


@dataclass(frozen=True, slots=True)
class AgreementLine:
    """A line of the table of agreement with prompts."""

    of: AgreementFigure
    agreement: figures.Figure


@dataclass(frozen=True, slots=True)
class PairLine:
    """A line of the table of pictures beside a baseline's."""

    of: PairFigure
    similarity: figures.Figure


@dataclass(frozen=True, slots=True)
class DistanceLine:
    """A line of the table of distances from a baseline's."""

    of: DistanceFigure
    distance: figures.Figure


@dataclass(frozen=True, slots=True)
class ContentSection:
    """What a run's page shows."""

    pictures: Sequence[PictureLine]
    agreements: Sequence[AgreementLine]
    pairs: Sequence[PairLine]
    distances: Sequence[DistanceLine]
    cut: int


@dataclass(frozen=True, slots=True)
class ContentLine:
    """A line of a comparison's table; either part is None where it was not measured."""

    contestant: Contestant
    language: str
    similarity: figures.Figure | None
    psnr: str
    share: Interval | None


def section_of(run: OpenRun) -> ContentSection | None:
    """The section of a run that was measured, and None of any other."""
    found = measured(run)
    if found is None or not found.pictures:
        return None
    return ContentSection(
        pictures=[PictureLine(each, figures.figure(each.share)) for each in found.pictures],
        agreements=[AgreementLine(each, figures.figure(each.agreement)) for each in found.agreements],
        pairs=[PairLine(each, figures.figure(each.similarity)) for each in found.pairs],
        distances=[DistanceLine(each, figures.figure(each.distance)) for each in found.distances],
        cut=sum(each.cut for each in found.agreements),
    )


def comparison_lines(runs: Sequence[OpenRun], called: Sequence[Contestant]) -> list[ContentLine]:
    """Every contestant but the first beside the first, from what is kept; nothing where nobody has measured."""
    if not any((run.folder / "content.jsonl").exists() for run in runs):
        return []
    from evalsuite.content.differences import content_differences

    return [
        ContentLine(
            contestant=called[each.model],
            language=each.language,
            similarity=figures.figure(each.pair.similarity) if each.pair else None,
            psnr=each.pair.psnr if each.pair else "–",
            share=each.share,
        )
        for each in content_differences([(runs[one.run], one.model) for one in called])
    ]
