"""In which order do the lines of a picture read, and which lines are neighbours?

Only the boxes decide, never the order in which an OCR engine lists its lines: where every line has a
box, the result does not depend on that order. Without boxes the list order is all there is, and it is
taken as the reading order.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from unicodedata import bidirectional

from evalsuite.records import TextLine

COLUMN_GAP = 0.75
"""A gap narrower than this many line heights parts words, not columns."""

ROW_OVERLAP = 0.5
"""Lines that share this much of the lower one's height stand in one row."""


@dataclass(frozen=True, slots=True)
class Box:
    """An upright box around a line, in pixels, turned or mirrored so that it reads like text from left to right."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def height(self) -> float:
        """Pixels from top to bottom."""
        return self.bottom - self.top

    @property
    def is_tall(self) -> bool:
        """Clearly taller than wide, as a line of vertical text is."""
        return self.height > 1.5 * (self.right - self.left)

    def turned(self) -> Box:
        """A quarter turn anticlockwise: columns from right to left become rows from top to bottom."""
        return Box(self.top, -self.right, self.bottom, -self.left)

    def mirrored(self) -> Box:
        """Left and right exchanged."""
        return Box(-self.right, self.top, -self.left, self.bottom)


@dataclass(frozen=True, slots=True)
class Layout:
    """`order` lists the line indices as they read; `asides` are shorter runs of lines that may read on too."""

    order: tuple[int, ...]
    asides: tuple[tuple[int, ...], ...] = ()


def layout(lines: Sequence[TextLine]) -> Layout:
    """Reading order and neighbours of `lines`.

    The order is a recursive XY cut at the widest gap (Nagy and Seth 1984): columns from left to right,
    rows from top to bottom. Where most text stands in tall boxes it is vertical, and its columns are read
    from right to left; where most letters are Hebrew, Arabic or the like, columns and rows are too. The
    asides catch what one order for the whole picture gets wrong: the lines of one row, a line and the
    nearest one below it, a tall line and the nearest tall one to its left.
    """
    boxes = [_box(line) for line in lines]
    known = [box for box in boxes if box is not None]
    if len(known) < len(boxes) or len(boxes) < 2:
        return Layout(tuple(range(len(lines))))
    if _is_vertical(lines, known):
        known = [box.turned() for box in known]
    elif _is_right_to_left(lines):
        known = [box.mirrored() for box in known]
    # Ties fall by what the lines say, never by their place in the list.
    listed = sorted(range(len(lines)), key=lambda i: (_place(known[i]), lines[i].text, lines[i].confidence or 0.0))
    order = _order(listed, known, median(box.height for box in known))
    rank = {line: number for number, line in enumerate(order)}
    steps = set(pairwise(order))
    asides = {run for run in _asides(order, known) if not steps.issuperset(pairwise(run))}
    return Layout(tuple(order), tuple(sorted(asides, key=lambda run: [rank[line] for line in run])))


def _box(line: TextLine) -> Box | None:
    if not line.polygon:
        return None
    xs = [x for x, _ in line.polygon]
    ys = [y for _, y in line.polygon]
    return Box(min(xs), min(ys), max(xs), max(ys))


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


def _asides(order: Sequence[int], boxes: Sequence[Box]) -> list[tuple[int, ...]]:
    rank = {line: number for number, line in enumerate(order)}
    by_top = sorted(order, key=lambda line: (boxes[line].top, rank[line]))
    tops = [boxes[line].top for line in by_top]
    tall = sorted((line for line in order if boxes[line].is_tall), key=lambda line: (-boxes[line].right, rank[line]))
    runs = [tuple(row) for row in _rows(sorted(order, key=lambda i: _place(boxes[i])), boxes) if len(row) > 1]
    for line in order:
        here = boxes[line]
        lower = by_top[bisect_left(tops, here.top + here.height * ROW_OVERLAP) :]
        for other in lower:
            there = boxes[other]
            if other != line and _share(here.left, here.right, there.left, there.right) > 0:
                runs.append((line, other))
                break
    for place, line in enumerate(tall):
        here = boxes[line]
        for other in tall[place + 1 :]:
            there = boxes[other]
            if there.left < here.left and _share(here.top, here.bottom, there.top, there.bottom) > 0:
                runs.append((line, other))
                break
    return runs
