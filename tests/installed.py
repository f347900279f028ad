"""What is installed, looked for without importing it."""

from __future__ import annotations

import importlib.util

import pytest


def skip_without_paddleocr() -> None:
    """Skip the module, test or fixture where PaddleOCR is not installed.

    `pytest.importorskip` would import it as a whole, with torch and transformers for downloads that never happen:
    seven seconds where the reader itself needs two (evalsuite/ocr/modules.py).
    """
    if importlib.util.find_spec("paddleocr") is None:
        pytest.skip("PaddleOCR is not installed (evalsuite[ocr])", allow_module_level=True)
