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

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from rapidfuzz.distance import Levenshtein

from evalsuite.scoring.normalize import Kind, Text
from evalsuite.scoring.search import Ints, PatternIndex

PAIR_BUDGET = 200_000
"""Pieces looked at for one target in one chain; beyond it only the most promising cuts are tried."""

CANDIDATE_BUDGET = 5_000
"""Candidates of one target in one chain; beyond it only those with the greatest gain are kept."""


class Alphabet:
    """Gives each distinct grapheme one code point: itself where it is one, else one of private use."""

    def __init__(self) -> None:
        self._points: dict[str, str] = {}

    def encode(self, units: Sequence[str]) -> str:
        """The units as a string of one code point each, so that string distances are unit distances."""
        joined = "".join(units)
        if len(joined) == len(units) and (joined.isascii() or max(joined) < _PRIVATE):
            return joined
        return "".join(unit if len(unit) == 1 and unit < _PRIVATE else self._point(unit) for unit in units)

    def _point(self, unit: str) -> str:
        # After 131,072 distinct clusters the last code point stands for all further ones.
        return self._points.setdefault(unit, chr(min(ord(_PRIVATE) + len(self._points), 0x10FFFF)))


_PRIVATE = "\U000f0000"


class Pattern:
    """A normalised target that is searched for.

    `key` is what is compared, `exact` the same with its case, one code point a unit; `allowed` is the greatest
    distance that is near enough.
    """

    def __init__(self, text: Text, alphabet: Alphabet) -> None:
        self.key = alphabet.encode(text.keys)
        self.exact = alphabet.encode(text.units)
        size = len(self.key)
        weight = size + 2 * sum(kind is Kind.SINGLE for kind in text.kinds)
        # 1 - d/n >= 1/3 + 1/w, in exact integer arithmetic; no target is too short to be matched exactly
        self.allowed = max(size * (2 * weight - 3) // (3 * weight), 0)


class Patterns:
    """All targets of an image."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        self._all = tuple(patterns)

    def __iter__(self) -> Iterator[Pattern]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __getitem__(self, number: int) -> Pattern:
        return self._all[number]

    @cached_property
    def index(self) -> PatternIndex:
        """For the search; most images of a good model need none."""
        return PatternIndex([pattern.key for pattern in self._all])


class Chain:
    """Lines read one after another, as one string for the search.

    Position p of `key` (compared) and `exact` (with its case) is unit `units[p]` of the reading, and lies in
    the chain's line number `rows[p]`. Units are numbered so that each line's are consecutive. Where a
    `joint` stands for the line break, its unit is -1. A candidate may start at `starts` and end at `ends`.
    """

    def __init__(self, lines: Iterable[Line], joint: str = "") -> None:
        keys: list[str] = []
        exacts: list[str] = []
        self.joint = joint
        self.units: list[int] = []
        self.rows: list[int] = []
        starts: list[int] = []
        ends: list[int] = []
        for row, line in enumerate(lines):
            if row and joint:
                self.units.append(-1)
                self.rows.append(row)
            base = len(self.units)
            starts += [base + offset for offset in line.starts]
            ends += [base + offset for offset in line.ends]
            keys.append(line.key)
            exacts.append(line.exact)
            self.units += range(line.first, line.first + len(line.key))
            self.rows += [row] * len(line.key)
        self._lines: Ints = np.array(self.rows, dtype=np.int64)
        self.key = joint.join(keys)
        self.exact = joint.join(exacts)
        self.starts: Ints = np.array(starts, dtype=np.int64)
        self.ends: Ints = np.array(ends, dtype=np.int64)

    def cut(self, places: Sequence[int]) -> None:
        """Let candidates start and end at further positions."""
        if places:
            self.starts, self.ends = np.union1d(self.starts, places), np.union1d(self.ends, places)

    def sizes(self, starts: Ints, ends: Ints) -> Ints:
        """Numbers of units between positions; a joint is none."""
        return ends - starts - len(self.joint) * (self.lines(ends - 1) - self.lines(starts))

    def lines(self, places: Ints) -> Ints:
        """The chain's line numbers of positions."""
        found: Ints = self._lines[places]
        return found

    def mask(self, start: int, end: int) -> int:
        """The units of positions `start` to `end` as bits of an integer."""
        if self.rows[start] == self.rows[end - 1]:
            return ((1 << (end - start)) - 1) << self.units[start]
        value = 0
        for unit in self.units[start:end]:
            if unit >= 0:
                value |= 1 << unit
        return value


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a reading for the search: its text, the number of its first unit, and its cuts."""

    key: str
    exact: str
    first: int
    starts: Sequence[int]
    ends: Sequence[int]


@dataclass(frozen=True, slots=True)
class Candidate:
    """Positions `start` to `end` of `chain`, which may be target number `target`.

    `mask` holds its units as bits, `size` their number; `case` is how much farther it is when case counts;
    `lines` is the number of lines that it touches.
    """

    target: int
    chain: Chain
    start: int
    end: int
    distance: int
    case: int
    mask: int

    @property
    def size(self) -> int:
        """Units of the reading that it uses."""
        return self.mask.bit_count()

    @property
    def lines(self) -> int:
        """Lines of the reading that it touches."""
        return 1 + self.chain.rows[self.end - 1] - self.chain.rows[self.start]

    @property
    def units(self) -> list[int]:
        """Units of the reading in the order in which they read."""
        return [unit for unit in self.chain.units[self.start : self.end] if unit >= 0]


def _candidate(target: int, pattern: Pattern, chain: Chain, start: int, end: int, distance: int) -> Candidate:
    case = Levenshtein.distance(pattern.exact, chain.exact[start:end]) - distance
    return Candidate(target, chain, start, end, distance, case, chain.mask(start, end))


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
            _candidate(target, self.patterns[target], self.chain, int(starts[i]), int(ends[i]), int(distances[i]))
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
