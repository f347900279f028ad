"""The limits that docs/reliability.md states: what is met is a message, and not a wait."""

from __future__ import annotations

import importlib.util
import struct
import zlib

import msgspec
import pytest
from PIL import Image

from evalsuite.errors import EvalsuiteError
from evalsuite.images import ImageError, load_image
from evalsuite.models.registry import known_models
from evalsuite.records import MAX_READING_CHARS, OcrSpec, TextLine
from evalsuite.runs import open_run
from evalsuite.runs.reading import read_image
from evalsuite.suites import load_file


class Says:
    """An engine that reads the same in every image."""

    spec = OcrSpec(name="says", weights_digest="3" * 64, settings={}, versions={})

    def __init__(self, *lines: str) -> None:
        self._lines = tuple(TextLine(text=line) for line in lines)

    def read(self, _image: Image.Image) -> tuple[TextLine, ...]:
        return self._lines


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        (("a" * 100_000, "b" * 100_000), None),
        (("a" * 100_000, "b" * 100_001), "the OCR answered with 200,001 characters; 200,000 can be scored"),
        (("fine", "\ud800"), "the OCR answered with half of a surrogate pair, which is no character"),
    ],
)
def test_an_answer_that_no_page_holds_is_a_failure_and_not_a_text(tmp_path, lines, error):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    reading = read_image(Says(*lines), "k", tmp_path / "a.png")
    assert reading.error == error
    assert len(reading.lines) == (0 if error else 2)


def test_a_stored_reading_that_no_page_holds_is_damage(handmade, tmp_path):
    store = handmade.make_run(tmp_path / "run")
    rows = store.readings(store.manifest.ocr)
    first, *others = rows.read()
    long = msgspec.structs.replace(first, lines=(TextLine(text="a" * (MAX_READING_CHARS + 1)),))
    rows.replace([long, *others])
    with pytest.raises(EvalsuiteError, match=rf"row {first.key} has 200,001 characters; 200,000 can be scored"):
        open_run(tmp_path / "run")


def png(width: int, height: int) -> bytes:
    """A one-bit PNG with its size stated and hardly any data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("size", "told"),
    [
        ((8192, 8192), "8192×8192 pixels; 33,554,432 at most"),
        ((8193, 8), "8193×8 pixels; 8192 a side at most"),
        ((30_000, 30_000), "not a readable image"),
    ],
)
def test_large_images_are_refused_before_they_are_decoded(tmp_path, size, told):
    path = tmp_path / "a.png"
    path.write_bytes(png(*size))
    with pytest.raises(ImageError, match=told):
        load_image(path)


def test_a_suite_has_twenty_thousand_prompts_at_most(tmp_path):
    path = tmp_path / "s.jsonl"
    path.write_text("{}\n" * 20_001)
    with pytest.raises(EvalsuiteError, match=r"s\.jsonl: 20,001 prompts; 20,000 at most$"):
        load_file(path)


def test_stand_ins_are_not_called_available_without_torch(monkeypatch):
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else there(name))
    stand_ins = [model for model in known_models() if model.repository == "ships with evalsuite"]
    assert [model.available for model in stand_ins] == [False, False]
