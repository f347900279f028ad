from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image, ImageDraw

from evalsuite import ocr
from evalsuite.errors import EvalsuiteError
from evalsuite.models.typeset.fonts import ARABIC_FACES, LATIN_FACES, font
from evalsuite.ocr import OcrError
from evalsuite.ocr.geometry import Quad
from evalsuite.ocr.tesseract import TesseractReader
from evalsuite.ocr.weights import OcrUnavailableError
from evalsuite.records import OcrSpec
from evalsuite.runs.readable import check_readable
from evalsuite.suites import load

pytest.importorskip("tesserocr", reason="tesserocr is not installed (evalsuite[tesseract])")


@pytest.fixture(scope="module")
def reader() -> TesseractReader:
    try:
        return TesseractReader.parse()
    except OcrUnavailableError as missing:
        pytest.skip(str(missing))


def page(*texts: str, size=(800, 400), height=48) -> Image.Image:
    image = Image.new("RGB", size, "white")
    for row, text in enumerate(texts):
        ImageDraw.Draw(image).text((60, 60 + 3 * height * row), text, fill="black", font=font(LATIN_FACES[0], height))
    return image


def test_reads_english_with_boxes_and_confidence(reader):
    lines = reader.read(page("NIGHT NOODLES", "Open daily from 9 to 5"))
    assert [line.text for line in lines] == ["NIGHT NOODLES", "Open daily from 9 to 5"]
    assert all(line.confidence > 0.8 and line.characters is None for line in lines)
    (left, top), _, (right, bottom), _ = lines[0].polygon
    assert 55 <= left <= 70
    assert 60 <= top <= 80
    assert 400 <= right <= 560
    assert 95 <= bottom <= 120


@pytest.mark.parametrize("scale", [1, 3, 8])
def test_places_are_in_pixels_of_the_picture_whatever_its_size(reader, scale):
    (line,) = reader.read(page("NIGHT NOODLES", size=(800 * scale, 200 * scale), height=48 * scale))
    assert line.text == "NIGHT NOODLES"
    width = font(LATIN_FACES[0], 48 * scale).getlength("NIGHT NOODLES")
    assert line.polygon[0][0] == pytest.approx(60 + 4 * scale, abs=4 * scale)
    assert line.polygon[2][0] == pytest.approx(60 + width - 2 * scale, abs=4 * scale)


def test_a_blank_page_is_an_empty_reading_and_not_an_error(reader):
    assert reader.read(Image.new("RGB", (512, 512), "grey")) == ()


def test_a_reading_depends_on_its_image_alone(reader):
    first = reader.read(page("NIGHT NOODLES"))
    reader.read(page("SOMETHING ELSE ENTIRELY", height=30))
    assert reader.read(page("NIGHT NOODLES")) == first


@pytest.mark.parametrize("size", [(4, 400), (9000, 20)])
def test_sizes_that_cannot_be_read_are_an_error_and_not_an_empty_text(reader, size):
    with pytest.raises(OcrError, match="pixels can be read"):
        reader.read(Image.new("RGB", size, "white"))


def test_the_spec_says_what_decides_the_reading(reader):
    spec = reader.spec
    assert (spec.name, spec.settings["languages"], spec.settings["page_segmentation"]) == ("tesseract", ["eng"], 11)
    assert set(spec.versions) == {"tesserocr", "tesseract"}
    assert spec.digest == ocr.resolve("tesseract:lang=eng").spec.digest


def test_missing_data_says_which_package_brings_it(tmp_path):
    with pytest.raises(OcrUnavailableError, match=r"eng\.traineddata is missing.*apt-get install tesseract-ocr-eng"):
        ocr.resolve(f"tesseract:data={tmp_path}")
    with pytest.raises(OcrUnavailableError, match="apt-get install tesseract-ocr-chi-sim"):
        ocr.resolve(f"tesseract:data={tmp_path},lang=chi_sim")


def test_the_digest_is_that_of_the_data(tmp_path):
    digests = set()
    for content in (b"one", b"two"):
        (tmp_path / "eng.traineddata").write_bytes(content)
        digests.add(TesseractReader.parse(f"data={tmp_path}").spec.digest)
    assert len(digests) == 2


def test_damaged_data_is_an_error_of_the_image_and_never_an_empty_text(tmp_path):
    (tmp_path / "eng.traineddata").write_bytes(b"no network")
    with pytest.raises(OcrError, match="Tesseract failed"):
        TesseractReader.parse(f"data={tmp_path}").read(page("OPEN"))


@pytest.mark.parametrize("name", ["tesseract:lang=../eng", "tesseract:lang=", "tesseract:speed=2", "tesseract:lang"])
def test_malformed_options_are_refused(name):
    with pytest.raises(EvalsuiteError, match="tesseract: "):
        ocr.resolve(name)


def test_a_missing_library_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(OcrUnavailableError, match=r"pip install .*\[tesseract\]"):
        ocr.resolve("tesseract")


def with_unicharset(folder, *lines):
    """A file of language data that holds no more than the characters of its network."""
    start = 4 + 8 * 24
    offsets = [-1] * 24
    offsets[21] = start
    (folder / "eng.traineddata").write_bytes(struct.pack("<i24q", 24, *offsets) + "\n".join(lines).encode())
    return TesseractReader.parse(f"data={folder}")


def test_the_alphabet_is_that_of_the_network(tmp_path):
    rows = (
        "4",
        "NULL 0 Common 0",
        "A 5 0,255 Latin 1",
        "é 3 0,255 Latin 2",
        "7 8 0,255 Common 3",
        "Z 5 beyond the four",
    )
    assert with_unicharset(tmp_path, *rows).alphabet == {" ", "A", "é", "7"}
    assert with_unicharset(tmp_path, "many", "A").alphabet is None
    (tmp_path / "eng.traineddata").write_bytes(b"no network")
    assert TesseractReader.parse(f"data={tmp_path}").alphabet is None


def test_what_the_languages_lack_is_refused_before_drawing(reader):
    (korean,) = load("signage-ui-ko")
    with pytest.raises(EvalsuiteError, match="cannot read 39 prompts of signage-ui-ko"):
        check_readable(korean.prompts, reader)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("lines=other", "own or paddle"),
        ("psm=7", "with lines=own one of 11, 3, 4, 6, 12"),
        ("lines=paddle,psm=6", "7, 13"),
    ],
)
def test_modes_that_do_not_fit_the_lines_are_refused(options, said):
    with pytest.raises(EvalsuiteError, match=said):
        ocr.resolve(f"tesseract:{options}")


class Cutter:
    """Finds one line: where the text of `page` stands."""

    spec = OcrSpec(name="lines", weights_digest="1" * 64)

    def cut_lines(self, image):
        quad = Quad(((50.0, 55.0), (620.0, 55.0), (620.0, 125.0), (50.0, 125.0)))
        return [(quad, np.asarray(image)[55:125, 50:620, ::-1]), (quad, np.zeros((0, 5, 3), np.uint8))]


def test_given_lines_are_read_at_their_places(reader):
    given = TesseractReader(reader._folder, ("eng",), psm=7, detector=Cutter())
    (line,) = given.read(page("NIGHT NOODLES", "Open daily from 9 to 5"))
    assert line.text == "NIGHT NOODLES"
    assert line.polygon == ((50.0, 55.0), (620.0, 55.0), (620.0, 125.0), (50.0, 125.0))
    assert given.spec.digest != reader.spec.digest


def test_arabic_is_told_in_the_order_in_which_it_is_read():
    try:
        arabic = TesseractReader.parse("lang=ara")
    except OcrUnavailableError as missing:
        pytest.skip(str(missing))
    image = Image.new("RGB", (1024, 600), "white")
    ImageDraw.Draw(image).text((300, 250), "ممنوع الدخول", fill="black", font=font(ARABIC_FACES[1], 56))
    assert [line.text for line in arabic.read(image)] == ["ممنوع الدخول"]
