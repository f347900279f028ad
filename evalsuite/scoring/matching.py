"""Which units of a page belong to which target, and what is left over."""

from __future__ import annotations

from collections.abc import Collection, Container, Sequence
from itertools import accumulate, pairwise

from rapidfuzz.distance import Levenshtein

from evalsuite.records import Extra
from evalsuite.scoring.candidates import CANDIDATE_BUDGET, Search, perfect
from evalsuite.scoring.packing import Packing, gain, greedy, pack
from evalsuite.scoring.page import Page, Run
from evalsuite.scoring.passages import Passages
from evalsuite.scoring.pieces import Candidate, Chain, Line, Patterns
from evalsuite.scoring.seams import seams
from evalsuite.scoring.table import Work

DUPLICATE_CLOSENESS = (2, 3)
"""Left-over text is a duplicate of a target where 1 - d / max(len) is at least this fraction."""

MAX_CELLS = 8_000_000
"""Distances of patterns to places of a reading that are computed; of a larger reading, the first lines are searched."""


def match(page: Page, patterns: Patterns) -> Packing:
    """The best packing of the patterns into the page.

    Targets that are there without an error need no search unless another target wants the same text; only
    then are all candidates of all targets looked at.
    """
    if not page.order:
        return Packing((), page.complete)
    sizes, counts = patterns.sizes, patterns.counts
    lines = _lines(page)
    main = Chain(lines.values())
    found = [perfect(number, pattern, main) for number, pattern in enumerate(patterns)]
    complete = page.complete and max(map(len, found), default=0) < CANDIDATE_BUDGET
    missing = [number for number, row in enumerate(found) if len(row) < counts[number]]
    tops = [2 * size for size in sizes]
    searches = None
    if missing:
        searches = Searches(page, patterns, lines, main)
        for number in missing:
            found[number], tops[number] = searches.best(number)
    packing = greedy([candidate for row in found for candidate in row], sizes, counts)
    if not packing.exact:
        # No target can lose more against its best than all lose together in the packing that is known.
        reached = sum(gain(candidate, sizes[candidate.target]) for candidate in packing.chosen)
        searches = searches or Searches(page, patterns, lines, main)
        every = [searches.best(number)[0] if counts[number] > 1 else [] for number in range(len(patterns))]
        bound = 0
        for number, count in enumerate(counts):
            gains = sorted((gain(candidate, sizes[number]) for candidate in every[number]), reverse=True)
            bound += tops[number] if count == 1 else sum(gains[:count])
        for number, count in enumerate(counts):
            if count == 1:
                every[number] = searches.of(number, tops[number] - (bound - reached))
        packing = pack([candidate for row in every for candidate in row], sizes, counts)
    exact = packing.exact and complete and (searches is None or searches.complete)
    return Packing(packing.chosen, exact)


def all_candidates(page: Page, patterns: Patterns) -> list[Candidate]:
    """Every candidate of every target: what `match` chooses from."""
    if not page.order:
        return []
    lines = _lines(page)
    searches = Searches(page, patterns, lines, Chain(lines.values()))
    return [candidate for number in range(len(patterns)) for candidate in searches.of(number)]


def _lines(page: Page) -> dict[int, Line]:
    return {line: page.piece((line, 0, len(page.texts[line]))) for line in page.order}


def _most_units(patterns: Patterns) -> int:
    """Units of a reading that these patterns are searched for in."""
    return MAX_CELLS // max(2 * len(patterns), sum(patterns.sizes) // 64, 1)


def _first_lines(lines: dict[int, Line], most: int) -> tuple[dict[int, Line], Chain]:
    """As many lines in reading order as have `most` units together, at least one."""
    kept: dict[int, Line] = {}
    for line, piece in lines.items():
        most -= len(piece.key)
        if kept and most < 0:
            break
        kept[line] = piece
    return kept, Chain(kept.values())


class Searches:
    """The search in reading order, which finds the seams for all, and those along the passages of each target.

    Where white space counts, a line break may stand for a space or for none: each is a chain of its own.
    """

    def __init__(self, page: Page, patterns: Patterns, lines: dict[int, Line], main: Chain) -> None:
        self._patterns = patterns
        self._work = Work()
        most = _most_units(patterns)
        if len(main.key) > most:
            lines, main = _first_lines(lines, most)
        self._joints = ("", " ") if page.profile.charge_space else ("",)
        search = Search(patterns, main, self._work)
        cuts, complete = seams(patterns, main, search.ending, search.starting)
        self._complete = complete and len(search.chain.key) <= most and len(lines) == len(page.order)
        main.cut(cuts)
        offsets: dict[int, list[int]] = {}
        for position in cuts:
            line, offset = page.place(main.units[position])
            offsets.setdefault(line, []).append(offset)
        self._lines = [
            page.piece((line, 0, len(page.texts[line])), offsets[line]) if line in offsets else piece
            for line, piece in lines.items()
        ]
        self._common = [search]
        for joint in self._joints[1:]:
            self._common.append(Search(patterns, Chain(self._lines, joint), self._work))
        rank = {line: place for place, line in enumerate(page.layout.order)}
        neighbours = page.layout.neighbours
        among = None if neighbours is None else neighbours.among([rank[line] for line in lines])
        self._passages = Passages([line.key for line in self._lines], among)
        self._shortest = min(len(line.key) for line in self._lines)
        self._own: dict[int, list[Search]] = {}
        self._runs: dict[tuple[tuple[int, ...], str], Chain] = {}

    @property
    def complete(self) -> bool:
        """Was everything looked at that could matter?"""
        searches = [*self._common, *(search for own in self._own.values() for search in own)]
        return self._complete and self._passages.complete and all(search.complete for search in searches)

    def best(self, number: int) -> tuple[list[Candidate], int]:
        """The candidates of a pattern that gain most, and what they gain; of several equal targets, all candidates."""
        if self._patterns.counts[number] > 1:
            found = self.of(number)
            return found, max((gain(candidate, self._patterns.sizes[number]) for candidate in found), default=0)
        top = max(search.top_gain(number) for search in self._all(number))
        return (self.of(number, top) if top else []), top

    def of(self, number: int, least: int = 0) -> list[Candidate]:
        """The candidates of a pattern with at least this gain."""
        return [candidate for search in self._all(number) for candidate in search.candidates(number, least)]

    def _all(self, number: int) -> list[Search]:
        if number not in self._own:
            own: list[Search] = []
            runs = self._passages.of(self._patterns[number].key) if self._may_run_on(number) else []
            for run in runs:
                for joint in self._joints:
                    chain = self._runs.setdefault((run, joint), Chain([self._lines[line] for line in run], joint))
                    own.append(Search(self._patterns, chain, self._work, (number,)))
            self._own[number] = own
        return [*self._common, *self._own[number]]

    def _may_run_on(self, number: int) -> bool:
        """Could a target have lost, or have run through, a line that reads on elsewhere?"""
        if self._shortest < 2:
            return True
        return all(search.least_distance(number) > 0 for search in self._common)


def assigned_units(page: Page, packing: Packing, patterns: Patterns) -> list[tuple[Candidate, list[int]]]:
    """The units that each candidate of the packing takes, in the order in which they read.

    These are its own. A single unit that is left over beside it without white space between, and
    that ends there (at white space, the line's end or other used text), is an inserted glyph and not text
    of its own, if taking it costs exactly one edit more: as many as leaving it, so the gain of the packing
    stays what it is. Words seldom leave such a rest, because they are matched whole; unspaced scripts do.
    A mark is never taken: beside a target it is other text.
    """
    taken = [(candidate, candidate.units) for candidate in packing.chosen]
    used = {unit for _, units in taken for unit in units}
    if len(used) == page.size:
        return taken
    for candidate, units in taken:
        pattern, distance = patterns[candidate.target], candidate.distance
        text = candidate.chain.key[candidate.start : candidate.end]
        for step, edge in ((1, units[-1]), (-1, units[0])):
            rest = edge + step
            if distance >= pattern.allowed or not _is_lone(page, rest, edge, used):
                continue
            line, offset = page.place(rest)
            glyph = page.alphabet.encode(page.texts[line].keys[offset : offset + 1])
            longer = text + glyph if step > 0 else glyph + text
            if Levenshtein.distance(pattern.key, longer) == distance + 1:
                text, distance = longer, distance + 1
                used.add(rest)
                units.insert(len(units) if step > 0 else 0, rest)
    return taken


def _is_lone(page: Page, unit: int, beside: int, used: Container[int]) -> bool:
    """Is `unit` an unused letter, joined to its used neighbour `beside`, and the last before space or used text?"""
    if unit in used or not page.joined(unit, beside):
        return False
    line, offset = page.place(unit)
    beyond = 2 * unit - beside
    return not page.texts[line].kinds[offset].is_mark and (beyond in used or not page.joined(unit, beyond))


def extras(page: Page, patterns: Patterns, used: Collection[int]) -> list[Extra]:
    """What no target took, in reading order: duplicates of targets, and other text."""
    if len(used) == page.size:
        return page.unread()
    rest = [run for run in map(page.stripped, page.runs([unit for unit in page.units if unit not in used])) if run]
    known = set(page.order)
    searched = [run for run in rest if run[0] in known]
    doubles = _duplicates(page, patterns, searched) if searched and len(patterns) else set()
    found = []
    for line, start, end in rest:
        first = page.first(line)
        flags = [first + offset in doubles for offset in range(start, end)]
        edges = [start, *(start + i for i in range(1, end - start) if flags[i] != flags[i - 1]), end]
        for low, high in pairwise(edges):
            run = page.stripped((line, low, high))
            if run:
                span = page.span(run)
                found.append(
                    Extra(
                        kind="duplicate" if flags[low - start] else "other",
                        text=page.written(span),
                        length=run[2] - run[1],
                        words=len(page.words(run)),
                        span=span,
                    )
                )
    return found + page.unread()


def _duplicates(page: Page, patterns: Patterns, rest: Sequence[Run]) -> set[int]:
    """Units of the rest that say a target once more: the pieces with the greatest gain first, each unit once."""
    most = _most_units(patterns)
    ends = accumulate(end - start for _, start, end in rest)
    pieces = [page.piece(run) for run, end in zip(rest, ends, strict=True) if end <= most]
    if not pieces:
        return set()
    search = Search(patterns, Chain(pieces), Work(), closest=True)
    if not search.found:
        return set()
    search.chain.cut(seams(patterns, search.chain, search.ending, search.starting)[0])
    share, whole = DUPLICATE_CLOSENESS
    close: list[Candidate] = []
    for number, size in enumerate(patterns.sizes):
        for candidate in search.candidates(number):
            longer = max(size, candidate.size)
            if whole * (longer - candidate.distance) >= share * longer:
                close.append(candidate)
    taken = 0
    doubles: set[int] = set()
    for candidate in sorted(close, key=lambda c: (-gain(c, patterns.sizes[c.target]), c.start)):
        if not candidate.mask & taken:
            taken |= candidate.mask
            doubles.update(candidate.units)
    return doubles
