"""Whether a planted change leaves a form that no sound glyph has.

Much of what changes the ink is no malformation: a serif less, a stroke end a little shorter, the thick and the thin
side of a W exchanged, the notch of a 7 filled. Other faces draw the letter so. What faces share is which strokes meet
and where they run, so that is what must change: a cut must divide something, and of the strokes' middle lines enough
must lie where none lay before, or no longer do.
"""

from __future__ import annotations

import cv2
import numpy as np

from evalsuite.models.typeset.defects.strokes import LEAST_INK, Strokes

MOVED = 0.07
"""A middle line within this share of the side of another is in the same place: faces differ by as much."""

LEAST_MOVED = {"wandering": 0.25, "melted": 0.2}
"""How long middle lines that moved must be together, as a share of the side; `LEAST_MOVED_ELSE` for other kinds."""

LEAST_MOVED_ELSE = 0.12

_FILLED = 0.04
"""Strokes may run together without closing or joining anything if the filled notch has this share of the ink."""

_BLOB = 0.06
"""An added dot on a stroke needs no middle line of its own if it has this share of the ink."""


def changes_shape(kind: str, before: Strokes, after: Strokes) -> bool:
    """Whether a visible change of a kind leaves a form that no sound glyph has."""
    if kind == "missing-part":
        return True
    if after.area < LEAST_INK:
        return True
    if kind in ("cut", "merged", "added"):
        pieces, holes = (b - a for a, b in zip(_topology(before), _topology(after, before.area), strict=True))
        if kind == "cut":
            return pieces > 0 or holes < 0
        if pieces or holes:
            return True
        thick = _thick_change(before, after) / before.area
        if kind == "merged" or thick >= _BLOB:
            return thick >= _FILLED
    return moved(before, after) >= LEAST_MOVED.get(kind, LEAST_MOVED_ELSE) * before.side


def moved(before: Strokes, after: Strokes) -> int:
    """The pixels of either glyph's middle lines that lie farther than `MOVED` of the side from the other's."""
    reach = max(2.0, MOVED * before.side)
    return sum(
        int((cv2.distanceTransform(1 - other.skeleton, cv2.DIST_L2, 3)[one.skeleton > 0] > reach).sum())
        for one, other in ((before, after), (after, before))
    )


def _topology(strokes: Strokes, area: int | None = None) -> tuple[int, int]:
    """The pieces of ink of at least a fiftieth of the glyph's (at least 6 pixels), and the holes of as much."""
    least = max(6.0, 0.02 * (area or strokes.area))
    pieces = sum(part.size >= least for part in strokes.parts[1])
    ground = np.pad(1 - strokes.ink, 1, constant_values=1)
    count, _, found, _ = cv2.connectedComponentsWithStats(ground, connectivity=4)
    return pieces, sum(int(found[each, cv2.CC_STAT_AREA]) >= 6 for each in range(1, count)) - 1


def _thick_change(before: Strokes, after: Strokes) -> int:
    thick = max(2, round(before.side / 18))
    return int(cv2.countNonZero(cv2.erode(before.ink ^ after.ink, np.ones((thick, thick), np.uint8))))
