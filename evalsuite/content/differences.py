"""Content of runs side by side: each model's pictures beside the first one's, prompt by prompt, from what is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalsuite.content.figures import PairFigure, by_unit, pair_figure
from evalsuite.content.measuring import read_pairs, read_pictures
from evalsuite.content.rows import reading_digest
from evalsuite.stats import mean_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalsuite.content.rows import PairRow
    from evalsuite.runs.opened import OpenRun
    from evalsuite.stats import Interval


@dataclass(frozen=True, slots=True)
class ContentDifference:
    """One model in one language beside the first: likeness to it, and its share of not flat ground less the first's.

    `model` counts the models that were given, from 0. Either is None where it was not measured for every image.
    """

    model: int
    language: str
    pair: PairFigure | None
    share: Interval | None


def content_differences(named: Sequence[tuple[OpenRun, str]]) -> list[ContentDifference]:
    """Every model but the first beside the first; nothing of those that were not measured.

    Args:
        named: Comparable runs, each with the name of one of its models.

    Raises:
        DamagedRunError: A file of rows is damaged.
    """
    (first, standard), *others = named
    languages = list(dict.fromkeys(prompt.language for prompt in first.manifest.prompts))
    base = _shares(first, standard)
    found = []
    for place, (run, model) in enumerate(others, start=1):
        pairs, shares = _pairs(run, model, first, standard), _shares(run, model)
        for language in languages:
            keys = {s.key for s in run.scores_of(model) if run.prompts[s.prompt].language == language}
            of = {key: row for key, row in pairs.items() if key in keys}
            whole = bool(keys) and len(of) == len(keys)
            pair = pair_figure(run, model, language, standard, of) if whole else None
            share = _share_difference(first, base, run, shares, language)
            if pair is not None or share is not None:
                found.append(ContentDifference(place, language, pair, share))
    return found


def _pairs(run: OpenRun, model: str, first: OpenRun, standard: str) -> dict[str, PairRow]:
    """The kept rows whose baseline is the first model's image as it is now."""
    rows = read_pairs(run)
    theirs = {(score.prompt, score.seed): score.key for score in first.scores_of(standard)}
    found = {}
    for score in run.scores_of(model):
        other = first.readings.get(theirs.get((score.prompt, score.seed), ""))
        row = None if other is None else rows.get((score.key, other.image_sha256))
        if row is not None and other is not None and row.baseline_reading == reading_digest(other):
            found[score.key] = row
    return found


def _shares(run: OpenRun, model: str) -> dict[str, float | None]:
    rows = read_pictures(run)
    return {score.key: rows[score.key].share for score in run.scores_of(model) if score.key in rows}


def _share_difference(
    first: OpenRun,
    base: Mapping[str, float | None],
    run: OpenRun,
    shares: Mapping[str, float | None],
    language: str,
) -> Interval | None:
    if not base or not shares:
        return None
    sides = []
    for each, values in ((first, base), (run, shares)):
        told = {
            key: value
            for key, value in values.items()
            if value is not None and each.prompts[each.requests[key].prompt].language == language
        }
        sides.append(by_unit(each, told))
    deltas = [sides[1][unit] - value for unit, value in sides[0].items() if unit in sides[1]]
    return mean_interval(deltas, bounds=(-1.0, 1.0)) if deltas else None
