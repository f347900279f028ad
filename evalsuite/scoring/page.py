"""A reading as the search sees it: normalised lines in reading order, their units numbered."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from evalsuite.records import Extra, Span, TextLine
from evalsuite.scoring.edits import LOW_CONFIDENCE
from evalsuite.scoring.folding import Kind, visible
from evalsuite.scoring.normalize import Profile, Text, normalize
from evalsuite.scoring.pieces import Alphabet, Line
from evalsuite.scoring.reading_order import MAX_LINES, Layout, layout

MAX_UNITS = 20_000
"""Units of a reading that are searched, far more than a picture holds; lines that no longer fit are not."""

MAX_CHARACTERS = 40_000
"""Characters of a reading that are normalised; lines that no longer fit are other text, counted as they are."""

Run = tuple[int, int, int]
"""Units `start` to `end` of one line: (line, start, end)."""


class Page:
    """The lines of one image.

    Units are numbered through all lines in reading order, each line's consecutively, with one number left
    out between lines, so that neighbouring numbers are neighbours in a line. `order` are the lines to be searched
    in reading order; lines that are empty after normalisation are left out. `complete` is False where the reading
    is too large to be searched whole. Then lines in which one of the `wanted` strings stands go before others.
    """

    def __init__(
        self, lines: Sequence[TextLine], profile: Profile, alphabet: Alphabet, wanted: Sequence[str] = ()
    ) -> None:
        self.lines = lines
        self.profile = profile
        self.alphabet = alphabet
        self.layout: Layout = layout(lines)
        chosen = self._chosen(wanted)
        self.texts = [
            normalize(line.text if chosen is None or place in chosen else "", profile)
            for place, line in enumerate(lines)
        ]
        left = [] if chosen is None else [line for line in self.layout.order if line not in chosen]
        self._unread = [(line, visible(lines[line].text)) for line in left]
        self._first: dict[int, int] = {}
        self._lines: list[int] = []
        self._starts: list[int] = []
        self.order: list[int] = []
        number = searched = 0
        for line in self.layout.order:
            size = len(self.texts[line].units)
            if not size:
                continue
            self._first[line] = number
            self._lines.append(line)
            self._starts.append(number)
            number += size + 1
            if searched + size <= MAX_UNITS:
                searched += size
                self.order.append(line)
        self.size = number - len(self._lines)
        """Units of all lines that were normalised."""
        self.complete = self.layout.complete and len(self.order) == len(self._lines)
        self.complete &= not any(size for _, size in self._unread)

    def _chosen(self, wanted: Sequence[str]) -> set[int] | None:
        """The lines that are normalised, None for all."""
        lines = self.lines
        if len(lines) <= MAX_LINES and sum([len(line.text) for line in lines]) <= MAX_CHARACTERS:
            return None
        needles = [text.casefold() for text in dict.fromkeys(wanted)][:200]
        found: set[int] = set()
        room = MAX_CHARACTERS
        folded = {i: lines[i].text.casefold() for i in self.layout.order}
        likely = [i for i, text in folded.items() if any(needle in text for needle in needles)]
        for line in dict.fromkeys([*likely, *self.layout.order]):
            size = len(lines[line].text)
            if size <= room and len(found) < MAX_LINES:
                found.add(line)
                room -= size
        return found

    @property
    def units(self) -> Iterable[int]:
        """The numbers of all units in reading order."""
        for line, start in zip(self._lines, self._starts, strict=True):
            yield from range(start, start + len(self.texts[line].units))

    def place(self, unit: int) -> tuple[int, int]:
        """Line and offset of a unit."""
        row = bisect_right(self._starts, unit) - 1
        return self._lines[row], unit - self._starts[row]

    def first(self, line: int) -> int:
        """Number of a line's first unit."""
        return self._first[line]

    def unread(self) -> list[Extra]:
        """The lines that were too much to be normalised, as other text."""
        return [
            Extra(
                kind="other",
                text=self.lines[line].text,
                length=size,
                words=len(self.lines[line].text.split()),
                span=Span(line=line, start=0, end=len(self.lines[line].text)),
            )
            for line, size in self._unread
            if size
        ]

    def piece(self, run: Run, cuts: Sequence[int] = ()) -> Line:
        """A run of units for the search; `cuts` are further offsets into the line that are cuts."""
        line, start, end = run
        text = self.texts[line]
        joins = [*text.joins, *cuts] if cuts else text.joins
        if end - start < len(text.units):
            joins = [offset - start for offset in joins if start < offset < end]
            words = [(low - start, high - start) for low, high in word_ranges(text, start, end)]
            keys, units, kinds = text.keys[start:end], text.units[start:end], text.kinds[start:end]
        else:
            words, keys, units, kinds = list(text.words), text.keys, text.units, text.kinds
        confidence = self.lines[line].confidence
        return Line(
            self.alphabet.encode(keys),
            self.alphabet.encode(units),
            self._first[line] + start,
            sorted({*joins, *[low for low, _ in words]}),
            sorted({*joins, *[high for _, high in words]}),
            kinds,
            confidence is not None and confidence < LOW_CONFIDENCE,
        )

    def joined(self, unit: int, other: int) -> bool:
        """Do two neighbouring numbers stand for units of one line without white space between them?"""
        line, offset = self.place(max(unit, other))
        text = self.texts[line]
        if not 0 < offset < len(text.units):
            return False
        return not text.spaced[offset] and Kind.SPACE not in text.kinds[offset - 1 : offset + 1]

    def runs(self, units: Sequence[int]) -> list[Run]:
        """Units in order, ascending in each line, as maximal runs within a line."""
        found: list[Run] = []
        place, size = 0, len(units)
        while place < size:
            unit = units[place]
            row = bisect_right(self._starts, unit) - 1
            line, offset = self._lines[row], unit - self._starts[row]
            last = min(place + len(self.texts[line].units) - offset, size)
            if units[last - 1] - unit != last - 1 - place:
                last = next(other for other in range(place + 1, size) if units[other] - unit != other - place)
            if found and found[-1][0] == line and found[-1][2] == offset:
                found[-1] = (line, found[-1][1], offset + last - place)
            else:
                found.append((line, offset, offset + last - place))
            place = last
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
    if end - start == len(text.units):
        return ["".join(text.keys[low:high]) for low, high in text.words]
    return ["".join(text.keys[low:high]) for low, high in word_ranges(text, start, end)]
