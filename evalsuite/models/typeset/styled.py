"""Styled pages: perfect lettering that is designed, not printed.

What a reader makes of clean print says little of posters, neon and handwriting. A styled page draws each string once,
in one of `STYLES` for the page, in display and hand-drawn faces, large and small, and always so that a person reads it
without effort: letters are whole and apart, lie inside the page, and stand off from their ground.
"""

from __future__ import annotations

import colorsys
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from evalsuite.models.typeset import lettering
from evalsuite.models.typeset.backgrounds import Colour, luminance, paint
from evalsuite.models.typeset.fonts import CAPITAL_FACES, Face, font, styled_faces_for
from evalsuite.models.typeset.malformed import (
    Box,
    Order,
    Planted,
    by_line,
    covered,
    malformed_glyph,
    shifted,
    write_line,
)
from evalsuite.models.typeset.page import PageFullError, lettering_colour, placed, within, wrap
from evalsuite.records import Json, digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PIL.Image import Image

STYLE_VERSION = "1"

STYLES = ("tilted", "perspective", "arc", "neon", "embossed", "outlined", "shadowed", "hand")
"""What a page's lettering looks like. Busy grounds and sizes vary over all of them."""

_SIZES = tuple(dict.fromkeys(round(12 * 1.1**step) for step in range(48)))
"""Pixels an em that are drawn, 12 to 1,058: few, so that opened faces are used again."""

_LEADING = 1.3
_MARGIN = 0.04


@dataclass(frozen=True, slots=True)
class _Tile:
    """A string's lettering, and the characters in it that are malformed.

    All else stays where it is without these: `size` is that of the lettering without them, and `corner` is where the
    image begins, seen from its corner.
    """

    image: Image
    size: tuple[int, int]
    corner: tuple[int, int]
    planted: tuple[Planted, ...]


def render(
    texts: Sequence[str],
    *,
    width: int,
    height: int,
    key: Json,
    chosen: Sequence[Mapping[int, Order]] | None = None,
) -> tuple[Image, tuple[tuple[Planted, ...], ...]]:
    """An RGB page of `width` × `height` pixels that shows each text once. The same `key` gives the same page.

    `chosen` and what is returned are those of `page.render`. A box holds the letter itself, without its glow or shadow.

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
    """The same with the box of each text: all of its lettering lies within, with glow and shadow."""
    rng = random.Random(digest([key, "styled", STYLE_VERSION]))  # noqa: S311 - a reproducible page
    style = rng.choice(STYLES)
    page, colours, busy = _ground(style, width, height, rng)
    columns = 2 if len(texts) > 5 else 1
    rows = -(-len(texts) // columns)
    lengths = [max(map(len, texts[at * columns : (at + 1) * columns])) for at in range(rows)]
    shares = [rng.uniform(0.7, 1.3) * (1 + length / 40) for length in lengths]
    top = height * _MARGIN
    planted: list[tuple[Planted, ...]] = []
    boxes: list[Box] = []
    for row in range(rows):
        tall = height * (1 - 2 * _MARGIN) * shares[row] / sum(shares)
        for column, text in enumerate(texts[row * columns : (row + 1) * columns]):
            wide = width * (1 - 2 * _MARGIN) / columns
            orders = chosen[len(planted)] if chosen else {}
            tile = _fitted(text, style, busy, colours, (int(wide * 0.96), int(tall * 0.94)), rng, orders)
            left = width * _MARGIN + column * wide + (wide - tile.size[0]) * rng.uniform(0.2, 0.8)
            low = top + (tall - tile.size[1]) * rng.uniform(0.2, 0.8)
            corner = round(left) + tile.corner[0], round(low) + tile.corner[1]
            page.paste(tile.image, corner, tile.image)
            planted.append(tuple(placed(each, each.box, corner, page.size) for each in tile.planted))
            boxes.append(within(shifted((0, 0, *tile.image.size), *corner), page.size))
        top += tall
    return page, tuple(planted), tuple(boxes)


def _ground(style: str, width: int, height: int, rng: random.Random) -> tuple[Image, tuple[Colour, Colour], bool]:
    """The page, its darkest and lightest colour, and whether it is busy."""
    from PIL import Image, ImageDraw, ImageFilter

    if style == "neon":
        base = _colour(rng.random(), 0.5, 0.13)
        page = Image.new("RGB", (width, height), base)
        pen = ImageDraw.Draw(page)
        brick = max(12, height // 24)
        joint = tuple(part + 12 for part in base)
        for row in range(height // brick + 1):
            pen.line([(0, row * brick), (width, row * brick)], fill=joint, width=2)
            for column in range(-1, width // (2 * brick) + 1):
                x = column * 2 * brick + (row % 2) * brick
                pen.line([(x, row * brick), (x, (row + 1) * brick)], fill=joint, width=2)
        return page.filter(ImageFilter.GaussianBlur(1)), (base, joint), False  # type: ignore[return-value]
    if style == "embossed":
        base = _colour(rng.random(), rng.uniform(0.1, 0.5), rng.uniform(0.5, 0.7))
        noise = np.random.default_rng(rng.getrandbits(64)).normal(0, 3, (height, width, 1))
        return (
            Image.fromarray(np.clip(np.array(base) + noise, 0, 255).astype(np.uint8)),
            (base, base),
            False,
        )
    if style in ("outlined", "shadowed") or rng.random() < 0.3:
        page = Image.new("RGB", (width, height), _colour(rng.random(), 0.4, 0.6))
        pen = ImageDraw.Draw(page)
        for _ in range(60):
            across, down, radius = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0.02, 0.16) * height
            fill = _colour(rng.random(), rng.uniform(0.2, 0.8), rng.uniform(0.3, 0.9))
            pen.ellipse([across - radius, down - radius, across + radius, down + radius], fill=fill)
        return page.filter(ImageFilter.GaussianBlur(height / 170)), ((0, 0, 0), (255, 255, 255)), True
    page, extremes = paint(width, height, rng)
    return page, extremes, False


def _colour(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, saturation, value))
    return red, green, blue


def _fitted(
    text: str,
    style: str,
    busy: bool,
    colours: tuple[Colour, Colour],
    room: tuple[int, int],
    rng: random.Random,
    chosen: Mapping[int, Order],
) -> _Tile:
    """The string in its style, as large as its room allows, or much smaller: a page has large and small lettering."""
    face = rng.choice(styled_faces_for(text))
    largest = min(room[1] / _LEADING, room[0] / 2.2)
    # Relief and narrow letters are read by a person only where they are large.
    small = style != "embossed" and face not in CAPITAL_FACES
    wanted = largest * rng.choice((1.0, 1.0, 0.6, 0.3) if small else (1.0, 0.8))
    state = rng.getstate()
    for size in [each for each in reversed(_SIZES) if each <= max(wanted, _SIZES[0])]:
        rng.setstate(state)  # the same angles and colours at every size that is tried
        lines = wrap(text, face, size, int(room[0] * 0.92))
        if lines is None:
            continue
        sound = _lettered(lines, face, size, style, busy, colours, rng, {})
        bounds = sound.image.getbbox() or (0, 0, *sound.image.size)
        if bounds[2] - bounds[0] > room[0] or bounds[3] - bounds[1] > room[1]:
            continue
        if not chosen:
            return _cut(sound, bounds, 0)
        rng.setstate(state)
        return _cut(_lettered(lines, face, size, style, busy, colours, rng, chosen), bounds, size // 2)
    raise PageFullError(f"{text[:40]!r} does not fit {room[0]}×{room[1]} pixels of a styled page")


def _lettered(
    lines: Sequence[str],
    face: Face,
    size: int,
    style: str,
    busy: bool,
    colours: tuple[Colour, Colour],
    rng: random.Random,
    chosen: Mapping[int, Order],
) -> _Tile:
    """The lettering in its style, not cut to what is seen of it."""
    from PIL import Image

    mask, planted = _mask(lines, face, size, rng if style == "hand" else None, chosen)
    if style == "neon":
        tile = lettering.neon(mask, _colour(rng.random(), 0.9, 1.0), size)
    elif style == "embossed":
        tile = lettering.embossed(mask, colours[0], size)
    elif busy:
        light = rng.random() < 0.6
        inner = _colour(rng.random(), 0.12 if light else 0.9, 1.0 if light else 0.22)
        outer = (10, 10, 14) if light else (250, 250, 246)
        if style == "hand":
            edge = _grown(mask, size)
        else:
            edge, _ = _mask(lines, face, size, None, chosen, stroke=max(2, size // 9))
        tile = Image.alpha_composite(lettering.filled(edge, outer), lettering.filled(mask, inner))
        if style == "shadowed":
            tile = Image.alpha_composite(lettering.shadowed(edge, outer, outer, size), tile)
    else:
        colour = lettering_colour(colours, rng)
        shade = (0, 0, 0) if luminance(colour) > 0.4 else (120, 120, 120)
        tile = lettering.shadowed(mask, colour, shade, size) if rng.random() < 0.3 else lettering.filled(mask, colour)
    state = rng.getstate()
    shaped = _shaped(tile, style, len(lines), rng)
    moved = []
    for each in planted:
        again = random.Random()  # noqa: S311 - it only repeats what was drawn
        again.setstate(state)
        box = _shaped(lettering.filled(covered(mask.size, each.box), (0, 0, 0)), style, len(lines), again).getbbox()
        moved.append(replace(each, box=box or each.box))
    return _Tile(shaped, shaped.size, (0, 0), tuple(moved))


def _cut(tile: _Tile, bounds: Box, margin: int) -> _Tile:
    """The tile cut to `bounds`, and where defects may reach beyond them to `margin` pixels more."""
    left, top, right, bottom = bounds
    wide, high = tile.image.size
    cut = max(0, left - margin), max(0, top - margin), min(wide, right + margin), min(high, bottom + margin)
    planted = [replace(each, box=shifted(each.box, -cut[0], -cut[1])) for each in tile.planted]
    size, corner = (right - left, bottom - top), (cut[0] - left, cut[1] - top)
    return _Tile(tile.image.crop(cut), size, corner, tuple(planted))


def _shaped(tile: Image, style: str, lines: int, rng: random.Random) -> Image:
    """The lettering bent, turned or in perspective, where its style is one of these."""
    if style == "arc" and lines == 1:
        return lettering.bent(tile, rng.uniform(35, 80))
    if style in ("tilted", "arc"):
        return lettering.turned(tile, rng.uniform(6, 20) * rng.choice((-1, 1)))
    if style == "perspective":
        return lettering.in_perspective(tile, rng)
    return tile


def _mask(
    lines: Sequence[str],
    face: Face,
    size: int,
    hand: random.Random | None,
    chosen: Mapping[int, Order],
    *,
    stroke: int = 0,
) -> tuple[Image, tuple[Planted, ...]]:
    """The lines, centred, as 8-bit grey, and what is malformed. A hand sets letters a little off the line.

    Letters that join stay on it.
    """
    from PIL import Image, ImageDraw

    shape = font(face, size)
    pad = max(4, size // 2)
    widest = max(shape.getlength(line) for line in lines)
    mask = Image.new("L", (round(widest) + 2 * pad, round(len(lines) * size * _LEADING) + 2 * pad), 0)
    planted: list[Planted] = []
    for number, (line, orders) in enumerate(zip(lines, by_line(lines, chosen), strict=True)):
        left, top = pad + (widest - shape.getlength(line)) / 2, pad + number * size * _LEADING
        if hand is None or face.shaped:
            planted += write_line(mask, (left, top), line, face, size, orders, stroke=stroke)
            continue
        for at, letter in enumerate(line):
            glyph = Image.new("L", (2 * size + 8, 2 * size + 8), 0)
            begin = (size // 2 + 4, size // 2)
            found = malformed_glyph(orders[at], face, size, (0.0, 0.0)) if at in orders else None
            box = None
            if found is None:
                ImageDraw.Draw(glyph).text(begin, letter, fill=255, font=shape)
            else:
                corner = begin[0] - found.origin[0], begin[1] - found.origin[1]
                glyph.paste(255, corner, found.mask)
                box = shifted(found.box, *corner)
            angle = hand.uniform(-5, 5)
            glyph = glyph.rotate(angle, resample=Image.Resampling.BICUBIC)
            place = round(left) - size // 2 - 4, round(top + hand.uniform(-0.05, 0.05) * size) - size // 2
            mask.paste(255, place, glyph)
            if found is not None and box is not None:
                turned = covered(glyph.size, box).rotate(angle, resample=Image.Resampling.BICUBIC).getbbox() or box
                planted.append(Planted(orders[at].index, letter, found.kind, shifted(turned, *place)))
            left += shape.getlength(letter)
    return mask, tuple(planted)


def _grown(mask: Image, size: int) -> Image:
    from PIL import ImageFilter

    return mask.filter(ImageFilter.MaxFilter(2 * max(1, size // 14) + 1))
