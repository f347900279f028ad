"""A reader by hand for the tests of other tools: it reads what it is told, or breaks."""

from __future__ import annotations

import pytest
from PIL import Image

from evalsuite.integrations import image_text
from evalsuite.ocr import OcrError
from evalsuite.records import OcrSpec, TextLine

BROKEN = (255, 0, 0)
"""The colour of a picture that the reader breaks on."""


class Reader:
    """Reads `text[c]` in a picture whose first pixel is the colour (0, 0, c)."""

    spec = OcrSpec(name="by-hand", weights_digest="b" * 64)
    text = ("OPEN DAILY", "OPEN DAlLY", "")

    def read(self, image):
        colour = image.getpixel((0, 0))
        if colour == BROKEN:
            raise OcrError("the engine broke down")
        text = self.text[colour[2]]
        return (TextLine(text=text),) if text else ()


def picture(colour) -> Image.Image:
    """16 × 16 pixels that are not blank."""
    image = Image.new("RGB", (16, 16), colour if isinstance(colour, tuple) else (0, 0, colour))
    image.putpixel((9, 9), (255, 255, 255))
    return image


@pytest.fixture
def by_hand(monkeypatch):
    """The reader, also under every name that a tool may give."""
    reader = Reader()
    monkeypatch.setattr(image_text, "_engine", lambda _name: reader)
    return reader


@pytest.fixture
def files(tmp_path):
    """Pictures as files: exact, one character wrong, without text, one the reader breaks on, blank, damaged."""
    found = {name: tmp_path / f"{name}.png" for name in ("exact", "wrong", "none", "broken", "blank", "damaged")}
    for number, name in enumerate(("exact", "wrong", "none")):
        picture(number).save(found[name])
    picture(BROKEN).save(found["broken"])
    Image.new("RGB", (16, 16), "white").save(found["blank"])
    found["damaged"].write_bytes(found["exact"].read_bytes()[:40])
    return found
