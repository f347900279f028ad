"""PP-OCR through PaddleOCR on ONNX Runtime: offline, without paddlepaddle, one thread a process.

What PaddleOCR would silently take or drop is refused here: it answers a float or NaN array with an empty
text, garbles uint16, and drops `None`, so images are converted before and results are counted after.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import logging
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from evalsuite.errors import EvalsuiteError
from evalsuite.images import MAX_SIDE, ImageError, to_rgb
from evalsuite.ocr.base import OcrError
from evalsuite.ocr.weights import ModelFolder, OcrUnavailableError, bundled_folders, user_folder
from evalsuite.records import Json, OcrSpec, TextLine, digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL.Image import Image

# Chosen on the typeset pages of the project's own suites; docs/ocr.md holds the figures.
SETTINGS: dict[str, Json] = {
    "text_det_limit_side_len": 736,
    "text_det_limit_type": "min",
    "text_det_thresh": 0.3,
    "text_det_box_thresh": 0.5,
    "text_det_unclip_ratio": 1.8,
    "text_rec_score_thresh": 0.0,
    # Larger batches pad lines to a common width, which changes the text of their neighbours, and are slower.
    "text_recognition_batch_size": 1,
}

MIN_SIDE = 8
"""Smaller images hold no legible character, and detection fails on some of them."""


class PaddleReader:
    """Reads text lines with a PP-OCR detection and recognition model, with `SETTINGS` or others over them.

    The models load on the first `read`, so that a plan needs no model in memory. One reader serves one
    thread; run several processes for speed (two of one thread read 1.3 times what one of two threads does).
    """

    def __init__(
        self,
        detection: ModelFolder,
        recognition: ModelFolder,
        *,
        settings: Mapping[str, Json] | None = None,
        threads: int = 1,
    ) -> None:
        self._detection = detection
        self._recognition = recognition
        self._settings = {**SETTINGS, **(settings or {})}
        self._threads = threads
        self._pipeline: Any = None
        versions = {name: importlib.metadata.version(name) for name in ("paddleocr", "paddlex", "onnxruntime")}
        self._spec = OcrSpec(
            name="paddle",
            weights_digest=digest([detection.digest, recognition.digest]),
            settings={"detection": detection.name, "recognition": recognition.name, **self._settings},
            versions=versions,
        )

    @classmethod
    def parse(cls, arguments: str = "") -> Self:
        """The reader that `paddle` or `paddle:DETECTION_DIR,RECOGNITION_DIR` names.

        Raises:
            OcrUnavailableError: when PaddleOCR or its weights are missing.
            EvalsuiteError: when the argument is not two folders.
        """
        if importlib.util.find_spec("paddleocr") is None or importlib.util.find_spec("onnxruntime") is None:
            raise OcrUnavailableError("PaddleOCR is not installed; run: pip install 'evalsuite[ocr]'")
        if not arguments:
            return cls(*bundled_folders())
        folders = [Path(part).expanduser() for part in arguments.split(",")]
        if len(folders) != 2:
            raise EvalsuiteError(
                f"paddle:{arguments} names {len(folders)} folder(s); give two: paddle:DETECTION_DIR,RECOGNITION_DIR"
            )
        return cls(user_folder(folders[0]), user_folder(folders[1]))

    @property
    def spec(self) -> OcrSpec:
        """Models, weights digest, settings and library versions."""
        return self._spec

    def read(self, image: Image) -> tuple[TextLine, ...]:
        """The text lines of an image, in the order of detection (by their top edge, not reading order).

        Images of any Pillow mode are converted to 8-bit RGB; transparency is laid on white.

        Raises:
            OcrError: when the image is too large, or PaddleOCR fails or answers with something inconsistent.
        """
        pixels = _as_bgr(image)
        if self._pipeline is None:
            self._pipeline = self._load()
        try:
            results = list(self._pipeline.predict(pixels))
        except Exception as error:
            raise OcrError(f"PaddleOCR failed: {type(error).__name__}: {error}") from error
        if len(results) != 1:
            raise OcrError(f"PaddleOCR gave {len(results)} results for one image")
        return _lines(results[0])

    def _load(self) -> Any:
        # Set before the import: PaddleX reads both when it is imported, and looks for model hosts otherwise.
        os.environ.setdefault("PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK", "True")
        for name in ("paddlex", "ppocr"):
            logging.getLogger(name).setLevel(logging.ERROR)
        from paddleocr import PaddleOCR

        for name in ("paddlex", "ppocr"):
            logging.getLogger(name).setLevel(logging.ERROR)
        return PaddleOCR(
            engine="onnxruntime",
            engine_config={"intra_op_num_threads": self._threads, "inter_op_num_threads": 1},
            device="cpu",
            text_detection_model_name=self._detection.name,
            text_detection_model_dir=str(self._detection.path),
            text_recognition_model_name=self._recognition.name,
            text_recognition_model_dir=str(self._recognition.path),
            # Left at their defaults, these fetch further models from a hub.
            use_doc_orientation_classify=False,
            use_doc_unwarping=False,
            use_textline_orientation=False,
            **self._settings,
        )


def _as_bgr(image: Image) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """uint8, height × width × 3, blue first, contiguous: the one layout that PaddleOCR reads correctly."""
    if min(image.size) < MIN_SIDE or max(image.size) > MAX_SIDE:
        raise OcrError(
            f"the image is {image.width}×{image.height}; sides of {MIN_SIDE} to {MAX_SIDE} pixels can be read"
        )
    try:
        rgb = np.asarray(to_rgb(image), dtype=np.uint8)
    except ImageError as error:
        raise OcrError(str(error)) from error
    return np.ascontiguousarray(rgb[:, :, ::-1])


def _lines(result: Any) -> tuple[TextLine, ...]:
    texts, scores, polygons = result["rec_texts"], result["rec_scores"], result["rec_polys"]
    if not len(texts) == len(scores) == len(polygons) == len(result["dt_polys"]):
        raise OcrError(
            f"PaddleOCR lost lines: {len(result['dt_polys'])} found, {len(texts)} texts, {len(polygons)} polygons"
        )
    lines = []
    for text, score, polygon in zip(texts, scores, polygons, strict=True):
        if not math.isfinite(float(score)):
            raise OcrError(f"PaddleOCR gave the confidence {score} for the line {text!r}")
        if not text:
            continue  # a box in which recognition saw no character
        corners = tuple((float(x), float(y)) for x, y in np.asarray(polygon).reshape(-1, 2))
        lines.append(TextLine(text=text, polygon=corners, confidence=round(float(score), 4)))
    return tuple(lines)
