"""Which lines read on along an arc, as on a badge, a coin or a shop sign?

A word on an arc is read as a line of its own, turned against the word before it by more than lines of one text
are elsewhere. It goes on where the other ends, and the way from the middle of the one to the middle of the other
has the mean of both directions: for two tangents of one circle that is so exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from evalsuite.scoring.boxes import End, Oriented

Flags = npt.NDArray[np.bool_]

ARC_TURN = 75.0
"""Degrees between neighbouring words of an arc; more would be a corner."""

ARC_GAP = 1.5
"""Letter heights between the end of a word and the start of the next, measured along the arc."""

ARC_SIZE_RATIO = 3.5
"""Boxes on one arc differ in height by less than this factor: a straight box round a bent word is high."""

ARC_SWERVE = 15.0
"""Degrees by which the way between two words may differ from the mean of their directions."""


def along_arcs(boxes: Sequence[Oriented]) -> Flags:
    """For n boxes a matrix (n, n): may the line of the column read on along an arc from the line of the row?

    Of a line that is bent itself, its last piece goes on, and its first piece follows. A single character has no
    direction of its own and takes the one that the arc has there; two of them say nothing.
    """
    tail, head = _Ends(box.tail for box in boxes), _Ends(box.head for box in boxes)
    free = np.array([box.free for box in boxes])
    way = head.middle[None] - tail.middle[:, None]
    towards = np.degrees(np.arctan2(way[..., 1], way[..., 0]))
    before, after = tail.angle[:, None], head.angle[None]
    turn = _degrees(after - before)
    turn = np.where(free[None], 2 * _degrees(towards - before), turn)
    turn = np.where(free[:, None], 2 * _degrees(after - towards), turn)
    swerve = np.where(free[None] | free[:, None], 0.0, _degrees(towards - before - turn / 2))
    between = head.start[None] - tail.end[:, None]
    gap = np.hypot(between[..., 0], between[..., 1])
    # A straight box of length l that touches a circle of radius r ends l²/8r outside it; r is (l₁ + l₂) / 2 turn.
    outside = (head.length[None] + tail.length[:, None]) * np.abs(np.radians(turn)) / 8
    larger, smaller = np.maximum(head.height, tail.height[:, None]), np.minimum(head.height, tail.height[:, None])
    found: Flags = (
        (np.abs(turn) <= ARC_TURN)
        & (np.abs(swerve) <= ARC_SWERVE)
        & (gap <= ARC_GAP * larger + outside)
        & (larger <= ARC_SIZE_RATIO * smaller)
        & ~(free[None] & free[:, None])
    )
    np.fill_diagonal(found, val=False)
    return found


class _Ends:
    """One end of each line, as the box that stands there."""

    def __init__(self, ends: Iterable[Oriented | End]) -> None:
        boxes = list(ends)
        self.middle = np.array([box.corners for box in boxes], dtype=np.float64).mean(axis=1)
        self.angle = np.array([box.angle for box in boxes])
        self.length = np.array([box.length for box in boxes])
        self.height = np.maximum([box.height for box in boxes], 1e-6)
        half = np.stack([np.cos(np.radians(self.angle)), np.sin(np.radians(self.angle))], axis=1)
        half *= self.length[:, None] / 2
        self.start, self.end = self.middle - half, self.middle + half


def _degrees(angle: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The same angle in [-180, 180)."""
    return (angle + 180) % 360 - 180
