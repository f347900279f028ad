"""Lines along an arc: where detection's map shows one, and its picture laid straight.

The box that detection makes of a line is a rectangle, and it is scored by the mean of the map inside it. An arc fills
little of its rectangle: it is dropped although every letter was seen, or read from a crop in which the letters stand
askew. Here what the map shows as one piece is fitted with a circle, and its picture is unrolled.

Pixels, x to the right, y downwards; angles in radians, clockwise as the eye sees them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from evalsuite.ocr.geometry import Point, Quad

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalsuite.ocr.recognition import Pixels

Floats = npt.NDArray[np.float64]

BEND = 0.35
"""A line is bent where its middle lies this part of the seen thickness or more off the chord of its ends."""

LEAST_LENGTH = 3.0
"""Thicknesses that an arc is long, at the least."""

GREATEST_SPAN = math.radians(320)

BAND_FILLED = 0.6
"""The part of the fitted band that what is seen fills, at the least."""

SEEN_BAND = 0.02
"""The seen thickness is what lies between these quantiles of the distances from the circle: this and 1 less this."""

LEAST_AREA = 60.0
"""Pixels of the map that a piece has, at the least."""

MOST_PIECES = 1_000
"""Pieces of one map that are looked at, the largest first; PaddleOCR makes boxes of as many."""

MOST_POINTS = 2_000
"""Pixels that a circle is fitted to."""

MORE_BENT = 1.3
"""How much smaller the radius is for a second look: at small sizes the map draws arcs flatter than they are."""

PIECE = math.radians(15)
"""An arc is compared with boxes in pieces of this span or less."""


@dataclass(frozen=True)
class Arc:
    """A band along a circle in which a line is read.

    The line starts at the angle `start` and runs over `span`: clockwise where that is positive, its letters' heads
    outwards, and anticlockwise, heads inwards, where it is negative. `height` is the band's, in pixels.
    """

    centre: Point
    radius: float
    start: float
    span: float
    height: float

    @property
    def length(self) -> float:
        """Along the middle of the band, in pixels."""
        return self.radius * abs(self.span)

    @property
    def reversed(self) -> Arc:
        """The same band read from its other end, with the letters' heads on the other side."""
        return Arc(self.centre, self.radius, self.start + self.span, -self.span, self.height)

    @property
    def more_bent(self) -> Arc:
        """The band between the same ends on a circle smaller by `MORE_BENT`, narrower by what it is more bent."""
        radius = self.radius / MORE_BENT
        half_chord = self.radius * math.sin(min(abs(self.span), math.pi) / 2)
        if abs(self.span) >= math.pi or half_chord >= 0.99 * radius:
            return self
        half = math.asin(half_chord / radius)
        rise = radius * (1 - math.cos(half)) - self.radius * (1 - math.cos(self.span / 2))
        middle = self.start + self.span / 2
        # The mean height of an arc over its chord is two thirds of its rise: a third of what is added stays above.
        step = self.radius + rise / 3 - radius
        centre = (self.centre[0] + step * math.cos(middle), self.centre[1] + step * math.sin(middle))
        half = math.copysign(half, self.span)
        return Arc(centre, radius, middle - half, 2 * half, max(self.height - rise, self.height / 2))

    @cached_property
    def outline(self) -> tuple[Point, ...]:
        """The band's corners, clockwise from the top left of the text: along the heads, and back along the feet."""
        return (*self._edge(0.5), *self._edge(-0.5)[::-1])

    @cached_property
    def quad(self) -> Quad:
        """The rectangle round the band, level with the way from the line's start to its end."""
        middle = self.start + self.span / 2
        turn = math.copysign(1.0, self.span)
        u = (-turn * math.sin(middle), turn * math.cos(middle))
        v = (-u[1], u[0])
        across = [x * u[0] + y * u[1] for x, y in self.outline]
        down = [x * v[0] + y * v[1] for x, y in self.outline]
        corners = (
            (min(across), min(down)),
            (max(across), min(down)),
            (max(across), max(down)),
            (min(across), max(down)),
        )
        a, b, c, d = ((p * u[0] + q * v[0], p * u[1] + q * v[1]) for p, q in corners)
        return Quad((a, b, c, d))

    def pieces(self, margin: float) -> Iterator[Quad]:
        """The band in boxes, without `margin` of its height on either side."""
        heads, feet = self._edge(0.5 - margin), self._edge(margin - 0.5)
        for index in range(len(heads) - 1):
            yield Quad((heads[index], heads[index + 1], feet[index + 1], feet[index]))

    def covered_by(self, other: Arc | Quad, margin: float) -> float:
        """What two bands, or a band and a box without its own margin, have in common, as a part of the smaller."""
        mine = list(self.pieces(margin))
        others = list(other.pieces(margin)) if isinstance(other, Arc) else [other]
        shared = math.fsum(piece.shared(box) for piece in mine for box in others)
        return shared / max(min(sum(piece.area for piece in mine), sum(box.area for box in others)), 1.0)

    def _edge(self, part: float) -> list[Point]:
        """Points along the band, `part` of its height on the side of the letters' heads."""
        radius = max(self.radius + math.copysign(1.0, self.span) * part * self.height, 0.0)
        steps = max(2, math.ceil(abs(self.span) / PIECE))
        angles = [self.start + self.span * step / steps for step in range(steps + 1)]
        return [(self.centre[0] + radius * math.cos(a), self.centre[1] + radius * math.sin(a)) for a in angles]


def straightened(pixels: Pixels, arc: Arc) -> Pixels:
    """The band unrolled, its line from left to right with the heads up, at the picture's resolution."""
    import cv2

    width, height = max(1, round(arc.length)), max(1, round(arc.height))
    side = math.copysign(1.0, arc.span)
    angle = arc.start + arc.span * (np.arange(width) + 0.5) / width
    radius = arc.radius + side * arc.height * (0.5 - (np.arange(height) + 0.5) / height)
    x = arc.centre[0] + radius[:, None] * np.cos(angle)[None]
    y = arc.centre[1] + radius[:, None] * np.sin(angle)[None]
    return np.asarray(
        cv2.remap(
            pixels,
            (x - 0.5).astype(np.float32),  # OpenCV counts from the middle of the first pixel
            (y - 0.5).astype(np.float32),
            interpolation=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        dtype=np.uint8,
    )


def seen_arcs(
    seen: npt.NDArray[np.floating[Any]], scale: Point, *, thresh: float, box_thresh: float, unclip_ratio: float
) -> list[tuple[Arc, float]]:
    """The arcs that detection's map shows, each with the mean of the map over it.

    Args:
        seen: The map, height × width, 0 to 1.
        scale: Pixels of the picture for one of the map, across and down.
        thresh: What counts as seen.
        box_thresh: The mean that an arc has at the least.
        unclip_ratio: How much wider lettering is than what is seen of it, as for boxes (Liao et al. 2020, "Real-time
            Scene Text Detection with Differentiable Binarization", section 3.4).
    """
    import cv2

    contours, _ = cv2.findContours((seen > thresh).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    found = []
    for contour in sorted(contours, key=cv2.contourArea, reverse=True)[:MOST_PIECES]:
        area = cv2.contourArea(contour)
        if area < LEAST_AREA:
            continue
        (_, _), sides, _ = cv2.minAreaRect(contour)
        if area > 0.85 * sides[0] * sides[1]:
            continue  # as straight as its box
        left, top, width, height = cv2.boundingRect(contour)
        mask = np.zeros((height, width), dtype=np.uint8)
        cv2.drawContours(mask, [contour - (left, top)], -1, 1, cv2.FILLED)
        score = float(seen[top : top + height, left : left + width][mask > 0].mean())
        if score < box_thresh:
            continue
        rows, columns = np.nonzero(mask)
        points = np.stack([(columns + left + 0.5) * scale[0], (rows + top + 0.5) * scale[1]], axis=1)
        pixel = scale[0] * scale[1]
        margin = unclip_ratio * area * math.sqrt(pixel) / max(cv2.arcLength(contour, closed=True), 1.0)
        arc = fitted(points, pixel, margin)
        if arc is not None:
            found.append((arc, score))
    return found


def fitted(points: Floats, pixel: float, margin: float) -> Arc | None:
    """The arc that fills points (n, 2) well, widened by `margin` on every side; None where they lie along none.

    Args:
        points: The middles of all seen pixels.
        pixel: The area that each stands for.
        margin: In pixels of the picture.
    """
    from scipy.optimize import least_squares

    some = points[:: max(1, len(points) // MOST_POINTS)]
    middle, size = some.mean(axis=0), max(float(np.ptp(some, axis=0).max()), 1.0)
    unit = (some - middle) / size
    # Kåsa's circle is the start; it is drawn to small radii by a band's thickness, the true distances are not.
    first = np.linalg.lstsq(np.c_[2 * unit, np.ones(len(unit))], (unit**2).sum(axis=1), rcond=None)[0]
    radius = math.sqrt(max(first[2] + first[0] ** 2 + first[1] ** 2, 1e-9))

    def off(circle: Floats) -> Floats:
        return np.asarray(np.hypot(unit[:, 0] - circle[0], unit[:, 1] - circle[1]) - circle[2])

    solved = least_squares(off, np.array([first[0], first[1], radius]), max_nfev=60)
    x, y, radius = (float(value) for value in solved.x)
    if not 0 < radius < 20:
        return None
    centre = (float(middle[0]) + x * size, float(middle[1]) + y * size)
    away = np.hypot(points[:, 0] - centre[0], points[:, 1] - centre[1])
    low, high = np.quantile(away, [SEEN_BAND, 1 - SEEN_BAND])
    thickness, radius = float(high - low), float(high + low) / 2
    towards = math.atan2(float(np.sum(points[:, 1] - centre[1])), float(np.sum(points[:, 0] - centre[0])))
    angles = (np.arctan2(points[:, 1] - centre[1], points[:, 0] - centre[0]) - towards + math.pi) % (2 * math.pi)
    start, end = (float(angle) - math.pi for angle in np.quantile(angles, [0.001, 0.999]))
    span = end - start
    bend = radius * (1 - math.cos(min(span, math.pi) / 2))
    if not thickness or span > GREATEST_SPAN or bend < BEND * thickness or radius * span < LEAST_LENGTH * thickness:
        return None
    if len(points) * pixel < BAND_FILLED * thickness * radius * span:
        return None
    beyond = margin / radius
    arc = Arc(centre, radius, towards + start - beyond, span + 2 * beyond, thickness + 2 * margin)
    # From left to right; where it runs up or down at its middle, downwards first. The reader tries the other way too.
    return arc if math.sin(towards) < 0 else arc.reversed
