"""Where in a text do patterns occur, approximately: bit-parallel search for many patterns at once.

Myers, "A fast bit-vector algorithm for approximate string matching based on dynamic programming"
(J. ACM 46(3), 1999), in Hyyrö's formulation (2003). All patterns share one Python integer, each in a
field of its own with a guard bit above it that stops carries; so do the two directions of the search.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.signedinteger[Any]]
Bits = npt.NDArray[np.int8]

STRETCH = 256
"""Characters of a text whose bits are held at a time: few enough for the processor's cache."""


class PatternIndex:
    """Patterns, none of them empty, ready to be searched for in any number of texts."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._forward, tops = _fields(patterns, 0)
        self._backward, mirrored = _fields([pattern[::-1] for pattern in patterns], tops[-1] + 2)
        self._tops = np.array(tops + mirrored)
        self._sizes = np.array([len(pattern) for pattern in patterns], dtype=np.int32)[:, None]
        self._fields = 0
        for pattern, top in zip([*patterns, *patterns], tops + mirrored, strict=True):
            self._fields |= ((1 << len(pattern)) - 1) << (top + 1 - len(pattern))

    def distances(self, text: str) -> tuple[Ints, Ints]:
        """For each pattern and each offset j in `text`, the least distance to a piece that ends, or starts, at j.

        Returns two arrays of shape (patterns, len(text) + 1) of Levenshtein distances (Sellers' recurrence):
        element j of the first is the minimum over i <= j of the distance between the pattern and `text[i:j]`,
        of the second the minimum over i >= j for `text[j:i]`.

        >>> ending, starting = PatternIndex(["abc"]).distances("xabd")
        >>> ending.tolist(), starting.tolist()
        ([[3, 3, 2, 1, 1]], [[2, 1, 2, 3, 3]])
        """
        fields, forward, backward = self._fields, self._forward, self._backward
        plus, minus = fields, 0
        raised: list[int] = []
        lowered: list[int] = []
        count = len(self._sizes)
        steps = np.empty((2 * count, len(text)), dtype=np.int8)
        for place, (first, last) in enumerate(zip(text, reversed(text), strict=True), 1):
            match = forward.get(first, 0) | backward.get(last, 0)
            zero = ((((match & plus) + plus) ^ plus) | match | minus) & fields
            up = minus | (fields ^ (zero | plus))
            down = zero & plus
            raised.append(up)
            lowered.append(down)
            up = (up << 1) & fields
            plus = ((down << 1) & fields) | (fields ^ (zero | up))
            minus = up & zero
            if place % STRETCH == 0 or place == len(text):
                np.subtract(self._bits(raised), self._bits(lowered), out=steps[:, place - len(raised) : place])
                raised.clear()
                lowered.clear()
        found = np.empty((2 * count, len(text) + 1), dtype=np.int32)
        found[:count, :1] = found[count:, :1] = self._sizes
        np.cumsum(steps, axis=1, out=found[:, 1:])
        found[:count, 1:] += self._sizes
        found[count:, 1:] += self._sizes
        return found[:count], found[count:, ::-1]

    def _bits(self, rows: Sequence[int]) -> Bits:
        """The last bit of each pattern in each row: an array of shape (2 patterns, rows)."""
        size = int(self._tops[-1]) // 8 + 1
        packed = np.frombuffer(b"".join([row.to_bytes(size, "little") for row in rows]), dtype=np.int8)
        table = packed.reshape(len(rows), size).T
        bits: Bits = table[self._tops // 8] >> (self._tops % 8).astype(np.int8)[:, None] & 1
        return bits


def _fields(patterns: Sequence[str], offset: int) -> tuple[dict[str, int], list[int]]:
    """The positions of each character in all patterns as bits from `offset` up, and each pattern's last bit."""
    equal: dict[str, int] = {}
    tops = []
    for pattern in patterns:
        for character in pattern:
            equal[character] = equal.get(character, 0) | 1 << offset
            offset += 1
        tops.append(offset - 1)
        offset += 1
    return equal, tops
