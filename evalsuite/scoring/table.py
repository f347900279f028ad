"""The pieces of one chain that may be one target, and the smallest of them that are nearest: computed as needed."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein

from evalsuite.scoring.pattern_index import Ints
from evalsuite.scoring.pieces import Chain, Pattern

Flags = npt.NDArray[np.bool_]

FEW = 48
"""So many distances are computed without asking whether they are needed: asking would take longer."""

WORK_LIMIT = 150_000_000
"""Steps for all targets of an image: about a quarter of a second."""

_CALL = 250
"""Steps of one distance, beside one for each 64 cells of its table."""

STRETCH = 256
"""Pieces that are compared with all others at a time."""

COMPARISONS = 20_000_000
"""Pairs of pieces that are compared; beyond it only those with the greatest gain are kept."""

DOUBTFUL_SHARE = 4
"""A piece of a line in which the reader has little confidence may have one in so many of the target's units wrong."""

_FAR = 1 << 30
_NONE: Ints = np.array([], dtype=np.int64)


class Work:
    """How much of an image's budget for comparing pieces is left."""

    def __init__(self, limit: int = WORK_LIMIT) -> None:
        self.left = limit

    def spend(self, steps: int) -> None:
        """Account for some steps, of about a nanosecond each."""
        self.left -= steps


class PieceTable:
    """Pieces `starts[i]` to `ends[i]` of a chain, sorted by start and end, with lower bounds of their distances.

    `distances[i]` is -1 where it is not known yet, and beyond all others where the piece is not near enough.
    `complete` becomes False where the budget ended before all that was needed was known.
    """

    def __init__(self, pattern: Pattern, chain: Chain, starts: Ints, ends: Ints, bounds: Ints, work: Work) -> None:
        self.pattern, self.chain, self.starts, self.ends = pattern, chain, starts, ends
        self.complete = True
        self._work = work
        self._bounds = bounds
        self.distances: Ints = np.full(len(starts), -1, dtype=np.int64)
        self._lines = chain.lines(ends - 1) - chain.lines(starts)
        # |target| + |piece|; the gain is this less the distance
        self._sums = len(pattern.key) + ends - starts - len(chain.joint) * self._lines
        self._unknown = len(starts)
        self._computed = 0
        self._top: int | None = None
        self._best: Ints = _NONE
        self._useless: Flags = np.zeros(len(starts), dtype=bool)
        """Pieces that contain one that is surely nearer."""

    def gains(self, kept: Ints) -> Ints:
        """|target| + |piece| - distance of pieces whose distance is known."""
        found: Ints = self._sums[kept] - self.distances[kept]
        return found

    def top(self) -> int:
        """The greatest gain of a minimal piece, 0 where there is none."""
        if self._top is None:
            best, found, most = 1, _NONE, max(FEW // 2, 1)
            while len(waiting := self._waiting(best)) and self.complete:
                self._compute(self._first(waiting, most))
                most *= 2
                found = self._minimal_known(best)
                while len(found):
                    gains = self.gains(found)
                    if self._check(int(found[gains.argmax()])):
                        found = self._minimal_known(best)
                        continue
                    best = int(gains.max())
                    found = found[gains == best]
                    break
            self._top = best if len(found) else 0
            self._best = self._sure(found, best)
        return self._top

    def minimal(self, least: int) -> Ints:
        """Indices of the minimal pieces with at least this gain."""
        if least == self._top and least:
            return self._best
        while len(waiting := self._waiting(least)) and self.complete:
            self._compute(self._first(waiting, max(FEW, len(waiting) // 4, 1)))
        found = self._minimal_known(least)
        return self._sure(found, least) if least > 0 else found

    def _sure(self, found: Ints, least: int) -> Ints:
        """Those of the pieces that are minimal also when all is known that could show otherwise."""
        while len(found) and self._unknown:
            checked = [self._check(piece) for piece in found.tolist()]
            if not any(checked):
                break
            found = self._minimal_known(least)
        return found

    def _first(self, waiting: Ints, most: int) -> Ints:
        """The most promising of the pieces, all where they are few."""
        if len(waiting) <= FEW:
            return waiting
        order = np.lexsort((-self._sums[waiting], self._bounds[waiting]))
        best: Ints = waiting[order[:most]]
        return best

    def _waiting(self, least: int) -> Ints:
        """Pieces whose distance is not known, and that could gain at least this much."""
        self._work.spend(4 * len(self.starts))
        found: Ints = np.flatnonzero((self.distances < 0) & ~self._useless & (self._sums - self._bounds >= least))
        return found

    def _compute(self, pieces: Ints) -> None:
        """Find the distances of some pieces, and what they make useless."""
        key, text, pattern, work = self.pattern.key, self.chain.key, self.pattern, self._work
        size, reach = len(key), pattern.reach
        near: list[tuple[int, int]] = []
        starts, ends = self.starts[pieces].tolist(), self.ends[pieces].tolist()
        for piece, start, end in zip(pieces.tolist(), starts, ends, strict=True):
            work.spend(_CALL + (end - start) * (size // 64 + 1))
            if work.left < 0 and self._computed >= FEW // 2:
                self.complete = False
                return
            self._computed += 1
            found = Levenshtein.distance(key, text[start:end], score_cutoff=reach)
            if found > reach or not self._is_near(found, start, end):
                found = _FAR
            else:
                near.append((found, piece))
            self.distances[piece] = found
            self._unknown -= 1
        if len(self.starts) > FEW:
            for found, piece in sorted(near)[:4]:
                self._useless |= (
                    (self.distances < 0)
                    & (self.starts <= self.starts[piece])
                    & (self.ends >= self.ends[piece])
                    & (self._bounds > found)
                )

    def _is_near(self, distance: int, start: int, end: int) -> bool:
        if DOUBTFUL_SHARE * distance > len(self.pattern.key) and self.chain.is_doubtful(start, end):
            return False
        return self.pattern.is_near(distance, self.chain, start, end)

    def _check(self, piece: int) -> bool:
        """Find the unknown distances that could show that a piece is not minimal; were there any?"""
        if not self._unknown:
            return False
        self._work.spend(8 * len(self.starts))
        distance = self.distances[piece]
        inside = (self.starts >= self.starts[piece]) & (self.ends <= self.ends[piece]) & (self.distances < 0)
        rival = (self._bounds < distance) | ((self._bounds <= distance) & (self._lines < self._lines[piece]))
        needed = np.flatnonzero(inside & rival & ~self._useless)
        self._compute(needed)
        return len(needed) > 0 and self.complete

    def _minimal_known(self, least: int) -> Ints:
        """Indices of the near pieces with at least this gain that are minimal by the distances that are known."""
        near = np.flatnonzero((self.distances >= 0) & (self.distances < _FAR))
        if len(near) < 2:
            return near[self._sums[near] - self.distances[near] >= least]
        kept = near[self._sums[near] - self.distances[near] >= least]
        if not len(kept):
            return kept
        starts, ends, distances, lines = self.starts[near], self.ends[near], self.distances[near], self._lines[near]
        room = max(COMPARISONS // len(near), 1)
        if len(kept) > room:
            self.complete = False
            kept = np.sort(kept[np.argsort(self.distances[kept] - self._sums[kept], kind="stable")[:room]])
        self._work.spend(6 * len(kept) * len(near))
        found = []
        single = not self._lines[kept].any()
        for low in range(0, len(kept), STRETCH):
            some = kept[low : low + STRETCH, None]
            within = (starts >= self.starts[some]) & (ends <= self.ends[some])
            mine = self.distances[some]
            beaten: Flags = np.any(within & (distances < mine), axis=1)
            if not single:
                tied = within & (distances == mine) & (lines < self._lines[some])
                for row in np.flatnonzero(tied.any(axis=1) & ~beaten).tolist():
                    net = self.distances[some[row, 0]] - self._doubled(int(some[row, 0]))
                    beaten[row] = bool((tied[row] & (distances <= net)).any())
            found.append(some[~beaten, 0])
        return np.concatenate(found)

    def _doubled(self, piece: int) -> int:
        """How many of a piece's edits are characters doubled at a line break inside it."""
        start, end = int(self.starts[piece]), int(self.ends[piece])
        doubles = self.chain.doubles
        places = doubles[bisect_right(doubles, start) : bisect_left(doubles, end)]
        if not places:
            return 0
        text = self.chain.key
        edges = [start, *places, end]
        pieces = [text[low + (low != start) : high] for low, high in pairwise(edges)]
        once = Levenshtein.distance(self.pattern.key, "".join(pieces))
        return len(places) if self.distances[piece] - once == len(places) else 0
