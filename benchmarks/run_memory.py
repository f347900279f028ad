"""The memory of a run by its number of images: drawing, writing and reading, in a process of its own for each size.

    python -m benchmarks.run_memory [--images 100 1000 10000]

The model draws images of 64×64 pixels as fast as it can beside the writer stage, and the reader does next to nothing in
two processes, so that what remains is what the run itself holds. Told are the resident memory of the run's own process
before it draws, when the last image is read, and after the run was opened and scored as a whole, which takes memory by
its rows; and the seconds until the last image was read.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks._stand_ins import BusyReader, Paged, Waiting, pages_of
from evalsuite import hardware, suites
from evalsuite.records import SuiteRef, digest
from evalsuite.runs.plan import plan_prompts
from evalsuite.runs.progress import Progress
from evalsuite.runs.runner import execute
from evalsuite.runs.store import RunStore

PROMPTS = 20
MIB = 2**20


def run(images: int) -> dict[str, float]:
    """One run of so many images; its figures."""
    prompts = suites.sample([each for suite in suites.load("signage-en") for each in suite.prompts], PROMPTS)
    plan = plan_prompts(
        refs=[SuiteRef(name="signage-en", digest=digest(prompts), prompts=len(prompts), source="signage-en")],
        prompts=prompts,
        models=[Paged(Waiting(0.0, (64, 64)), pages_of(prompts, (64, 64)))],
        engine=BusyReader(0.0, tuple(prompt.targets for prompt in prompts)),
        profile="standard",
        samples=images // PROMPTS,
        seed=0,
        name="memory",
    )
    process = psutil.Process()
    found = {"images": float(images)}
    began = time.perf_counter()

    def watch(step: Progress) -> None:
        if step.stage == "read" and step.done == images:
            found.update(read_s=time.perf_counter() - began, read_mib=process.memory_info().rss / MIB)

    with tempfile.TemporaryDirectory() as place:
        store, _ = RunStore.create_or_resume(Path(place) / "run", plan.manifest)
        found["start_mib"] = process.memory_info().rss / MIB
        done = execute(plan, store, workers=2, watch=watch)
    if done.missing:
        raise RuntimeError(f"{len(done.missing)} images are missing, e.g. {done.missing[0].text}")
    return {**found, "scored_mib": process.memory_info().rss / MIB}


def main() -> None:
    """Measure each size in its own process and print a line of figures for it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[100, 1_000, 10_000])
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(run(arguments.one)))
        return
    print(hardware.line(hardware.describe()))
    for images in arguments.images:
        command = [sys.executable, "-m", "benchmarks.run_memory", "--one", str(images)]
        figures = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(", ".join(f"{name} {value:.4g}" for name, value in figures.items()), flush=True)


if __name__ == "__main__":
    main()
