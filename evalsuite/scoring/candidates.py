"""Which pieces of a reading could be which target: the candidates of the packing.

A reading is laid out in *chains*: all lines in reading order, and other runs of lines along which a target
reads on (`passages`). A candidate of a target is a piece of a chain between two cuts (so: a span inside a line,
or the end of one line, whole lines, and the start of another) that is

* *near enough*: with d the Levenshtein distance and n the target's length, 1 - d/n is at least 1/3 + 1/n,
  where a character of an unspaced script counts three times in 1/n (one glyph of thousands says more than one
  letter of 26). So 1 - d/max(len) is at least that too, and a short target needs more: one letter, and two,
  must be exact, three and four may have one error. What is near enough without the marks at both ends is
  near enough with them: `"NO"` read as `NO` has lost its marks, not itself;
* *minimal*: no candidate inside it is nearer, and none on fewer lines is as near. Without this rule a target
  that lost a letter would swallow the word beside it, because text that is used costs less than text that is
  left over. A character doubled at a line break is no reason to stop before the break.

Cuts lie at white space, on both sides of a character of an unspaced script, and between the marks at a word's
ends. OCR loses white space, so they also lie inside words: where the kind of character changes
(`normalize.Text.joins`), and where one target ends and another starts (`seams`).

Distances are computed only where they could matter. For each piece, the distances of the target to all texts
that end where it ends, and to all that start where it starts, bound its own from below (`PatternIndex`).
"""

from __future__ import annotations

import numpy as np

from evalsuite.scoring.pattern_index import Ints
from evalsuite.scoring.pieces import Candidate, Chain, Pattern, Patterns
from evalsuite.scoring.table import PieceTable, Work

PAIR_BUDGET = 200_000
"""Pieces looked at for one target in one chain; beyond it only the most promising cuts are tried."""

CANDIDATE_BUDGET = 5_000
"""Candidates of one target in one chain; beyond it only those with the greatest gain are kept."""


def perfect(target: int, pattern: Pattern, chain: Chain) -> list[Candidate]:
    """The candidates of one target that have no error, not even in case: those that gain most."""
    found: list[Candidate] = []
    size = len(pattern.key)
    start = chain.exact.find(pattern.exact)
    if start < 0:
        return found
    starts, ends = chain.cuts
    while start >= 0 and len(found) < CANDIDATE_BUDGET:
        end = start + size
        if start in starts and end in ends:
            found.append(Candidate(target, chain, start, end, 0, 0, chain.mask(start, end)))
        start = chain.exact.find(pattern.exact, start + 1)
    return found


class Search:
    """Targets searched for in one chain: all, or those in `numbers`; with `closest`, only up to half their length."""

    def __init__(
        self,
        patterns: Patterns,
        chain: Chain,
        work: Work,
        numbers: tuple[int, ...] | None = None,
        *,
        closest: bool = False,
    ) -> None:
        self.patterns = patterns
        self.chain = chain
        self.work = work
        self.complete = True
        """False where a target had more pieces than the budget, so that not all were looked at."""
        index = patterns.index if numbers is None else patterns.index_of(numbers)
        self.numbers = tuple(range(len(patterns))) if numbers is None else numbers
        self._row = {number: row for row, number in enumerate(self.numbers)}
        self.ending, self.starting = index.distances(chain.key)
        self._closest = closest
        reach = np.array([self._reach(patterns[number]) for number in self.numbers])
        self._found = (self.ending.min(axis=1) <= reach).tolist()
        self._known: dict[int, PieceTable] = {}

    @property
    def found(self) -> bool:
        """Could any target be near enough anywhere?"""
        return any(self._found)

    def _reach(self, pattern: Pattern) -> int:
        return min(pattern.reach, len(pattern.key) // 2) if self._closest else pattern.reach

    def top_gain(self, target: int) -> int:
        """The greatest gain of any candidate of one target, 0 where it has none."""
        table = self._table(target)
        return table.top() if table else 0

    def least_distance(self, target: int) -> int:
        """The distance of the candidates that gain most; more than the target has units where there is none."""
        table = self._table(target)
        if table is None or not table.top():
            return len(self.patterns[target].key) + 1
        return int(table.distances[table.minimal(table.top())].min())

    def candidates(self, target: int, least_gain: int = 0) -> list[Candidate]:
        """The candidates of one target with at least this gain, by their start and end."""
        table = self._table(target)
        if table is None:
            return []
        kept = table.minimal(least_gain)
        self.complete &= table.complete
        if len(kept) > CANDIDATE_BUDGET:
            self.complete = False
            kept = np.sort(kept[np.argsort(-table.gains(kept), kind="stable")[:CANDIDATE_BUDGET]])
        starts, ends, distances = (row[kept].tolist() for row in (table.starts, table.ends, table.distances))
        return [
            Candidate.of(target, self.patterns[target], self.chain, start, end, distance)
            for start, end, distance in zip(starts, ends, distances, strict=True)
        ]

    def _table(self, target: int) -> PieceTable | None:
        row = self._row.get(target)
        if row is None or not self._found[row]:
            return None
        if target not in self._known:
            self._known[target] = self._pieces(self.patterns[target], self.ending[row], self.starting[row])
        return self._known[target]

    def _pieces(self, pattern: Pattern, ending: Ints, starting: Ints) -> PieceTable:
        """The pieces that may be near enough."""
        chain, size, reach = self.chain, len(pattern.key), self._reach(pattern)
        # A joint is no unit, so a piece is longer than its units by the joints in it.
        starts = chain.starts[starting[chain.starts] <= reach]
        ends = chain.ends[ending[chain.ends] <= reach]
        while True:
            low = np.searchsorted(ends, starts + (size - reach))
            counts = np.searchsorted(ends, starts + (size + reach), side="right") - low
            total = int(counts.sum())
            if total <= PAIR_BUDGET:
                break
            self.complete = False
            starts, ends = _nearest(starts, starting[starts]), _nearest(ends, ending[ends])
        first = np.repeat(low - np.cumsum(counts) + counts, counts)
        starts, ends = np.repeat(starts, counts), ends[first + np.arange(total)]
        bound = np.maximum(np.maximum(starting[starts], ending[ends]), np.abs(ends - starts - size))
        good = (bound <= reach) & (ends > starts)
        return PieceTable(pattern, chain, starts[good], ends[good], bound[good], self.work)


def _nearest(cuts: Ints, distances: Ints) -> Ints:
    """The nearer half of the cuts, in order."""
    return np.sort(cuts[np.argsort(distances, kind="stable")[: (len(cuts) + 1) // 2]])
