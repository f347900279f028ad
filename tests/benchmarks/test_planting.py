"""Defects planted into pictures of lines: a stroke that goes leaves nothing, and what is beside stays as it is."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

pytest.importorskip("cv2", reason="OpenCV is not installed (evalsuite[ocr])")

from benchmarks._planting import planted_line
from evalsuite.glyphs.characters import cut_out
from evalsuite.models.typeset.fonts import CJK_FACES, font
from evalsuite.records import Characters, TextLine

RED = (200, 40, 40)


def sign():
    """White 十二十 outlined in black on red, as a line (BGR); the 二 cut out."""
    face = font(CJK_FACES[1], 50)
    picture = Image.new("RGB", (220, 90), RED)
    pen = ImageDraw.Draw(picture)
    for letter, x in zip("十二十", (45, 110, 175), strict=True):
        pen.text((x, 78), letter, font=face, fill="white", anchor="ms", stroke_width=3, stroke_fill="black")
    line = TextLine(
        text="十二十", polygon=((0, 0), (220, 0), (220, 90), (0, 90)), confidence=1.0,
        characters=Characters(at=(205, 500, 795), p=(1000,) * 3),
    )  # fmt: skip
    pixels = np.ascontiguousarray(np.asarray(picture)[:, :, ::-1])
    return pixels, cut_out(pixels, line)[1]


def test_a_part_that_goes_leaves_neither_outline_nor_edge():
    """Where a bar of 二 was, with its outline and soft edge, is red as if there had been none."""
    pixels, cut = sign()
    drawn = [planted_line(pixels, cut, np.random.default_rng(seed)) for seed in range(25)]
    gone = [picture for picture, kind in filter(None, drawn) if kind == "missing-part"]
    assert gone
    for picture in gone:
        changed = np.flatnonzero((picture != pixels).any(axis=(1, 2)))
        there = picture[changed[0] : changed[-1] + 1, 76:146]
        assert np.abs(there.astype(int) - RED[::-1]).max() <= 5


def test_what_stands_beside_the_glyph_stays():
    pixels, cut = sign()
    kinds = set()
    for seed in range(20):
        if planted := planted_line(pixels, cut, np.random.default_rng(seed)):
            picture, kind = planted
            kinds.add(kind)
            if kind in ("missing-part", "missing-stroke", "cut", "half"):
                assert np.array_equal(picture[:, :74], pixels[:, :74])
                assert np.array_equal(picture[:, 146:], pixels[:, 146:])
    assert len(kinds) >= 5


def test_the_same_lot_plants_the_same_defect():
    pixels, cut = sign()
    one, other = (planted_line(pixels, cut, np.random.default_rng(3)) for _ in range(2))
    assert one is not None
    assert other is not None
    assert np.array_equal(one[0], other[0])


def test_a_blank_line_takes_no_defect():
    pixels, cut = sign()
    assert planted_line(np.full_like(pixels, 128), cut, np.random.default_rng(0)) is None
