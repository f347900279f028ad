"""How well PP-OCR reads typeset pages under several settings, and how fast beside its networks alone.

    nox -s bench -- ocr [PAGES]

Draws a balanced sample of the own suites' pages once, and a worn copy of each (a third of the contrast, blurred,
noisy), and reads them with each setting. Accuracy is the scorer's micro character accuracy; time is one process
of one thread over the clean pages. The floor is the time inside the two networks, taken in the same run.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageFilter
from rich.console import Console
from rich.progress import track
from rich.table import Table

from evalsuite import scoring, suites
from evalsuite.models.typeset.model import TypesetModel
from evalsuite.ocr.paddle import PaddleReader
from evalsuite.ocr.weights import bundled_folders

if TYPE_CHECKING:
    from evalsuite.records import ImageScore, Json, Prompt

VARIANTS: dict[str, dict[str, Json]] = {
    "as shipped": {},
    "unclip 1.5 (official)": {"text_det_unclip_ratio": 1.5},
    "unclip 2.0": {"text_det_unclip_ratio": 2.0},
    "box threshold 0.6 (official)": {"text_det_box_thresh": 0.6},
    "box threshold 0.4": {"text_det_box_thresh": 0.4},
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


def wear(page: Image.Image, seed: int) -> Image.Image:
    """A worn copy of a page: a third of the contrast around the mean, Gaussian blur and noise."""
    noise = np.random.default_rng(seed)
    pixels = np.asarray(page.filter(ImageFilter.GaussianBlur(2.5)), dtype=np.float32)
    pixels = pixels.mean() + (pixels - pixels.mean()) / 3 + noise.normal(0, 14, pixels.shape)
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


def accuracy(reader: PaddleReader, pages: list[tuple[Prompt, Image.Image]], name: str) -> tuple[dict[str, str], float]:
    """Character accuracy and strict accuracy by language, as text, and the seconds that reading took."""
    started = time.perf_counter()
    readings = [(prompt, reader.read(image)) for prompt, image in track(pages, description=name, transient=True)]
    seconds = time.perf_counter() - started
    scores: dict[str, list[ImageScore]] = {}
    for prompt, lines in readings:
        scores.setdefault(prompt.language, []).append(scoring.score_image(prompt.targets, lines))
    rates = {language: scoring.rates(rows) for language, rows in scores.items()}
    return {key: f"{rate.character_accuracy:.4f}, {rate.strict_accuracy:.4f}" for key, rate in rates.items()}, seconds


def main(pages: int) -> None:
    """Print the table."""
    prompts = suites.sample([prompt for suite in suites.load("all") for prompt in suite.prompts], pages)
    clean: list[tuple[Prompt, Image.Image]] = []
    for drawing in TypesetModel().draw([(prompt, 0) for prompt in prompts]):
        if drawing.image is None:
            raise SystemExit(f"{drawing.prompt.id}: {drawing.error}")
        clean.append((drawing.prompt, drawing.image))
    worn = [(prompt, wear(image, number)) for number, (prompt, image) in enumerate(clean)]
    table = Table("setting", "en", "zh", "worn en", "worn zh", "s an image", "times the networks", box=None)
    clock = NetworkClock()
    for name, settings in VARIANTS.items():
        reader = PaddleReader(*bundled_folders(), settings=settings)
        reader.read(clean[0][1])
        clock.seconds = 0.0
        on_clean, seconds = accuracy(reader, clean, name)
        inside = clock.seconds
        on_worn, _ = accuracy(reader, worn, f"{name}, worn")
        figures = (on_clean["en"], on_clean["zh"], on_worn["en"], on_worn["zh"])
        table.add_row(name, *figures, f"{seconds / len(clean):.2f}", f"{seconds / inside:.3f}")
    Console(width=140).print(f"{len(clean)} typeset pages of 1024×1024; character accuracy, strict accuracy", table)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
