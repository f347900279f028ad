"""Libraries under an OCR engine that do not load: one line, whatever they raise, and wherever it is noticed."""

from __future__ import annotations

import importlib.metadata
import sys
from importlib.metadata import PackageNotFoundError

import pytest
from PIL import Image

from evalsuite import ocr
from evalsuite.ocr.base import OcrError
from evalsuite.ocr.libraries import loading
from evalsuite.ocr.weights import OcrUnavailableError


@pytest.mark.parametrize(
    "raised",
    [ImportError("libGL.so.1: cannot open shared object file"), OSError("wrong ELF class"), SystemExit(1),
     AttributeError("np.sctypes"), RuntimeError("multiarray failed to import"), PackageNotFoundError("x")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_whatever_a_library_raises_the_engine_is_unavailable(raised):
    wanted = rf"engine paddle cannot be loaded.*\({type(raised).__name__}: "
    with pytest.raises(OcrUnavailableError, match=wanted), loading("paddle"):
        raise raised


def test_an_image_that_cannot_be_read_stays_one():
    with pytest.raises(OcrError, match="too small"), loading("paddle"):
        raise OcrError("too small")


def test_a_package_under_paddlex_that_is_broken_is_named_when_the_engine_is_made(monkeypatch):
    monkeypatch.delitem(sys.modules, "paddleocr", raising=False)
    reader = ocr.resolve("paddle")
    monkeypatch.setitem(sys.modules, "paddleocr", None)  # what Python has for a module that must not be imported
    with pytest.raises(OcrUnavailableError, match=r"^the OCR engine paddle cannot be loaded on this machine \(Module"):
        reader.read(Image.new("RGB", (64, 64)))


def test_a_package_without_its_metadata_is_named_when_the_engine_is_chosen(monkeypatch):
    def gone(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", gone)
    with pytest.raises(OcrUnavailableError, match="engine paddle cannot be loaded"):
        ocr.resolve("paddle")
