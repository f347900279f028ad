"""Grounds for the typeset reference's pages: plain, graded, grained like paper, or softly mottled."""

from __future__ import annotations

import colorsys
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import random

    from PIL.Image import Image

Colour = tuple[int, int, int]


def luminance(colour: Colour) -> float:
    """Relative luminance in [0, 1] of an sRGB colour (WCAG 2.2)."""
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (c / 255 for c in colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: Colour, other: Colour) -> float:
    """Contrast ratio of two colours, in [1, 21] (WCAG 2.2)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def paint(width: int, height: int, rng: random.Random) -> tuple[Image, tuple[Colour, Colour]]:
    """An RGB ground and its darkest and lightest colour (2nd and 98th percentile of each channel)."""
    from PIL import Image

    dark = rng.random() < 0.35
    hue = rng.random()
    saturation, value = (
        (rng.uniform(0.2, 0.8), rng.uniform(0.06, 0.25)) if dark else (rng.uniform(0.0, 0.25), rng.uniform(0.88, 1.0))
    )
    base = np.array([255 * part for part in colorsys.hsv_to_rgb(hue, saturation, value)], dtype=np.float32)
    pixels = np.broadcast_to(base, (height, width, 3)).copy()
    kind = rng.choice(("plain", "graded", "grained", "mottled"))
    noise = np.random.default_rng(rng.getrandbits(64))
    if kind == "graded":
        slope = np.linspace(-1, 1, height, dtype=np.float32)[:, None, None]
        pixels += slope * rng.uniform(6, 16)
    elif kind == "grained":
        pixels += noise.normal(0, rng.uniform(1.5, 5), (height, width, 1)).astype(np.float32)
    elif kind == "mottled":
        coarse = noise.normal(0, 1, (16, 16)).astype(np.float32)
        soft = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        pixels += np.asarray(soft)[:, :, None] * rng.uniform(3, 9)
    eight_bit = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    low, high = np.percentile(eight_bit.reshape(-1, 3)[:: max(1, width * height // 65_536)], [2, 98], axis=0)
    extremes = (_colour(low), _colour(high))
    return Image.fromarray(eight_bit), extremes


def _colour(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Colour:
    red, green, blue = (round(float(value)) for value in values)
    return red, green, blue
