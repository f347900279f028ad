"""Where in a text do patterns occur, approximately: bit-parallel search for many patterns at once.

Myers, "A fast bit-vector algorithm for approximate string matching based on dynamic programming"
(J. ACM 46(3), 1999), in Hyyrö's formulation (2003). All patterns share one Python integer, each in a
field of its own with a guard bit above it that stops carries.
"""

from __future__ import annotations

from collections.abc import Sequence


def end_distances(patterns: Sequence[str], text: str) -> list[list[int]]:
    """For each pattern and each offset j in `text`, the least distance of the pattern to a piece that ends at j.

    Returns one list of `len(text) + 1` Levenshtein distances a pattern: element j is the minimum over all
    i <= j of the distance between the pattern and `text[i:j]` (Sellers' recurrence).

    >>> end_distances(["abc"], "xabd")
    [[3, 3, 2, 1, 1]]
    """
    equal: dict[str, int] = {}
    fields = tops = 0
    offset = 0
    top_of: list[int] = []
    for pattern in patterns:
        for index, character in enumerate(pattern):
            equal[character] = equal.get(character, 0) | 1 << (offset + index)
        fields |= ((1 << len(pattern)) - 1) << offset
        top = 1 << (offset + len(pattern)) >> 1 if pattern else 0
        tops |= top
        top_of.append(top)
        offset += len(pattern) + 1
    scores = [len(pattern) for pattern in patterns]
    rows = [[score] for score in scores]
    plus, minus = fields, 0
    for character in text:
        match = equal.get(character, 0)
        zero = ((((match & plus) + plus) ^ plus) | match | minus) & fields
        up = minus | (fields & ~(zero | plus))
        down = zero & plus
        if (up | down) & tops:
            for index, top in enumerate(top_of):
                if up & top:
                    scores[index] += 1
                elif down & top:
                    scores[index] -= 1
        for row, score in zip(rows, scores, strict=True):
            row.append(score)
        up = (up << 1) & fields
        down = (down << 1) & fields
        plus = down | (fields & ~(zero | up))
        minus = up & zero
    return rows


def start_distances(patterns: Sequence[str], text: str) -> list[list[int]]:
    """Like `end_distances`, for pieces that start at j: the minimum over all i >= j for `text[j:i]`."""
    backwards = end_distances([pattern[::-1] for pattern in patterns], text[::-1])
    return [row[::-1] for row in backwards]
