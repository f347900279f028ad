"""The frame in which the verifier sees a character: 64 × 64 grey values, the line's ink 52 high, the character centred.

The same rule places the crop of a picture and the drawing of a reference, so that the two lie upon each other. Masks
are drawn at 72 pixels per em on a canvas of 108 × 108, with the baseline at row 76.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.ImageFont import FreeTypeFont

SIDE = 64
INK_HEIGHT, MOST_INK_WIDTH = 52, 56
EM, CANVAS, BASELINE = 72, 108, 76
INK = 100
"""Grey value from which on a pixel of a drawn mask counts as ink."""


def draw(character: str, font: FreeTypeFont) -> NDArray[np.uint8]:
    """The mask of one character, (108, 108), 255 where there is ink; `font` is set to `EM` pixels."""
    from PIL import Image, ImageDraw

    canvas = Image.new("L", (CANVAS, CANVAS))
    left = (CANVAS - font.getlength(character)) / 2
    ImageDraw.Draw(canvas).text((left, BASELINE), character, font=font, fill=255, anchor="ls")
    return np.asarray(canvas)


def ink_rows(masks: list[NDArray[np.uint8]]) -> tuple[int, int]:
    """The rows from and to which the ink of a line's characters reaches, drawn on one baseline."""
    rows = np.flatnonzero(np.max([mask.max(axis=1) for mask in masks], axis=0) > INK)
    return (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (BASELINE - INK_HEIGHT, BASELINE)


def ink_columns(mask: NDArray[np.uint8]) -> tuple[int, int]:
    """The columns from and to which a character's ink reaches."""
    columns = np.flatnonzero(mask.max(axis=0) > INK)
    return (int(columns[0]), int(columns[-1]) + 1) if len(columns) else (CANVAS // 2 - 8, CANVAS // 2 + 8)


def scale_of(height: float, width: float) -> float:
    """By how much ink of so many pixels is scaled to fit the frame."""
    return min(INK_HEIGHT / max(height, 1.0), MOST_INK_WIDTH / max(width, 4.0))


def framed(
    picture: NDArray[np.uint8], rows: tuple[float, float], columns: tuple[float, float], *, edges: bool = False
) -> NDArray[np.uint8]:
    """The part of a picture (rows, columns) that the frame shows; beyond its edge, their values where `edges`, or 0."""
    import cv2

    scale = scale_of(rows[1] - rows[0], columns[1] - columns[0])
    middle_x, middle_y = (columns[0] + columns[1]) / 2, (rows[0] + rows[1]) / 2
    place = np.array(
        [[scale, 0, SIDE / 2 - scale * middle_x], [0, scale, SIDE / 2 - scale * middle_y]], dtype=np.float32
    )
    if scale < 0.75:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.4 / scale), dtype=np.uint8)
    border = cv2.BORDER_REPLICATE if edges else cv2.BORDER_CONSTANT
    return np.asarray(
        cv2.warpAffine(picture, place, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=border), dtype=np.uint8
    )
