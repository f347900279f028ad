"""Defects of single strokes: gone, cut, added, or run together. Each takes a glyph's strokes, a severity and chance."""

from __future__ import annotations

import math

import cv2
import numpy as np

from evalsuite.models.typeset.defects.chance import Rng, between, chosen, distances_from, erased
from evalsuite.models.typeset.defects.kinds import LEAST_CHANGE
from evalsuite.models.typeset.defects.strokes import INK, THICK, Mask, Strokes

_LEAST_PIXELS = 10


def missing_part(strokes: Strokes, severity: float, rng: Rng) -> Mask | None:
    """A connected part between 3 and 65 % of the ink is gone."""
    labels, parts = strokes.parts
    part = chosen([part for part in parts if 0.03 < part.size / strokes.area < 0.65], severity, rng)
    return None if part is None else erased(strokes.mask, labels == part.label)


def _length_to_be_seen(strokes: Strokes, kind: str) -> float:
    """How many pixels of a stroke of the usual width must change for the least share of the ink."""
    return LEAST_CHANGE[kind] * strokes.area / strokes.width + 2 * max(1.0, strokes.side * THICK)


def missing_stroke(strokes: Strokes, severity: float, rng: Rng) -> Mask | None:
    """A piece of the skeleton is gone with the ink that is nearest to it: half of it at severity 0, all of it at 1."""
    labels, segments = strokes.segments
    share = between(0.5, 1.1, severity, rng)
    least = max(0.1 * strokes.side, strokes.width, _length_to_be_seen(strokes, "missing-stroke") / min(share, 1.0))
    segment = chosen([each for each in segments if each.size >= least], severity, rng)
    if segment is None:
        return None
    lines = labels == segment.label
    if share < 1:
        places = np.argwhere(lines)
        along = places @ rng.standard_normal(2)
        lost = places[np.argsort(along, kind="stable")[: math.ceil(share * len(places))]]
        lines = np.zeros_like(lines)
        lines[lost[:, 0], lost[:, 1]] = True
    changed = strokes.mask.copy()
    changed[strokes.ink_near(lines)] = 0
    return changed


def cut(strokes: Strokes, severity: float, rng: Rng) -> Mask | None:
    """A gap across a stroke, 0.6 to 1.8 stroke widths long, and long enough to be seen."""
    labels, segments = strokes.segments
    gap = max(_length_to_be_seen(strokes, "cut"), between(0.6, 1.8, severity, rng) * strokes.width)
    segment = chosen([each for each in segments if each.size >= max(0.12 * strokes.side, gap)], severity, rng)
    if segment is None:
        return None
    places = np.argwhere(labels == segment.label)
    row, column = places[rng.integers(len(places))]
    near = places[np.abs(places - (row, column)).max(axis=1) <= max(4, strokes.width)]
    away = near - near.mean(axis=0)
    down, right = np.linalg.svd(away, full_matrices=False)[2][0] if len(near) > 1 else (0.0, 1.0)
    rows, columns = np.ogrid[: strokes.mask.shape[0], : strokes.mask.shape[1]]
    along = np.abs((rows - row) * down + (columns - column) * right)
    across = np.abs((columns - column) * down - (rows - row) * right)
    changed = strokes.mask.copy()
    reach = strokes.width * 0.5 + 0.06 * strokes.side
    changed[(along <= gap / 2) & (across <= reach) & strokes.ink_near(labels == segment.label)] = 0
    return changed


def added(strokes: Strokes, severity: float, rng: Rng) -> Mask:
    """A bar, dot, hook or curve of about the stroke width, a quarter of the side long to nearly all of it."""
    left, top, right, bottom = strokes.box
    side = strokes.side
    column, row = rng.uniform(left, right), rng.uniform(top, bottom)
    width = max(2.0, strokes.width * rng.uniform(0.75, 1.15))
    shape = ("bar", "bar", "dot", "hook", "curve")[rng.integers(5)]
    drawn = np.zeros_like(strokes.mask)

    def fixed(value: float) -> int:  # OpenCV's places in sixteenths of a pixel
        return round(value * 16)

    if shape == "dot":
        axes = [fixed(width * between(0.55, 1.3, severity, rng) * rng.uniform(0.9, 1.3)) for _ in range(2)]
        turn = rng.uniform(0, 180)
        cv2.ellipse(drawn, (fixed(column), fixed(row)), axes, turn, 0, 360, 255, -1, cv2.LINE_AA, 4)
        return np.maximum(strokes.mask, drawn)
    length = max(1.3 * _length_to_be_seen(strokes, "added"), side * between(0.25, 0.95, severity, rng))
    angle = math.radians(45 * rng.integers(4) + rng.normal(0, 8))
    half = np.array([math.cos(angle), math.sin(angle)]) * length / 2
    points = np.array([[column, row] - half, [column + half[0], row + half[1]]])
    if shape != "bar":
        turn = angle + math.radians(rng.choice((-1, 1)) * rng.uniform(50, 130))
        tip = points[1] + np.array([math.cos(turn), math.sin(turn)]) * length * rng.uniform(0.3, 0.6)
        points = np.vstack([points, tip])
        if shape == "curve":
            at = np.linspace(0, 1, 16)[:, None]
            points = (1 - at) ** 2 * points[0] + 2 * at * (1 - at) * points[1] + at**2 * points[2]
    path = [np.rint(points * 16).astype(np.int32)]
    cv2.polylines(drawn, path, isClosed=False, color=255, thickness=round(width), lineType=cv2.LINE_AA, shift=4)
    return np.maximum(strokes.mask, drawn)


def merged(strokes: Strokes, severity: float, rng: Rng) -> Mask | None:
    """Gaps up to 1.1 to 2.6 stroke widths wide are closed in one region."""
    size = 2 * round(max(2.0, strokes.width * between(1.1, 2.6, severity, rng) / 2)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    wide = np.pad(strokes.ink * 255, size)  # a closing must not glue a glyph to the edge of its frame
    closed = cv2.morphologyEx(wide, cv2.MORPH_CLOSE, kernel)[size:-size, size:-size]
    filled = np.argwhere((closed > INK) & (strokes.ink == 0))
    if len(filled) < _LEAST_PIXELS:
        return None
    row, column = filled[rng.integers(len(filled))]
    radius = strokes.side * between(0.18, 0.5, severity, rng)
    soft = cv2.GaussianBlur(closed, (3, 3), 0)
    near = distances_from(closed.shape, row, column) < radius
    merged: Mask = np.where(near, np.maximum(soft, strokes.mask), strokes.mask)
    return merged
