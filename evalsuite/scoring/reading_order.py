"""In which order do the lines of a picture read, and which lines are neighbours?

Only the boxes decide, never the order in which an OCR engine lists its lines: where every line has a
box, the result does not depend on that order. Without boxes the list order is all there is, and it is
taken as the reading order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from unicodedata import bidirectional

from evalsuite.records import TextLine
from evalsuite.scoring.boxes import Box, Oriented, page_angle, turned
from evalsuite.scoring.neighbours import Neighbours

COLUMN_GAP = 0.75
"""A gap narrower than this many line heights parts words, not columns."""

ROW_OVERLAP = 0.5
"""Lines that share this much of the lower one's height stand in one row."""

MAX_LINES = 1_500
"""Lines that are put in order by their columns; a picture holds far fewer."""


@dataclass(frozen=True, slots=True)
class Layout:
    """`order` lists the line indices as they read; `neighbours` says which lines may read on to which (see there).

    `complete` is False where there are too many lines to be ordered with care; they are then in rows.
    """

    order: tuple[int, ...]
    neighbours: Neighbours | None = None
    complete: bool = True


def layout(lines: Sequence[TextLine]) -> Layout:
    """Reading order and neighbours of `lines`.

    The order is a recursive XY cut at the widest gap (Nagy and Seth 1984): columns from left to right,
    rows from top to bottom. Where most text is turned by one angle, the page is turned back first. Where most
    text stands in tall boxes it is vertical, and its columns are read from right to left; where most letters
    are Hebrew, Arabic or the like, columns and rows are too. What one order for the whole picture gets wrong
    (speech bubbles, a line turned otherwise, a table's rows), the neighbours know.
    """
    if len(lines) > MAX_LINES:
        return Layout(tuple(sorted(range(len(lines)), key=lambda i: _corner(lines[i]))), complete=False)
    oriented = [Oriented.of(line) for line in lines]
    known = [box for box in oriented if box is not None]
    if len(known) < len(oriented) or len(oriented) < 2:
        return Layout(tuple(range(len(lines))))
    angle = page_angle(known)
    boxes = [Box.around(turned(box.corners, angle) if angle else box.corners) for box in known]
    mirrored = False
    if _is_vertical(lines, boxes):
        boxes = [box.turned() for box in boxes]
    elif _is_right_to_left(lines):
        boxes, mirrored = [box.mirrored() for box in boxes], True
    # Ties fall by what the lines say, never by their place in the list.
    listed = sorted(range(len(lines)), key=lambda i: (_place(boxes[i]), lines[i].text, lines[i].confidence or 0.0))
    order = tuple(_order(listed, boxes, median(box.height for box in boxes)))
    return Layout(order, Neighbours([known[i] for i in order], [lines[i].text for i in order], angle, mirrored))


def _corner(line: TextLine) -> tuple[float, float]:
    """A rough place for what is too much to be ordered; in the list's order where there is none."""
    return (line.polygon[0][1], line.polygon[0][0]) if line.polygon else (0.0, 0.0)


def _place(box: Box) -> tuple[float, float, float, float]:
    return box.top, box.left, box.bottom, box.right


def _is_vertical(lines: Sequence[TextLine], boxes: Sequence[Box]) -> bool:
    """Do more characters stand in tall boxes than in others? A single character says nothing."""
    sizes = [len(line.text.strip()) for line in lines]
    return sum((1 if box.is_tall else -1) * size for box, size in zip(boxes, sizes, strict=True) if size > 1) > 0


def _is_right_to_left(lines: Sequence[TextLine]) -> bool:
    """Are more characters of scripts written from right to left than of others?"""
    text = "".join(line.text for line in lines)
    if text.isascii() or max(text) < "\u0590":
        return False
    directions = Counter(map(bidirectional, text))
    return directions["R"] + directions["AL"] > directions["L"]


def _order(lines: list[int], boxes: Sequence[Box], height: float) -> list[int]:
    """`lines` (sorted by their tops) as they read; `height` is the usual line height."""
    found: list[int] = []
    waiting = [lines]
    while waiting:
        group = waiting.pop()
        parts = _cut(group, boxes, height)
        if len(parts) > 1:
            waiting += parts[::-1]
        else:
            found += parts[0]
    return found


def _cut(lines: list[int], boxes: Sequence[Box], height: float) -> list[list[int]]:
    """`lines` in two parts, the first to be read before the second, or in one that is in order."""
    if all(boxes[below].top >= boxes[above].bottom for above, below in pairwise(lines)):
        return [lines]  # one column
    row_gap, row_cut = _widest_gap((boxes[i].top, boxes[i].bottom) for i in lines)
    column_gap, column_cut = _widest_gap(sorted((boxes[i].left, boxes[i].right) for i in lines))
    if column_gap >= max(COLUMN_GAP * height, row_gap) and column_gap > 0:
        first = [i for i in lines if boxes[i].left < column_cut]
        return [first, [i for i in lines if boxes[i].left >= column_cut]]
    first = [i for i in lines if boxes[i].top < row_cut]
    if first and row_gap > -0.2 * height:  # boxes of neighbouring rows may overlap a little
        return [first, [i for i in lines if boxes[i].top >= row_cut]]
    return [[i for row in _rows(lines, boxes) for i in row]]


def _widest_gap(ranges: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """The widest gap between ranges sorted by their start (negative: they overlap), and where it ends."""
    widest, cut = float("-inf"), 0.0
    reach: float | None = None
    for low, high in ranges:
        if reach is not None and low - reach > widest:
            widest, cut = low - reach, low
        reach = high if reach is None else max(reach, high)
    return widest, cut


def _share(low: float, high: float, other_low: float, other_high: float) -> float:
    """Overlap of two ranges over the shorter one, in [0, 1] (negative where they are apart)."""
    shorter = min(high - low, other_high - other_low)
    return (min(high, other_high) - max(low, other_low)) / shorter if shorter > 0 else 0.0


def _rows(lines: Sequence[int], boxes: Sequence[Box]) -> list[list[int]]:
    """Lines (sorted by their tops) in rows from top to bottom, each from left to right."""
    rows: list[list[int]] = []
    for line in lines:
        box = boxes[line]
        for row in reversed(rows):
            head = boxes[row[0]]
            if head.bottom > box.top and _share(head.top, head.bottom, box.top, box.bottom) > ROW_OVERLAP:
                row.append(line)
                break
        else:
            rows.append([line])
    return [sorted(row, key=lambda i: (boxes[i].left, _place(boxes[i]))) for row in rows]
