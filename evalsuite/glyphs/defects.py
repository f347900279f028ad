"""Structural defects planted in the mask of one glyph, as generators of images make them.

Sizes follow the glyph: its stroke width and the larger side of its ink. A defect counts only where it can be seen:
what changed must hold a square of `_THICK` of the side, and such changes must come to a stated share of the ink
(`LEAST_CHANGE`); a shifted outline is none. After Zhang and Suen's thinning every step is OpenCV's.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from evalsuite.glyphs.kinds import KINDS, NEEDS_DONOR
from evalsuite.glyphs.strokes import INK, Mask, Numbers, Part, Strokes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Rng = np.random.Generator

__all__ = ["KINDS", "LEAST_CHANGE", "NEEDS_DONOR", "malform", "visible_change"]

LEAST_CHANGE = {
    kind: 0.05 if kind not in ("missing-part", "missing-stroke", "cut", "merged") else 0.025 for kind in KINDS
}
"""The share of the ink that a defect of each kind must change visibly."""

_LEAST_INK = 30
"""Pixels of ink below which a mask is too small for a defect."""

_LEAST_PIXELS = 10
_THICK = 1 / 36
_TRIES = 6
_BLOCK = np.ones((3, 3), np.uint8)


def malform(
    mask: np.ndarray[Any, np.dtype[Any]],
    *,
    kind: str,
    severity: float,
    rng: Rng,
    donor: np.ndarray[Any, np.dtype[Any]] | None = None,
) -> np.ndarray[Any, np.dtype[Any]] | None:
    """The glyph with one defect in it, or None where a visible one could not be planted.

    Args:
        mask: The ink of one character, (H, W): 8 bits from 0 to 255, or floats from 0 to 1. It is not changed.
        kind: One of `KINDS`.
        severity: From 0, just visible, to 1, gross: how long, wide or far-reaching the defect is.
        rng: Decides all that is random. The same state gives the same glyph.
        donor: Another character's mask of the same type, at the same size of type. `swapped` needs it; `melted` mixes
            it in, and without it a turned copy of the glyph.

    Raises:
        ValueError: for an unknown kind, a severity outside [0, 1], or a mask of another shape or type.
    """
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is no kind of defect; known: {', '.join(KINDS)}")
    if not 0.0 <= severity <= 1.0:
        raise ValueError(f"severity={severity}: a number from 0 to 1 is needed")
    strokes = Strokes(_eight_bit(mask))
    other = None if donor is None else _framed(_eight_bit(donor), strokes.mask.shape)
    if strokes.area < _LEAST_INK or (other is None and kind in NEEDS_DONOR):
        return None
    for _ in range(_TRIES):
        changed = _plant(kind, strokes, severity, rng, other)
        if changed is None:
            return None
        if _is_visible(strokes, changed, LEAST_CHANGE[kind]):
            return changed if mask.dtype == np.uint8 else (changed / 255).astype(mask.dtype)
    return None


def visible_change(before: Mask, after: Mask) -> int:
    """The pixels that changed between ink and ground, less what an outline moved by a pixel or so explains.

    Both are (H, W) of 8 bits. The change is eroded by a square whose side is a 36th of the glyph's, at least 2 pixels:
    of a glyph of 72 pixels that takes one pixel of its thickness.
    """
    return _visible(Strokes(before), after)


def _visible(strokes: Strokes, after: Mask) -> int:
    thick = max(2, round(strokes.side * _THICK))
    changed = cv2.erode(strokes.ink ^ (after > INK).astype(np.uint8), np.ones((thick, thick), np.uint8))
    return int(cv2.countNonZero(changed))


def _is_visible(strokes: Strokes, after: Mask, share: float) -> bool:
    return _visible(strokes, after) >= max(_LEAST_PIXELS, share * strokes.area)


def _eight_bit(mask: np.ndarray[Any, np.dtype[Any]]) -> Mask:
    if mask.ndim != 2 or not (mask.dtype == np.uint8 or np.issubdtype(mask.dtype, np.floating)):
        raise ValueError(f"a mask (H, W) of 8 bits or floats is needed, not {mask.dtype} of shape {mask.shape}")
    return mask if mask.dtype == np.uint8 else np.rint(np.clip(mask, 0, 1) * 255).astype(np.uint8)


def _framed(mask: Mask, shape: tuple[int, ...]) -> Mask:
    """The mask cut or filled with ground to `shape`, its middle kept."""
    if mask.shape == shape:
        return mask
    frame = np.zeros(shape, np.uint8)
    take, put = [], []
    for have, want in zip(mask.shape, shape, strict=True):
        size = min(have, want)
        take.append(slice((have - size) // 2, (have - size) // 2 + size))
        put.append(slice((want - size) // 2, (want - size) // 2 + size))
    frame[tuple(put)] = mask[tuple(take)]
    return frame


def _plant(kind: str, strokes: Strokes, severity: float, rng: Rng, donor: Mask | None) -> Mask | None:
    if kind == "swapped":
        return _swapped(strokes, severity, rng, donor) if donor is not None else None
    if kind == "melted":
        return _melted(strokes, severity, rng, donor)
    return _PLANTERS[kind](strokes, severity, rng)


def _between(low: float, high: float, severity: float, rng: Rng) -> float:
    """`low` at severity 0 to `high` at 1, give or take a tenth of the way."""
    return low + (high - low) * min(1.0, max(0.0, severity + rng.uniform(-0.1, 0.1)))


def _chosen(parts: Sequence[Part], severity: float, rng: Rng) -> Part | None:
    """One of the parts: small ones are likelier at a low severity, large ones at a high one."""
    if not parts:
        return None
    ranked = sorted(parts, key=lambda part: (part.size, part.label))
    return ranked[min(len(ranked) - 1, int(rng.beta(1 + 2 * severity, 3 - 2 * severity) * len(ranked)))]


def _region(shape: tuple[int, ...], row: float, column: float) -> Numbers:
    """Distances (H, W) in pixels from a place."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    distances: Numbers = np.hypot(rows - row, columns - column)
    return distances


def _erased(mask: Mask, where: Numbers) -> Mask:
    """The mask without the ink of a region and the soft edge round it."""
    erased = mask.copy()
    erased[cv2.dilate(where.astype(np.uint8), _BLOCK) > 0] = 0
    return erased


def _missing_part(strokes: Strokes, severity: float, rng: Rng) -> Mask | None:
    labels, parts = strokes.parts
    part = _chosen([part for part in parts if 0.03 < part.size / strokes.area < 0.65], severity, rng)
    return None if part is None else _erased(strokes.mask, labels == part.label)


def _length_to_be_seen(strokes: Strokes, kind: str) -> float:
    """How many pixels of a stroke of the usual width must change for the least share of the ink."""
    return LEAST_CHANGE[kind] * strokes.area / strokes.width + 2 * max(1.0, strokes.side * _THICK)


def _missing_stroke(strokes: Strokes, severity: float, rng: Rng) -> Mask | None:
    labels, segments = strokes.segments
    share = _between(0.5, 1.1, severity, rng)
    least = max(0.1 * strokes.side, strokes.width, _length_to_be_seen(strokes, "missing-stroke") / min(share, 1.0))
    segment = _chosen([each for each in segments if each.size >= least], severity, rng)
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


def _cut(strokes: Strokes, severity: float, rng: Rng) -> Mask | None:
    labels, segments = strokes.segments
    gap = max(_length_to_be_seen(strokes, "cut"), _between(0.6, 1.8, severity, rng) * strokes.width)
    segment = _chosen([each for each in segments if each.size >= max(0.12 * strokes.side, gap)], severity, rng)
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


def _added(strokes: Strokes, severity: float, rng: Rng) -> Mask:
    left, top, right, bottom = strokes.box
    side = strokes.side
    column, row = rng.uniform(left, right), rng.uniform(top, bottom)
    width = max(2.0, strokes.width * rng.uniform(0.75, 1.15))
    shape = ("bar", "bar", "dot", "hook", "curve")[rng.integers(5)]
    drawn = np.zeros_like(strokes.mask)

    def fixed(value: float) -> int:  # OpenCV's places in sixteenths of a pixel
        return round(value * 16)

    if shape == "dot":
        axes = [fixed(width * _between(0.55, 1.3, severity, rng) * rng.uniform(0.9, 1.3)) for _ in range(2)]
        turn = rng.uniform(0, 180)
        cv2.ellipse(drawn, (fixed(column), fixed(row)), axes, turn, 0, 360, 255, -1, cv2.LINE_AA, 4)
        return np.maximum(strokes.mask, drawn)
    length = max(1.3 * _length_to_be_seen(strokes, "added"), side * _between(0.25, 0.95, severity, rng))
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


def _merged(strokes: Strokes, severity: float, rng: Rng) -> Mask | None:
    size = 2 * round(max(2.0, strokes.width * _between(1.1, 2.6, severity, rng) / 2)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    wide = np.pad(strokes.ink * 255, size)  # a closing must not glue a glyph to the edge of its frame
    closed = cv2.morphologyEx(wide, cv2.MORPH_CLOSE, kernel)[size:-size, size:-size]
    filled = np.argwhere((closed > INK) & (strokes.ink == 0))
    if len(filled) < _LEAST_PIXELS:
        return None
    row, column = filled[rng.integers(len(filled))]
    radius = strokes.side * _between(0.18, 0.5, severity, rng)
    soft = cv2.GaussianBlur(closed, (3, 3), 0)
    near = _region(closed.shape, row, column) < radius
    merged: Mask = np.where(near, np.maximum(soft, strokes.mask), strokes.mask)
    return merged


def _melted(strokes: Strokes, severity: float, rng: Rng, donor: Mask | None) -> Mask:
    """Signed distances of the glyph and a foreign shape mixed, smoothed, and cut where as much ink remains."""
    foreign = donor if donor is not None and (donor > INK).any() else np.ascontiguousarray(strokes.mask[::-1, ::-1])
    own = _signed_distance(strokes.ink)
    share = _between(0.28, 0.48, severity, rng)
    blur = strokes.width * _between(0.5, 0.9, severity, rng)
    limit = 2 * strokes.width  # far from both shapes neither has a say
    mixed = (1 - share) * np.clip(own, -limit, limit)
    mixed += share * np.clip(_signed_distance((foreign > INK).astype(np.uint8)), -limit, limit)
    mixed = np.asarray(cv2.GaussianBlur(mixed, (0, 0), blur))
    row, column = np.argwhere(strokes.ink)[rng.integers(strokes.area)]
    radius = strokes.side * _between(0.35, 0.9, severity, rng)
    weight = np.clip(1.5 - _region(mixed.shape, row, column) / radius, 0, 1)
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


def _wandering(strokes: Strokes, severity: float, rng: Rng) -> Mask:
    """Every stroke goes its own way along the skeleton; or the shape is warped, wholly or in one region."""
    side = strokes.side
    reach = side * _between(0.03, 0.1, severity, rng)
    how = rng.integers(3)
    if how == 0:
        shifts = _stroke_shifts(strokes, rng)
    else:
        shifts = [_smooth_noise(strokes.mask.shape, side * rng.uniform(0.08, 0.15), rng) for _ in range(2)]
    if how == 1:
        left, top, right, bottom = strokes.box
        away = _region(strokes.mask.shape, rng.uniform(top, bottom), rng.uniform(left, right))
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


def _swapped(strokes: Strokes, severity: float, rng: Rng, donor: Mask) -> Mask | None:
    other = Strokes(donor)
    if other.area < _LEAST_INK:
        return None
    labels, parts = strokes.parts
    donor_labels, donor_parts = other.parts
    part = _chosen([each for each in parts if 0.08 < each.size / strokes.area < 0.7], severity, rng)
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
    changed = _erased(strokes.mask, labels == part.label)
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
    side = _side_slice(strokes, _between(0.3, 0.6, severity, rng), rng)
    changed = strokes.mask.copy()
    changed[side] = donor[side]
    return changed


def _mirrored(strokes: Strokes, severity: float, rng: Rng) -> Mask:
    flip = (slice(None), slice(None, None, -1)) if rng.random() < 0.7 else (slice(None, None, -1), slice(None))
    labels, parts = strokes.parts
    part = _chosen([each for each in parts if 0.08 < each.size / strokes.area < 0.7], severity, rng)
    if part is None or rng.random() < 0.3:
        side = _side_slice(strokes, _between(0.4, 1.0, severity, rng), rng)
        changed = strokes.mask.copy()
        changed[side] = strokes.mask[side][flip]
        return changed
    box = (slice(part.top, part.top + part.height), slice(part.left, part.left + part.width))
    piece = np.where(labels == part.label, strokes.mask, 0).astype(np.uint8)[box][flip]
    changed = _erased(strokes.mask, labels == part.label)
    _lay(changed, piece, part.left, part.top)
    return changed


def _half(strokes: Strokes, severity: float, rng: Rng) -> Mask:
    gone = np.zeros_like(strokes.ink)
    gone[_side_slice(strokes, _between(0.3, 0.6, severity, rng), rng)] = 1
    return _erased(strokes.mask, gone)


def _lay(mask: Mask, piece: Mask, left: int, top: int) -> None:
    """Add a piece's ink to a mask, in place."""
    height, width = piece.shape
    ground = mask[top : top + height, left : left + width]
    np.maximum(ground, piece, out=ground)


_PLANTERS: dict[str, Callable[[Strokes, float, Rng], Mask | None]] = {
    "missing-part": _missing_part,
    "missing-stroke": _missing_stroke,
    "added": _added,
    "cut": _cut,
    "merged": _merged,
    "wandering": _wandering,
    "mirrored": _mirrored,
    "half": _half,
}
