"""Which pixels of a picture belong to its text: the polygons of what was read, and their surroundings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from evalsuite.records import TextLine

REACH = 0.5
"""How far a line's region goes beyond its polygon, in heights of the line: shadows, glows and strokes lie there."""

LEAST_REACH = 4
"""The same in pixels, at least."""


def text_region(lines: Iterable[TextLine], width: int, height: int) -> NDArray[np.bool_]:
    """True where a picture shows text or what surrounds it; shape (height, width).

    Raises:
        ValueError: A line has no polygon, so nobody knows where its text stands.
    """
    from PIL import Image, ImageDraw

    mask = Image.new("1", (width, height))
    pen = ImageDraw.Draw(mask)
    for line in lines:
        if line.polygon is None:
            raise ValueError("a line without a polygon")
        # A stored polygon may be anything; beyond the picture it covers nothing more.
        corners = [(min(max(x, -width), 2.0 * width), min(max(y, -height), 2.0 * height)) for x, y in line.polygon]
        reach = max(LEAST_REACH, round(REACH * _height(corners)))
        pen.polygon(corners, fill=1)
        pen.line([*corners, corners[0]], fill=1, width=2 * reach + 1)
        for x, y in corners:
            pen.ellipse((x - reach, y - reach, x + reach, y + reach), fill=1)
    return np.asarray(mask, dtype=np.bool_)


def _height(corners: list[tuple[float, float]]) -> float:
    """About the shorter side of a long box: its area divided by half its circumference."""
    points = np.array(corners)
    following = np.roll(points, -1, axis=0)
    half = float(np.hypot(*(following - points).T).sum()) / 2
    area = abs(float((points[:, 0] * following[:, 1] - following[:, 0] * points[:, 1]).sum())) / 2
    return area / half if half else 0.0
