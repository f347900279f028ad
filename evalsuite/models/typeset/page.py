"""Pages for the typeset reference: a seeded ground, and the strings laid on it in rows and columns.

The pages are varied (faces, sizes, colours, grounds, wrapped lines, columns, slight rotation) but fair: the
contrast is that of readable print, lines do not touch, and nothing leaves the page.
"""

from __future__ import annotations

import colorsys
import random
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from evalsuite.errors import EvalsuiteError
from evalsuite.models.typeset.backgrounds import Colour, contrast, paint
from evalsuite.models.typeset.fonts import Face, faces_for, font
from evalsuite.models.typeset.malformed import Box, Order, Planted, by_line, covered, shifted, write_line
from evalsuite.records import Json, digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PIL.Image import Image

LAYOUT_VERSION = "1"

MIN_CONTRAST = 7.0
"""WCAG's enhanced contrast ratio between lettering and ground, worst pixel of the ground counted."""

_MAX_SIZE, _MIN_SIZE, _LEAST_SIZE = 96, 22, 11
_LEADING = 1.32
_MAX_ROTATION = 2.0
_GUTTER = 2.5
"""Ems between two columns: a reader must see two columns, not one line."""


class PageFullError(EvalsuiteError):
    """The strings do not fit the page at the smallest size that is drawn."""


@dataclass(frozen=True, slots=True)
class _Block:
    """One string, wrapped, in its face and size; `width` and `height` in pixels."""

    face: Face
    size: int
    lines: tuple[str, ...]
    width: int
    height: int


def render(
    texts: Sequence[str],
    *,
    width: int,
    height: int,
    key: Json,
    chosen: Sequence[Mapping[int, Order]] | None = None,
) -> tuple[Image, tuple[tuple[Planted, ...], ...]]:
    """An RGB page of `width` × `height` pixels that shows each text once. The same `key` gives the same page.

    `chosen` names for each text the characters to malform (`malformed.orders`). Returned are, besides the page, those
    of each text that are malformed on it, with their boxes.

    Raises:
        PageFullError: when the texts do not fit.
        FontsMissingError: when no face has a text's characters.
    """
    page, planted, _ = render_placed(texts, width=width, height=height, key=key, chosen=chosen)
    return page, planted


def render_placed(
    texts: Sequence[str],
    *,
    width: int,
    height: int,
    key: Json,
    chosen: Sequence[Mapping[int, Order]] | None = None,
) -> tuple[Image, tuple[tuple[Planted, ...], ...], tuple[Box, ...]]:
    """The same with the box of each text: all of its ink lies within."""
    rng = random.Random(digest([key, LAYOUT_VERSION]))  # noqa: S311 - a reproducible page
    page, extremes = paint(width, height, rng)
    columns = 2 if len(texts) >= 4 and rng.random() < 0.5 else 1
    faces = [rng.choice(faces_for(text)) for text in texts]
    scales = [rng.uniform(0.75, 1.0) for _ in texts]
    top_size = round(min(_MAX_SIZE, width / 11) * rng.uniform(0.8, 1.0))
    margin = round(width * 0.06)
    # On a page below 1,024 pixels, what does not fit at the smallest size is drawn as small as it would be there.
    smaller = max(_LEAST_SIZE, round(_MIN_SIZE * min(width, height, 1024) / 1024))
    for size, least in [
        *((size, _MIN_SIZE) for size in range(top_size, _MIN_SIZE - 1, -2)),
        *((size, smaller) for size in range(_MIN_SIZE, smaller - 1, -1)),
    ]:
        rows = _rows(texts, faces, scales, size, columns, width - 2 * margin, least)
        free = height - 2 * margin - sum(max(block.height for block in row) for row in rows)
        gap = free / (len(rows) + 1)
        if rows and gap >= size * 0.9:
            break
    else:
        characters = sum(map(len, texts))
        raise PageFullError(f"{len(texts)} strings of {characters} characters do not fit a {width}×{height} page")
    lettering = [lettering_colour(extremes, rng) for _ in range(2)]
    top = margin + gap
    planted: list[tuple[Planted, ...]] = []
    boxes: list[Box] = []
    for row in rows:
        row_height = max(block.height for block in row)
        cell = _column_width(width - 2 * margin, len(row), size)
        for index, block in enumerate(row):
            step = cell + _GUTTER * size
            left = margin + index * step + (cell - block.width) * rng.choice([0.0, 0.0, 0.5, 1.0])
            # A turned line must stay within its gap: tan(angle) of half its width.
            limit = min(_MAX_ROTATION, 57.3 * gap / max(block.width, 1))
            angle = rng.uniform(-limit, limit) if rng.random() < 0.4 else 0.0
            low = top + (row_height - block.height) / 2
            orders = chosen[len(planted)] if chosen else {}
            found, box = _draw(page, block, left, low, rng.choice(lettering), angle, orders)
            planted.append(found)
            boxes.append(box)
        top += row_height + gap
    return page, tuple(planted), tuple(boxes)


def _column_width(width: int, columns: int, size: int) -> int:
    return int((width - (columns - 1) * _GUTTER * size) / columns)


def _rows(
    texts: Sequence[str],
    faces: Sequence[Face],
    scales: Sequence[float],
    size: int,
    columns: int,
    width: int,
    least: int,
) -> list[list[_Block]]:
    """The blocks in rows of `columns`; empty when some word is wider than its column."""
    blocks = []
    for text, face, scale in zip(texts, faces, scales, strict=True):
        block = _block(text, face, max(least, round(size * scale)), _column_width(width, columns, size))
        if block is None:
            return []
        blocks.append(block)
    return [blocks[start : start + columns] for start in range(0, len(blocks), columns)]


# A line may break at spaces and between ideographs, but not before closing or after opening punctuation.
_UNIT = re.compile(
    r"[（《「『【“‘(\[]*[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff][，。！？：；、）》」』】”’)\]…·%!?,.:;]*|[^\s\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+|\s+"
)


def wrap(text: str, face: Face, size: int, width: int) -> tuple[str, ...] | None:
    """The lines of a text that is at most `width` pixels wide; None where some word is wider."""
    shape = font(face, size)
    lines: list[str] = [""]
    for unit in _UNIT.findall(text):
        if shape.getlength(lines[-1] + unit.rstrip()) <= width:
            lines[-1] += unit
        elif unit.isspace():
            lines.append("")
        else:
            lines[-1] = lines[-1].rstrip()
            lines.append(unit)
    lines = [line.strip() for line in lines if line.strip()]
    return tuple(lines) if max(shape.getlength(line) for line in lines) <= width else None


def _block(text: str, face: Face, size: int, width: int) -> _Block | None:
    lines = wrap(text, face, size, width)
    if lines is None:
        return None
    widest = max(font(face, size).getlength(line) for line in lines)
    return _Block(face, size, lines, round(widest), round(size * _LEADING * len(lines)))


def lettering_colour(extremes: Sequence[Colour], rng: random.Random) -> Colour:
    """A colour with enough contrast to the lightest and the darkest pixel of the ground."""
    for _ in range(200):
        hue, saturation, value = (
            rng.random(),
            rng.uniform(0.0, 0.9),
            rng.choice([rng.uniform(0, 0.4), rng.uniform(0.85, 1)]),
        )
        red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, saturation, value))
        if all(contrast((red, green, blue), ground) >= MIN_CONTRAST for ground in extremes):
            return red, green, blue
    black, white = (0, 0, 0), (255, 255, 255)
    return max(black, white, key=lambda colour: min(contrast(colour, ground) for ground in extremes))


def _draw(
    page: Image, block: _Block, left: float, top: float, colour: Colour, angle: float, chosen: Mapping[int, Order]
) -> tuple[tuple[Planted, ...], Box]:
    from PIL import Image

    pad = block.size
    mask = Image.new("L", (block.width + 2 * pad, block.height + 2 * pad), 0)
    planted = []
    for index, (line, orders) in enumerate(zip(block.lines, by_line(block.lines, chosen), strict=True)):
        place = (pad, pad + index * block.size * _LEADING)
        planted += write_line(mask, place, line, block.face, block.size, orders)
    if angle:
        mask = mask.rotate(angle, resample=Image.Resampling.BICUBIC)
    corner = round(left) - pad, round(top) - pad
    page.paste(colour, corner, mask)
    box = within(shifted(mask.getbbox() or (0, 0, 0, 0), *corner), page.size)
    return tuple(_on_page(each, mask.size, angle, corner, page.size) for each in planted), box


def _on_page(
    planted: Planted, size: tuple[int, int], angle: float, corner: tuple[int, int], page: tuple[int, int]
) -> Planted:
    """A character of a mask of `size`, its box turned and moved with the mask to its corner on the page."""
    from PIL import Image

    box = planted.box
    if angle:
        turned = covered(size, box).rotate(angle, resample=Image.Resampling.BICUBIC)
        box = turned.getbbox() or box
    return placed(planted, box, corner, page)


def placed(planted: Planted, box: Box, corner: tuple[int, int], page: tuple[int, int]) -> Planted:
    """A malformed character with its box, in pixels from `corner`, moved to the page and cut at the page's edges."""
    return replace(planted, box=within(shifted(box, *corner), page))


def within(box: Box, page: tuple[int, int]) -> Box:
    """The part of a box that lies on a page of that width and height."""
    left, top, right, bottom = box
    return max(0, left), max(0, top), min(page[0], right), min(page[1], bottom)
