"""In which order do the lines of a picture read, and which lines are neighbours?

Only the boxes decide, never the order in which an OCR engine lists its lines: where every line has a
box, the result does not depend on that order. Without boxes the list order is all there is, and it is
taken as the reading order.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from evalsuite.records import TextLine


@dataclass(frozen=True, slots=True)
class Box:
    """An upright box around a line's polygon, in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Pixels from left to right."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Pixels from top to bottom."""
        return self.bottom - self.top


@dataclass(frozen=True, slots=True)
class Layout:
    """`order` lists the line indices as they read; `pairs` are lines (first, second) that may read on."""

    order: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...] = ()


def layout(lines: Sequence[TextLine]) -> Layout:
    """Reading order and neighbours of `lines`.

    Columns are read from left to right and each from top to bottom; lines at one height in a column are
    a row, read from left to right. Where most text stands in tall boxes it is vertical: columns from right
    to left. Neighbours are the next line to the right in the same row and the next line below that
    overlaps sideways (for vertical text: below, and the next column to the left); they catch what the one
    order for the whole picture gets wrong.
    """
    boxes = [_box(line) for line in lines]
    known = [box for box in boxes if box is not None]
    if len(known) < len(boxes) or not boxes:
        return Layout(tuple(range(len(lines))))
    indices = sorted(range(len(lines)), key=lambda i: (_key(known[i]), lines[i].text, lines[i].confidence or 0.0))
    vertical = _is_vertical(lines, known)
    order = _order(indices, known, vertical=vertical)
    follows = {pair for first in order for pair in _followers(first, order, known, vertical=vertical)}
    consecutive = set(itertools.pairwise(order))
    place = {line: rank for rank, line in enumerate(order)}
    pairs = sorted(follows - consecutive, key=lambda pair: (place[pair[0]], place[pair[1]]))
    return Layout(tuple(order), tuple(pairs))


def _box(line: TextLine) -> Box | None:
    if not line.polygon:
        return None
    xs = [x for x, _ in line.polygon]
    ys = [y for _, y in line.polygon]
    return Box(min(xs), min(ys), max(xs), max(ys))


def _key(box: Box) -> tuple[float, float, float, float]:
    return box.top, box.left, box.bottom, box.right


def _is_vertical(lines: Sequence[TextLine], boxes: Sequence[Box]) -> bool:
    """Do more characters stand in boxes clearly taller than wide than in other boxes?"""
    balance = 0
    for line, box in zip(lines, boxes, strict=True):
        size = len(line.text.strip())
        if size > 1:
            balance += size if box.height > 1.5 * box.width else -size
    return balance > 0


def _share(low: float, high: float, other_low: float, other_high: float) -> float:
    """Overlap of two ranges over the shorter one, in [0, 1] (negative where they are apart)."""
    shorter = min(high - low, other_high - other_low)
    return (min(high, other_high) - max(low, other_low)) / shorter if shorter > 0 else 0.0


def _order(indices: Sequence[int], boxes: Sequence[Box], *, vertical: bool) -> list[int]:
    """Recursive XY cut: split at a gap between columns, else between rows, else row by row."""
    if len(indices) < 2:
        return list(indices)
    columns = _split(indices, [(boxes[i].left, boxes[i].right) for i in indices])
    rows = _split(indices, [(boxes[i].top, boxes[i].bottom) for i in indices])
    if len(columns) > 1 and (vertical or len(rows) == 1 or _are_columns(columns)):
        groups = columns[::-1] if vertical else columns
    elif len(rows) > 1:
        groups = rows
    elif len(columns) > 1:
        groups = columns
    else:
        return _row_by_row(indices, boxes, vertical=vertical)
    return [line for group in groups for line in _order(group, boxes, vertical=vertical)]


def _are_columns(groups: Sequence[Sequence[int]]) -> bool:
    """Columns are read one after another only where each holds several lines; else they are table cells."""
    return all(len(group) > 1 for group in groups)


def _split(indices: Sequence[int], ranges: Sequence[tuple[float, float]]) -> list[list[int]]:
    """Groups of lines whose ranges touch, in ascending order; more than one where a clear gap runs through."""
    groups: list[list[int]] = []
    reach = float("-inf")
    for (low, high), index in sorted(zip(ranges, indices, strict=True), key=lambda item: item[0]):
        slack = 0.2 * (high - low)  # boxes of neighbouring rows overlap a little
        if not groups or low + slack >= reach:
            groups.append([])
        groups[-1].append(index)
        reach = max(reach, high)
    return groups


def _row_by_row(indices: Sequence[int], boxes: Sequence[Box], *, vertical: bool) -> list[int]:
    if vertical:
        return sorted(indices, key=lambda i: (-boxes[i].right, boxes[i].top))
    rows: list[list[int]] = []
    for index in sorted(indices, key=lambda i: _key(boxes[i])):
        box = boxes[index]
        if rows:
            head = boxes[rows[-1][0]]
            if _share(head.top, head.bottom, box.top, box.bottom) > 0.5:
                rows[-1].append(index)
                continue
        rows.append([index])
    return [index for row in rows for index in sorted(row, key=lambda i: (boxes[i].left, _key(boxes[i])))]


def _followers(first: int, order: Sequence[int], boxes: Sequence[Box], *, vertical: bool) -> list[tuple[int, int]]:
    """The nearest line in each direction in which text reads on from line `first`."""
    here = boxes[first]
    below: tuple[float, int] | None = None
    beside: tuple[float, int] | None = None
    for rank, index in enumerate(order):
        there = boxes[index]
        if index == first:
            continue
        if there.top > here.top and _share(here.left, here.right, there.left, there.right) > 0:
            gap = (there.top - here.bottom, rank)
            below = min(below, gap) if below else gap
        ahead = here.left - there.right if vertical else there.left - here.right
        moves = there.left < here.left if vertical else there.left > here.left
        if moves and _share(here.top, here.bottom, there.top, there.bottom) > (0 if vertical else 0.5):
            gap = (ahead, rank)
            beside = min(beside, gap) if beside else gap
    return [(first, order[found[1]]) for found in (below, beside) if found]
