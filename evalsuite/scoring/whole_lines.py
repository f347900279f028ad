"""The score of a perfect reading, without a search: every target is a line of its own, and there is nothing else.

What is found here is what the search finds. A target that is a whole line without any error, not even in case,
gains the most that it can on the fewest lines. As the lines hold no other text, the longest target fits only in
a line of its length, then the next longest, and so on; and as no two targets are alike, each has one line only.
"""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

from evalsuite.records import Edit, Span, TargetScore, TextLine
from evalsuite.scoring.normalize import Profile, Text, normalize
from evalsuite.scoring.page import words

MAX_WHOLE = 200
"""Lines of a reading that are looked at in this way."""

MAX_SIZE = 10_000
"""Characters of a reading that is looked at in this way."""


def whole_lines(
    targets: Sequence[str], texts: Sequence[Text], lines: Sequence[TextLine], profile: Profile
) -> tuple[TargetScore, ...] | None:
    """The rows of the targets (`texts` normalised) where each is one line and no other text was read, else None."""
    if not len(targets) <= len(lines) <= MAX_WHOLE or sum([len(line.text) for line in lines]) > MAX_SIZE:
        return None
    places: dict[tuple[str, ...], int] = {}
    read: list[Text] = []
    for number, line in enumerate(lines):
        text = normalize(line.text, profile)
        read.append(text)
        if text.units and places.setdefault(text.units, number) != number:
            return None
    if len(places) != len(targets) or len({text.units for text in texts} & places.keys()) != len(targets):
        return None
    rows = []
    for target, text in zip(targets, texts, strict=True):
        number = places[text.units]
        found = read[number]
        span = Span(line=number, start=found.origins[0][0], end=found.origins[-1][1])
        written = "".join(found.graphemes[span.start : span.end])
        rows.append(without_error(target, text, [span], written, words(found, 0, len(found))))
    return tuple(rows)


def without_error(
    target: str, text: Text, spans: Sequence[Span], written: str, read_words: Sequence[str]
) -> TargetScore:
    """The row of a target (`text` normalised) that was read as it is; `written` is what was read, by line."""
    target_words = words(text, 0, len(text))
    return TargetScore(
        target=target,
        length=len(text),
        matched=True,
        substitutions=0,
        insertions=0,
        deletions=0,
        case_errors=0,
        exact=True,
        words=len(target_words),
        word_errors=0 if target_words == read_words else Levenshtein.distance(target_words, read_words),
        spans=tuple(spans),
        edits=(Edit(kind="equal", target=target, read=written),),
    )
