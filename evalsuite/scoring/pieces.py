"""What the search works on: targets as patterns, lines as chains, and the pieces of chains that may be targets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from rapidfuzz.distance import Levenshtein

from evalsuite.scoring.folding import Kind
from evalsuite.scoring.normalize import Text
from evalsuite.scoring.pattern_index import Ints, PatternIndex


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

    `key` is what is compared, `exact` the same with its case, one code point a unit. `core` is the key without the
    marks at its ends. A piece is near enough where it, or for a target with such marks its own core, is at a distance
    of at most `allowed` from the core; or, for a short target, where it is with digits as the letters that they look
    like. No piece farther than `reach` is near.
    """

    def __init__(self, text: Text, alphabet: Alphabet) -> None:
        self.key = alphabet.encode(text.keys)
        self.exact = alphabet.encode(text.units)
        start, end = unmarked(text.kinds, 0, len(text))
        if start == end:
            start, end = 0, len(text)
        self.core = self.key[start:end]
        self.allowed = _allowed(text.kinds[start:end])
        self.reach = self.allowed + len(self.key) - len(self.core)
        self._is_short = len(self.key) <= SHORT
        if self._is_short:
            self.reach += len(_LIKE_DIGITS.intersection(self.key.casefold()))

    def is_near(self, distance: int, chain: Chain, start: int, end: int) -> bool:
        """Is the piece of a chain that is at this distance near enough?"""
        if len(self.core) == len(self.key):
            near = distance <= self.allowed
        else:
            core = chain.core(start, end)
            near = Levenshtein.distance(self.core, core, score_cutoff=self.allowed) <= self.allowed
        # By look-alikes, a third of the target must be there as it is.
        size = len(self.key)
        return near or (self._is_short and 3 * (size - distance) > size and self._looks_alike(chain.key[start:end]))

    def _looks_alike(self, text: str) -> bool:
        return any(
            Levenshtein.distance(self.key.casefold().translate(table), text.casefold().translate(table)) <= self.allowed
            for table in _LETTERS_FOR_DIGITS
        )


SHORT = 4
"""Units of a target up to which a digit read for the letter that it looks like is no reason to call it missing."""

_LETTERS_FOR_DIGITS = (str.maketrans("01258", "olzsb"), str.maketrans("01258", "oizsb"))
_LIKE_DIGITS = frozenset("01258olizsb")


def _allowed(kinds: Sequence[Kind]) -> int:
    """The greatest distance to a target of such units that is near enough."""
    size = len(kinds)
    if not size:
        return 0
    weight = size + 2 * sum([kind >= Kind.PICTURE for kind in kinds])
    # 1 - d/n >= 1/3 + 1/w, in exact integer arithmetic; no target is too short to be matched exactly
    return max(size * (2 * weight - 3) // (3 * weight), 0)


def unmarked(kinds: Sequence[Kind], start: int, end: int) -> tuple[int, int]:
    """Units `start` to `end` without the marks, and the white space, at both ends."""
    while start < end and (kinds[start].is_mark or kinds[start] is Kind.SPACE):
        start += 1
    while end > start and (kinds[end - 1].is_mark or kinds[end - 1] is Kind.SPACE):
        end -= 1
    return start, end


class Patterns:
    """All distinct targets of an image. Equal ones are one pattern, so that no work is done twice.

    `members[i]` are the numbers that the targets of pattern i have in the list that was given.
    """

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        members: dict[tuple[str, str], list[int]] = {}
        distinct: list[Pattern] = []
        for number, pattern in enumerate(patterns):
            same = members.setdefault((pattern.key, pattern.exact), [])
            if not same:
                distinct.append(pattern)
            same.append(number)
        self._all = tuple(distinct)
        self.members = tuple(map(tuple, members.values()))

    def __iter__(self) -> Iterator[Pattern]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __getitem__(self, number: int) -> Pattern:
        return self._all[number]

    @cached_property
    def sizes(self) -> list[int]:
        """Units of each pattern."""
        return [len(pattern.key) for pattern in self._all]

    @cached_property
    def counts(self) -> list[int]:
        """How many targets each pattern stands for."""
        return [len(members) for members in self.members]

    @cached_property
    def index(self) -> PatternIndex:
        """For the search; most images of a good model need none."""
        return self.index_of(range(len(self._all)))

    def index_of(self, numbers: Iterable[int]) -> PatternIndex:
        """For the search for some of them."""
        keys = tuple([self._all[number].key for number in numbers])
        return _cached_index(keys) if sum(map(len, keys)) <= CACHED_SIZE else PatternIndex(keys)


CACHED_SIZE = 1_000
"""Units of all targets of an image up to which their index is kept for the prompt's next image."""

_cached_index = lru_cache(maxsize=400)(PatternIndex)


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
        self._parts = list(lines)
        self.units: list[int] = []
        self.rows: list[int] = []
        starts: list[int] = []
        ends: list[int] = []
        for row, line in enumerate(self._parts):
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

    @cached_property
    def doubles(self) -> list[int]:
        """Positions at which a line starts with the character that the line before ends with."""
        if self.joint:
            return []
        edges = [place for place in range(1, len(self.rows)) if self.rows[place] != self.rows[place - 1]]
        return [place for place in edges if self.key[place] == self.key[place - 1]]

    @cached_property
    def _kinds(self) -> list[Kind]:
        kinds: list[Kind] = []
        for row, line in enumerate(self._parts):
            kinds += [Kind.SPACE] * (row > 0 and len(self.joint)) + list(line.kinds or [Kind.LETTER] * len(line.key))
        return kinds

    def is_doubtful(self, start: int, end: int) -> bool:
        """Does a line of positions `start` to `end` have little confidence?"""
        return any(line.doubtful for line in self._parts[self.rows[start] : self.rows[end - 1] + 1])

    def core(self, start: int, end: int) -> str:
        """What is compared of positions `start` to `end`, without the marks at both ends."""
        start, end = unmarked(self._kinds, start, end)
        return self.key[start:end]

    @property
    def cuts(self) -> tuple[set[int], set[int]]:
        """The positions at which a candidate may start, and those at which it may end."""
        return set(self.starts.tolist()), set(self.ends.tolist())

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
    """One line of a reading for the search: its text, the number of its first unit, its cuts, and its units' kinds.

    Without kinds, no unit is a mark. `doubtful` says that the reader had little confidence in it.
    """

    key: str
    exact: str
    first: int
    starts: Sequence[int]
    ends: Sequence[int]
    kinds: Sequence[Kind] = ()
    doubtful: bool = False


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
    def place(self) -> tuple[int, int]:
        """Where it stands in the reading: its first and its last unit."""
        return self.chain.units[self.start], self.chain.units[self.end - 1]

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

    @classmethod
    def of(cls, target: int, pattern: Pattern, chain: Chain, start: int, end: int, distance: int) -> Candidate:
        """The candidate whose distance is known."""
        case = Levenshtein.distance(pattern.exact, chain.exact[start:end]) - distance
        return cls(target, chain, start, end, distance, case, chain.mask(start, end))
