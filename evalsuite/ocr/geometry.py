"""Quadrilaterals in a picture: the boxes round lines of text, and how two of them lie to each other.

Pixels, x to the right, y downwards. Corners run clockwise from the top left of the text.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

Point = tuple[float, float]

TALL = 1.5
"""A box at least so many times as high as wide holds a line that runs downwards; PaddleOCR turns its crop."""


@dataclass(frozen=True)
class Quad:
    """A convex quadrilateral, its corners clockwise from the top left of the text."""

    corners: tuple[Point, Point, Point, Point]

    @cached_property
    def area(self) -> float:
        """In square pixels."""
        return _area(self.corners)

    @cached_property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom."""
        xs, ys = zip(*self.corners, strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    @cached_property
    def across(self) -> Point:
        """The mean of the top and the bottom edge, from left to right."""
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = self.corners
        return (bx - ax + cx - dx) / 2, (by - ay + cy - dy) / 2

    @cached_property
    def down(self) -> Point:
        """The mean of the left and the right edge, from top to bottom."""
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = self.corners
        return (dx - ax + cx - bx) / 2, (dy - ay + cy - by) / 2

    @cached_property
    def runs_down(self) -> bool:
        """Whether the line in the box runs from top to bottom (`TALL`), not from left to right."""
        return math.hypot(*self.down) >= TALL * math.hypot(*self.across)

    @cached_property
    def length(self) -> float:
        """Of the line, in pixels."""
        return math.hypot(*(self.down if self.runs_down else self.across))

    @cached_property
    def height(self) -> float:
        """Of the line, in pixels: its extent across the reading direction."""
        return math.hypot(*(self.across if self.runs_down else self.down))

    @cached_property
    def direction(self) -> Point:
        """The unit vector along which the line is read."""
        x, y = self.down if self.runs_down else self.across
        return (x / self.length, y / self.length) if self.length else (1.0, 0.0)

    def inset(self, part: float) -> Quad:
        """The box with every side moved inwards by `part` of the line's height."""
        (ux, uy), (vx, vy) = _unit(self.across), _unit(self.down)
        step = part * min(math.hypot(*self.across), math.hypot(*self.down))
        signs = ((1, 1), (-1, 1), (-1, -1), (1, -1))
        a, b, c, d = (
            (x + step * (s * ux + t * vx), y + step * (s * uy + t * vy))
            for (x, y), (s, t) in zip(self.corners, signs, strict=True)
        )
        return Quad((a, b, c, d))

    def point_along(self, part: float) -> Point:
        """The point in the middle of the line's height at `part` (0 to 1) of its length."""
        x, y = (sum(values) / 4 for values in zip(*self.corners, strict=True))
        ux, uy = self.direction
        step = (part - 0.5) * self.length
        return x + step * ux, y + step * uy

    def extent(self, direction: Point) -> tuple[float, float]:
        """The least and the greatest coordinate of the corners along a unit vector."""
        along = [x * direction[0] + y * direction[1] for x, y in self.corners]
        return min(along), max(along)

    def shared(self, other: Quad) -> float:
        """The area in square pixels that two boxes have in common."""
        if not self.area or not other.area:
            return 0.0
        left, top, right, bottom = self.bounds
        other_left, other_top, other_right, other_bottom = other.bounds
        if left >= other_right or other_left >= right or top >= other_bottom or other_top >= bottom:
            return 0.0
        piece: list[Point] = list(self.corners)
        edges = zip(other.corners, (*other.corners[1:], other.corners[0]), strict=True)
        for start, end in edges:
            piece = _cut(piece, start, end)
            if len(piece) < 3:
                return 0.0
        return _area(piece)

    def likeness(self, other: Quad) -> float:
        """Intersection over union, 0 to 1."""
        shared = self.shared(other)
        return shared / (self.area + other.area - shared) if shared else 0.0

    def covered_by(self, other: Quad) -> float:
        """The intersection as a part of the smaller of the two boxes, 0 to 1."""
        return self.shared(other) / max(min(self.area, other.area), 1.0)


def overlap_in_row(first: Quad, second: Quad) -> float | None:
    """How far two boxes of one row reach into each other along it, in heights of the lower one; negative for a gap.

    None where they are no row: in the frame of the larger box they share at most 0.6 of the lower one's height.
    """
    along = (first if first.area >= second.area else second).direction
    aside = (-along[1], along[0])
    row = [box.extent(aside) for box in (first, second)]
    height = min(end - start for start, end in row)
    if min(row[0][1], row[1][1]) - max(row[0][0], row[1][0]) <= 0.6 * height:
        return None
    reach = [box.extent(along) for box in (first, second)]
    return (min(reach[0][1], reach[1][1]) - max(reach[0][0], reach[1][0])) / max(height, 1e-6)


def spanning(first: Quad, second: Quad) -> Quad:
    """The rectangle over two boxes in the frame of the larger one, its corners in that box's order."""
    larger = first if first.area >= second.area else second
    u = _unit(larger.across)
    v = (-u[1], u[0])
    across = [box.extent(u) for box in (first, second)]
    down = [box.extent(v) for box in (first, second)]
    left, right = min(low for low, _ in across), max(high for _, high in across)
    top, bottom = min(low for low, _ in down), max(high for _, high in down)
    a, b, c, d = (
        (p * u[0] + q * v[0], p * u[1] + q * v[1])
        for p, q in ((left, top), (right, top), (right, bottom), (left, bottom))
    )
    return Quad((a, b, c, d))


def _unit(vector: Point) -> Point:
    length = math.hypot(*vector)
    return (vector[0] / length, vector[1] / length) if length else (0.0, 0.0)


def _area(corners: tuple[Point, ...] | list[Point]) -> float:
    following = (*corners[1:], corners[0])
    return abs(math.fsum(x * v - u * y for (x, y), (u, v) in zip(corners, following, strict=True))) / 2


def _cut(piece: list[Point], start: Point, end: Point) -> list[Point]:
    """The part of a convex polygon on the inner side of an edge (Sutherland and Hodgman, 1974)."""
    (sx, sy), (ex, ey) = start, end
    sides = [(ex - sx) * (y - sy) - (ey - sy) * (x - sx) for x, y in piece]
    kept: list[Point] = []
    for index, (point, side) in enumerate(zip(piece, sides, strict=True)):
        before, before_side = piece[index - 1], sides[index - 1]
        if (side >= 0) != (before_side >= 0):
            part = before_side / (before_side - side)
            kept.append((before[0] + part * (point[0] - before[0]), before[1] + part * (point[1] - before[1])))
        if side >= 0:
            kept.append(point)
    return kept
