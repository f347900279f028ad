"""A reading as the search sees it: normalised lines in reading order, their units numbered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from evalsuite.records import Span, TextLine
from evalsuite.scoring.normalize import Kind, Profile, Text, normalize
from evalsuite.scoring.pieces import Alphabet, Line
from evalsuite.scoring.reading_order import layout

MAX_UNITS = 20_000
"""Units of a reading that are searched, far more than a picture holds; lines that no longer fit are not."""

MAX_ASIDES = 500
"""Asides that are searched."""

Run = tuple[int, int, int]
"""Units `start` to `end` of one line: (line, start, end)."""


class Page:
    """The lines of one image.

    Units are numbered through all lines in reading order, each line's consecutively, with one number left
    out between lines, so that neighbouring numbers are neighbours in a line. `order` and `asides` are the
    lines to be searched in reading order, and the shorter runs of neighbours (see `layout`); lines that are
    empty after normalisation are left out. `complete` is False where the reading is too large to be searched
    whole.
    """

    def __init__(self, lines: Sequence[TextLine], profile: Profile, alphabet: Alphabet) -> None:
        self.lines = lines
        self.texts = [normalize(line.text, profile) for line in lines]
        self.profile = profile
        self.alphabet = alphabet
        plan = layout(lines)
        self._first: dict[int, int] = {}
        self._place: dict[int, tuple[int, int]] = {}
        self.order: list[int] = []
        number = searched = 0
        for line in plan.order:
            size = len(self.texts[line])
            if not size:
                continue
            self._first[line] = number
            self._place.update((number + offset, (line, offset)) for offset in range(size))
            number += size + 1
            if searched + size <= MAX_UNITS:
                searched += size
                self.order.append(line)
        known = set(self.order)
        asides = [[line for line in run if line in known] for run in plan.asides]
        self.asides = [run for run in asides if len(run) > 1][:MAX_ASIDES]
        self.complete = len(self.order) == len(self._first) and len(asides) <= MAX_ASIDES

    @property
    def units(self) -> Iterable[int]:
        """The numbers of all units in reading order."""
        return self._place

    def place(self, unit: int) -> tuple[int, int]:
        """Line and offset of a unit."""
        return self._place[unit]

    def first(self, line: int) -> int:
        """Number of a line's first unit."""
        return self._first[line]

    def piece(self, run: Run, cuts: Iterable[int] = ()) -> Line:
        """A run of units for the search; `cuts` are further offsets into the line that are cuts."""
        line, start, end = run
        text = self.texts[line]
        inside = {offset - start for offset in (*text.joins, *cuts) if start < offset < end}
        words = word_ranges(text, start, end)
        return Line(
            self.alphabet.encode(text.keys[start:end]),
            self.alphabet.encode(text.units[start:end]),
            self._first[line] + start,
            sorted(inside.union(low - start for low, _ in words)),
            sorted(inside.union(high - start for _, high in words)),
        )

    def joined(self, unit: int, other: int) -> bool:
        """Do two neighbouring numbers stand for units of one line without white space between them?"""
        if unit not in self._place or other not in self._place:
            return False
        line, offset = self._place[max(unit, other)]
        text = self.texts[line]
        return not text.spaced[offset] and Kind.SPACE not in text.kinds[offset - 1 : offset + 1]

    def runs(self, units: Iterable[int]) -> list[Run]:
        """Units in order as maximal runs within a line."""
        found: list[Run] = []
        for unit in units:
            line, offset = self._place[unit]
            if found and found[-1][0] == line and found[-1][2] == offset:
                found[-1] = (line, found[-1][1], offset + 1)
            else:
                found.append((line, offset, offset + 1))
        return found

    def stripped(self, run: Run) -> Run | None:
        """A run without white space at its ends, or None where nothing else is in it."""
        line, start, end = run
        solid = [i for i in range(start, end) if self.texts[line].kinds[i] is not Kind.SPACE]
        return (line, solid[0], solid[-1] + 1) if solid else None

    def span(self, run: Run) -> Span:
        """A run as offsets into the graphemes of its line as it was read."""
        line, start, end = run
        origins = self.texts[line].origins
        return Span(line=line, start=origins[start][0], end=origins[end - 1][1])

    def written(self, span: Span) -> str:
        """What a span says, as it was read."""
        return "".join(self.texts[span.line].graphemes[span.start : span.end])

    def words(self, run: Run) -> list[str]:
        """The words of a run as they are compared."""
        return words(self.texts[run[0]], run[1], run[2])


def word_ranges(text: Text, start: int, end: int) -> list[tuple[int, int]]:
    """The words of units `start` to `end`, as ranges of units; those at the edges may be parts of words."""
    return [(max(low, start), min(high, end)) for low, high in text.words if low < end and high > start]


def words(text: Text, start: int, end: int) -> list[str]:
    """The words of units `start` to `end` as they are compared."""
    return ["".join(text.keys[low:high]) for low, high in word_ranges(text, start, end)]
