"""The strokes of a glyph: its ink, its connected parts, the skeleton's segments, and whose ink is whose.

Masks are (H, W), 8 bits, 255 where there is ink. "Side" is the larger side of the ink's box, in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np

Mask = np.ndarray[Any, np.dtype[np.uint8]]
Numbers = np.ndarray[Any, np.dtype[Any]]

INK = 127
"""A pixel above this is ink."""

LEAST_INK = 30
"""Pixels of ink below which a mask is too small for a defect."""

THICK = 1 / 36
"""A visible change is as thick as this share of the glyph's side, at least."""

_NEIGHBOURS = np.array([[128, 1, 2], [64, 0, 4], [32, 16, 8]], np.float32)
"""A bit for each of the eight neighbours, clockwise from the one above."""


def _removable(*, first: bool) -> Mask:
    """Which of the 256 neighbourhoods lose their middle in a half pass (Zhang and Suen, CACM 27(3), 1984)."""
    table = np.zeros((1, 256), np.uint8)
    for code in range(256):
        up, _, right, _, down, _, left, _ = around = [code >> bit & 1 for bit in range(8)]
        crossings = sum(not around[at] and around[(at + 1) % 8] for at in range(8))
        corners = (up * right * down, right * down * left) if first else (up * right * left, up * down * left)
        table[0, code] = 2 <= sum(around) <= 6 and crossings == 1 and not any(corners)
    return table


_HALF_PASSES = (_removable(first=True), _removable(first=False))


def skeleton(ink: Mask) -> Mask:
    """The ink (0 and 1) thinned to lines of one pixel, by Zhang and Suen's algorithm."""
    left, top, width, height = cv2.boundingRect(ink)
    box = (slice(top, top + height), slice(left, left + width))
    thinned = np.zeros_like(ink)
    lines = np.pad(ink[box], 1)
    while True:
        removed = 0
        for table in _HALF_PASSES:
            codes = cv2.filter2D(lines, cv2.CV_8U, _NEIGHBOURS, borderType=cv2.BORDER_CONSTANT)
            gone = cv2.LUT(codes, table) & lines
            removed += cv2.countNonZero(gone)
            lines -= gone
        if not removed:
            thinned[box] = lines[1:-1, 1:-1]
            return thinned


@dataclass(frozen=True)
class Part:
    """A connected region of ink or of the skeleton: its label, its box in pixels, and its size in pixels."""

    label: int
    left: int
    top: int
    width: int
    height: int
    size: int


def parts_of(ink: Mask) -> tuple[Numbers, tuple[Part, ...]]:
    """The labels (H, W) of the 8-connected regions, 0 for the ground, and the regions."""
    _, labels, found, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    return labels, tuple(Part(number, *map(int, row)) for number, row in enumerate(found) if number)


class Strokes:
    """What a defect needs to know of a glyph's mask; each is worked out when it is asked for, once."""

    def __init__(self, mask: Mask) -> None:
        self.mask = mask
        self.ink: Mask = (mask > INK).astype(np.uint8)
        self.area = int(cv2.countNonZero(self.ink))

    @cached_property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the ink; right and bottom lie outside of it."""
        left, top, width, height = cv2.boundingRect(self.ink)
        return left, top, left + width, top + height

    @property
    def side(self) -> int:
        """The larger side of the box."""
        left, top, right, bottom = self.box
        return max(right - left, bottom - top)

    @cached_property
    def parts(self) -> tuple[Numbers, tuple[Part, ...]]:
        """Labels and connected parts of the ink."""
        return parts_of(self.ink)

    @cached_property
    def skeleton(self) -> Mask:
        """The middle lines of the strokes."""
        return skeleton(self.ink)

    @cached_property
    def width(self) -> float:
        """The usual width of a stroke in pixels, at least 2: twice the skeleton's median distance from the ground."""
        depths = cv2.distanceTransform(np.pad(self.ink, 1), cv2.DIST_L2, 3)[1:-1, 1:-1][self.skeleton > 0]
        return max(2.0, 2 * float(np.median(depths))) if len(depths) else 2.0

    @cached_property
    def segments(self) -> tuple[Numbers, tuple[Part, ...]]:
        """Labels and pieces of the skeleton between its crossings and ends."""
        lines = self.skeleton
        around = cv2.filter2D(lines, cv2.CV_8U, np.ones((3, 3), np.float32), borderType=cv2.BORDER_CONSTANT)
        crossings = ((around >= 4) & (lines > 0)).astype(np.uint8)  # itself and three neighbours
        return parts_of(lines & (1 - cv2.dilate(crossings, np.ones((3, 3), np.uint8))))

    @cached_property
    def nearest(self) -> tuple[Numbers, Numbers]:
        """For every pixel the number of the skeleton pixel nearest to it; and every skeleton pixel's place by number.

        The places are (N, 2), row and column; row 0 of the table stands for no pixel.
        """
        _, numbers = cv2.distanceTransformWithLabels(1 - self.skeleton, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
        rows, columns = np.nonzero(self.skeleton)
        places = np.zeros((len(rows) + 1, 2), np.int64)
        places[numbers[rows, columns]] = np.stack([rows, columns], axis=1)
        return numbers, places

    def ink_near(self, chosen: Numbers) -> Numbers:
        """Which pixels (H, W) lie nearer to the chosen skeleton pixels (H, W) than to the others."""
        numbers, places = self.nearest
        wanted = chosen[places[:, 0], places[:, 1]]
        wanted[0] = False
        near: Numbers = wanted[numbers]
        return near
