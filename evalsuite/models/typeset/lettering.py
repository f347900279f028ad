"""Designed lettering for the styled reference, in RGBA, transparent around the letters.

A string's shape becomes neon, relief, outline or shadow; a finished block is turned, put in perspective, or bent along
an arc.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import random

    from PIL.Image import Image

    from evalsuite.models.typeset.backgrounds import Colour

Pixels = np.ndarray[Any, np.dtype[np.float64]]


def filled(mask: Image, colour: Colour) -> Image:
    """The letters of a mask (8-bit grey) in one colour."""
    from PIL import Image

    tile = Image.new("RGBA", mask.size, (*colour, 0))
    tile.putalpha(mask)
    return tile


def neon(mask: Image, colour: Colour, size: int) -> Image:
    """Tubes that are nearly white within and glow in `colour`; `size` is that of the letters, pixels an em."""
    from PIL import Image, ImageFilter

    wide = mask.filter(ImageFilter.GaussianBlur(size / 5)).point(lambda value: min(150, value * 2))
    near = mask.filter(ImageFilter.GaussianBlur(size / 20)).point(lambda value: min(230, value * 2))
    white = (round(255 - (255 - part) * 0.25) for part in colour)
    tile = Image.alpha_composite(filled(wide, colour), filled(near, colour))
    return Image.alpha_composite(tile, filled(mask, tuple(white)))  # type: ignore[arg-type]


def embossed(mask: Image, ground: Colour, size: int) -> Image:
    """Letters pressed out of a ground of nearly their colour: a lit edge, a shaded one, and a face a little lighter."""
    from PIL import Image, ImageChops, ImageFilter

    depth = max(1, size // 18)
    soft = mask.filter(ImageFilter.GaussianBlur(depth / 3))
    lit = ImageChops.subtract(ImageChops.offset(soft, -depth, -depth), soft)
    shaded = ImageChops.subtract(ImageChops.offset(soft, depth, depth), soft)
    face = tuple(min(255, part + 22) for part in ground)
    tile = filled(mask, face)  # type: ignore[arg-type]
    tile = Image.alpha_composite(filled(lit, (255, 255, 255)), tile)
    return Image.alpha_composite(filled(shaded, (0, 0, 0)), tile)


def shadowed(mask: Image, colour: Colour, shade: Colour, size: int) -> Image:
    """Letters above their own blurred shadow."""
    from PIL import Image, ImageChops, ImageFilter

    shift = max(2, size // 12)
    shadow = ImageChops.offset(mask, shift, shift).filter(ImageFilter.GaussianBlur(shift / 2))
    return Image.alpha_composite(filled(shadow, shade), filled(mask, colour))


def turned(tile: Image, angle: float) -> Image:
    """The tile turned by `angle` degrees, anticlockwise."""
    from PIL import Image

    return tile.rotate(angle, resample=Image.Resampling.BICUBIC, expand=True)


def in_perspective(tile: Image, rng: random.Random) -> Image:
    """The tile as a board seen from one side: one of its ends keeps its height, the other shrinks to two thirds."""
    from PIL import Image

    width, height = tile.size
    far, slope = rng.uniform(0.62, 0.8), rng.uniform(-0.12, 0.12)
    short, shift = height * (1 - far) / 2, height * slope
    left = [(0.0, 0.0), (0.0, float(height))]
    right = [(width * 0.92, short + shift), (width * 0.92, height - short + shift)]
    if rng.random() < 0.5:
        left, right = (
            [(width * 0.08, short + shift), (width * 0.08, height - short + shift)],
            [(float(width), 0.0), (float(width), float(height))],
        )
    corners = [(0.0, 0.0), (0.0, float(height)), (float(width), 0.0), (float(width), float(height))]
    rows, wanted = [], []
    for (x, y), (u, v) in zip([*left, *right], corners, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        wanted += [u, v]
    found = np.linalg.solve(np.array(rows), np.array(wanted))
    return tile.transform(tile.size, Image.Transform.PERSPECTIVE, tuple(found), Image.Resampling.BICUBIC)


def bent(tile: Image, degrees: float) -> Image:
    """The tile along an arc: its middle line becomes `degrees` of a circle, the text's feet towards the centre."""
    from PIL import Image

    width, height = tile.size
    span = np.radians(degrees)
    radius = width / span
    outer, inner = radius + height / 2, radius - height / 2
    out_width = int(2 * outer * np.sin(span / 2)) + 2
    out_height = int(outer - inner * np.cos(span / 2)) + 2
    y, x = np.mgrid[0:out_height, 0:out_width].astype(np.float64)
    across, down = x - out_width / 2, outer - y
    distance, angle = np.hypot(across, down), np.arctan2(across, down)
    source = np.asarray(tile, dtype=np.float64)
    found = _sampled(source, (angle / span + 0.5) * width, outer - distance)
    return Image.fromarray(np.rint(found).astype(np.uint8), "RGBA")


def _sampled(source: Pixels, x: Pixels, y: Pixels) -> Pixels:
    """Bilinear samples of an image (H, W, 4) at the places x, y (h, w); nothing outside of it."""
    height, width = source.shape[:2]
    inside = (x >= 0) & (x < width - 1) & (y >= 0) & (y < height - 1)
    x, y = np.where(inside, x, 0), np.where(inside, y, 0)
    left, top = x.astype(int), y.astype(int)
    right_part, low_part = (x - left)[..., None], (y - top)[..., None]
    upper = source[top, left] * (1 - right_part) + source[top, left + 1] * right_part
    lower = source[top + 1, left] * (1 - right_part) + source[top + 1, left + 1] * right_part
    found: Pixels = (upper * (1 - low_part) + lower * low_part) * inside[..., None]
    return found
