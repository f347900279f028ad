"""The published scores in order, with the run's own among them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from evalsuite.claims.comparable import prompt_differences, reader_differences
from evalsuite.claims.scores import AVERAGE, ModelFigures
from evalsuite.claims.statements import check_statements
from evalsuite.claims.verdict import Difference
from evalsuite.records import ModelRole, Record
from evalsuite.stats import Interval
from evalsuite.suites import longtext_bench
from evalsuite.wording import images_per_prompt

if TYPE_CHECKING:
    from evalsuite.claims.published import Published
    from evalsuite.runs.opened import OpenRun


class Standing(Record, frozen=True, kw_only=True):
    """One row: a published score, or one of the run's models (`role` set).

    `rank` counts published scores alone: that of a run's row is the place that it would take among them, None where it
    does not compare with the published ones; `differences` say in what. `note` is the verdict on a statement about a
    published row's place.
    """

    rank: int | None
    model: str
    languages: dict[str, float]
    average: float
    interval: Interval | None = None
    role: ModelRole | None = None
    source: str
    differences: tuple[Difference, ...] = ()
    note: str = ""


def standings_of(run: OpenRun, figures: Mapping[str, ModelFigures], published: Published) -> tuple[Standing, ...]:
    """Published scores and the run's models, best average first; of equal ones the published come first.

    A run without the benchmark's prompts in both languages has no place among its scores, whatever its figures are.
    """
    notes = {check.subject.id: check.text for check in check_statements(published)}
    rows = [
        Standing(
            rank=_rank(claim.average.value, published),
            model=claim.model,
            languages={name: figure.value for name, figure in claim.languages.items()},
            average=claim.average.value,
            source=claim.source.citation + (f"; {claim.licence}" if claim.licence else ""),
            note=notes.get(claim.id, ""),
        )
        for claim in published.scores
    ]
    if not {prompt.suite for prompt in run.manifest.prompts} >= longtext_bench.DIGESTS.keys():
        figures = {}
    different = (*prompt_differences(run.manifest), *reader_differences(run.ocr))
    for name, model in figures.items():
        average = model.scores.get(AVERAGE)
        if average is None or average.estimate is None:
            continue
        own = (Difference(kind="completeness", text=f"{model.missing} images are missing or unread"),)
        rows.append(
            Standing(
                rank=None if model.missing or different else _rank(average.estimate, published),
                model=name,
                languages={
                    key: found.estimate
                    for key, found in model.scores.items()
                    if key != AVERAGE and found.estimate is not None
                },
                average=average.estimate,
                interval=average,
                role=model.spec.role,
                source=f"this run, read by {run.ocr.name}, {images_per_prompt(len(run.manifest.seeds))}",
                differences=(own if model.missing else ()) + different,
            )
        )
    return tuple(sorted(rows, key=lambda row: (-row.average, row.role is not None)))


def _rank(score: float, published: Published) -> int:
    return 1 + sum(claim.average.value > score for claim in published.scores)
