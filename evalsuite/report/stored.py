"""A stored run as the pages and the exports need it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalsuite.runs import adjudications
from evalsuite.runs.store import RunStore
from evalsuite.runs.summary import summarise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from evalsuite.records import Generation, Manifest, OcrSpec, Reading, Score, ScorerSpec
    from evalsuite.runs.summary import Summary


@dataclass(frozen=True, slots=True)
class Run:
    """A run with its rows of one OCR engine and one scorer. `readings` are the good ones of the images as they are.

    `judged` holds the marks that were applied and the summary without them, None for a plain scorer.
    """

    store: RunStore
    ocr: OcrSpec
    scorer: ScorerSpec
    scores: Sequence[Score]
    generations: Mapping[str, Generation]
    readings: Mapping[str, Reading]
    summary: Summary
    judged: tuple[adjudications.Applied, Summary] | None = None

    @property
    def manifest(self) -> Manifest:
        """The run's plan."""
        return self.store.manifest


def load(folder: Path, ocr: OcrSpec | None = None, scorer: ScorerSpec | None = None) -> Run:
    """The run in `folder`, by default with the OCR and the scorer that it was planned with.

    Rows that do not cover the plan (a run that was stopped, or deleted rows) are derived anew.

    Raises:
        EvalsuiteError: when there is no run, or its rows cannot be read.
    """
    store = RunStore.open(folder)
    ocr, scorer = ocr or store.manifest.ocr, scorer or store.manifest.scorer
    applied = adjudications.stored(store, ocr, scorer)
    scores = applied.scores if applied else _scores(store, ocr, scorer)
    generations = store.last_generations()
    readings = {
        row.key: row
        for row in store.readings(ocr).read()
        if row.error is None and row.key in generations and generations[row.key].sha256 == row.image_sha256
    }
    judged = None
    if applied is not None:
        plain = store.scores(ocr, adjudications.plain(applied.scorer)).read()
        judged = (applied, summarise(store, plain))
    return Run(store, ocr, scorer, scores, generations, readings, summarise(store, scores), judged)


def _scores(store: RunStore, ocr: OcrSpec, scorer: ScorerSpec) -> Sequence[Score]:
    scores = store.scores(ocr, scorer).read()
    if {score.key for score in scores} == {request.key for request in store.manifest.requests}:
        return scores
    from evalsuite.runs.runner import rescore

    with store.writing():
        return rescore(store, ocr, scorer)
