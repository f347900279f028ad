"""How fast is the scorer, and is its packing the best? Against serial CER (jiwer) and HiGHS (SciPy's milp).

Scores 1,280 corrupted readings (320 prompts × 4) on one core and prints milliseconds per image, the worst
image, and peak memory; the same for perfect and nearly perfect readings, and for readings made to take long
(`tests/scoring/test_bounds.py`). All times are processor time, so that what else the machine does counts little. Then
gives the candidates of every image, the same ones, to the packing and to `scipy.optimize.milp`, and compares
time and optimum image by image. Exits with 1 where an optimum differs.

    python -m benchmarks.scoring [--seeds 4] [--errors 0.05] [--json FILE]
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import resource
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import jiwer
import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from benchmarks._readings import LANGUAGES, Damage, Damaged, Page, damage, glyphs_of, pages
from evalsuite.records import TextLine
from evalsuite.scoring import rates, score_image
from evalsuite.scoring.folding import simplified
from evalsuite.scoring.matching import all_candidates
from evalsuite.scoring.normalize import normalize, profile_named
from evalsuite.scoring.packing import gain, pack
from evalsuite.scoring.page import Page as Reading
from evalsuite.scoring.pieces import Alphabet, Candidate, Pattern, Patterns

Times = dict[str, float]

REPEATS = 3
"""Packing and milp are run this often on each image; the fastest counts, for both."""


def corrupted(how: Damage, seeds: int) -> tuple[list[Damaged], str]:
    """`seeds` readings of every page."""
    everything, source = pages()
    glyphs = {language: glyphs_of(everything, language) for language in LANGUAGES}
    found = []
    for seed in range(seeds):
        rng = random.Random(f"scoring-{seed}")
        found += [damage(page, how, rng, glyphs[page.language]) for page in everything]
    return found, source


COMMON = {
    "perfect": Damage(),
    "split": Damage(split=0.8, shuffle=True),
    "nearly": Damage(errors=0.01, split=0.3, shuffle=True),
}
"""Readings as a good model's are: each target a line, over several lines, and with one letter of a hundred wrong."""


def hard_readings() -> dict[str, Damaged]:
    """Readings that took seconds before the work was bounded, and larger ones."""
    rng = random.Random(7)
    words = ["".join(rng.choices("etaoinshrdlucmfwyp", k=rng.randint(2, 9))) for _ in range(900)]

    def wrong(text: str) -> str:
        return "".join(rng.choice("etaoinshrdlu") if c != " " and rng.random() < 0.1 else c for c in text)

    long = [" ".join(words[row : row + 7]) for row in range(0, 300, 7)]
    short = [" ".join(words[row : row + 3]) for row in range(300, 900, 3)]
    cases = {
        "one target of 2,000, a tenth wrong": ([" ".join(long)], [wrong(line) for line in long]),
        "200 targets, a tenth wrong": (short, [wrong(line) for line in short]),
        "100 equal targets, 200 equal lines": (["GRAND OPENING"] * 100, ["GRAND OPENING"] * 200),
        "the same, one letter wrong": (["GRAND OPENING"] * 100, ["GRAND OPENIMG"] * 200),
        "a line of 3.9 million characters": (["GRAND OPENING"], ["GRAND OPENING", "word " * 780_000]),
        "500 lines of 4,000 characters": (["GRAND OPENING"], ["GRAND OPENING", *["word " * 800] * 500]),
    }
    return {
        name: Damaged(Page(name, "en", tuple(targets)), tuple(TextLine(text=text) for text in texts), (), ())
        for name, (targets, texts) in cases.items()
    }


def timed(work: Callable[[Damaged], object], readings: Sequence[Damaged]) -> list[float]:
    """Processor seconds that each reading takes, each done once."""
    found = []
    for reading in readings:
        start = time.process_time()
        work(reading)
        found.append(time.process_time() - start)
    return found


def summary(seconds: Sequence[float]) -> Times:
    """Milliseconds an image, and seconds in all."""
    return {
        "mean_ms": 1e3 * statistics.fmean(seconds),
        "p50_ms": 1e3 * float(np.quantile(seconds, 0.5)),
        "p99_ms": 1e3 * float(np.quantile(seconds, 0.99)),
        "worst_ms": 1e3 * max(seconds),
        "total_s": sum(seconds),
    }


def score(reading: Damaged) -> object:
    """Our score."""
    return score_image(reading.page.targets, reading.lines)


def serial(reading: Damaged) -> float:
    """Serial CER of the lines as listed against the targets in order; case and white space folded as in `standard`."""
    return float(jiwer.cer(_flat(reading.page.targets), _flat([line.text for line in reading.lines])))


def _flat(texts: Sequence[str]) -> str:
    return "".join("".join(text.split()).casefold() for text in texts) or " "


def candidates(targets: Sequence[str], lines: Sequence[TextLine]) -> tuple[list[Candidate], Patterns]:
    """All candidates of an image and its distinct targets."""
    profile, alphabet = profile_named("standard"), Alphabet()
    patterns = Patterns(Pattern(normalize(target, profile), alphabet) for target in sorted(targets))
    return all_candidates(Reading(lines, profile, alphabet), patterns), patterns


def best_gain(found: Sequence[Candidate], patterns: Patterns) -> tuple[int, float]:
    """The greatest total gain by HiGHS, and the seconds that it took (the model's making not counted)."""
    weights = np.array([gain(candidate, patterns.sizes[candidate.target]) for candidate in found])
    rows = {("target", number): number for number in range(len(patterns))}
    cells = []
    for column, candidate in enumerate(found):
        cells.append((candidate.target, column))
        cells += [(rows.setdefault(("unit", unit), len(rows)), column) for unit in candidate.units]
    at, columns = zip(*cells, strict=True)
    matrix = csr_array((np.ones(len(cells)), (at, columns)), shape=(len(rows), len(found)))
    most = np.array([*patterns.counts, *[1] * (len(rows) - len(patterns))])
    constraints = LinearConstraint(matrix, -np.inf, most)
    seconds = float("inf")
    for _ in range(REPEATS):
        start = time.process_time()
        answer = milp(
            -weights,
            constraints=constraints,
            integrality=np.ones(len(found)),
            bounds=Bounds(0, 1),
            options={"mip_rel_gap": 0},
        )
        seconds = min(seconds, time.process_time() - start)
    if answer.x is None:
        raise RuntimeError(f"milp: {answer.message}")
    return int(weights @ np.round(answer.x)), seconds


def against_milp(readings: Sequence[Damaged]) -> dict[str, float]:
    """Packing and milp on the same candidates: seconds, and whether both found the same optimum."""
    ours, theirs, ratios, contested = [], [], [], 0
    different = unproven = 0
    for reading in readings:
        found, patterns = candidates(reading.page.targets, reading.lines)
        if not found:
            continue
        sizes, counts = patterns.sizes, patterns.counts
        ours.append(min(timed(lambda _: pack(found, sizes, counts), [reading] * REPEATS)))  # noqa: B023 - called at once
        packing = pack(found, sizes, counts)
        best, seconds = best_gain(found, patterns)
        theirs.append(seconds)
        ratios.append(theirs[-1] / ours[-1])
        contested += len(found) > len({c.target for c in found})
        unproven += not packing.exact
        different += sum(gain(c, sizes[c.target]) for c in packing.chosen) != best
    return {
        "images": len(ours),
        "images_with_a_choice": contested,
        "packing_mean_ms": 1e3 * statistics.fmean(ours),
        "packing_worst_ms": 1e3 * max(ours),
        "milp_mean_ms": 1e3 * statistics.fmean(theirs),
        "milp_worst_ms": 1e3 * max(theirs),
        "ratio_of_totals": sum(theirs) / sum(ours),
        "ratio_median": statistics.median(ratios),
        "ratio_worst_image": min(ratios),
        "ratio_of_worst_times": max(theirs) / max(ours),
        "different_optimum": different,
        "not_proven": unproven,
    }


def main() -> int:
    """Run and print; 1 where an optimum differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--errors", type=float, default=0.05)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    how = Damage(
        errors=options.errors, split=0.3, merge=0.2, lost_space=0.2, extras=2, repeated=0.05, dropped=0.05, shuffle=True
    )
    readings, source = corrupted(how, options.seeds)
    print(f"{len(readings)} readings of {source}")
    print(f"damage: {asdict(how)}")
    # What is loaded once a process is not the scorer's speed.
    simplified("国")
    for reading in readings[:10]:
        score(reading)
    serial(readings[0])
    gc.collect()
    gc.freeze()  # nor is going through what this benchmark holds
    result: dict[str, object] = {"source": source, "readings": len(readings), "damage": asdict(how)}
    for name, work in (("evalsuite", score), ("jiwer", serial)):
        result[name] = row = summary(timed(work, readings))
        print(f"{name:10}", "  ".join(f"{key} {value:.2f}" for key, value in row.items()))
    for name, other in COMMON.items():
        common, _ = corrupted(other, 1)
        result[name] = row = summary(timed(score, common))
        print(f"{name:10}", "  ".join(f"{key} {value:.3f}" for key, value in row.items()))
    result["hard"] = hard = {name: 1e3 * timed(score, [made])[0] for name, made in hard_readings().items()}
    for name, milliseconds in hard.items():
        print(f"  {name:40} {milliseconds:.1f} ms")
    accuracy = rates([score_image(reading.page.targets, reading.lines) for reading in readings]).character_accuracy
    errors = statistics.fmean(min(serial(reading), 1) for reading in readings)
    result |= {"character_accuracy": accuracy, "one_minus_serial_cer": 1 - errors}
    print(f"character accuracy {accuracy:.4f}; 1 - serial CER (clipped, mean) {1 - errors:.4f}")
    tracemalloc.start()
    for reading in readings[: len(readings) // options.seeds]:
        score(reading)
    result["peak_mb"] = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    result["peak_process_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3  # kilobytes on Linux
    print(
        f"peak memory: {result['peak_mb']:.1f} MB of Python and NumPy objects while scoring,"
        f" {result['peak_process_mb']:.0f} MB of the process with all readings, SciPy and jiwer"
    )
    result["milp"] = compared = against_milp(readings)
    for key, value in compared.items():
        print(f"  {key:22} {value:.3f}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return 1 if compared["different_optimum"] else 0


if __name__ == "__main__":
    sys.exit(main())
