"""Which pieces of a reading could be which target: the candidates of the packing.

A reading is laid out in *chains*: all lines in reading order, and pairs of neighbouring lines. A
candidate of a target is a piece of a chain between two cuts (so: a span inside a line, or the end of one
line, whole lines, and the start of another) that is

* *near enough*: with d the Levenshtein distance and M the greater of both lengths, 1 - d/M is at least
  1/3 + 1/n, where n is the target's length and a character of an unspaced script counts three times
  (one glyph of thousands says more than one letter of 26); and d is less than the target's length, so that
  the match is better than none;
* *minimal*: no smaller candidate inside it is as near. Without this rule a target that lost a letter
  would swallow the word beside it.

Cuts lie at white space and on both sides of a character of an unspaced script. Where white space was
lost they also lie at *seams* inside a word, where one target ends and another starts (see `seams`).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from evalsuite.scoring.normalize import Kind, Text
from evalsuite.scoring.search import end_distances, start_distances

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A target as one plain string: a code point a unit, so that string distances are unit distances."""

    key: str
    exact: str
    weight: int
    """Length for the floor: unspaced characters count three times."""

    def floor_holds(self, length: int, distance: int) -> bool:
        """Is a piece of `length` units at `distance` near enough? Exact integer arithmetic."""
        longer = max(len(self.key), length)
        if distance >= len(self.key):
            return False
        return distance == 0 or 3 * self.weight * (longer - distance) >= longer * (self.weight + 3)


@dataclass(frozen=True, slots=True)
class Chain:
    """Lines read one after another.

    Position p of `key` is unit `units[p]` of the reading, or -1 where `joint` stands for a line break.
    """

    key: str
    exact: str
    units: tuple[int, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    joint: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A piece of the reading, units in reading order, that may be target number `target`."""

    target: int
    units: tuple[int, ...]
    distance: int
    case_distance: int
    pieces: int
    joint: str = ""

    @property
    def mask(self) -> int:
        """The units as bits of an integer."""
        value = 0
        for unit in self.units:
            value |= 1 << unit
        return value


class Alphabet:
    """Gives each distinct grapheme one code point: itself where it is one, else one of private use."""

    def __init__(self) -> None:
        self._points: dict[str, str] = {}
        self._next = 0xF0000

    def encode(self, units: Sequence[str]) -> str:
        """The units as a string of one code point each."""
        joined = "".join(units)
        if len(joined) == len(units) and (joined.isascii() or max(joined) < "\U000f0000"):
            return joined
        return "".join(map(self._point, units))

    def _point(self, unit: str) -> str:
        if len(unit) == 1 and unit < "\U000f0000":
            return unit
        point = self._points.get(unit)
        if point is None:
            if self._next > 0x10FFFF:
                raise OverflowError("more than 131,072 distinct grapheme clusters in one image")
            point = self._points[unit] = chr(self._next)
            self._next += 1
        return point


def pattern(text: Text, alphabet: Alphabet) -> Pattern:
    """A normalised target, ready to be searched for."""
    weight = len(text) + 2 * sum(kind is Kind.SINGLE for kind in text.kinds)
    return Pattern(alphabet.encode(text.keys), alphabet.encode(text.units), weight)


def seams(patterns: Sequence[Pattern], chain: Chain) -> set[int]:
    """Offsets inside words of `chain` at which one target ends and another (or its double) starts.

    OCR loses white space between words, and so between targets that it read as one line. For each ordered
    pair of targets, offset p inside a word is a seam where at least half of the first is found ending at p
    and at least half of the second starting there, and the sum of both distances is less than at any other
    offset of the word, its edges included. A letter too many at the end of a word is thus never cut off.
    """
    size = len(chain.key)
    edges = np.array(sorted({0, size, *chain.starts, *chain.ends}))
    if size < 2 or len(edges) > size:
        return set()
    keys = [p.key for p in patterns]
    lengths = np.array([len(key) for key in keys])
    ending = np.array(end_distances(keys, chain.key))
    starting = np.array(start_distances(keys, chain.key))
    far = 1 << 20
    ending = np.where(2 * ending <= lengths[:, None], ending, far)
    starting = np.where(2 * starting <= lengths[:, None], starting, far)
    inner = np.ones(size + 1, dtype=bool)
    inner[edges] = False
    if not (inner & (ending.min(axis=0) < far) & (starting.min(axis=0) < far)).any():
        return set()
    total = ending[:, None, :] + starting[None, :, :]
    found: set[int] = set()
    for left, right in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if right - left < 2:
            continue
        inside = total[:, :, left + 1 : right]
        best = inside.min(axis=2)
        edge = np.minimum(total[:, :, left], total[:, :, right])
        hit = (best < far) & (best < edge)
        if hit.any():
            places = (inside == best[:, :, None]) & hit[:, :, None]
            found.update((left + 1 + np.flatnonzero(places.any(axis=(0, 1)))).tolist())
    return found


def candidates(patterns: Sequence[Pattern], chain: Chain) -> list[Candidate]:
    """All candidates of all targets in one chain."""
    starts, ends = np.array(chain.starts, dtype=np.int64), np.array(chain.ends, dtype=np.int64)
    found: list[Candidate] = []
    if not len(starts):
        return found
    lengths = ends[None, :] - starts[:, None]
    for index, target in enumerate(patterns):
        found += _candidates_of(index, target, chain, starts, ends, lengths)
    return found


def _candidates_of(
    index: int, target: Pattern, chain: Chain, starts: Ints, ends: Ints, lengths: Ints
) -> list[Candidate]:
    size = len(target.key)
    rows, columns = np.nonzero((lengths > 0) & (lengths < 2 * size) & (3 * lengths >= size))
    if not len(rows):
        return []
    spans = list(zip(starts[rows].tolist(), ends[columns].tolist(), strict=True))
    pieces = [chain.key[start:end] for start, end in spans]
    distances = process.cdist([target.key], pieces, scorer=Levenshtein.distance, score_cutoff=size - 1, dtype=np.int32)[
        0
    ].astype(np.int64)
    longer = np.maximum(lengths[rows, columns], size)
    good = (distances < size) & (
        (distances == 0) | (3 * target.weight * (longer - distances) >= longer * (target.weight + 3))
    )
    if not good.any():
        return []
    far = 1 << 30
    table = np.full((len(starts) + 1, len(ends) + 1), far, dtype=np.int64)
    table[rows[good], columns[good] + 1] = distances[good]
    # least[i, j]: the nearest candidate that starts at cut i or later and ends at cut j - 1 or earlier
    least = np.minimum.accumulate(np.minimum.accumulate(table[::-1], axis=0)[::-1], axis=1)
    found = []
    for number in np.flatnonzero(good).tolist():
        row, column, distance = int(rows[number]), int(columns[number]), int(distances[number])
        if distance < min(least[row + 1, column + 1], least[row, column]):
            start, end = spans[number]
            found.append(_candidate(index, target, chain, start, end, distance))
    return found


def _candidate(index: int, target: Pattern, chain: Chain, start: int, end: int, distance: int) -> Candidate:
    units = tuple(unit for unit in chain.units[start:end] if unit >= 0)
    pieces = 1 + sum(after != before + 1 for before, after in itertools.pairwise(units))
    case = Levenshtein.distance(target.exact, chain.exact[start:end]) - distance
    return Candidate(index, units, distance, case, pieces, chain.joint)
