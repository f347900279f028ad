"""A defect planted into the picture of a line, so that a person sees it there as a generator's own.

The glyph's ink is told from the line's ground as the product tells it, without rules and edges that run on beyond the
glyph. A stroke that goes is painted over with the ground beside it, and so is what lies about it (its soft edge,
outline and shadow) as far as that is nearer to it than to ink that stays: nothing of it must be left to be seen. Ink
that comes has the glyph's own colour. A defect counts only where half the contrast between ink and ground changes, in
as large a share of the ink as its kind must change (`LEAST_CHANGE`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from evalsuite.glyphs.characters import _ink
from evalsuite.models.typeset.defects import KINDS, NEEDS_DONOR
from evalsuite.models.typeset.defects.kinds import LEAST_CHANGE
from evalsuite.models.typeset.defects.plant import malform

if TYPE_CHECKING:
    from evalsuite.glyphs.characters import Cut
    from evalsuite.ocr.recognition import Pixels

Plane = np.ndarray[Any, np.dtype[Any]]

DRAWN_HEIGHT = 96
"""Pixels to which the line's ink is enlarged for a defect to be planted."""
HALO = 0.1
"""How far edge, outline and shadow reach beyond the ink, as a share of its height; at least 2 pixels."""
LEAST_PIXELS = 4
ALONE = tuple(kind for kind in KINDS if kind not in NEEDS_DONOR)


def planted_line(line: Pixels, cut: Cut, rng: np.random.Generator) -> tuple[Pixels, str] | None:
    """The upright picture of a line (BGR, H × W × 3) with a defect in one character, and its kind.

    None where the glyph's ink is not clear or no defect of the kind drawn by lot can be seen in it.
    """
    kind, severity = str(rng.choice(ALONE)), float(rng.uniform(0.3, 1))
    ink = _ink(line)
    own = _own(ink, cut)
    height = cut.rows[1] - cut.rows[0]
    if own.sum() < 30:
        return None
    ground = cv2.inpaint(line, _grown(ink, max(2, round(HALO * height))).astype(np.uint8), 3, cv2.INPAINT_TELEA)
    core = own & (cv2.erode(own.astype(np.uint8), np.ones((2, 2), np.uint8)) > 0)
    colour = np.median(line[core if core.any() else own], axis=0)
    axis = colour - np.median(ground[own], axis=0)
    contrast = float(np.linalg.norm(axis))
    if contrast < 20:
        return None
    along = ((line.astype(np.float32) - ground) @ axis / contrast**2).astype(np.float32)
    soft = np.where(_grown(own, 1) & ~(ink & ~own), np.clip(along, 0, 1), 0).astype(np.float32)
    soft[core] = 1  # whatever its colour: fill and outline of outlined letters are both ink
    # Only the glyph's surroundings, enlarged: small lettering has too few pixels to be cut or melted.
    left, right = max(0, cut.columns[0] - height // 2), min(line.shape[1], cut.columns[1] + height // 2)
    part, scale = (slice(None), slice(left, right)), max(1.0, DRAWN_HEIGHT / height)
    size = round((right - left) * scale), round(line.shape[0] * scale)
    mask = (cv2.resize(soft[part], size, interpolation=cv2.INTER_CUBIC).clip(0, 1) * 255).astype(np.uint8)
    bad = malform(mask, kind=kind, severity=severity, rng=rng)
    if bad is None:
        return None
    others = cv2.resize((ink & ~own)[part].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    gone = (mask > 127) & (bad <= 127)
    stays = ((mask > 127) & (bad > 127)) | others
    halo = max(2.0 * scale, HALO * height * scale)
    far, near = _distance(gone), _distance(stays)
    covers = gone | ((far <= halo) & (far < near))
    back = (right - left, line.shape[0])
    cover = cv2.resize(covers.astype(np.float32), back, interpolation=cv2.INTER_AREA)[:, :, None]
    # What takes a pixel from one share of ink to a larger one: else old edges stay to be seen within new ink.
    added = np.clip((bad.astype(np.float32) - mask) / np.maximum(255.0 - mask, 1.0), 0, 1)
    paint = cv2.resize(added, back, interpolation=cv2.INTER_AREA)[:, :, None]
    here = line[part].astype(np.float32)
    here = here + (ground[part] - here) * cover
    here = here + (colour - here) * paint
    changed = np.abs((here - line[part]) @ axis) / contrast**2 > 0.5
    if changed.sum() < max(LEAST_PIXELS, LEAST_CHANGE[kind] * own.sum()):
        return None
    planted = line.copy()
    planted[part] = np.rint(here.clip(0, 255)).astype(np.uint8)
    return planted, kind


def _own(ink: Plane, cut: Cut) -> Plane:
    """The ink between the glyph's columns, without what runs on beyond them: rules, edges of signs."""
    inside = np.zeros_like(ink)
    inside[:, cut.columns[0] : cut.columns[1]] = True
    _, labels, found, _ = cv2.connectedComponentsWithStats(ink.astype(np.uint8), connectivity=8)
    within = np.bincount(labels[inside], minlength=len(found))
    whole = within >= 0.6 * found[:, cv2.CC_STAT_AREA]
    height, tall = cut.rows[1] - cut.rows[0], found[:, cv2.CC_STAT_HEIGHT]
    top = found[:, cv2.CC_STAT_TOP]
    # What peeks in from above or below the line is no part of the glyph.
    peeks = ((top == 0) | (top + tall == len(ink))) & (tall < 0.5 * height)
    whole[0] = False
    own = (whole & ~peeks & (tall <= 1.1 * height))[labels]
    between = ink & inside
    # Of letters that touch, the part between the columns.
    return own if own.sum() >= 0.5 * between.sum() else between


def _grown(ink: Plane, by: int) -> Plane:
    return np.asarray(cv2.dilate(ink.astype(np.uint8), np.ones((2 * by + 1, 2 * by + 1), np.uint8)) > 0)


def _distance(where: Plane) -> Plane:
    """Of each pixel from the nearest of those; far where there are none."""
    if not where.any():
        return np.full(where.shape, 1e6, np.float32)
    return np.asarray(cv2.distanceTransform((~where).astype(np.uint8), cv2.DIST_L2, 5))
