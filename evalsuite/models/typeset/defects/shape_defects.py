"""Defects of the whole shape: melted, wandering, with foreign, mirrored or missing parts.

Each takes a glyph's strokes, a severity and chance; some take another character's mask, the donor, too.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from evalsuite.models.typeset.defects.chance import Rng, between, chosen, distances_from, erased
from evalsuite.models.typeset.defects.strokes import INK, LEAST_INK, Mask, Numbers, Strokes


def melted(strokes: Strokes, severity: float, rng: Rng, donor: Mask | None) -> Mask:
    """Signed distances of the glyph and a foreign shape mixed, smoothed, and cut where as much ink remains."""
    foreign = donor if donor is not None and (donor > INK).any() else np.ascontiguousarray(strokes.mask[::-1, ::-1])
    own = _signed_distance(strokes.ink)
    share = between(0.28, 0.48, severity, rng)
    blur = strokes.width * between(0.5, 0.9, severity, rng)
    limit = 2 * strokes.width  # far from both shapes neither has a say
    mixed = (1 - share) * np.clip(own, -limit, limit)
    mixed += share * np.clip(_signed_distance((foreign > INK).astype(np.uint8)), -limit, limit)
    mixed = np.asarray(cv2.GaussianBlur(mixed, (0, 0), blur))
    row, column = np.argwhere(strokes.ink)[rng.integers(strokes.area)]
    radius = strokes.side * between(0.35, 0.9, severity, rng)
    weight = np.clip(1.5 - distances_from(mixed.shape, row, column) / radius, 0, 1)
    level = np.partition(mixed.ravel(), -strokes.area)[-strokes.area]
    melted = weight * (mixed - level) * 1.5 + (1 - weight) * own
    inked: Mask = np.rint(np.clip((melted + 0.5) * 255, 0, 255)).astype(np.uint8)
    return inked


def _signed_distance(ink: Mask) -> Numbers:
    """Pixels to the outline, positive within the ink."""
    wide = np.pad(ink, 1)
    inside = cv2.distanceTransform(wide, cv2.DIST_L2, 3)
    signed: Numbers = (inside - cv2.distanceTransform(1 - wide, cv2.DIST_L2, 3))[1:-1, 1:-1]
    return signed


def wandering(strokes: Strokes, severity: float, rng: Rng) -> Mask:
    """Every stroke goes its own way along the skeleton; or the shape is warped, wholly or in one region."""
    side = strokes.side
    reach = side * between(0.03, 0.1, severity, rng)
    how = rng.integers(3)
    if how == 0:
        shifts = _stroke_shifts(strokes, rng)
    else:
        shifts = [_smooth_noise(strokes.mask.shape, side * rng.uniform(0.08, 0.15), rng) for _ in range(2)]
    if how == 1:
        left, top, right, bottom = strokes.box
        away = distances_from(strokes.mask.shape, rng.uniform(top, bottom), rng.uniform(left, right))
        weight = np.clip(1.5 - away / (side * rng.uniform(0.3, 0.6)), 0, 1)
        shifts, reach = [shift * weight for shift in shifts], reach * 1.3
    rows, columns = np.indices(strokes.mask.shape, np.float32)
    across, down = ((reach * shift).astype(np.float32) for shift in shifts)
    moved: Mask = cv2.remap(strokes.mask, columns + across, rows + down, cv2.INTER_LINEAR)
    return moved


def _smooth_noise(shape: tuple[int, ...], sigma: float, rng: Rng) -> Numbers:
    """Normal noise (H, W) smoothed over `sigma` pixels, its standard deviation 1."""
    step = max(1, int(sigma / 2))  # drawn on a coarse grid: smooth noise needs no fine one
    coarse = [side // step + 3 for side in shape]
    noise = rng.standard_normal(coarse).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), sigma / step, borderType=cv2.BORDER_REFLECT)
    smooth = cv2.resize(noise, None, fx=step, fy=step, interpolation=cv2.INTER_LINEAR)[: shape[0], : shape[1]]
    scaled: Numbers = smooth / (smooth.std() + 1e-6)
    return scaled


def _stroke_shifts(strokes: Strokes, rng: Rng) -> list[Numbers]:
    """Two fields (H, W) of standard deviation about 1, across and down, that follow the skeleton's segments."""
    labels, segments = strokes.segments
    numbers, places = strokes.nearest
    owner = labels[places[:, 0], places[:, 1]][numbers]
    own = rng.standard_normal((2, len(segments) + 1)).astype(np.float32)
    own[:, 0] = 0  # crossings stay
    blur = max(1.0, strokes.width * 0.5)
    along = [_smooth_noise(strokes.mask.shape, strokes.side * 0.12, rng) for _ in range(2)]
    return [cv2.GaussianBlur(own[axis][owner], (0, 0), blur) + 0.6 * along[axis] for axis in range(2)]


def swapped(strokes: Strokes, severity: float, rng: Rng, donor: Mask) -> Mask | None:
    """A part is replaced by one of the donor's of similar shape; where there is none, a side by the donor's."""
    other = Strokes(donor)
    if other.area < LEAST_INK:
        return None
    labels, parts = strokes.parts
    donor_labels, donor_parts = other.parts
    part = chosen([each for each in parts if 0.08 < each.size / strokes.area < 0.7], severity, rng)
    alike = [
        each
        for each in donor_parts
        if part is not None
        and 0.08 < each.size / other.area < 0.7
        and max(each.width / part.width, part.width / each.width) < 3
        and max(each.height / part.height, part.height / each.height) < 3
    ]
    if part is None or not alike:
        return _swapped_side(strokes, severity, rng, donor)
    new = alike[rng.integers(len(alike))]
    piece = np.where(donor_labels == new.label, donor, 0).astype(np.uint8)
    piece = piece[new.top : new.top + new.height, new.left : new.left + new.width]
    piece = cv2.resize(piece, (part.width, part.height), interpolation=cv2.INTER_AREA)
    changed = erased(strokes.mask, labels == part.label)
    _lay(changed, piece, part.left, part.top)
    return changed


def _side_slice(strokes: Strokes, share: float, rng: Rng) -> tuple[slice, slice]:
    """Rows and columns of a side of the glyph's box that holds `share` of it: left, right, upper or lower."""
    left, top, right, bottom = strokes.box
    across, down = math.ceil((right - left) * share), math.ceil((bottom - top) * share)
    return (
        (slice(top, bottom), slice(left, left + across)),
        (slice(top, bottom), slice(right - across, right)),
        (slice(top, top + down), slice(left, right)),
        (slice(bottom - down, bottom), slice(left, right)),
    )[rng.integers(4)]


def _swapped_side(strokes: Strokes, severity: float, rng: Rng, donor: Mask) -> Mask:
    side = _side_slice(strokes, between(0.3, 0.6, severity, rng), rng)
    changed = strokes.mask.copy()
    changed[side] = donor[side]
    return changed


def mirrored(strokes: Strokes, severity: float, rng: Rng) -> Mask:
    """A part, or a side, is its mirror image, left for right or upside down."""
    flip = (slice(None), slice(None, None, -1)) if rng.random() < 0.7 else (slice(None, None, -1), slice(None))
    labels, parts = strokes.parts
    part = chosen([each for each in parts if 0.08 < each.size / strokes.area < 0.7], severity, rng)
    if part is None or rng.random() < 0.3:
        side = _side_slice(strokes, between(0.4, 1.0, severity, rng), rng)
        changed = strokes.mask.copy()
        changed[side] = strokes.mask[side][flip]
        return changed
    box = (slice(part.top, part.top + part.height), slice(part.left, part.left + part.width))
    piece = np.where(labels == part.label, strokes.mask, 0).astype(np.uint8)[box][flip]
    changed = erased(strokes.mask, labels == part.label)
    _lay(changed, piece, part.left, part.top)
    return changed


def half(strokes: Strokes, severity: float, rng: Rng) -> Mask:
    """A side is gone: 30 % of the width or height at severity 0, 60 % at 1."""
    gone = np.zeros_like(strokes.ink)
    gone[_side_slice(strokes, between(0.3, 0.6, severity, rng), rng)] = 1
    return erased(strokes.mask, gone)


def _lay(mask: Mask, piece: Mask, left: int, top: int) -> None:
    """Add a piece's ink to a mask, in place."""
    height, width = piece.shape
    ground = mask[top : top + height, left : left + width]
    np.maximum(ground, piece, out=ground)
