"""What two runs of many images cost to open, report, gate and compare: processor seconds and peak memory.

    python -m benchmarks.large_runs [--images 10000] [--times 3] [--keep FOLDER]

Both runs have prompts of three strings, four seeds and one model each, whose readings are the targets with planted
errors, with places and confidences of every line and character as PaddleOCR gives them; images are specks, so that
hashing them costs next to nothing. Scores are in the cache, thumbnails made. Each command runs in a process of its own,
several times; told are the least processor seconds (user and system) and the greatest peak of resident memory.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from evalsuite import hardware
from evalsuite.models.typeset.planted_errors import plant
from evalsuite.records import Characters, Prompt
from evalsuite.runs import open_run
from tests import runs_by_hand
from tests.runs_by_hand import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalsuite.records import ModelSpec, Reading

SEEDS = 4
WORDS = ("COFFEE", "FRESH", "BREAD", "OPEN", "DAILY", "MARKET", "STREET", "NIGHT", "GRAND", "SALE", "BOOKS", "PAPER")
RATES = {"baseline": 0.02, "candidate": 0.021}
"""Planted errors per character by run."""


def prompts_of(count: int) -> list[Prompt]:
    """So many prompts of three strings each, half of them called Chinese."""
    rng = random.Random(1)
    found = []
    for place in range(count):
        targets = tuple(" ".join(rng.choices(WORDS, k=rng.randint(1, 4))) for _ in range(3))
        found.append(
            Prompt(
                id=f"large-{place:05d}",
                suite="large",
                language=("en", "zh")[place % 2],
                category=f"category {place % 5}",
                length="short",
                text=f"{place}: {' / '.join(targets)}",
                targets=targets,
            )
        )
    return found


def make_run(folder: Path, prompts: Sequence[Prompt], rate: float) -> None:
    """A run of these prompts by a model that errs at this rate, scored."""
    rng = random.Random(folder.name)

    def outcome(_model: ModelSpec, prompt: Prompt, seed: int) -> Outcome:
        lines = tuple(plant(text, rate, [prompt.id, seed, place]) for place, text in enumerate(prompt.targets))
        return Outcome(lines=lines, seconds=rng.lognormvariate(0, 0.1))

    def with_characters(reading: Reading) -> Reading:
        lines = (
            structs.replace(
                line,
                characters=Characters(
                    at=tuple((2 * place + 1) * 500 // len(line.text) for place in range(len(line.text))),
                    p=tuple(rng.randint(900, 1000) for _ in line.text),
                ),
            )
            for line in reading.lines
        )
        return structs.replace(reading, lines=tuple(lines))

    store = runs_by_hand.make_run(
        folder,
        prompts=prompts,
        models=[runs_by_hand.model(f"model of {folder.name}")],
        seeds=range(SEEDS),
        outcome=outcome,
        size=runs_by_hand.SPECK,
        environment=hardware.describe(),
        scored=False,
    )
    runs_by_hand.edit_readings(store, with_characters)
    open_run(store).keep_scores()


def measure(command: Sequence[str], times: int) -> tuple[float, float]:
    """The least processor seconds and the greatest peak in MB of a command that is run several times."""
    seconds, peaks = [], []
    for _ in range(times):
        process = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, 10, 11):  # a gate may fail
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
        seconds.append(usage.ru_utime + usage.ru_stime)
        peaks.append(usage.ru_maxrss * 1024 / 1e6)
    return min(seconds), max(peaks)


def main() -> None:
    """Make the runs, measure each command and print a line of figures for it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="keep the runs in this folder, and use those that are there")
    parser.add_argument("--make", choices=RATES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.make:
        make_run(arguments.keep / arguments.make, prompts_of(arguments.images // SEEDS), RATES[arguments.make])
        return
    print(hardware.line(hardware.describe()))
    with tempfile.TemporaryDirectory() as scratch:
        place = arguments.keep or Path(scratch)
        for name in RATES:
            if not (place / name / "manifest.json").exists():
                # Not here: the peak of a process that is started counts what its parent held.
                made = ["-m", "benchmarks.large_runs", "--images", str(arguments.images), "--keep", str(place)]
                measure([*made, "--make", name], 1)
        baseline, candidate = (str(place / name) for name in RATES)
        gate = ["-m", "evalsuite", "gate", "--baseline", baseline, "--candidate", candidate]
        commands = {
            "open": ["-c", f"from evalsuite.runs import open_run; open_run({candidate!r})"],
            "report": ["-m", "evalsuite", "report", candidate],
            "gate": gate,
            "gate --no-report": [*gate, "--no-report"],
            "compare": ["-m", "evalsuite", "compare", baseline, candidate, "--out", str(place / "comparison")],
        }
        for name in ("report", "compare"):
            measure(commands[name], 1)  # the thumbnails, once
        for name, command in commands.items():
            seconds, peak = measure(command, arguments.times)
            load = os.getloadavg()[0]
            print(f"{name}: {seconds:.2f} CPU s, {peak:.0f} MB (load {load:.1f})", flush=True)


if __name__ == "__main__":
    main()
