"""Which lines read on along an arc, as on a badge, a coin or a shop sign?

A word on an arc is read as a line of its own, turned against the word before it by more than lines of one text
are elsewhere. It goes on where the other ends, and the way from the middle of the one to the middle of the other
has the mean of both directions: for two tangents of one circle that is so exactly.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from evalsuite.scoring.boxes import Oriented

ARC_TURN = 75.0
"""Degrees between neighbouring words of an arc; more would be a corner."""

ARC_GAP = 1.5
"""Letter heights between the end of a word and the start of the next, measured along the arc."""

ARC_SIZE_RATIO = 1.6
"""Letters on one arc differ in height by less than this factor."""

ARC_SWERVE = 15.0
"""Degrees by which the way between two words may differ from the mean of their directions."""


def along_arcs(boxes: Sequence[Oriented]) -> npt.NDArray[np.bool_]:
    """For n boxes a matrix (n, n): may the line of the column read on along an arc from the line of the row?"""
    corners = np.array([box.corners for box in boxes], dtype=np.float64)
    angle = np.array([box.angle for box in boxes])
    height = np.maximum([box.height for box in boxes], 1e-6)
    along = np.stack([np.cos(np.radians(angle)), np.sin(np.radians(angle))], axis=1)
    middle = corners.mean(axis=1)
    half = along * np.array([[box.length / 2] for box in boxes])
    between = (middle - half)[None] - (middle + half)[:, None]
    way = middle[None] - middle[:, None]
    turn = _degrees(angle[None] - angle[:, None])
    swerve = _degrees(np.degrees(np.arctan2(way[..., 1], way[..., 0])) - angle[:, None] - turn / 2)
    # A straight box of length l that touches a circle of radius r ends l²/8r outside it; r is (l₁ + l₂) / 2 turn.
    lengths = np.array([box.length for box in boxes])
    outside = (lengths[None] + lengths[:, None]) * np.abs(np.radians(turn)) / 8
    larger, smaller = np.maximum(height, height[:, None]), np.minimum(height, height[:, None])
    found: npt.NDArray[np.bool_] = (
        (np.abs(turn) <= ARC_TURN)
        & (np.abs(swerve) <= ARC_SWERVE)
        & (np.hypot(between[..., 0], between[..., 1]) <= ARC_GAP * larger + outside)
        & (larger <= ARC_SIZE_RATIO * smaller)
    )
    np.fill_diagonal(found, val=False)
    return found


def _degrees(angle: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The same angle in [-180, 180)."""
    return (angle + 180) % 360 - 180
