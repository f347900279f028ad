"""The share of malformed glyphs corrected by a person who marked a random sample, beside what the verifier says.

Only marks of the written-down sample (`sample`) count, and only where all of it is marked; else the figures are
withheld, with the reason.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from evalsuite import stats
from evalsuite.glyphs.counts import TOLD, Place
from evalsuite.glyphs.marks import GlyphMarksError, read_marks
from evalsuite.glyphs.sample import read_sample
from evalsuite.records import Record
from evalsuite.runs.judged_sample import SampleError, judged_models
from evalsuite.wording import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from evalsuite.glyphs.marks import GlyphMark
    from evalsuite.glyphs.seen import SeenImage
    from evalsuite.runs.opened import OpenRun

Unit = tuple[str, str]
"""A language and a sampling unit of it."""


class GlyphFigure(Record, frozen=True, kw_only=True):
    """One model in one language, or in all together (`language` None).

    `suspicious` is the verifier's share of the `glyphs` that it could tell of, `malformed` the same with the person's
    correction (`stats.corrected_ratio`; None where glyphs of fewer than `stats.MIN_JUDGED` prompts were marked). Of the
    `marked` ones, `found` are malformed and suspicious, `missed` malformed and not, `false_alarms` suspicious and not
    malformed, `others` not the character that was read.
    """

    model: str
    language: str | None
    glyphs: int
    marked: int
    found: int
    missed: int
    false_alarms: int
    others: int
    suspicious: stats.Interval
    malformed: stats.Interval | None


class GlyphCorrection(Record, frozen=True, kw_only=True):
    """What a marked sample says. `size` is the sample's, `marked` how many of it are; `withheld` is why no figures."""

    seed: int | None
    size: int
    marked: int
    withheld: str | None
    figures: tuple[GlyphFigure, ...] = ()


def correction_of(run: OpenRun, seen: Mapping[str, SeenImage]) -> GlyphCorrection | None:
    """The corrected figures of a run whose sample is written down; None where there is no sample.

    What is wrong with sample or marks withholds the figures; it is no error, so that a page can say it.
    """
    try:
        sample = read_sample(run, seen)
    except SampleError as error:
        return GlyphCorrection(seed=None, size=0, marked=0, withheld=str(error))
    if sample is None:
        return None
    places = [Place(*each) for each in sample.places]
    try:
        marks = read_marks(run)
    except GlyphMarksError as error:
        return GlyphCorrection(seed=sample.seed, size=len(places), marked=0, withheld=str(error))
    rest = [place for place in places if place not in marks]
    why = _withheld(run, seen, len(places), rest)
    return GlyphCorrection(
        seed=sample.seed,
        size=len(places),
        marked=len(places) - len(rest),
        withheld=why,
        figures=() if why else tuple(_figures(run, seen, places, marks)),
    )


def _withheld(run: OpenRun, seen: Mapping[str, SeenImage], size: int, rest: list[Place]) -> str | None:
    subjects = judged_models(run)
    lost = [each for each in run.missing if each.model in subjects]
    if lost:
        names = listed([each.image for each in lost], 3)
        return f"{len(lost)} images are missing or unread ({names}); complete the run first"
    unseen = sum(key not in seen for key in run.readings)
    if unseen:
        return f"{unseen} images have not been looked at; run 'evalsuite glyphs' on the folder first"
    if rest:
        return f"{len(rest)} of the {size} sampled glyphs are not marked; mark them all"
    return None


def malformed_by(mark: GlyphMark) -> bool:
    """Whether a person holds a glyph to be malformed; one that is another character is not."""
    return mark.verdict == "malformed"


def _figures(
    run: OpenRun, seen: Mapping[str, SeenImage], places: list[Place], marks: Mapping[Place, GlyphMark]
) -> Iterable[GlyphFigure]:
    suspicious = {
        Place(row.key, each.line, each.index): each.sight == "suspicious"
        for row in seen.values()
        for each in row.glyphs
        if each.sight in TOLD
    }
    for model in judged_models(run):
        told = [place for place in suspicious if run.requests[place.key].model == model]
        languages = list(dict.fromkeys(_unit(run, place)[0] for place in told))
        for language in (None, *(languages if len(languages) > 1 else ())):
            mine = [place for place in told if language in (None, _unit(run, place)[0])]
            wanted = set(mine)
            sampled = [place for place in places if place in wanted]
            whole = _summed(run, mine, suspicious)
            yield GlyphFigure(
                model=model,
                language=language,
                glyphs=len(mine),
                marked=len(sampled),
                found=sum(suspicious[each] and malformed_by(marks[each]) for each in sampled),
                missed=sum(not suspicious[each] and malformed_by(marks[each]) for each in sampled),
                false_alarms=sum(suspicious[each] and not malformed_by(marks[each]) for each in sampled),
                others=sum(marks[each].verdict == "not-this-character" for each in sampled),
                suspicious=stats.ratio_interval(*_columns(whole), bounds=(0.0, 1.0)),
                malformed=_corrected(
                    whole,
                    _summed(run, sampled, suspicious),
                    _summed(run, sampled, {each: malformed_by(marks[each]) for each in sampled}),
                ),
            )


def _unit(run: OpenRun, place: Place) -> Unit:
    prompt = run.requests[place.key].prompt
    return run.prompts[prompt].language, run.units[prompt]


def _summed(run: OpenRun, places: Iterable[Place], bad: Mapping[Place, bool]) -> dict[Unit, tuple[int, int]]:
    sums: dict[Unit, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for place in places:
        unit = _unit(run, place)
        top, bottom = sums[unit]
        sums[unit] = top + bad[place], bottom + 1
    return dict(sums)


def _columns(sums: Mapping[Unit, tuple[int, int]]) -> tuple[stats.Floats, stats.Floats]:
    top, bottom = np.array(list(sums.values()), dtype=np.float64).reshape(-1, 2).T
    return top, bottom


def _corrected(
    whole: Mapping[Unit, tuple[int, int]], read: Mapping[Unit, tuple[int, int]], true: Mapping[Unit, tuple[int, int]]
) -> stats.Interval | None:
    if len(read) < stats.MIN_JUDGED:
        return None
    numbers = {language: number for number, language in enumerate(dict.fromkeys(unit[0] for unit in whole))}
    (bad, lengths), (read_bad, read_lengths) = _columns(whole), _columns(read)
    judged = stats.Judged(read_bad, _columns(true)[0], read_lengths, [numbers[unit[0]] for unit in read])
    return stats.corrected_ratio(bad, lengths, [numbers[unit[0]] for unit in whole], judged).interval
