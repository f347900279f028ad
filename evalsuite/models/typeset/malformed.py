"""Malformed glyphs in the typeset reference: chosen characters are drawn with a structural defect.

The text stays the intended one. Which characters, in which way, follows from the page's key; all else on the page is as
without them. Defects are planted at 72 pixels an em or more and brought to the page's size, so that they mean the
same at every size.
"""

from __future__ import annotations

import importlib.util
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import regex

from evalsuite.errors import EvalsuiteError
from evalsuite.extras import install_command
from evalsuite.models.typeset.defects import KINDS, NEEDS_DONOR, can_be_malformed
from evalsuite.models.typeset.fonts import Face, font
from evalsuite.records import Json, digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from PIL.Image import Image

MALFORMING_VERSION = "1"

DEFAULT_SEVERITY = 0.5

_WORKING_SIZE = 72

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels; right and bottom lie outside."""


@dataclass(frozen=True, slots=True)
class Malforming:
    """How often, how badly and in which ways characters are malformed. `rate` and `severity` are in [0, 1].

    Raises:
        EvalsuiteError: for a number out of range, an unknown kind, or where OpenCV is missing.
    """

    rate: float = 0.0
    severity: float = DEFAULT_SEVERITY
    kinds: tuple[str, ...] = tuple(KINDS)

    def __post_init__(self) -> None:
        if not 0.0 <= self.rate <= 1.0:
            raise EvalsuiteError(
                f"typeset:malformed={self.rate:g}: a rate between 0 and 1 is needed, e.g. malformed=0.1"
            )
        if not 0.0 <= self.severity <= 1.0:
            raise EvalsuiteError(f"typeset:severity={self.severity:g}: a number from 0, just visible, to 1 is needed")
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown or not self.kinds:
            raise EvalsuiteError(
                f"typeset:kinds={'+'.join(self.kinds)}: {unknown[0] if unknown else 'nothing'!r} is no kind of "
                f"malformed glyph; known, joined by +: {', '.join(KINDS)}"
            )
        if self.rate and importlib.util.find_spec("cv2") is None:
            raise EvalsuiteError(
                f"typeset:malformed={self.rate:g}: malformed glyphs are drawn with OpenCV, which is not "
                f"installed; run: {install_command('ocr')}"
            )


@dataclass(frozen=True, slots=True)
class Order:
    """One character to malform: its place among the graphemes of its string, and how. Kinds are tried in turn."""

    index: int
    character: str
    kinds: tuple[str, ...]
    severity: float
    seed: int
    donors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Planted:
    """A character that was malformed; `box` holds what was and what is there, in the pixels of its mask or page."""

    index: int
    character: str
    kind: str
    box: Box


def _is_eastern(character: str) -> bool:
    return ord(character) > 0x2E7F


def orders(text: str, malforming: Malforming, key: Sequence[Json]) -> dict[int, Order]:
    """The characters of a string to malform, by their number among its code points that are not white space.

    Each that can be malformed is chosen with the probability `malforming.rate`. The same `key` chooses the same.
    """
    if malforming.rate == 0.0:
        return {}
    rng = random.Random(digest([*key, text, "malformed", MALFORMING_VERSION]))  # noqa: S311 - reproducible defects
    graphemes = regex.findall(r"\X", text)
    able = tuple(dict.fromkeys(character for character in graphemes if can_be_malformed(character)))
    found: dict[int, Order] = {}
    number = 0
    for index, grapheme in enumerate(graphemes):
        if can_be_malformed(grapheme) and rng.random() < malforming.rate:
            kinds = rng.sample(malforming.kinds, len(malforming.kinds))
            donors = [other for other in able if other != grapheme and _is_eastern(other) == _is_eastern(grapheme)]
            chosen = tuple(rng.sample(donors, min(2, len(donors))))
            found[number] = Order(index, grapheme, tuple(kinds), malforming.severity, rng.getrandbits(63), chosen)
        number += sum(not code.isspace() for code in grapheme)
    return found


def by_line(lines: Sequence[str], chosen: Mapping[int, Order]) -> Iterator[dict[int, Order]]:
    """For every line of a wrapped string the orders by their place in the line."""
    number = 0
    for line in lines:
        found = {}
        for place, code in enumerate(line):
            if code.isspace():
                continue
            if number in chosen:
                found[place] = chosen[number]
            number += 1
        yield found


@dataclass(frozen=True, slots=True)
class Glyph:
    """A malformed glyph as 8-bit grey. `origin` is where in `mask` the pen's place, at the line's top, lies."""

    kind: str
    mask: Image
    origin: tuple[int, int]
    box: Box


def malformed_glyph(order: Order, face: Face, size: int, start: tuple[float, float]) -> Glyph | None:
    """The character of an order, malformed, at `size` pixels an em; None where no kind can be planted in it.

    `start` holds the fractions of a pixel that the pen's place has.
    """
    from PIL import Image

    from evalsuite.models.typeset.defects.plant import malform

    scale = -(-_WORKING_SIZE // size)
    sound = _drawn(order.character, face, size, scale, start)
    donors = [_drawn(other, face, size, scale, start) for other in order.donors]
    for number, kind in enumerate(order.kinds):
        rng = np.random.default_rng([order.seed, number])
        donor = donors[number % len(donors)] if donors else None
        if donor is None and kind in NEEDS_DONOR:
            continue
        if donor is not None and donor.shape != sound.shape:
            donor = _in_frame(donor, sound.shape)
        changed = malform(sound, kind=kind, severity=order.severity, rng=rng, donor=donor)
        if changed is not None:
            mask = Image.fromarray(changed).reduce(scale)
            left, top, right, bottom = mask.getbbox() or (0, 0, *mask.size)
            was = Image.fromarray(_drawn(order.character, face, size, 1, start)).getbbox()
            was = was or (left, top, right, bottom)
            box = min(left, was[0]), min(top, was[1]), max(right, was[2]), max(bottom, was[3])
            return Glyph(kind, mask, (size // 2, size // 2), box)
    return None


def _drawn(character: str, face: Face, size: int, scale: int, start: tuple[float, float]) -> np.ndarray:
    """The character's mask at `scale` times its size on the page, half an em free on every side."""
    from PIL import Image, ImageDraw

    shape, pad = font(face, size), size // 2
    ascent, descent = shape.getmetrics()
    frame = (round(shape.getlength(character)) + 2 * pad + 2, ascent + descent + 2 * pad)
    mask = Image.new("L", (frame[0] * scale, frame[1] * scale), 0)
    place = (pad + start[0]) * scale, (pad + start[1] + ascent) * scale
    ImageDraw.Draw(mask).text(place, character, fill=255, font=font(face, size * scale), anchor="ls")
    return np.array(mask)


def _in_frame(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A mask cut, or filled on the right and below, to another's shape: baselines stay level."""
    frame = np.zeros(shape, mask.dtype)
    height, width = (min(have, want) for have, want in zip(mask.shape, shape, strict=True))
    frame[:height, :width] = mask[:height, :width]
    return frame


def write_line(
    mask: Image,
    place: tuple[float, float],
    line: str,
    face: Face,
    size: int,
    chosen: Mapping[int, Order],
    *,
    stroke: int = 0,
) -> list[Planted]:
    """Draw a line at its left top corner into an 8-bit mask, the chosen characters malformed; tells which those are.

    With `stroke` the outline of so many pixels is drawn too. A character that nothing could be planted in is drawn
    as it is.
    """
    from PIL import ImageDraw

    shape, pen = font(face, size), ImageDraw.Draw(mask)
    planted, begin = [], 0

    def at(index: int) -> float:
        return place[0] + (shape.getlength(line[: index + 1]) - shape.getlength(line[index]) if index else 0.0)

    def write_sound(end: int) -> None:
        if end > begin:
            pen.text((at(begin), place[1]), line[begin:end], fill=255, font=shape, stroke_width=stroke)

    for index, order in sorted(chosen.items()):
        left = at(index)
        glyph = malformed_glyph(order, face, size, (left % 1, place[1] % 1))
        if glyph is None:
            continue
        write_sound(index)
        begin = index + 1
        corner = int(left // 1) - glyph.origin[0], int(place[1] // 1) - glyph.origin[1]
        mask.paste(255, corner, outlined(glyph.mask, stroke))
        planted.append(Planted(order.index, order.character, glyph.kind, shifted(glyph.box, *corner)))
    write_sound(len(line))
    return planted


def outlined(mask: Image, stroke: int) -> Image:
    """The mask grown by a round pen of `stroke` pixels; itself without one."""
    if not stroke:
        return mask
    import cv2
    from PIL import Image

    pen = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * stroke + 1, 2 * stroke + 1))
    return Image.fromarray(cv2.dilate(np.asarray(mask), pen))


def shifted(box: Box, across: int, down: int) -> Box:
    """The box moved by so many pixels."""
    left, top, right, bottom = box
    return left + across, top + down, right + across, bottom + down


def covered(size: tuple[int, int], box: Box) -> Image:
    """A mask of `size` that is full in a box: what is done to the lettering's mask moves it too."""
    from PIL import Image

    mask = Image.new("L", size, 0)
    mask.paste(255, box)
    return mask
