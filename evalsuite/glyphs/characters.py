"""Where the characters of a line lie in its picture: cut out by the reader's own places, in the verifier's frame.

The reader says how far along the line each character stands; the ink between two neighbours says where one ends and the
next begins. Rows and columns of ink follow Otsu's threshold of the distance from the line's ground.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from evalsuite.glyphs.frame import framed, scale_of
from evalsuite.glyphs.reference import script_of
from evalsuite.ocr.geometry import Quad
from evalsuite.ocr.recognition import crop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from evalsuite.ocr.recognition import Pixels
    from evalsuite.records import TextLine

Grey = np.ndarray[Any, np.dtype[np.uint8]]


BEYOND = 64.0
"""So many pixels may a line reach beyond the picture; a stored one that reaches further was not read in it."""


@dataclass(frozen=True, slots=True)
class Cut:
    """One character of a line: its place in the line's text and its picture in the frame, (64, 64).

    `width` is that of its ink in the frame, `height` that of the line's ink in pixels of the original picture; `rows`
    and `columns` are where the line's ink and the character's lie in the upright picture of the line.
    """

    index: int
    character: str
    picture: Grey
    width: float
    height: float
    rows: tuple[int, int]
    columns: tuple[int, int]


def cut_out(pixels: Pixels, line: TextLine) -> tuple[Cut, ...]:
    """The characters of a line that have references, cut out of the picture (BGR, H × W × 3).

    A line without places or a polygon (another reader's) has none, nor has one whose text and places do not agree, or
    that does not lie in the picture.
    """
    if line.polygon is None or line.characters is None or len(line.polygon) != 4:
        return ()
    if len(line.characters.at) != len(line.text) or not line.text.strip():
        return ()
    quad = Quad(line.polygon)
    left, top, right, bottom = quad.bounds
    if left < -BEYOND or top < -BEYOND or right > pixels.shape[1] + BEYOND or bottom > pixels.shape[0] + BEYOND:
        return ()
    upright = crop(pixels, quad)
    if min(upright.shape[:2], default=0) < 8:
        return ()
    import cv2

    height, width = upright.shape[:2]
    ink = _ink(upright)
    top, bottom = _rows(ink)
    columns = ink[top:bottom].sum(axis=0).astype(float)
    places = [index for index, character in enumerate(line.text) if not character.isspace()]
    centres = [line.characters.at[index] / 1000 * width for index in places]
    inked = "".join(line.text[index] for index in places)
    edges = _edges(inked, centres, columns, bottom - top, width)
    grey = cv2.cvtColor(upright, cv2.COLOR_BGR2GRAY)
    found = []
    for index, (left, right) in zip(places, pairwise(edges), strict=True):
        character = line.text[index]
        if script_of(character) is None:
            continue
        start, stop = int(left), int(np.ceil(right))
        dark = np.flatnonzero(columns[start:stop] > 0.03 * (bottom - top))
        across = (start + dark[0], start + dark[-1] + 1) if len(dark) else (start, max(stop, start + 1))
        picture = framed(np.asarray(grey, np.uint8), (top, bottom), across, edges=True)
        if quad.runs_down and script_of(character) == "hanzi":
            picture = np.ascontiguousarray(np.rot90(picture, -1))  # such lines were laid on their side to be read
        shown = (across[1] - across[0]) * scale_of(bottom - top, across[1] - across[0])
        tall = (bottom - top) * quad.height / height
        found.append(Cut(index, character, picture, shown, tall, (top, bottom), (int(across[0]), int(across[1]))))
    return tuple(found)


def _ink(line: Pixels) -> NDArray[np.bool_]:
    """Which pixels differ from the ground, which is the median of the line's uppermost and lowest rows."""
    import cv2

    lab = cv2.cvtColor(line, cv2.COLOR_BGR2LAB).astype(np.float32)
    ground = np.median(np.concatenate([lab[:2].reshape(-1, 3), lab[-2:].reshape(-1, 3)]), axis=0)
    away = np.clip(np.linalg.norm(lab - ground, axis=2) * 2, 0, 255).astype(np.uint8)
    threshold, _ = cv2.threshold(away, 0, 255, cv2.THRESH_OTSU)
    return np.asarray(away > threshold)


def _rows(ink: NDArray[np.bool_]) -> tuple[int, int]:
    height = len(ink)
    profile = ink.sum(axis=1)
    inked = np.flatnonzero(profile > max(1.0, 0.04 * float(np.percentile(profile, 95))))
    if len(inked) <= 0.25 * height:
        return int(0.08 * height), max(int(0.92 * height), int(0.08 * height) + 1)
    return int(inked[0]), int(inked[-1]) + 1


def _edges(text: str, centres: Sequence[float], columns: NDArray[np.float64], height: int, width: int) -> list[float]:
    """The columns at which characters part: where there is least ink between two centres, near their middle."""
    pitch = float(np.median(np.diff(centres))) if len(centres) > 1 else float(height)
    reach = [
        max(0.62 * height, 0.5 * pitch) if script_of(each) == "hanzi" else 0.9 * height for each in (text[0], text[-1])
    ]
    edges = [max(0.0, centres[0] - reach[0])]
    for before, after in pairwise(centres):
        gap = after - before
        low = int(np.clip(before + 0.2 * gap, 0, width - 2))
        high = int(np.clip(np.ceil(after - 0.2 * gap), low + 1, width))
        places = np.arange(low, high)
        far = np.abs(places - (before + after) / 2) / max(1, high - low) * 0.25 * height
        edges.append(float(low + int(np.argmin(columns[low:high] + far))))
    return [*edges, min(float(width), centres[-1] + reach[1])]
