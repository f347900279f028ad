"""PaddleOCR's own pipeline, which looks at a picture once: what reading at two sizes is measured beside."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from evalsuite.images import to_rgb
from evalsuite.ocr.weights import bundled_folders
from evalsuite.records import TextLine

if TYPE_CHECKING:
    from PIL.Image import Image


class SinglePassReader:
    """The reader of evalsuite up to issue 12: short side at least 736 pixels, boxes at threshold 0.5, unclip 1.8.

    Args:
        threads: Of the networks; None for as many as PaddleOCR takes.
    """

    def __init__(self, threads: int | None = 1) -> None:
        os.environ.setdefault("PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK", "True")
        from paddleocr import PaddleOCR

        for name in ("paddlex", "ppocr"):
            logging.getLogger(name).setLevel(logging.ERROR)
        detection, recognition = bundled_folders()
        self._pipeline: Any = PaddleOCR(
            engine="onnxruntime",
            engine_config=threads and {"intra_op_num_threads": threads, "inter_op_num_threads": 1},
            device="cpu",
            text_detection_model_name=detection.name,
            text_detection_model_dir=str(detection.path),
            text_recognition_model_name=recognition.name,
            text_recognition_model_dir=str(recognition.path),
            use_doc_orientation_classify=False,
            use_doc_unwarping=False,
            use_textline_orientation=False,
            text_det_limit_side_len=736,
            text_det_limit_type="min",
            text_det_thresh=0.3,
            text_det_box_thresh=0.5,
            text_det_unclip_ratio=1.8,
            text_rec_score_thresh=0.0,
            text_recognition_batch_size=1,
        )

    def read(self, image: Image) -> tuple[TextLine, ...]:
        """The text lines of an image."""
        result = next(iter(self._pipeline.predict(np.ascontiguousarray(np.asarray(to_rgb(image))[:, :, ::-1]))))
        return tuple(
            TextLine(
                text=text,
                polygon=tuple((float(x), float(y)) for x, y in np.asarray(polygon).reshape(-1, 2)),
                confidence=round(float(score), 4),
            )
            for text, score, polygon in zip(result["rec_texts"], result["rec_scores"], result["rec_polys"], strict=True)
            if text
        )
