"""What an image says: the OCR engines."""

from __future__ import annotations

from evalsuite.errors import EvalsuiteError
from evalsuite.ocr.base import OcrEngine, OcrError

__all__ = ["ENGINES", "OcrEngine", "OcrError", "resolve"]

ENGINES = {"paddle": "PP-OCRv6 small on ONNX Runtime, offline; paddle:DET_DIR,REC_DIR for other PP-OCR models"}
"""The OCR engines by name, with a line on each."""


def resolve(name: str) -> OcrEngine:
    """The OCR engine that a name such as `paddle` or `paddle:DET_DIR,REC_DIR` stands for, not yet loaded.

    Raises:
        EvalsuiteError: for an unknown engine, or one whose weights are missing.
    """
    engine, _, arguments = name.partition(":")
    if engine == "paddle":
        from evalsuite.ocr.paddle import PaddleReader

        return PaddleReader.parse(arguments)
    raise EvalsuiteError(f"unknown OCR engine {name!r}; known: {', '.join(ENGINES)}")
