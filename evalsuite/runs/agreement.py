"""Where a second reader of the same images differs from the first: whom a person should look at first.

Triage, and nothing else: no score is made of it, and that two readers agree does not mean that both are right.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from typing import TYPE_CHECKING

from evalsuite import stats
from evalsuite.records import Record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evalsuite.records import TargetScore
    from evalsuite.runs.opened import OpenRun

_SPACE = re.compile(r"\s+")


class ReadersDiffer(Record, frozen=True, kw_only=True):
    """One string that two readers read differently; None where a reader did not find it."""

    key: str
    model: str
    prompt: str
    seed: int
    language: str
    target: str
    first: str | None
    second: str | None


class AgreementFigure(Record, frozen=True, kw_only=True):
    """The share of one model's strings in one language that both readers read alike, with its interval over prompts."""

    model: str
    language: str
    strings: int
    share: stats.Interval


class Agreement(Record, frozen=True, kw_only=True):
    """Two readers over the images that both read. `unread` images the second one has not read (or failed on).

    `differing` are in the order in which a person should look: the models' before references', and of them strings that
    one of the two read without an error first.
    """

    first: str
    second: str
    unread: int
    figures: tuple[AgreementFigure, ...]
    differing: tuple[ReadersDiffer, ...]


def agreements(run: OpenRun) -> tuple[Agreement, ...]:
    """The run's reader beside each other engine that has read the run."""
    if run.judgement is not None:
        return ()  # a person's readings are no reader's
    others = [ocr for ocr in run.store.engines() if ocr.digest != run.ocr.digest]
    return tuple(_agreement(run, run.read_by(ocr)) for ocr in others if run.store.readings(ocr).path.exists())


def _agreement(run: OpenRun, other: OpenRun) -> Agreement:
    sums: dict[tuple[str, str], dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    differing: list[tuple[tuple[bool, bool], ReadersDiffer]] = []
    unread, subjects = 0, {spec.name for spec in run.models(subjects=True)}
    for one, two in zip(run.scores, other.scores, strict=True):
        if one.status != "scored":
            continue
        if two.status != "scored":
            unread += 1
            continue
        prompt = run.prompts[one.prompt]
        for text, first, second in zip(prompt.targets, one.result.targets, two.result.targets, strict=True):
            alike = _folded(_read(first)) == _folded(_read(second))
            cluster = sums[one.model, prompt.language][run.units[one.prompt]]
            cluster[0] += alike
            cluster[1] += 1
            if not alike:
                row = ReadersDiffer(
                    key=one.key,
                    model=one.model,
                    prompt=one.prompt,
                    seed=one.seed,
                    language=prompt.language,
                    target=text,
                    first=_read(first),
                    second=_read(second),
                )
                differing.append(((one.model not in subjects, first.exact + second.exact == 0), row))
    return Agreement(
        first=run.ocr.name,
        second=other.ocr.name,
        unread=unread,
        figures=tuple(_figures(sums)),
        differing=tuple(row for _, row in sorted(differing, key=lambda pair: pair[0])),
    )


def _figures(sums: dict[tuple[str, str], dict[str, list[int]]]) -> Iterable[AgreementFigure]:
    for (model, language), clusters in sums.items():
        agreed, strings = zip(*clusters.values(), strict=True)
        share = stats.ratio_interval(agreed, strings, bounds=(0.0, 1.0))
        yield AgreementFigure(model=model, language=language, strings=sum(strings), share=share)


def _read(target: TargetScore) -> str | None:
    """What a reader has in the string's place."""
    return "".join(edit.read for edit in target.edits) if target.matched else None


def _folded(text: str | None) -> str | None:
    """A reading without what the scorer does not charge either: case, spaces, and forms of one character."""
    return None if text is None else _SPACE.sub("", unicodedata.normalize("NFKC", text)).casefold()
