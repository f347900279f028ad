"""The proof that an OCR engine works on this machine: it reads a small page.

Packages that are there may still not run: a library that is missing, a model that is damaged, a processor without the
instructions that a build needs. Only reading shows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.errors import EvalsuiteError
from evalsuite.ocr.weights import OcrUnavailableError

if TYPE_CHECKING:
    from PIL.Image import Image

    from evalsuite.ocr.base import OcrEngine

TEXT = "evalsuite 2026"
"""What the page says."""


def page() -> Image:
    """A page of 480×128 pixels that says `TEXT`, in Pillow's own font: it needs no other package."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (480, 128), "white")
    ImageDraw.Draw(image).text((32, 30), TEXT, fill="black", font=ImageFont.load_default(48))
    return image


def read_page(engine: OcrEngine) -> str:
    """What an engine reads on the page, its lines joined by blanks; whether that is right, is for the caller to say.

    Raises:
        OcrUnavailableError: It fails, whatever way, or finds no line at all; one line says why.
    """
    try:
        lines = engine.read(page())
    except EvalsuiteError:
        raise
    except Exception as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise OcrUnavailableError(
            f"the OCR engine {engine.spec.name} cannot read on this machine ({why}); see 'evalsuite doctor'"
        ) from error
    if not lines:
        raise OcrUnavailableError(
            f"the OCR engine {engine.spec.name} found no text on a page that says {TEXT!r}; see 'evalsuite doctor'"
        )
    return " ".join(line.text for line in lines)
