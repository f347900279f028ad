"""Which pieces of a reading could be which target: the candidates of the packing.

A reading is laid out in *chains*: all lines in reading order, and shorter runs of neighbouring lines. A
candidate of a target is a piece of a chain between two cuts (so: a span inside a line, or the end of one
line, whole lines, and the start of another) that is

* *near enough*: with d the Levenshtein distance and n the target's length, 1 - d/n is at least 1/3 + 1/n,
  where a character of an unspaced script counts three times in 1/n (one glyph of thousands says more than one
  letter of 26). So 1 - d/max(len) is at least that too, and a short target needs more: one letter, and two,
  must be exact, three and four may have one error;
* *minimal*: no candidate inside it is nearer, and none on fewer lines is as near. Without this rule a target
  that lost a letter would swallow the word beside it, because text that is used costs less than text that is
  left over.

Cuts lie at white space and on both sides of a character of an unspaced script. OCR loses white space, so
they also lie inside words: where the kind of character changes (`normalize.Text.joins`), and at *seams*,
where one target ends and another starts (`Search.seams`).
"""

from __future__ import annotations

from itertools import product

import numpy as np
from rapidfuzz.distance import Levenshtein

from evalsuite.scoring.pattern_index import Ints
from evalsuite.scoring.pieces import Candidate, Chain, Pattern, Patterns

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
    starts, ends = set(chain.starts.tolist()), set(chain.ends.tolist())
    while start >= 0 and len(found) < CANDIDATE_BUDGET:
        end = start + size
        if start in starts and end in ends:
            found.append(Candidate(target, chain, start, end, 0, 0, chain.mask(start, end)))
        start = chain.exact.find(pattern.exact, start + 1)
    return found


class Search:
    """All targets searched for in one chain."""

    def __init__(self, patterns: Patterns, chain: Chain) -> None:
        self.patterns = patterns
        self.chain = chain
        self.ending, self.starting = patterns.index.distances(chain.key)
        allowed = np.array([pattern.allowed for pattern in patterns])
        self._found = (self.ending.min(axis=1) <= allowed).tolist()
        self._known: dict[int, tuple[Ints, Ints, Ints, Ints]] = {}
        self.complete = True
        """False where a target had more pieces than the budget, so that not all were looked at."""

    def seams(self) -> list[int]:
        """Positions inside words at which one target ends and another (or its double) starts.

        OCR loses white space between words, and so between targets that it read as one line. For each
        ordered pair of targets, position p inside a word is a seam where at least half of the first is found
        ending at p and at least half of the second starting there, and the sum of both distances is the least
        in the word and less than at its edges. A letter too many at the end of a word is thus never cut off.
        """
        cuts = np.zeros(len(self.chain.key) + 1, dtype=bool)
        cuts[self.chain.starts] = cuts[self.chain.ends] = True
        sizes = np.array([len(pattern.key) for pattern in self.patterns])[:, None]
        ends_well, starts_well = 2 * self.ending <= sizes, 2 * self.starting <= sizes
        places = np.flatnonzero(ends_well.any(axis=0) & starts_well.any(axis=0) & ~cuts)
        edges = np.flatnonzero(cuts)
        found: set[int] = set()
        words = np.searchsorted(edges, places)
        for word in dict.fromkeys(words.tolist()):
            inside = places[words == word]
            left, right = int(edges[word - 1]), int(edges[word])
            firsts = np.flatnonzero(ends_well[:, inside].any(axis=1)).tolist()
            seconds = np.flatnonzero(starts_well[:, inside].any(axis=1)).tolist()
            for first, second in product(firsts, seconds):
                total = self.ending[first] + self.starting[second]
                good = inside[ends_well[first, inside] & starts_well[second, inside]]
                least = total[good].min(initial=_FAR)
                if least < min(total[left], total[right]):
                    found.update(good[total[good] == least].tolist())
        return sorted(found)

    def top_gain(self, target: int) -> int:
        """The greatest gain of any candidate of one target, 0 where it has none."""
        return int(self._pieces(target)[3].max(initial=0))

    def candidates(self, target: int, least_gain: int = 0) -> list[Candidate]:
        """The candidates of one target with at least this gain, by their start and end."""
        starts, ends, distances, gains = self._pieces(target)
        kept = np.flatnonzero(gains >= least_gain)
        if len(kept) > CANDIDATE_BUDGET:
            self.complete = False
            kept = np.sort(kept[np.argsort(-gains[kept], kind="stable")[:CANDIDATE_BUDGET]])
        return [
            Candidate.of(target, self.patterns[target], self.chain, int(starts[i]), int(ends[i]), int(distances[i]))
            for i in kept.tolist()
        ]

    def _pieces(self, target: int) -> tuple[Ints, Ints, Ints, Ints]:
        """Starts, ends, distances and gains of all candidates of one target."""
        if target not in self._known:
            self._known[target] = self._search(target) if self._found[target] else (_NONE,) * 4
        return self._known[target]

    def _search(self, target: int) -> tuple[Ints, Ints, Ints, Ints]:
        pattern, chain = self.patterns[target], self.chain
        rows, columns = self._pairs(target)
        distance, key, text = Levenshtein.distance, pattern.key, chain.key
        spans = zip(chain.starts[rows].tolist(), chain.ends[columns].tolist(), strict=True)
        distances = np.array([distance(key, text[start:end]) for start, end in spans], dtype=np.int64)
        good = distances <= pattern.allowed
        if not good.any():
            return (_NONE,) * 4
        rows, columns, distances = rows[good], columns[good], distances[good]
        kept = self._minimal(rows, columns, distances)
        starts, ends, distances = chain.starts[rows[kept]], chain.ends[columns[kept]], distances[kept]
        return starts, ends, distances, len(key) + chain.sizes(starts, ends) - distances

    def _pairs(self, target: int) -> tuple[Ints, Ints]:
        """Indices of starts and ends between which a piece may be near enough."""
        pattern, chain = self.patterns[target], self.chain
        size, allowed = len(pattern.key), pattern.allowed
        rows = np.flatnonzero(self.starting[target, chain.starts] <= allowed)
        columns = np.flatnonzero(self.ending[target, chain.ends] <= allowed)
        while True:
            starts, ends = chain.starts[rows], chain.ends[columns]
            low = np.searchsorted(ends, starts + (size - allowed))
            counts = np.searchsorted(ends, starts + (size + allowed), side="right") - low
            total = int(counts.sum())
            if total <= PAIR_BUDGET:
                break
            self.complete = False
            rows = _nearest(rows, self.starting[target, starts])
            columns = _nearest(columns, self.ending[target, ends])
        first = np.repeat(low - np.cumsum(counts) + counts, counts)
        rows, columns = np.repeat(rows, counts), columns[first + np.arange(total)]
        # A piece shares at most as many units with the target as it has units that occur in the target.
        starts, ends = chain.starts[rows], chain.ends[columns]
        alphabet = set(pattern.key)
        shared = np.cumsum([0, *[character in alphabet for character in chain.key]])
        good = np.maximum(ends - starts, size) - (shared[ends] - shared[starts]) <= allowed
        return rows[good], columns[good]

    def _minimal(self, rows: Ints, columns: Ints, distances: Ints) -> Ints:
        """Indices of the pieces (sorted by row) inside which none is nearer, and none on fewer lines as near."""
        kept = []
        low = 0
        while low < len(rows):
            # Pieces are short, so that a stretch of the chain at a time needs only the pieces that start in it
            # or before its last piece ends. One stretch is the rule.
            high = int(np.searchsorted(rows, rows[low] + STRETCH))
            last = self.chain.ends[columns[low:high]].max()
            until = int(np.searchsorted(self.chain.starts[rows], last))
            found = self._minimal_of(rows[low:until], columns[low:until], distances[low:until])
            kept.append(low + found[found < high - low])
            low = high
        return np.concatenate(kept)

    def _minimal_of(self, rows: Ints, columns: Ints, distances: Ints) -> Ints:
        # least[i, j]: the nearest piece that starts at cut i or later and ends at cut j - 1 or earlier
        first, last = int(rows.min()), int(columns.min())
        row, column = rows - first, columns - last
        least = np.full((int(row.max()) + 2, int(column.max()) + 2), _FAR, dtype=np.int32)
        least[row, column + 1] = distances
        least = np.minimum.accumulate(np.minimum.accumulate(least[::-1], axis=0)[::-1], axis=1)
        inner = np.minimum(least[row + 1, column + 1], least[row, column])
        start_line, end_line = self.chain.lines(self.chain.starts), self.chain.lines(self.chain.ends - 1)
        later = np.searchsorted(start_line, start_line[rows], side="right") - first
        earlier = np.searchsorted(end_line, end_line[columns], side="left") - last
        later, earlier = np.minimum(later, least.shape[0] - 1), np.maximum(earlier, 0)
        fewer = np.minimum(least[later, column + 1], least[row, earlier])
        return np.flatnonzero((distances <= inner) & (distances < fewer))


STRETCH = 1_000
"""Starts that `Search._minimal` looks at together."""

_FAR = 1 << 30
_NONE: Ints = np.array([], dtype=np.int64)


def _nearest(cuts: Ints, distances: Ints) -> Ints:
    """The nearer half of the cuts, in order."""
    return np.sort(cuts[np.argsort(distances, kind="stable")[: (len(cuts) + 1) // 2]])
