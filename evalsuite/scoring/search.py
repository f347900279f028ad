"""Where in a text do patterns occur, approximately: bit-parallel search for many patterns at once.

Myers, "A fast bit-vector algorithm for approximate string matching based on dynamic programming"
(J. ACM 46(3), 1999), in Hyyrö's formulation (2003). All patterns share one Python integer, each in a
field of its own with a guard bit above it that stops carries; so do the two directions of the search.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def distances(patterns: Sequence[str], text: str) -> tuple[Ints, Ints]:
    """For each pattern and each offset j in `text`, the least distance to a piece that ends, or starts, at j.

    Returns two arrays of shape (patterns, len(text) + 1) of Levenshtein distances (Sellers' recurrence):
    element j of the first is the minimum over i <= j of the distance between the pattern and `text[i:j]`, of
    the second the minimum over i >= j for `text[j:i]`. No pattern may be empty.

    >>> ending, starting = distances(["abc"], "xabd")
    >>> ending.tolist(), starting.tolist()
    ([[3, 3, 2, 1, 1]], [[2, 1, 2, 3, 3]])
    """
    forward, tops = _fields(patterns, 0)
    width = tops[-1] + 2  # the guard bit lies between
    backward, mirrored = _fields([pattern[::-1] for pattern in patterns], width)
    tops += mirrored
    fields = sum(((1 << len(p)) - 1) << (top + 1 - len(p)) for p, top in zip([*patterns] * 2, tops, strict=True))
    plus, minus = fields, 0
    raised: list[int] = []
    lowered: list[int] = []
    for first, last in zip(text, reversed(text), strict=True):
        match = forward.get(first, 0) | backward.get(last, 0)
        zero = ((((match & plus) + plus) ^ plus) | match | minus) & fields
        up = minus | (fields ^ (zero | plus))
        down = zero & plus
        raised.append(up)
        lowered.append(down)
        up = (up << 1) & fields
        plus = ((down << 1) & fields) | (fields ^ (zero | up))
        minus = up & zero
    change = _bits(raised, tops) - _bits(lowered, tops)
    sizes = np.array([len(pattern) for pattern in patterns])[:, None]
    count = len(patterns)
    ending = np.hstack([sizes, sizes + np.cumsum(change[:count], axis=1)])
    starting = np.hstack([sizes, sizes + np.cumsum(change[count:], axis=1)])[:, ::-1]
    return ending, starting


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


def _bits(rows: Sequence[int], places: Sequence[int]) -> Ints:
    """Bit `places[i]` of each row: an array of shape (places, rows)."""
    size = places[-1] // 8 + 1
    packed = np.frombuffer(b"".join(row.to_bytes(size, "little") for row in rows), dtype=np.uint8)
    table = packed.reshape(len(rows), size).T
    place = np.array(places)
    bits: Ints = (table[place // 8] >> (place % 8)[:, None] & 1).astype(np.int64)
    return bits
