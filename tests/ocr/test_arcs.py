"""Lines along an arc: what is fitted, how it is unrolled, and that real lettering along one is read."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image, ImageDraw

from evalsuite.models.typeset.fonts import LATIN_FACES, font
from evalsuite.ocr.arcs import Arc, fitted, seen_arcs, straightened
from evalsuite.ocr.geometry import Quad
from evalsuite.scoring import count, score_image

QUARTER = Arc((100.0, 100.0), 50.0, math.radians(-135), math.radians(90), 20.0)
"""Over the top: from the upper left to the upper right, heads outwards."""


def band(centre: tuple[float, float], radius: float, thickness: float, start: float, end: float) -> np.ndarray:
    """The middles of all pixels of a band, angles in degrees."""
    y, x = np.mgrid[0:600, 0:600] + 0.5
    away = np.hypot(x - centre[0], y - centre[1])
    angle = (np.degrees(np.arctan2(y - centre[1], x - centre[0])) - start) % 360
    inside = (np.abs(away - radius) <= thickness / 2) & (angle <= end - start)
    return np.stack([x[inside], y[inside]], axis=1)


def test_a_band_over_the_top_is_found_again_from_left_to_right():
    arc = fitted(band((300, 320), 200, 24, -150, -30), 1.0, 10.0)
    assert arc is not None
    assert arc.centre == pytest.approx((300, 320), abs=1)
    assert arc.radius == pytest.approx(200, abs=1)
    assert math.degrees(arc.start) == pytest.approx(-150 - math.degrees(10 / 200), abs=1)
    assert math.degrees(arc.span) == pytest.approx(120 + 2 * math.degrees(10 / 200), abs=1)
    assert arc.height == pytest.approx(24 + 20, abs=2)


def test_a_band_along_the_foot_runs_from_left_to_right_with_the_heads_inwards():
    arc = fitted(band((300, 280), 200, 24, 30, 150), 1.0, 0.0)
    assert arc is not None
    assert math.degrees(arc.start) % 360 == pytest.approx(150, abs=1)
    assert math.degrees(arc.span) == pytest.approx(-120, abs=1)


@pytest.mark.parametrize(
    "points",
    [
        np.stack(np.meshgrid(np.arange(300.0), np.arange(20.0)), axis=-1).reshape(-1, 2),  # a straight line
        np.stack(np.meshgrid(np.arange(90.0), np.arange(80.0)), axis=-1).reshape(-1, 2),  # a block
        band((300, 300), 200, 24, 0, 360),  # a ring has no ends
        band((300, 300), 60, 100, -100, -80),  # too short
        np.concatenate([band((300, 300), 200, 10, -150, -30), band((300, 300), 120, 10, -150, -30)]),  # two lines
    ],
)
def test_what_lies_along_no_arc_is_none(points):
    assert fitted(points, 1.0, 5.0) is None


def test_the_map_shows_an_arc_that_fills_little_of_its_rectangle():
    seen = np.zeros((300, 300), dtype=np.float32)
    x, y = (band((300, 320), 200, 24, -150, -30) / 2).astype(int).T
    seen[y, x] = 0.9
    ((arc, score),) = seen_arcs(seen, (2.0, 2.0), thresh=0.3, box_thresh=0.6, unclip_ratio=1.5)
    assert score == pytest.approx(0.9, abs=1e-3)
    assert arc.radius == pytest.approx(200, abs=3)
    assert arc.centre == pytest.approx((300, 320), abs=4)
    assert seen_arcs(seen, (2.0, 2.0), thresh=0.3, box_thresh=0.95, unclip_ratio=1.5) == []


def test_corners_and_rectangle_of_a_quarter():
    """Radii 60 and 40 about (100, 100), from 225 to 315 degrees."""
    outer, inner = 60 * math.sqrt(0.5), 40 * math.sqrt(0.5)
    first, last = QUARTER.outline[0], QUARTER.outline[len(QUARTER.outline) // 2 - 1]
    assert first == pytest.approx((100 - outer, 100 - outer))
    assert last == pytest.approx((100 + outer, 100 - outer))
    assert QUARTER.outline[-1] == pytest.approx((100 - inner, 100 - inner))
    (left, top), _, (right, bottom), _ = QUARTER.quad.corners
    assert (left, right) == pytest.approx((100 - outer, 100 + outer))
    assert (top, bottom) == pytest.approx((40, 100 - inner))
    assert QUARTER.length == pytest.approx(50 * math.pi / 2)


def test_an_arc_read_from_its_other_end_has_its_corners_exchanged():
    half = len(QUARTER.outline) // 2
    turned = QUARTER.reversed.outline
    assert turned[0] == pytest.approx(QUARTER.outline[half])
    assert turned[half] == pytest.approx(QUARTER.outline[0])


def test_a_more_bent_arc_has_the_same_ends_a_smaller_radius_and_the_same_mean_height():
    arc = Arc((0.0, 0.0), 400.0, math.radians(-110), math.radians(40), 60.0)
    bent = arc.more_bent
    assert bent.radius == pytest.approx(400 / 1.3)
    chord = 2 * 400 * math.sin(math.radians(20))
    assert 2 * bent.radius * math.sin(bent.span / 2) == pytest.approx(chord)
    rise = bent.radius * (1 - math.cos(bent.span / 2)) - 400 * (1 - math.cos(math.radians(20)))
    assert bent.centre == pytest.approx((0, -(400 + rise / 3 - bent.radius)))
    assert bent.height == pytest.approx(60 - rise)
    steep = Arc((0.0, 0.0), 100.0, math.radians(-170), math.radians(160), 30.0)
    assert steep.more_bent == steep


def test_what_an_arc_shares_with_a_box_and_with_another_arc():
    whole = Quad(((0.0, 0.0), (200.0, 0.0), (200.0, 200.0), (0.0, 200.0)))
    assert QUARTER.covered_by(whole, 0.0) == pytest.approx(1)
    middle = Quad(((80.0, 80.0), (120.0, 80.0), (120.0, 120.0), (80.0, 120.0)))  # inside the rim
    assert QUARTER.covered_by(middle, 0.0) == 0
    assert QUARTER.covered_by(QUARTER.reversed, 0.0) == pytest.approx(1, abs=0.02)


def test_unrolled_rings_are_stripes_with_the_outer_one_on_top():
    y, x = np.mgrid[0:200, 0:200] + 0.5
    outer = np.hypot(x - 100, y - 100) > 50
    pixels = np.repeat(np.where(outer, 200, 40).astype(np.uint8)[..., None], 3, axis=2)
    strip = straightened(pixels, QUARTER)
    assert strip.shape == (20, 79, 3)
    assert (strip[:7] == 200).all()
    assert (strip[13:] == 40).all()
    turned = straightened(pixels, QUARTER.reversed)
    assert (turned[:7] == 40).all()


def lettering(text: str, radius: float, span: float, *, below: bool = False) -> Image.Image:
    """Letters along an arc about the middle of 512 pixels, each upright to its radius."""
    picture = Image.new("RGB", (512, 512), "#f4ead0")
    face = font(LATIN_FACES[0], 34)
    for index, letter in enumerate(text):
        turn = ((index + 0.5) / len(text) - 0.5) * span
        tile = Image.new("RGBA", (80, 80))
        ImageDraw.Draw(tile).text((40, 40), letter, font=face, fill="#402010", anchor="mm")
        tile = tile.rotate(turn if below else -turn, resample=Image.Resampling.BICUBIC)
        x = 256 + radius * math.sin(math.radians(turn))
        y = 256 + radius * math.cos(math.radians(turn)) * (1 if below else -1)
        picture.paste(tile, (round(x - 40), round(y - 40)), tile)
    return picture


@pytest.mark.slow
@pytest.mark.parametrize("below", [False, True])
def test_letters_along_an_arc_are_read_and_keep_their_places(below):
    pytest.importorskip("paddleocr", reason="PaddleOCR is not installed (evalsuite[ocr])")
    from evalsuite.ocr.paddle import PaddleReader

    lines = PaddleReader.parse().read(lettering("FRESH COFFEE", 200, 90, below=below))
    counts = count(score_image(["FRESH COFFEE"], lines))
    assert (counts.edits, counts.extra_length) == (0, 0)
