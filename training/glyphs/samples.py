"""Training samples: a character between its neighbours, sound or with a planted defect, in the verifier's frame.

Geometry is made here, on CPUs: the line's ink in one layer, what stands around it (other lines, rules, boxes, bubbles)
in a second. Light, colour, blur and compression come later (`photometry`). Everything but the defect happens to sound
and malformed characters alike. Some 200 samples per second and core.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from evalsuite.glyphs.frame import BASELINE, CANVAS, EM, SIDE, scale_of
from evalsuite.models.typeset.defects.kinds import KINDS
from evalsuite.models.typeset.defects.plant import malform
from training.glyphs.bank import REFERENCES

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from training.glyphs.bank import Bank, Split

LABELS = ("sound", *KINDS, "wrong")
"""`wrong` is another, sound character in the place of the one that was meant."""

SCRIPTS = ("latin", "hanzi")
_WIDE = 3 * CANVAS


@dataclass(frozen=True)
class Samples:
    """A batch.

    `layers` (n, 2, 64, 64) in 8 bits; `frames` (n, 3, 3): scale and middle (x, y) of each reference drawing; `about`
    (n, 4): script, label, face, character, as places in `SCRIPTS`, `LABELS` and the bank.
    """

    layers: NDArray[np.uint8]
    frames: NDArray[np.float32]
    about: NDArray[np.int16]


def make(
    banks: dict[str, Bank],
    count: int,
    rng: Generator,
    split: Split = "trained",
    *,
    unseen: bool = False,
    hanzi: float = 0.5,
    rough: bool = False,
) -> Samples:
    """`count` samples, half of them sound; `unseen` takes the hanzi that no training sample shows.

    `rough` is for training: more hand and display faces, letters that touch, a marker's strokes, places and heights
    that are far off, as a reader's are in pictures.
    """
    layers = np.zeros((count, 2, SIDE, SIDE), np.uint8)
    frames = np.zeros((count, REFERENCES, 3), np.float32)
    about = np.zeros((count, 4), np.int16)
    done = 0
    while done < count:
        script = 1 if unseen or rng.random() < hanzi else 0
        label = 0 if rng.random() < 0.5 else int(rng.integers(1, len(LABELS)))
        for _ in range(6):  # other characters before another label: else the rare defects would be rarer
            made = _sample(banks[SCRIPTS[script]], label, rng, split, unseen=unseen, rough=rough)
            if made is not None:
                break
        else:
            continue
        layers[done], frames[done], (face, character) = made
        about[done] = script, label, face, character
        done += 1
    return Samples(layers, frames, about)


def _sample(
    bank: Bank, label: int, rng: Generator, split: Split, *, unseen: bool, rough: bool
) -> tuple[NDArray[np.uint8], NDArray[np.float32], tuple[int, int]] | None:
    faces = bank.faces(split)
    if rng.random() < (0.4 if rough else 0.3):  # hand and display faces are fewer than print, and harder
        faces = np.array([each for each in faces if bank.styles[each] in ("hand", "display")] or faces)
    face = int(rng.choice(faces))
    there = bank.advance[face] > 0
    targets = np.flatnonzero(there & (bank.advance[:REFERENCES] > 0).all(axis=0))
    targets = targets[targets >= bank.trained] if unseen else targets[targets < bank.trained]
    every = np.flatnonzero(there)
    if len(targets) < 2:
        return None
    character = int(rng.choice(targets))
    beside = [int(each) for each in rng.choice(every, int(rng.integers(1, 7)))]
    mask = bank.masks[face, character]
    name = LABELS[label]
    shown = character
    if name == "wrong":
        shown = int(rng.choice(every))
        if shown == character or any(_alike(bank, character, shown, each) for each in (0, face)):
            return None
        mask = bank.masks[face, shown]
    elif name != "sound":
        donor = bank.masks[face, int(rng.choice(every))]
        planted = malform(mask, kind=name, severity=float(rng.uniform(0.15, 1)), rng=rng, donor=donor)
        if planted is None:
            return None
        mask = planted
    top, bottom = _rows(bank, face, [shown, *beside])
    left, right = (int(each) for each in bank.columns[face, shown])
    if bottom - top < 14:
        return None
    line = np.zeros((CANVAS, _WIDE), np.uint8)
    line[:, CANVAS : 2 * CANVAS] = mask
    gap = rng.uniform(-0.06 if rough else -0.02, 0.14) * EM
    for side in (-1, 1):
        if rng.random() < 0.85:
            other = beside[int(rng.integers(len(beside)))]
            step = side * ((bank.advance[face, shown] + bank.advance[face, other]) / 2 + gap)
            _lay(line, bank.masks[face, other], CANVAS + round(float(step)), 0)
    around = _surroundings(bank, face, every, (top, bottom), rng)
    line, around = _worn(line, rng), _worn(around, rng)
    if rough and rng.random() < 0.12:
        line = _marked(line, rng)
    off = rough and rng.random() < 0.12
    place = _placed((left + CANVAS, right + CANVAS), (top, bottom), rng, off=off)
    layers = np.stack([_warped(line, place), _warped(around, place)])
    frames = np.zeros((REFERENCES, 3), np.float32)
    for each in range(REFERENCES):
        rows = _rows(bank, each, [character, *(b for b in beside if bank.advance[each, b] > 0)])
        columns = bank.columns[each, character]
        scale = scale_of(rows[1] - rows[0], columns[1] - columns[0])
        frames[each] = scale, columns.mean(), (rows[0] + rows[1]) / 2
    return layers, frames, (face, character)


def _alike(bank: Bank, one: int, other: int, face: int) -> bool:
    """Whether two characters look nearly the same in a face: O and 0, l and I, 己 and 已."""
    if bank.characters[one].lower() == bank.characters[other].lower():
        return True
    a, b = bank.masks[face, one] > 127, bank.masks[face, other] > 127
    thin = cv2.erode((a ^ b).astype(np.uint8), np.ones((3, 3), np.uint8))
    return bool(thin.sum() < 0.06 * a.sum())


def _rows(bank: Bank, face: int, characters: list[int]) -> tuple[int, int]:
    rows = bank.rows[face, characters]
    rows = rows[rows[:, 1] > 0]
    return (int(rows[:, 0].min()), int(rows[:, 1].max())) if len(rows) else (BASELINE - 52, BASELINE)


def _lay(canvas: NDArray[np.uint8], mask: NDArray[np.uint8], left: int, top: int) -> None:
    """Lays a mask into a canvas, as much of it as falls inside."""
    height, width = mask.shape
    from_x, from_y = max(0, -left), max(0, -top)
    to_x, to_y = min(width, canvas.shape[1] - left), min(height, canvas.shape[0] - top)
    if to_x > from_x and to_y > from_y:
        part = canvas[top + from_y : top + to_y, left + from_x : left + to_x]
        np.maximum(part, mask[from_y:to_y, from_x:to_x], out=part)


def _surroundings(
    bank: Bank, face: int, every: NDArray[np.intp], rows: tuple[int, int], rng: Generator
) -> NDArray[np.uint8]:
    """What real pictures have beside a line: lines above and below, rules, edges of boxes and bubbles."""
    layer = np.zeros((CANVAS, _WIDE), np.uint8)
    if rng.random() < 0.55:
        return layer
    top, bottom = rows
    height = bottom - top
    width = int(rng.integers(2, 8))
    for side in (-1, 1):
        if rng.random() < 0.35:  # the line above or below, close enough to peek in
            shift = side * round(float(height * rng.uniform(1.0, 1.4)))
            x = CANVAS + round(float(rng.uniform(-EM, 0)))
            for other in rng.choice(every, 3):
                _lay(layer, bank.masks[face, other], x, shift)
                x += round(float(bank.advance[face, other])) + 3
        if rng.random() < 0.25:  # a rule: an underline, the edge of a box or of a sign
            y = (bottom if side > 0 else top) + side * round(float(height * rng.uniform(0.06, 0.3)))
            slope = int(rng.normal(0, 2))
            cv2.line(layer, (0, y - slope), (_WIDE, y + slope), 255, width)
        if rng.random() < 0.15:  # an upright edge beside the character
            x = CANVAS + CANVAS // 2 + side * round(float(EM * rng.uniform(0.55, 0.8)))
            cv2.line(layer, (x, 0), (x + int(rng.normal(0, 2)), CANVAS), 255, width)
    if rng.random() < 0.2:  # a bubble or a round sign
        radius = int(rng.uniform(0.8, 3) * CANVAS)
        angle = rng.uniform(0, 2 * np.pi)
        near = height * rng.uniform(0.6, 0.8)
        centre = (
            int(1.5 * CANVAS - np.cos(angle) * (radius - near)),
            int((top + bottom) / 2 - np.sin(angle) * (radius - near)),
        )
        cv2.circle(layer, centre, radius, 255, width)
    return layer


def _worn(layer: NDArray[np.uint8], rng: Generator) -> NDArray[np.uint8]:
    """Small changes of outline and weight that sound characters have too."""
    if not layer.any():
        return layer
    draw = rng.random()
    if draw < 0.35:
        layer = _elastic(layer, rng, rng.uniform(0.3, 1.1), rng.uniform(6, 14))
    elif draw < 0.5:
        layer = _elastic(layer, rng, rng.uniform(0.2, 0.5), rng.uniform(2, 3.5))
    if rng.random() < 0.6:
        soft = cv2.GaussianBlur(layer, (0, 0), rng.uniform(0.7, 1.8)).astype(np.float32)
        layer = np.clip((soft - rng.uniform(90, 165)) * rng.uniform(2, 6) + 127, 0, 255).astype(np.uint8)
    draw = rng.random()
    if draw < 0.06:  # hollow letters
        side = int(rng.integers(2, 5))
        layer = cv2.morphologyEx(layer, cv2.MORPH_GRADIENT, np.ones((side, side), np.uint8))
    elif draw < 0.10:  # letters of pixels
        side = int(rng.integers(2, 5))
        small = cv2.resize(layer, (_WIDE // side, CANVAS // side), interpolation=cv2.INTER_AREA)
        layer = (cv2.resize(small, (_WIDE, CANVAS), interpolation=cv2.INTER_NEAREST) > 100).astype(np.uint8) * 255
    elif draw < 0.2:
        layer = cv2.dilate(layer, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3)))
    return np.asarray(layer, np.uint8)


def _marked(layer: NDArray[np.uint8], rng: Generator) -> NDArray[np.uint8]:
    """As a marker draws: round ends and corners, lines that sway."""
    layer = _elastic(layer, rng, rng.uniform(0.8, 1.8), rng.uniform(10, 18))
    soft = cv2.GaussianBlur(layer, (0, 0), rng.uniform(1.5, 2.6)).astype(np.float32)
    return np.asarray(np.clip((soft - rng.uniform(70, 125)) * 6 + 127, 0, 255), np.uint8)


def _elastic(layer: NDArray[np.uint8], rng: Generator, amount: float, sigma: float) -> NDArray[np.uint8]:
    height, width = layer.shape
    shifts = []
    for _ in range(2):
        coarse = rng.standard_normal((height // 2, width // 2)).astype(np.float32)
        field = cv2.GaussianBlur(coarse, (0, 0), sigma / 2)
        shifts.append(cv2.resize(field * (amount / (field.std() + 1e-6)), (width, height)))
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.asarray(cv2.remap(layer, columns + shifts[0], rows + shifts[1], cv2.INTER_LINEAR), np.uint8)


def _placed(
    columns: tuple[int, int], rows: tuple[int, int], rng: Generator, *, off: bool = False
) -> NDArray[np.float32]:
    """The perspective that brings the character into the frame, a little off as a reader's places are, or far `off`."""
    width, height = max(4, columns[1] - columns[0]), rows[1] - rows[0]
    middle = np.array([(columns[0] + columns[1]) / 2, (rows[0] + rows[1]) / 2])
    scale = scale_of(height, width) * (rng.uniform(0.7, 1.1) if off else rng.uniform(0.88, 1.08))
    angle = np.deg2rad(np.clip(rng.normal(0, 4.5), -12, 12))
    stretch = np.array(
        [[scale * rng.uniform(0.9, 1.1), rng.normal(0, 0.07) * scale], [0, scale * rng.uniform(0.95, 1.05)]]
    )
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ stretch
    corners = middle + np.array([[-width, -height], [width, -height], [width, height], [-width, height]]) / 2
    aimed = (corners - middle) @ turn.T + SIDE / 2 + rng.normal(0, (4.0, 2.5) if off else 1.6, 2)
    if rng.random() < 0.4:
        aimed += rng.normal(0, 1.3, (4, 2))
    return np.asarray(cv2.getPerspectiveTransform(corners.astype(np.float32), aimed.astype(np.float32)), np.float32)


def _warped(layer: NDArray[np.uint8], place: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.asarray(cv2.warpPerspective(layer, place, (SIDE, SIDE), flags=cv2.INTER_LINEAR), np.uint8)
