"""The verifier that ships: references, cut-outs, doubts, and the rules of what it can tell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image, ImageDraw

from evalsuite.models.typeset.fonts import CJK_FACES, LATIN_FACES, font
from evalsuite.records import Characters, TextLine

pytest.importorskip("cv2", reason="OpenCV is not installed (evalsuite[ocr])")
pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed (evalsuite[ocr])")

from evalsuite.glyphs.characters import Cut, cut_out
from evalsuite.glyphs.look import look_at_line
from evalsuite.glyphs.reference import references, script_of
from evalsuite.glyphs.verifier import open_verifier, standardised


def written(text: str, *, size: int = 60, hanzi: bool = False, upright: bool = False):
    """A picture with one line, black on white, and the line as a reader would tell it."""
    face = font(CJK_FACES[1] if hanzi else LATIN_FACES[2], size)
    widths = [face.getlength(each) for each in text]
    long, high = int(sum(widths)) + 40, 2 * size
    picture = Image.new("RGB", (high, long) if upright else (long, high), "white")
    pen, along, places = ImageDraw.Draw(picture), 20.0, []
    for each, width in zip(text, widths, strict=True):
        places.append((along + width / 2 - 10) / (long - 20))
        if upright:
            pen.text((high / 2, along), each, font=face, fill="black", anchor="mt")
        else:
            pen.text((along, 1.4 * size), each, font=face, fill="black", anchor="ls")
        along += width
    if upright:
        box = ((0.2 * size, 10), (1.8 * size, 10), (1.8 * size, long - 10), (0.2 * size, long - 10))
    else:
        box = ((10, 0.2 * size), (long - 10, 0.2 * size), (long - 10, 1.8 * size), (10, 1.8 * size))
    line = TextLine(
        text=text, polygon=box, confidence=1.0,
        characters=Characters(at=tuple(round(1000 * each) for each in places), p=(1000,) * len(text)),
    )  # fmt: skip
    return np.ascontiguousarray(np.asarray(picture)[:, :, ::-1]), line


def test_which_characters_have_references():
    assert [script_of(each) for each in "Ae9&字、あ é"] == ["latin"] * 4 + ["hanzi"] + [None] * 4
    assert references("、", "字、") is None


def test_a_reference_is_drawn_to_the_scale_of_its_line():
    """Alone an o fills the frame's 52 rows; beside an l it is as high as it is in type."""
    alone, beside = references("o", "o"), references("o", "ol")
    assert alone.shape == (3, 64, 64)
    rows = [[int((drawn.max(axis=1) > 100).sum()) for drawn in each] for each in (alone, beside)]
    assert all(abs(high - 52) <= 2 for high in rows[0])
    assert all(high < 42 for high in rows[1])


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("HAMBURGEFONSTIV", {}),
        ("今日特价红烧牛肉面", {"hanzi": True}),
        ("今日特价红烧牛肉面", {"hanzi": True, "upright": True}),
    ],
)
def test_each_cut_out_is_most_like_its_own_reference(text, options):
    """Upright lines too, whose characters stand on their feet again."""
    pixels, line = written(text, **options)
    cuts = cut_out(pixels, line)
    assert [cut.character for cut in cuts] == [each for each in text if each not in " -"]
    drawn = {each: [standardised(face) for face in references(each, text)] for each in set(text) - set(" -")}
    for cut in cuts:
        picture = standardised(255 - cut.picture)
        likeness = {each: max(float((picture * mask).mean()) for mask in faces) for each, faces in drawn.items()}
        assert max(likeness, key=likeness.get) == cut.character


def test_sound_characters_are_not_doubted_and_a_struck_out_one_is():
    verifier = open_verifier()
    pixels, line = written("WINDOW SEATS ONLY")
    sound = [glyph.sight for glyph in look_at_line(verifier, pixels, line)]
    assert sound == ["sound"] * 15
    place = line.characters.at[4] / 1000 * (pixels.shape[1] - 20) + 10
    struck = Image.fromarray(pixels)
    ImageDraw.Draw(struck).line((place - 18, 50, place + 18, 78), fill="black", width=7)
    glyphs = look_at_line(verifier, np.asarray(struck), line)
    assert [glyph.index for glyph in glyphs if glyph.sight == "suspicious"] == [4]


@dataclass
class Given:
    """A verifier whose doubts are known beforehand."""

    found: tuple[float, ...]

    def doubts(self, cuts: list[Cut], _line: str):
        return list(self.found[: len(cuts)])


def sights(found, text="WORD", **options):
    pixels, line = written(text, **options)
    return [glyph.sight for glyph in look_at_line(Given(found), pixels, line)]


def test_a_line_is_judged_where_the_median_shows_that_its_lettering_is_known():
    assert sights((-4, -3, -2, 2)) == ["sound", "sound", "sound", "suspicious"]
    assert sights((-4, -3, 1.75, 1.76), "WORD") == ["lettering"] * 4  # the median is (-3 + 1.75) / 2 = -0.625
    assert sights((-4, -3, -3, 1.75)) == ["sound"] * 4  # the threshold itself is not beyond it
    assert sights((-1.75,) * 4) == ["lettering"] * 4


def test_what_cannot_be_told_says_why():
    assert sights((-4, -4), "AB") == ["short"] * 2
    assert sights((-4,) * 4, size=12) == ["tiny"] * 4
    assert sights((-4, -4, -4), "A!、B") == ["sound", "sound", "no reference", "sound"]
    pixels, line = written("WORD")
    for far in (1e9, -1e9):  # an edited row
        corners = ((10, 12), (far, 12), (far, 108), (10, 108))
        moved = TextLine(text=line.text, polygon=corners, characters=line.characters)
        assert [glyph.sight for glyph in look_at_line(Given(()), pixels, moved)] == ["no place"] * 4
    bare = TextLine(text=line.text)
    assert [glyph.sight for glyph in look_at_line(Given(()), pixels, bare)] == ["no place"] * 4
