"""Where lines of text are, whatever the picture's size: detection at bounded working sizes, boxes merged.

A detection network finds lettering of some 10 to 200 pixels in height; what it sees of larger or smaller
lettering depends on the size that the picture is brought to. So every picture is looked at twice, at a coarse
size for large lettering and at a fine one, and a third time where the fine one shows that the lettering is small
and the picture holds more detail. The sizes were chosen on released pictures; docs/ocr.md holds the figures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalsuite.images import MAX_SIDE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalsuite.ocr.arcs import Arc
    from evalsuite.ocr.geometry import Quad

COARSE = 512
"""Long side in pixels of the size at which large lettering is found."""

FINE = (704, 1024)
"""Least and greatest long side of the fine size; between them it is the picture's own."""

FINER = (2048, 4096)
"""Long sides that a picture with small lettering is looked at besides, one after the other while it stays small."""

SMALL_HEIGHT = 16.0
"""Lettering is small where a tenth of the boxes are under this many working pixels in height."""

FINER_GAIN = 1.2
"""A finer size is worth its time only where it shows at least so many times the detail."""

LONGEST_PLAIN = 4.0
"""Up to this ratio of the sides the long side decides; beyond it the area does, or a banner's lettering vanished."""

SAME_BOX = 0.6
"""Boxes of different sizes whose intersection over union is above this surround the same line."""

LOOSE_HEIGHT, LOOSE_PENALTY = 24.0, 0.2
"""Boxes under this many working pixels in height are loose and overlap their neighbours: they count for less."""

SEEN_TWICE = 0.5
"""Boxes of different sizes that share more than this part of the smaller one are a sight of the same thing."""


@dataclass(frozen=True, slots=True)
class Box:
    """A box that detection found: where, how surely (0 to 1), at which of the sizes, and how high in its pixels.

    A line along an arc has its `arc` too; `quad` is then the rectangle round it.
    """

    quad: Quad
    score: float
    size: int
    working_height: float
    arc: Arc | None = None

    @property
    def place(self) -> Quad | Arc:
        """Where the line is read."""
        return self.arc or self.quad


@dataclass(frozen=True, slots=True)
class Found:
    """A box to be read, and the boxes of other sizes round the same line, which may read better."""

    box: Box
    twins: tuple[Box, ...] = ()


def first_sizes(width: int, height: int) -> tuple[int, int]:
    """The long sides, in pixels, of the coarse and the fine working size of a picture."""
    return COARSE, min(max(width, height, FINE[0]), FINE[1])


def working_size(width: int, height: int, long_side: int) -> tuple[int, int]:
    """Width and height at a working size: multiples of 32, which the network requires, at least 32.

    A picture that is more than `LONGEST_PLAIN` times as long as high gets the area that one of that ratio gets.
    """
    ratio = max(width, height) / min(width, height)
    if ratio > LONGEST_PLAIN:
        long_side = min(round(long_side * math.sqrt(ratio / LONGEST_PLAIN)), MAX_SIDE)
    scale = long_side / max(width, height)
    across, down = (max(32, round(side * scale / 32) * 32) for side in (width, height))
    return across, down


def finer_size(width: int, height: int, last: int, heights: Sequence[float]) -> int | None:
    """The long side of a further look, or None where the last one, of long side `last`, shows all that there is.

    Args:
        width: The picture's, in pixels.
        height: The picture's, in pixels.
        last: Long side of the finest look so far.
        heights: Of the boxes found there, in its pixels. Where there are none, lettering may be too small to see.
    """
    native = max(width, height)
    if native <= FINER_GAIN * last:
        return None
    if heights and sorted(heights)[len(heights) // 10] >= SMALL_HEIGHT:
        return None
    return next((min(side, native) for side in FINER if side > last), None)


def merge(boxes: Sequence[Box]) -> list[Found]:
    """Boxes of all sizes with those round the same line brought together, from top to bottom.

    Of two boxes of different sizes that are the same, the one with the higher score stays; boxes of one size
    never are, since the network gives each line one box.
    """
    kept: list[Box] = []
    twins: dict[int, list[Box]] = {}
    for box in sorted(boxes, key=_precedence):
        same = next(
            (
                index
                for index, other in enumerate(kept)
                if other.size != box.size
                and (other.arc is None) == (box.arc is None)
                and other.quad.likeness(box.quad) > SAME_BOX
            ),
            None,
        )
        if same is None:
            kept.append(box)
        else:
            twins.setdefault(same, []).append(box)
    found = [Found(box, tuple(twins.get(index, ()))) for index, box in enumerate(kept)]
    return sorted(found, key=lambda item: place(item.box.quad))


def seen_at_another_size(box: Box, boxes: Sequence[Box]) -> bool:
    """Whether another working size shows a box in the same place."""
    return any(other.size != box.size and _shared_part(box, other) > SEEN_TWICE for other in boxes)


def _shared_part(box: Box, other: Box) -> float:
    if box.arc is not None:
        return box.arc.covered_by(other.arc or other.quad, 0.0)
    return box.quad.covered_by(other.quad) if other.arc is None else other.arc.covered_by(box.quad, 0.0)


def place(quad: Quad) -> tuple[float, float, float, float]:
    """A key that sorts boxes from top to bottom and from left to right, the same on every run."""
    left, top, right, bottom = quad.bounds
    return top, left, bottom, right


def _precedence(box: Box) -> tuple[float, ...]:
    loose = LOOSE_PENALTY if box.working_height < LOOSE_HEIGHT else 0.0
    return (-round(box.score - loose, 2), -box.size, *place(box.quad))
