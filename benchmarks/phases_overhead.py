"""What measuring costs: the same pipeline called bare and under the suite's instruments, turn by turn.

    nox -s bench -- phases_overhead [PAIRS]

Draws with the stand-in checkpoints on whatever device there is. Two figures are told apart: the difference
between the two ways, with its 95 % interval (the median of paired differences, bootstrapped), and the time of
the instruments alone, from a pipeline whose parts do nothing. The second is what a real image pays too, whatever
its size: set against the second or more that a real image takes, it is the overhead.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import statistics
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from evalsuite import hardware
from evalsuite.models.checkpoints import open_checkpoint
from evalsuite.models.drawing import DrawingSession, call_arguments
from evalsuite.models.findings import FiniteWatch, watch_tokenizers
from evalsuite.models.loading import CheckpointSource
from evalsuite.models.meters import MemoryMeter
from evalsuite.models.phases import PhaseRecorder, clock_for, wrapped
from evalsuite.models.pipeline_setup import resolve_device
from evalsuite.models.registry import resolve_diffusion
from evalsuite.models.settings import ModelOptions
from evalsuite.records import Json, Prompt
from training.random_checkpoints import Family, build_random_checkpoint

CASES: tuple[tuple[Family, int], ...] = (("flux2-klein", 4), ("flux2-klein-base", 50), ("ernie-image", 8))
PROMPT = Prompt(
    id="p",
    suite="bench",
    language="en",
    category="signage",
    length="short",
    text="A neon sign over a shop that reads 'OPEN'",
    targets=("OPEN",),
)


def paired_differences(family: Family, steps: int, pairs: int) -> tuple[np.ndarray[Any, Any], float]:
    """Seconds that a call under instruments took longer than the bare one next to it, and a bare call's median."""
    device = resolve_device("auto")
    differences, bare = [], []
    settings: dict[str, Json] = {"size": "128x128", "steps": steps, "precision": "fp32"}
    with tempfile.TemporaryDirectory() as folder:
        path = build_random_checkpoint(Path(folder) / "model", family, enhancer=False)
        spec = resolve_diffusion(str(path), ModelOptions(settings)).spec
        pipeline = CheckpointSource(open_checkpoint(path)).open(spec)
    arguments = call_arguments(pipeline, spec)

    def plain() -> float:
        started = time.perf_counter()
        pipeline(prompt=[PROMPT.text], generator=[torch.Generator("cpu").manual_seed(0)], **arguments)
        clock_for(device).wait()
        return time.perf_counter() - started

    def measured() -> float:
        with DrawingSession.open(pipeline, spec, device) as session:
            started = time.perf_counter()
            session.draw([(PROMPT, 0)])
            return time.perf_counter() - started

    for pair in range(pairs + 3):
        # Turn and turn about, so that a drift of the machine falls on both.
        seconds = (plain(), measured()) if pair % 2 else (measured(), plain())[::-1]
        if pair >= 3:
            bare.append(seconds[0])
            differences.append(seconds[1] - seconds[0])
    return np.array(differences), statistics.median(bare)


def instruments_alone(steps: int, repeats: int = 200) -> float:
    """Median seconds of recorder, memory meter and watches around a pipeline whose parts do nothing."""
    device = resolve_device("auto")
    denoiser = torch.nn.Identity()
    image = torch.zeros(1, 3, 8, 8, device=device)
    pipeline = SimpleNamespace(
        components={},
        transformer=denoiser,
        encode_prompt=lambda: None,
        scheduler=SimpleNamespace(step=lambda: None),
        vae=SimpleNamespace(decode=lambda: image),
    )
    recorder, meter, finite = PhaseRecorder(pipeline, clock_for(device)), MemoryMeter(device), FiniteWatch()

    def call() -> None:
        pipeline.encode_prompt()
        for _ in range(steps):
            pipeline.transformer(image)
            pipeline.scheduler.step()
        pipeline.vae.decode()

    def drawn() -> None:
        meter.start()
        recorder.measure(call, images=1)
        meter.read()
        finite.take(1)

    def median(function: Any) -> float:
        times = []
        for _ in range(repeats):
            started = time.perf_counter()
            function()
            times.append(time.perf_counter() - started)
        return statistics.median(times)

    bare = median(call)
    with watch_tokenizers(pipeline, []), wrapped(pipeline.vae, "decode", finite.watch), recorder.attach():
        return median(drawn) - bare


def interval(values: np.ndarray[Any, Any]) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the median, 2,000 resamples under a fixed seed."""
    generator = np.random.default_rng(0)
    medians = np.median(generator.choice(values, (2000, len(values))), axis=1)
    low, high = np.quantile(medians, [0.025, 0.975])
    return float(low), float(high)


def main(pairs: int) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    table = Table("stand-in", "steps", "bare call", "difference (95 %)", "instruments alone", "of a 1 s image")
    for family, steps in CASES:
        differences, bare = paired_differences(family, steps, pairs)
        low, high = interval(differences)
        alone = instruments_alone(steps)
        table.add_row(
            family,
            str(steps),
            f"{bare * 1e3:.1f} ms",
            f"{np.median(differences) / bare:+.2%} ({low / bare:+.2%} to {high / bare:+.2%})",
            f"{alone * 1e6:.0f} µs",
            f"{alone:.3%}",
        )
    console = Console(width=140)
    console.print(table)
    console.print(hardware.line(hardware.describe(accelerator=True)))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
