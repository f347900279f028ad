"""Structural defects planted in the mask of one glyph, as generators of images make them.

Sizes follow the glyph: its stroke width and the larger side of its ink. A defect counts only where it can be seen:
what changed must hold a square of `THICK` of the side, and such changes must come to a stated share of the ink
(`LEAST_CHANGE`); a shifted outline is none. And it must not leave a form that other faces draw: see `changes_shape`.
After Zhang and Suen's thinning every step is OpenCV's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from evalsuite.models.typeset.defects.kinds import KINDS, LEAST_CHANGE, NEEDS_DONOR
from evalsuite.models.typeset.defects.shape_changes import changes_shape
from evalsuite.models.typeset.defects.shape_defects import half, melted, mirrored, swapped, wandering
from evalsuite.models.typeset.defects.stroke_defects import added, cut, merged, missing_part, missing_stroke
from evalsuite.models.typeset.defects.strokes import INK, LEAST_INK, THICK, Mask, Strokes

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalsuite.models.typeset.defects.chance import Rng

__all__ = ["KINDS", "LEAST_CHANGE", "NEEDS_DONOR", "malform", "visible_change"]

_LEAST_PIXELS = 10
_TRIES = 6


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
    if strokes.area < LEAST_INK or (other is None and kind in NEEDS_DONOR):
        return None
    for _ in range(_TRIES):
        changed = _plant(kind, strokes, severity, rng, other)
        if changed is None:
            return None
        if _is_visible(strokes, changed, LEAST_CHANGE[kind]) and changes_shape(kind, strokes, Strokes(changed)):
            return changed if mask.dtype == np.uint8 else (changed / 255).astype(mask.dtype)
    return None


def visible_change(before: Mask, after: Mask) -> int:
    """The pixels that changed between ink and ground, less what an outline moved by a pixel or so explains.

    Both are (H, W) of 8 bits. The change is eroded by a square whose side is a 36th of the glyph's, at least 2 pixels:
    of a glyph of 72 pixels that takes one pixel of its thickness.
    """
    return _visible(Strokes(before), after)


def _visible(strokes: Strokes, after: Mask) -> int:
    thick = max(2, round(strokes.side * THICK))
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
        return swapped(strokes, severity, rng, donor) if donor is not None else None
    if kind == "melted":
        return melted(strokes, severity, rng, donor)
    return _ALONE[kind](strokes, severity, rng)


_ALONE: dict[str, Callable[[Strokes, float, Rng], Mask | None]] = {
    "missing-part": missing_part,
    "missing-stroke": missing_stroke,
    "added": added,
    "cut": cut,
    "merged": merged,
    "wandering": wandering,
    "mirrored": mirrored,
    "half": half,
}
"""The defects that need no other character."""
