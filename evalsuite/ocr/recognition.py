"""What a line says: a box's picture upright, and a recognition network's answer as characters with their places."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from evalsuite.ocr.base import OcrError
from evalsuite.ocr.geometry import TALL, Quad

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalsuite.ocr.arcs import Arc

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
"""uint8, height × width × 3."""

LINE_HEIGHT = 48
"""The height in pixels that PP-OCR's recognition networks take lines at."""

BLANK = 0
"""The class of a CTC network that stands for no character."""


@dataclass(frozen=True, slots=True)
class Character:
    """One character of a line: its centre along the line (0 to 1 of the box's length) and its probability."""

    text: str
    at: float
    probability: float


@dataclass(frozen=True, slots=True)
class Line:
    """What was read in one box, or along an arc, which `quad` then surrounds."""

    quad: Quad
    characters: tuple[Character, ...]
    arc: Arc | None = None

    @property
    def text(self) -> str:
        """The characters in order."""
        return "".join(character.text for character in self.characters)

    @property
    def confidence(self) -> float:
        """The mean probability of the characters, as PaddleOCR has it; 0 for an empty line."""
        if not self.characters:
            return 0.0
        return sum(character.probability for character in self.characters) / len(self.characters)


def crop(pixels: Pixels, quad: Quad) -> Pixels:
    """The smallest rectangle round a box, turned upright, at full resolution; tall ones lie on their left side.

    The corners are taken to whole pixels first, as PaddleOCR does, whose models are used to such crops. Lines over
    twice the networks' height are brought down to that by averaging, since the networks' own scaling looks at
    single pixels and loses strokes. The result is empty where the box is.
    """
    import cv2

    corners = np.asarray(quad.corners, dtype=np.int32)
    points = sorted(cv2.boxPoints(cv2.minAreaRect(corners)).tolist())
    left, right = sorted(points[:2], key=lambda point: point[1]), sorted(points[2:], key=lambda point: point[1])
    (top_left, bottom_left), (top_right, bottom_right) = left, right
    width = int(max(math.dist(top_left, top_right), math.dist(bottom_left, bottom_right)))
    height = int(max(math.dist(top_left, bottom_left), math.dist(top_right, bottom_right)))
    if not width or not height:
        return np.zeros((0, 0, 3), dtype=np.uint8)
    source = np.array([top_left, top_right, bottom_right, bottom_left], dtype=np.float32)
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    upright = cv2.warpPerspective(
        pixels,
        cv2.getPerspectiveTransform(source, target),
        (width, height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if height >= TALL * width:
        upright, width, height = np.rot90(upright), height, width
    return brought_down(np.asarray(upright, dtype=np.uint8))


def brought_down(upright: Pixels) -> Pixels:
    """An upright line at twice the networks' height, where it is higher."""
    import cv2

    height, width = upright.shape[:2]
    if height > 2 * LINE_HEIGHT:
        size = max(1, round(width * 2 * LINE_HEIGHT / height)), 2 * LINE_HEIGHT
        upright = np.asarray(cv2.resize(np.ascontiguousarray(upright), size, interpolation=cv2.INTER_AREA), np.uint8)
    return np.ascontiguousarray(upright, dtype=np.uint8)


def decode(answer: np.ndarray[Any, Any], alphabet: Sequence[str], used: float) -> tuple[Character, ...]:
    """The characters of a CTC network's answer: repeats are one character, blanks part them.

    Args:
        answer: Probability of each class at each step along the line, steps × classes.
        alphabet: The character of each class; that of `BLANK` is not used.
        used: The part of the steps, 0 to 1, that lies on the line; the rest is padding on the right.

    Raises:
        OcrError: when the answer holds numbers that are no probabilities, or more classes than the alphabet.
    """
    if answer.ndim != 2 or answer.shape[1] != len(alphabet):
        raise OcrError(f"the recognition network answered with shape {answer.shape} for {len(alphabet)} classes")
    classes = answer.argmax(axis=1)
    return decode_best(classes, answer[np.arange(len(classes)), classes], alphabet, used)


def decode_best(
    classes: np.ndarray[Any, Any], probabilities: np.ndarray[Any, Any], alphabet: Sequence[str], used: float
) -> tuple[Character, ...]:
    """The characters of a CTC network's most probable classes, one at each step; see `decode`.

    Args:
        classes: The class at each step.
        probabilities: Its probability at each step.
        alphabet: See `decode`.
        used: See `decode`.

    Raises:
        OcrError: when the probabilities are none.
    """
    best = probabilities.astype(float)
    if not np.isfinite(best).all() or best.min(initial=0.0) < 0 or best.max(initial=0.0) > 1.001:
        raise OcrError("the recognition network answered with numbers that are no probabilities")
    found = []
    edges = [0, *(index for index in range(1, len(classes)) if classes[index] != classes[index - 1]), len(classes)]
    for start, end in pairwise(edges):
        if start == end or classes[start] == BLANK:
            continue
        # The centre is that of the run of steps; the probability is the first step's, as PaddleOCR has it.
        centre = (start + end) / 2 / (len(classes) * used)
        found.append(Character(alphabet[classes[start]], min(centre, 1.0), min(float(best[start]), 1.0)))
    return tuple(found)
