"""Accuracy corrected by a person who judged a random sample of the images, beside what the reader alone gives.

The uncorrected figures stay as they are: nothing here changes a score. Only judgements of the written-down sample
(`judged_sample`) count, and only where all of it was judged; else the figures are withheld, with the reason.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from evalsuite import scoring, stats
from evalsuite.files import write_atomically
from evalsuite.records import Record
from evalsuite.runs import adjudications as marks
from evalsuite.runs.adjudications import AdjudicationError, Adjudications, Mark
from evalsuite.runs.judged_sample import SampleError, judged_models, path_of, read_sample
from evalsuite.wording import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from evalsuite.records import ImageScore
    from evalsuite.runs.judged_sample import JudgedSample
    from evalsuite.runs.opened import OpenRun


class CorrectedFigure(Record, frozen=True, kw_only=True):
    """One model in one language, or in all together (`language` None).

    `read` is the character accuracy as the OCR reads it, `corrected` the same with a person's correction
    (`stats.corrected_ratio`; None where fewer than `stats.MIN_JUDGED` prompts were judged). `misread_images` and
    `misread_strings` are the reader's own error rates on this model's images: the shares of the judged images whose
    text it misread, and of their strings that it charged with more or fewer errors than there are.
    """

    model: str
    language: str | None
    images: int
    judged: int
    read: stats.Interval
    corrected: stats.Interval | None
    weight: float | None
    misread_images: stats.Interval
    misread_strings: stats.Interval


class Correction(Record, frozen=True, kw_only=True):
    """What a judged sample says. `keys` are the sampled images in the order of drawing, `judged` how many have a mark.

    `withheld` is why there are no figures; None where there are.
    """

    seed: int | None
    keys: tuple[str, ...]
    judged: int
    withheld: str | None
    figures: tuple[CorrectedFigure, ...] = ()


def correction_of(run: OpenRun) -> Correction | None:
    """The corrected figures of a run whose sample is written down; None where there is no sample.

    What is wrong with sample or marks withholds the figures; it is no error, so that a report can say it.
    """
    if run.judgement is not None:
        return None  # the scores hold a person's readings already
    try:
        sample = read_sample(run)
    except SampleError as error:
        return Correction(seed=None, keys=(), judged=0, withheld=str(error))
    if sample is None:
        return None
    try:
        found = _marks(run, sample)
    except AdjudicationError as error:
        return Correction(seed=sample.seed, keys=sample.keys, judged=0, withheld=str(error))
    judged = sum(key in found for key in sample.keys)
    why = _withheld(run, sample, found)
    return Correction(
        seed=sample.seed,
        keys=sample.keys,
        judged=judged,
        withheld=why,
        figures=() if why else tuple(_figures(run, sample, found)),
    )


def keep_marks(run: OpenRun, sample: JudgedSample, given: Adjudications) -> Adjudications:
    """Add a person's marks on sampled images to those that the folder holds; new ones replace older ones.

    Marks on other images are left out: they say nothing of the rest. The folder's lock must be held.

    Raises:
        AdjudicationError: The marks are of another run or reader, or do not fit their images.
    """
    checked = marks.check(run, given)
    try:
        kept = _marks(run, sample)
    except AdjudicationError:
        kept = {}  # of images drawn again since: they are replaced
    wanted = set(sample.keys)
    merged = {**kept, **{key: mark for key, mark in checked.items() if key in wanted}}
    whole = msgspec.structs.replace(given, marks=tuple(merged[key] for key in sample.keys if key in merged))
    write_atomically(path_of(run, "marks"), msgspec.json.format(msgspec.json.encode(whole), indent=1))
    return whole


def _marks(run: OpenRun, sample: JudgedSample) -> Mapping[str, Mark]:
    path = path_of(run, "marks")
    if not path.exists():
        return {}
    wanted = set(sample.keys)
    return {key: mark for key, mark in marks.check(run, marks.load(path)).items() if key in wanted}


def _withheld(run: OpenRun, sample: JudgedSample, found: Mapping[str, Mark]) -> str | None:
    subjects = judged_models(run)
    lost = [each for each in run.missing if each.model in subjects]
    if lost:
        names = listed([each.image for each in lost], 3)
        return f"{len(lost)} images are missing or unread ({names}); complete the run first"
    rest = [run.requests[key] for key in sample.keys if key not in found]
    if rest:
        names = listed([f"{each.model} {each.prompt} seed {each.seed}" for each in rest], 3)
        return f"{len(rest)} of the {len(sample.keys)} sampled images are not judged ({names}); judge them all"
    return None


def _figures(run: OpenRun, sample: JudgedSample, found: Mapping[str, Mark]) -> Iterable[CorrectedFigure]:
    scores = {score.key: score for score in run.scores}
    true = {key: _true(run, scores[key].result, found[key]) for key in sample.keys}
    for model in run.summary.models:
        own = [key for key in sample.keys if run.requests[key].model == model.name]
        if not own:
            continue
        languages = model.by("language")
        for part in (model.overall, *(languages if len(languages) > 1 else ())):
            language = part.value if part.dimension == "language" else None

            def inside(key: str, language: str | None = language) -> bool:
                return language in (None, run.prompts[run.requests[key].prompt].language)

            read = {score.key: score.result for score in run.scores_of(model.name) if inside(score.key)}
            judged = {key: true[key] for key in own if inside(key)}
            corrected = _corrected(run, read, judged)
            yield CorrectedFigure(
                model=model.name,
                language=language,
                images=len(read),
                judged=len(judged),
                read=part.intervals["character_accuracy"],
                corrected=corrected.interval if corrected else None,
                weight=corrected.weight if corrected else None,
                misread_images=_share(run, read, judged, lambda key: (found[key].verdict == "ocr-misread", 1)),
                misread_strings=_share(run, read, judged, lambda key: _strings(scores[key].result, true[key])),
            )


def _true(run: OpenRun, read: ImageScore, mark: Mark) -> ImageScore:
    if mark.verdict == "model-misdrew" or mark.reading is None:
        return read
    return marks.read_by(run, run.requests[mark.key].prompt, mark.reading)


def _strings(read: ImageScore, true: ImageScore) -> tuple[int, int]:
    """How many strings the reader charged with another number of errors, of how many."""
    pairs = zip(read.targets, true.targets, strict=True)
    return sum(one.distance != other.distance for one, other in pairs), len(read.targets)


def _summed(run: OpenRun, results: Mapping[str, ImageScore]) -> dict[tuple[str, str], tuple[float, float]]:
    """Characters right and asked for, by language and sampling unit."""
    sums: dict[tuple[str, str], tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
    for key, result in results.items():
        counts, place = scoring.count(result), _place(run, key)
        right, length = sums[place]
        sums[place] = right + counts.length - counts.edits, length + counts.length
    return dict(sums)


def _place(run: OpenRun, key: str) -> tuple[str, str]:
    prompt = run.requests[key].prompt
    return run.prompts[prompt].language, run.units[prompt]


def _corrected(
    run: OpenRun, read: Mapping[str, ImageScore], judged: Mapping[str, ImageScore]
) -> stats.Corrected | None:
    whole = _summed(run, read)
    seen, truly = _summed(run, {key: read[key] for key in judged}), _summed(run, judged)
    if len(seen) < stats.MIN_JUDGED:
        return None
    numbers = {language: number for number, language in enumerate(dict.fromkeys(place[0] for place in whole))}

    def columns(sums: Mapping[tuple[str, str], tuple[float, float]]) -> tuple[stats.Floats, stats.Floats]:
        right, length = np.array(list(sums.values())).T
        return right, length

    (right, lengths), (seen_right, seen_lengths) = columns(whole), columns(seen)
    return stats.corrected_ratio(
        right,
        lengths,
        [numbers[place[0]] for place in whole],
        stats.Judged(seen_right, columns(truly)[0], seen_lengths, [numbers[place[0]] for place in seen]),
    )


def _share(
    run: OpenRun,
    read: Mapping[str, ImageScore],
    judged: Mapping[str, ImageScore],
    count: Callable[[str], tuple[float, float]],
) -> stats.Interval:
    """A share over the judged images, each language weighing what it weighs among all; its interval is over prompts."""
    images, sampled = _by_language(run, read), _by_language(run, judged)
    sums: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for key in judged:
        language = _place(run, key)[0]
        factor = images[language] / len(read) * len(judged) / sampled[language]
        for at, value in enumerate(count(key)):
            sums[_place(run, key)][at] += factor * value
    top, bottom = zip(*sums.values(), strict=True)
    return stats.ratio_interval(top, bottom, bounds=(0.0, 1.0))


def _by_language(run: OpenRun, keys: Iterable[str]) -> Mapping[str, int]:
    found: dict[str, int] = defaultdict(int)
    for key in keys:
        found[_place(run, key)[0]] += 1
    return found
