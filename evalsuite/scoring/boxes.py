"""Where a line stands: the upright box around it, and the box in its own direction.

Places are in pixels, x to the right and y down; angles are in degrees, clockwise as the eye sees them,
0 for a line that reads from left to right and 90 for one that reads downwards.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from evalsuite.records import TextLine

Corners = tuple[tuple[float, float], ...]

TALL = 1.5
"""A box of several characters that is this much taller than wide holds vertical text."""

LEAST_TILT = 3.0
"""Degrees; a page that is turned by less is read as though it stood upright."""

SAME_TILT = 8.0
"""Degrees; lines that differ by less from the page's angle agree with it."""

AGREEMENT = 0.6
"""Share of the characters whose lines must agree before a page counts as turned."""


@dataclass(frozen=True, slots=True)
class Box:
    """An upright box around a line, in pixels, turned or mirrored so that it reads like text from left to right."""

    left: float
    top: float
    right: float
    bottom: float

    @classmethod
    def around(cls, corners: Iterable[tuple[float, float]]) -> Box:
        """The smallest upright box that holds all corners."""
        xs, ys = zip(*corners, strict=True)
        return cls(min(xs), min(ys), max(xs), max(ys))

    @property
    def height(self) -> float:
        """Pixels from top to bottom."""
        return self.bottom - self.top

    @property
    def is_tall(self) -> bool:
        """Clearly taller than wide, as a line of vertical text is."""
        return self.height > TALL * (self.right - self.left)

    def turned(self) -> Box:
        """A quarter turn anticlockwise: columns from right to left become rows from top to bottom."""
        return Box(self.top, -self.right, self.bottom, -self.left)

    def mirrored(self) -> Box:
        """Left and right exchanged."""
        return Box(-self.right, self.top, -self.left, self.bottom)


@dataclass(frozen=True, slots=True)
class End:
    """The first or the last piece of a bent line, in its own direction; see `Oriented`."""

    corners: Corners
    angle: float
    length: float
    height: float

    @classmethod
    def of(cls, corners: Corners) -> End:
        """The piece between four corners, clockwise from the top left of the text."""
        along, across = _sides(corners)
        return cls(corners, math.degrees(math.atan2(along[1], along[0])), math.hypot(*along), math.hypot(*across))


@dataclass(frozen=True, slots=True)
class Oriented:
    """A line's box in its own direction: `length` along it and `height` across, in pixels, and the `angle`.

    `characters` is how many it holds. A bent line is level with the way from its first corner to its last; it has
    its `ends`, the first and the last piece. A single character, and a box hardly longer than high, say little about
    the direction: the first is `free`, the second `loose`.
    """

    corners: Corners
    angle: float
    length: float
    height: float
    characters: int
    ends: tuple[End, End] | None = None

    @property
    def head(self) -> Oriented | End:
        """Where the line begins: its first piece, or the box itself."""
        return self.ends[0] if self.ends else self

    @property
    def tail(self) -> Oriented | End:
        """Where the line ends: its last piece, or the box itself."""
        return self.ends[1] if self.ends else self

    @property
    def free(self) -> bool:
        """One character: it may belong to text of any direction."""
        return self.characters <= 1 and self.length < 1.6 * self.height + 1e-6

    @property
    def loose(self) -> bool:
        """So short that the detector's angle is a guess."""
        return self.length < 2 * self.height

    @classmethod
    def of(cls, line: TextLine) -> Oriented | None:
        """The box of a line, None where it has no place that can be measured."""
        if not line.polygon or not math.isfinite(sum([x + y for x, y in line.polygon])):
            return None
        corners: Corners = line.polygon
        ends = None
        if len(corners) > 4 and len(corners) % 2 == 0:
            # Along the letters' heads and back along their feet: level with the way from the first to the last.
            half = len(corners) // 2
            head = (*corners[:2], *corners[-2:])
            ends = End.of(head), End.of(corners[half - 2 : half + 2])
            corners = (corners[0], corners[half - 1], corners[half], corners[-1])
        elif len(corners) != 4:
            box = Box.around(corners)
            corners = ((box.left, box.top), (box.right, box.top), (box.right, box.bottom), (box.left, box.bottom))
        along, across = _sides(corners)
        width, height = math.hypot(*along), math.hypot(*across)
        characters = len(line.text.strip())
        if characters > 1 and height > TALL * width:
            return cls(corners, math.degrees(math.atan2(across[1], across[0])), height, width, characters)
        angle = math.degrees(math.atan2(along[1], along[0])) if width else 0.0
        return cls(corners, angle, width, height, characters, ends)


def _sides(corners: Corners) -> tuple[tuple[float, float], tuple[float, float]]:
    """The means of top and bottom, from left to right, and of left and right side, downwards."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = corners
    return ((bx - ax + cx - dx) / 2, (by - ay + cy - dy) / 2), ((dx - ax + cx - bx) / 2, (dy - ay + cy - by) / 2)


def page_angle(boxes: Iterable[Oriented]) -> float:
    """By how many degrees the page is turned: 0 unless most text agrees on another angle."""
    tilts = []
    for box in boxes:
        if not box.loose and not box.free:
            vertical = abs(box.angle - 90) <= 45
            tilts.append((box.angle - 90 if vertical else box.angle, box.characters))
    if all(abs(tilt) < LEAST_TILT for tilt, _ in tilts):
        return 0.0
    tilts.sort()
    total, passed = sum(size for _, size in tilts), 0
    middle = 0.0
    for tilt, size in tilts:
        passed += size
        if 2 * passed >= total:
            middle = tilt
            break
    agreed = sum(size for tilt, size in tilts if abs(tilt - middle) < SAME_TILT)
    return middle if abs(middle) >= LEAST_TILT and agreed >= AGREEMENT * total else 0.0


def turned(corners: Sequence[tuple[float, float]], angle: float) -> Corners:
    """The corners turned back by `angle` degrees about the origin, so that a line of that angle lies level."""
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return tuple((x * cosine + y * sine, y * cosine - x * sine) for x, y in corners)
