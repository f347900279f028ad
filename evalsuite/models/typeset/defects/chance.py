"""What the defects share: how severity and chance choose sizes and parts, and how ink is taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalsuite.models.typeset.defects.strokes import Mask, Numbers, Part

Rng = np.random.Generator

_BLOCK = np.ones((3, 3), np.uint8)


def between(low: float, high: float, severity: float, rng: Rng) -> float:
    """`low` at severity 0 to `high` at 1, give or take a tenth of the way."""
    return low + (high - low) * min(1.0, max(0.0, severity + rng.uniform(-0.1, 0.1)))


def chosen(parts: Sequence[Part], severity: float, rng: Rng) -> Part | None:
    """One of the parts: small ones are likelier at a low severity, large ones at a high one."""
    if not parts:
        return None
    ranked = sorted(parts, key=lambda part: (part.size, part.label))
    return ranked[min(len(ranked) - 1, int(rng.beta(1 + 2 * severity, 3 - 2 * severity) * len(ranked)))]


def distances_from(shape: tuple[int, ...], row: float, column: float) -> Numbers:
    """Distances (H, W) in pixels from a place."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    distances: Numbers = np.hypot(rows - row, columns - column)
    return distances


def erased(mask: Mask, where: Numbers) -> Mask:
    """The mask without the ink of a region and the soft edge round it."""
    erased = mask.copy()
    erased[cv2.dilate(where.astype(np.uint8), _BLOCK) > 0] = 0
    return erased
