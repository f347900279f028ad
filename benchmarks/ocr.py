"""How well PP-OCR reads typeset pages under several settings, and how fast beside its networks alone.

    nox -s bench -- ocr [PAGES]

Draws a balanced sample of the own suites' pages once and reads them with each setting. Accuracy is the
scorer's micro character accuracy; time is one process of one thread. The floor is the time inside the two
networks, taken in the same run.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
import time
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from evalsuite import scoring, suites
from evalsuite.models.typeset import TypesetModel
from evalsuite.ocr.paddle import PaddleReader
from evalsuite.ocr.weights import bundled_folders

if TYPE_CHECKING:
    from PIL.Image import Image

    from evalsuite.records import Json, Prompt

VARIANTS: dict[str, dict[str, Json]] = {
    "as shipped": {},
    "unclip 1.5 (official)": {"text_det_unclip_ratio": 1.5},
    "unclip 2.0": {"text_det_unclip_ratio": 2.0},
    "box threshold 0.5": {"text_det_box_thresh": 0.5},
    "side at least 960": {"text_det_limit_side_len": 960},
    "recognition batch 8": {"text_recognition_batch_size": 8},
}


class NetworkClock:
    """Seconds spent inside the ONNX networks, by wrapping the one call through which PaddleX runs them."""

    def __init__(self) -> None:
        from paddlex.inference.models.runners.onnxruntime_runner import ONNXRuntimeRunner

        self.seconds = 0.0
        inner = ONNXRuntimeRunner.__call__

        def timed(runner: Any, *args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            try:
                return inner(runner, *args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - started

        ONNXRuntimeRunner.__call__ = timed


def main(pages: int) -> None:
    """Print the table."""
    prompts = suites.sample([prompt for suite in suites.load("all") for prompt in suite.prompts], pages)
    drawn: list[tuple[Prompt, Image]] = []
    for drawing in TypesetModel().draw([(prompt, 0) for prompt in prompts]):
        if drawing.image is None:
            raise SystemExit(f"{drawing.prompt.id}: {drawing.error}")
        drawn.append((drawing.prompt, drawing.image))
    table = Table("setting", "en", "zh", "strict en", "strict zh", "s an image", "times the networks", box=None)
    clock = NetworkClock()
    for name, settings in VARIANTS.items():
        reader = PaddleReader(*bundled_folders(), settings=settings)
        reader.read(drawn[0][1])
        clock.seconds, started = 0.0, time.perf_counter()
        scores: dict[str, list[scoring.ImageScore]] = {"en": [], "zh": []}
        readings = [(prompt, reader.read(image)) for prompt, image in track(drawn, description=name, transient=True)]
        elapsed = time.perf_counter() - started
        for prompt, lines in readings:
            scores[prompt.language].append(scoring.score_image(prompt.targets, lines))
        rates = {language: scoring.rates(rows) for language, rows in scores.items()}
        table.add_row(
            name,
            *(f"{rates[language].character_accuracy:.4f}" for language in ("en", "zh")),
            *(f"{rates[language].strict_accuracy:.4f}" for language in ("en", "zh")),
            f"{elapsed / len(drawn):.2f}",
            f"{elapsed / clock.seconds:.3f}",
        )
    Console().print(f"{len(drawn)} typeset pages of 1024×1024", table)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
