"""A reading as the search sees it: normalised lines in reading order, their units numbered."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from itertools import pairwise

from evalsuite.records import Extra, Span, TextLine
from evalsuite.scoring.candidates import Alphabet, Candidate, Chain, Line, Pattern, Search, perfect
from evalsuite.scoring.layout import layout
from evalsuite.scoring.normalize import Kind, Profile, Text, normalize
from evalsuite.scoring.packing import Packing, pack, unhindered

DUPLICATE_CLOSENESS = (2, 3)
"""Left-over text is a duplicate of a target where 1 - d / max(len) is at least this fraction."""

Run = tuple[int, int, int]
"""Units `start` to `end` of one line: (line, start, end)."""


class Page:
    """The lines of one image.

    Units are numbered through all lines in reading order, each line's consecutively, with one number left
    out between lines, so that neighbouring numbers are neighbours in a line.
    """

    def __init__(self, lines: Sequence[TextLine], profile: Profile, alphabet: Alphabet) -> None:
        self.lines = lines
        self.profile = profile
        self.alphabet = alphabet
        self.texts = [normalize(line.text, profile) for line in lines]
        plan = layout(lines)
        self.order = [line for line in plan.order if len(self.texts[line])]
        self._asides = [[line for line in run if len(self.texts[line])] for run in plan.asides]
        self._joints = ("", " ") if profile.charge_space else ("",)
        self._first: dict[int, int] = {}
        self._place: dict[int, tuple[int, int]] = {}
        number = 0
        for line in self.order:
            size = len(self.texts[line])
            self._first[line] = number
            self._place.update((number + offset, (line, offset)) for offset in range(size))
            number += size + 1

    def match(self, patterns: Sequence[Pattern]) -> Packing:
        """The best packing of the patterns into this page.

        Targets that stand in one line without an error need no search unless another target wants the same
        text; only then are all candidates of all targets looked at.
        """
        if not self.order:
            return Packing((), exact=True)
        sizes = [len(pattern.key) for pattern in patterns]
        main = self._chain(self.order, "")
        found = [perfect(target, pattern, main) for target, pattern in enumerate(patterns)]
        searches: list[Search] = []
        if not all(found):
            searches = self._searches(patterns, main)
            found = [
                ready or [candidate for search in searches for candidate in search.candidates(target, best=True)]
                for target, ready in enumerate(found)
            ]
        packing = unhindered([candidate for row in found for candidate in row], sizes)
        if packing is None:
            searches = searches or self._searches(patterns, main)
            targets = range(len(patterns))
            packing = pack([c for search in searches for target in targets for c in search.candidates(target)], sizes)
        return Packing(packing.chosen, packing.exact and all(search.complete for search in searches))

    def _searches(self, patterns: Sequence[Pattern], main: Chain) -> list[Search]:
        search = Search(patterns, main)
        seams = search.seams()
        main.cut(seams)
        cuts: dict[int, list[int]] = {}
        for position in seams:
            line, offset = self._place[main.units[position]]
            cuts.setdefault(line, []).append(offset)
        others = [(run, joint) for joint in self._joints for run in (self.order, *self._asides)][1:]
        return [search, *(Search(patterns, self._chain(run, joint, cuts)) for run, joint in others if len(run) > 1)]

    def _chain(self, lines: Iterable[int], joint: str, cuts: dict[int, list[int]] | None = None) -> Chain:
        return Chain((self._line(line, (cuts or {}).get(line, [])) for line in lines), joint)

    def _line(self, line: int, cuts: Sequence[int]) -> Line:
        text = self.texts[line]
        inside = {*text.joins, *cuts}
        starts = sorted(inside.union(start for start, _ in text.words))
        ends = sorted(inside.union(end for _, end in text.words))
        return Line(self.alphabet.encode(text.keys), self.alphabet.encode(text.units), self._first[line], starts, ends)

    def claims(self, packing: Packing, patterns: Sequence[Pattern]) -> dict[int, list[int]]:
        """The units that each matched target takes, in the order in which they read.

        These are its candidate's. A single unit that is left over beside it without white space between, and
        that ends there (at white space, the line's end or other used text), is an inserted glyph and not
        text of its own; taking it costs as many edits as leaving it, so the packing stays the best. Words
        never leave such a rest, because they are matched whole; unspaced scripts do.
        """
        taken = {candidate.target: candidate.units for candidate in packing.chosen}
        used = {unit for units in taken.values() for unit in units}
        for candidate in packing.chosen:
            units, pattern = taken[candidate.target], patterns[candidate.target]
            for step, edge in ((1, units[-1]), (-1, units[0])):
                rest = edge + step
                spare = int(pattern.allowed[len(units) + 1]) if len(units) + 1 < len(pattern.allowed) else -1
                if self._is_lone(rest, edge, used) and candidate.distance + len(units) - candidate.size < spare:
                    used.add(rest)
                    units.insert(len(units) if step > 0 else 0, rest)
        return taken

    def _is_lone(self, unit: int, beside: int, used: Container[int]) -> bool:
        """Is `unit` unused, joined to its used neighbour `beside`, and the last before space, an edge or used text?"""
        if unit in used or unit not in self._place or not self._joined(unit, beside):
            return False
        beyond = 2 * unit - beside
        return beyond in used or not self._joined(unit, beyond)

    def _joined(self, unit: int, other: int) -> bool:
        """Do two neighbouring units stand in one line without white space between them?"""
        if unit not in self._place or other not in self._place:
            return False
        line, offset = self._place[max(unit, other)]
        text = self.texts[line]
        return not text.spaced[offset] and Kind.SPACE not in (text.kinds[offset], text.kinds[offset - 1])

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

    def extras(self, patterns: Sequence[Pattern], used: Container[int]) -> list[Extra]:
        """What no target took, in reading order: duplicates of targets, and other text."""
        rest = [run for run in map(self._stripped, self.runs(u for u in self._place if u not in used)) if run]
        if not rest:
            return []
        doubles = self._duplicates(patterns, rest)
        found = []
        for line, start, end in rest:
            first = self._first[line]
            flags = [first + offset in doubles for offset in range(start, end)]
            cuts = [start, *(start + i for i in range(1, end - start) if flags[i] != flags[i - 1]), end]
            for low, high in pairwise(cuts):
                run = self._stripped((line, low, high))
                if run is None:
                    continue
                span = self.span(run)
                found.append(
                    Extra(
                        kind="duplicate" if flags[low - start] else "other",
                        text=self.written(span),
                        length=run[2] - run[1],
                        words=len(self.words(run)),
                        span=span,
                    )
                )
        return found

    def _stripped(self, run: Run) -> Run | None:
        line, start, end = run
        solid = [i for i in range(start, end) if self.texts[line].kinds[i] is not Kind.SPACE]
        return (line, solid[0], solid[-1] + 1) if solid else None

    def _duplicates(self, patterns: Sequence[Pattern], rest: Sequence[Run]) -> set[int]:
        """Units of the rest that say a target once more: the heaviest pieces first, each unit once."""
        distinct = list({pattern.key: pattern for pattern in patterns}.values())
        pieces = []
        for line, start, end in rest:
            whole = self._line(line, ())
            starts = [s - start for s in whole.starts if start <= s < end]
            ends = [e - start for e in whole.ends if start < e <= end]
            first = whole.first + start
            starts, ends = sorted({0, *starts}), sorted({*ends, end - start})
            pieces.append(Line(whole.key[start:end], whole.exact[start:end], first, starts, ends))
        search = Search(distinct, Chain(pieces))
        search.chain.cut(search.seams())
        close: list[tuple[int, int, Candidate]] = []
        share, whole_share = DUPLICATE_CLOSENESS
        for target, pattern in enumerate(distinct):
            for c in search.candidates(target):
                longer = max(len(pattern.key), c.size)
                if whole_share * (longer - c.distance) >= share * longer:
                    close.append((c.distance - c.size - len(pattern.key), c.start, c))
        taken = 0
        doubles: set[int] = set()
        for _, _, c in sorted(close, key=lambda item: item[:2]):
            if not c.mask & taken:
                taken |= c.mask
                doubles.update(c.units)
        return doubles


def word_ranges(text: Text, start: int, end: int) -> list[tuple[int, int]]:
    """The words of units `start` to `end`, as ranges of units; those at the edges may be parts of words."""
    return [(max(low, start), min(high, end)) for low, high in text.words if low < end and high > start]


def words(text: Text, start: int, end: int) -> list[str]:
    """The words of units `start` to `end` as they are compared."""
    return ["".join(text.keys[low:high]) for low, high in word_ranges(text, start, end)]
