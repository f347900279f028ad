"""What a drawing becomes: its row and the bytes of its file."""

from __future__ import annotations

import hashlib
import io
import pickle

import pytest
from PIL import Image

from evalsuite.images import ImageError
from evalsuite.models.base import Drawing
from evalsuite.records import Finding, Prompt, Request
from evalsuite.runs.drawn import encode

PROMPT = Prompt(id="p", suite="s", language="en", category="c", length="short", text="A sign", targets=("OPEN",))
REQUEST = Request(key="0123456789abcdef01234567", model="m", prompt="p", seed=7)


def test_the_row_names_the_file_of_the_bytes_and_the_pixels_are_those_that_were_drawn():
    image = Image.effect_noise((12, 8), 90).convert("RGB")
    drawn = encode(REQUEST, Drawing(PROMPT, 7, image=image), drawn_at="2026-01-02T03:04:05.000006+00:00")
    assert drawn.content is not None
    row = drawn.row
    assert (row.key, row.model, row.prompt, row.seed) == (REQUEST.key, "m", "p", 7)
    assert (row.image, row.width, row.height) == (f"images/{REQUEST.key}.png", 12, 8)
    assert row.sha256 == hashlib.sha256(drawn.content).hexdigest()
    assert row.drawn_at == "2026-01-02T03:04:05.000006+00:00"
    assert row.findings == ()
    with Image.open(io.BytesIO(drawn.content)) as stored:
        assert (stored.format, stored.mode) == ("PNG", "RGB")
        assert stored.tobytes() == image.tobytes()


def test_what_failed_has_a_row_and_no_bytes():
    drawn = encode(REQUEST, Drawing(PROMPT, 7, error="out of memory"))
    assert drawn.content is None
    assert (drawn.row.error, drawn.row.image, drawn.row.sha256) == ("out of memory", None, None)


def test_an_even_colour_is_found_once():
    blank = Image.new("RGB", (8, 8), "navy")
    assert [each.code for each in encode(REQUEST, Drawing(PROMPT, 7, image=blank)).row.findings] == ["blank-image"]
    told = (Finding(code="blank-image", message="NaN in the latents"),)
    assert encode(REQUEST, Drawing(PROMPT, 7, image=blank, findings=told)).row.findings == told


def test_it_travels_between_processes():
    drawn = encode(REQUEST, Drawing(PROMPT, 7, image=Image.new("RGB", (4, 4))))
    assert pickle.loads(pickle.dumps(drawn)) == drawn


def test_pixels_of_no_stated_range_are_one_error():
    with pytest.raises(ImageError, match="Pillow mode 'F' has no stated range"):
        encode(REQUEST, Drawing(PROMPT, 7, image=Image.new("F", (4, 4))))
