"""What a stand-in reads as: character accuracy by PP-OCR on synthetic prompts that no training saw.

`python -m training.standins.evaluate data/standins/flux2-klein-micro`. The project's own suites are measured
with `evalsuite run`, like any model's.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path
from typing import Any

import torch

from evalsuite.ocr import resolve
from evalsuite.records import ImageScore
from evalsuite.scoring import Rates, rates, score_image
from training.standins.denoiser import STEPS
from training.standins.glyphs import TILE
from training.standins.prompts import SIDE, prompt

HELD_OUT = 0x5EED
"""Seed of the prompts that are drawn here. Those of the training have seeds above 100,000."""


def accuracy(pipeline: Any, count: int) -> tuple[Rates, float]:
    """Draw held-out prompts of the size that signage suites have; their rates, and seconds per image."""
    rng = random.Random(HELD_OUT)
    engine = resolve("paddle")
    steps = STEPS["klein" if "Klein" in type(pipeline).__name__ else "ernie"]
    pipeline.set_progress_bar_config(disable=True)
    scores: list[ImageScore] = []
    seconds = 0.0
    for seed in range(count):
        text, strings = prompt(rng, size=1)
        start = time.perf_counter()
        image = pipeline(
            prompt=text,
            height=SIDE * TILE,
            width=SIDE * TILE,
            num_inference_steps=steps,
            guidance_scale=1.0,
            generator=torch.Generator().manual_seed(seed),
        ).images[0]
        seconds += time.perf_counter() - start
        scores.append(score_image(strings, engine.read(image)))
    return rates(scores), seconds / count


def main(argv: list[str] | None = None) -> int:
    """Print one line a folder."""
    from diffusers import DiffusionPipeline

    parser = argparse.ArgumentParser(prog="evaluate", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--prompts", type=int, default=24)
    args = parser.parse_args(argv)
    for folder in args.folders:
        pipeline = DiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
        found, seconds = accuracy(pipeline, args.prompts)
        print(
            f"{folder}: character accuracy {found.character_accuracy}, exact strings {found.exact_string_rate}, "
            f"{seconds:.2f} s per image on {torch.get_num_threads()} thread(s)"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
