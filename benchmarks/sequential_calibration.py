"""How often a gate that may stop after any image errs, and after how many images it stops.

    nox -s bench -- sequential_calibration [--simulations N] [--json FILE]

`_checkpoints.py` says how checkpoints are drawn. For "this suite" each simulation is a complete run whose mean loss is
exactly the margin, in a random order; for "prompts like these" it is 320 independent prompts of a true loss of exactly
the margin. The gate looks after every image (every prompt), and a PASS or a FAIL at any look counts as one.

The wagers are those of `stats.betting`, for many simulations at a time; for the first of each cell they are checked
against `Wager` itself. Exits with 1 where a rate of wrong verdicts is above 0.06.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import math
import sys
import time
from pathlib import Path

import msgspec
import numpy as np

from benchmarks._checkpoints import (
    BACKGROUNDS,
    KINDS,
    MEAN,
    Background,
    Floats,
    Kind,
    accuracies,
    binary,
    damaged,
    whole_run,
)
from benchmarks._checkpoints import differences as draw
from benchmarks.gate_calibration import O_BRIEN_FLEMING, POCOCK, Tables, decisions, group_sequential, lengths
from evalsuite.stats import wealth
from evalsuite.stats.betting import Claim, Wager
from evalsuite.stats.wealth import Ints

ALPHA = 0.05
LIMIT = 0.06
MARGINS = (0.02, 0.03, 0.05)
_CHECKED = 2

CLAIMS: tuple[Claim, ...] = ("this suite", "prompts like these")


def stops(values: Floats, margin: float, claim: Claim, gates: int = 1) -> tuple[Ints, Ints]:
    """Looks and verdicts of `wealth.stops`, whose first rows are checked against `Wager` itself."""
    _check(values[:_CHECKED], margin, claim)
    return wealth.stops(values, margin, claim, alpha=ALPHA, gates=gates)


def _check(values: Floats, margin: float, claim: Claim) -> None:
    paths = wealth.suite_wealth(values, margin) if claim == "this suite" else wealth.prompt_wealth(values, margin)
    for row in range(len(values)):
        wager = Wager(margin, claim=claim, population=values.shape[1] if claim == "this suite" else None)
        for place, value in enumerate(values[row, :60]):
            wager.observe(float(value))
            expected = [min(1.0, math.exp(-float(each[row, place]))) for each in paths]
            if not np.allclose([wager.p_pass, wager.p_fail], expected, rtol=1e-6, atol=1e-12):
                raise RuntimeError("the wealths of many simulations at a time differ from those of stats.betting")


def shares(verdict: Ints) -> tuple[float, float]:
    """How many pass, and how many fail."""
    return float((verdict == 1).mean()), float((verdict == -1).mean())


def at_the_margin(tables: Tables, simulations: int, seed: int) -> dict[str, tuple[float, float]]:
    """Wrong verdicts where the loss is exactly δ, looking after every image (every prompt)."""
    cells: dict[str, tuple[float, float]] = {}
    kinds: tuple[Kind, ...] = ("all", "few", "mix50", "mix20")
    tables.head('"this suite"', "δ", "background", *kinds)
    for n, k in ((160, 1), (160, 4), (320, 1), (320, 4)):
        for margin in MARGINS:
            for background in BACKGROUNDS:
                for kind in kinds:
                    rng = np.random.default_rng(
                        [seed, n, k, round(1e3 * margin), KINDS.index(kind), BACKGROUNDS.index(background)]
                    )
                    values = whole_run(rng, simulations, n, k, kind, background, margin)
                    cells[f"suite {n}x{k} {margin} {background} {kind}"] = shares(
                        stops(values, margin, "this suite")[1]
                    )
                found = (cells[f"suite {n}x{k} {margin} {background} {kind}"] for kind in kinds)
                tables.row(f"{n} × {k}", str(margin), background, *(f"{a:.3f} / {b:.3f}" for a, b in found))
    tables.head('"prompts like these"', "δ", "background", *KINDS, "t at 5 looks: Pocock", "O'Brien-Fleming")
    for k in (1, 4):
        for margin in MARGINS:
            for background in BACKGROUNDS:
                peers = []
                for kind in KINDS:
                    rng = np.random.default_rng(
                        [seed, k, round(1e3 * margin), KINDS.index(kind), BACKGROUNDS.index(background)]
                    )
                    values = draw(rng, simulations, 320, k, kind, background, margin).mean(axis=2)
                    cells[f"prompts 320x{k} {margin} {background} {kind}"] = shares(
                        stops(values, margin, "prompts like these")[1]
                    )
                    peers.append(_group_sequential(values, margin))
                found = (cells[f"prompts 320x{k} {margin} {background} {kind}"] for kind in KINDS)
                tables.row(f"320 × {k}", str(margin), background, *(f"{a:.3f} / {b:.3f}" for a, b in found),
                           *(max(each) for each in zip(*peers, strict=True)))  # fmt: skip
    tables.head("harder cases", "wrong PASS / wrong FAIL")
    for name, values, margin in hard_cases(simulations, seed):
        cells[name] = shares(stops(values, margin, "prompts like these")[1])
        tables.row(name, f"{cells[name][0]:.3f} / {cells[name][1]:.3f}")
    return cells


def _group_sequential(values: Floats, margin: float) -> tuple[float, float]:
    fleming = [O_BRIEN_FLEMING * (5 / look) ** 0.5 for look in range(1, 6)]
    first, second = (float(group_sequential(values, margin, each).mean()) for each in ([POCOCK] * 5, fleming))
    return first, second


def hard_cases(simulations: int, seed: int) -> list[tuple[str, Floats, float]]:
    """0/1 outcomes; two languages of which one loses all; unequal lengths."""
    found: list[tuple[str, Floats, float]] = []
    for base, alike in ((0.98, 0.7), (0.6, 0.5)):
        for margin in MARGINS:
            rng = np.random.default_rng([seed, round(100 * base), round(1e3 * margin)])
            values = binary(rng, simulations, 320, 1, base, alike, margin).mean(axis=2)
            found.append((f"0/1 outcomes, right in {base}, δ = {margin}", values, margin))
    for margin in MARGINS:
        rng = np.random.default_rng([seed, 5, round(1e3 * margin)])
        halves = [draw(rng, simulations, 160, 1, "few", "real", loss).mean(axis=2) for loss in (2 * margin, 0.0)]
        values = rng.permuted(np.concatenate(halves, axis=1), axis=1)
        found.append((f"160 prompts lose 2δ, 160 nothing, shuffled, δ = {margin}", values, margin))
        den = lengths("even 10 to 110", 320)
        baseline, candidate = accuracies(rng, 2, (simulations, 320), 1, "real")
        chance = np.minimum(margin / MEAN["real"] * den * den.sum() / (den**2).sum(), 1.0)
        candidate = np.where(rng.random((simulations, 320, 1)) < chance[:, None], 0.0, candidate)
        scaled = ((candidate - baseline)[..., 0] * den + margin * den) / den.max() - margin
        order = rng.permuted(np.tile(np.arange(320), (simulations, 1)), axis=1)
        found.append((f"micro, long prompts break, δ = {margin}", np.take_along_axis(scaled, order, axis=1), margin))
    return found


CASES: tuple[tuple[str, Kind, Background, float], ...] = (
    ("equal, quiet", "all", "quiet", 0.0),
    ("equal, real", "all", "real", 0.0),
    ("equal, loose", "all", "loose", 0.0),
    ("loses 0.10 everywhere", "all", "real", 0.10),
    ("15 % of prompts break", "few", "real", 0.15 * MEAN["real"]),
    ("loses 0.30 everywhere", "all", "real", 0.30),
)


def images_to_a_verdict(tables: Tables, simulations: int, seed: int) -> None:
    """How many images a verdict takes, beside the fixed design, which takes them all."""
    tables.head('"this suite": images (PASS / FAIL)', *(f"{n} × 4, δ = {d}" for n in (160, 320) for d in MARGINS))
    for name, kind, background, loss in CASES:
        row = []
        for n in (160, 320):
            for margin in MARGINS:
                rng = np.random.default_rng([seed, n, round(1e3 * margin)])
                values = draw(rng, simulations, n, 4, kind, background, loss).reshape(simulations, -1)
                looks, verdict = stops(rng.permuted(values, axis=1), margin, "this suite")
                row.append("{:.0f} ({:.2f} / {:.2f})".format(looks.mean(), *shares(verdict)))
        tables.row(name, *row)
    for k in (1, 4):
        tables.head(
            f'"prompts like these", 320 × {k}', "loss", *(f"δ = {d}: prompts (PASS / FAIL); fixed" for d in MARGINS)
        )
        for background in BACKGROUNDS:
            for kind in KINDS[:2]:
                for factor in (0.0, 0.5, 2.0, 5.0, 10.0)[kind != "all" :]:
                    row = [f"{factor:g} δ"]
                    for margin in MARGINS:
                        rng = np.random.default_rng([seed, k, round(1e3 * margin), round(10 * factor)])
                        values = draw(rng, simulations, 320, k, kind, background, factor * margin).mean(axis=2)
                        looks, verdict = stops(values, margin, "prompts like these")
                        fixed = decisions(values[: simulations // 2], margin)
                        row.append(
                            "{:.0f} ({:.2f} / {:.2f}); {:.2f} / {:.2f}".format(
                                looks.mean(), *shares(verdict), fixed["pass"].mean(), fixed["fail"].mean()
                            )
                        )
                    tables.row(f"{background}, {kind}", *row)


def several_gates(tables: Tables, simulations: int, seed: int) -> dict[str, tuple[float, float]]:
    """The default policy's three gates (all, and each language) over 320 × 4 images of two languages."""
    cells = {}
    tables.head("three gates: true loss en, zh", "claim", "PASS", "FAIL", "images of 1,280")
    for losses in ((0.0, 0.0), (0.02, 0.02), (0.03, 0.01), (0.03, 0.0), (0.06, 0.0), (0.04, 0.04)):
        for claim in CLAIMS:
            rng = np.random.default_rng([seed, round(1e3 * losses[0]), round(1e3 * losses[1])])
            halves = []
            for loss in losses:
                baseline, candidate = accuracies(rng, 2, (simulations, 160), 4, "real")
                halves.append(damaged(rng, candidate, "mix50", loss / MEAN["real"]) - baseline)
            values = np.concatenate(halves, axis=1)
            language = np.repeat([0, 1], 160)[None, :, None] + np.zeros(values.shape, dtype=int)
            if claim == "this suite":
                values, language = values.reshape(simulations, -1), language.reshape(simulations, -1)
            else:
                values, language = values.mean(axis=2), language[..., 0]
            order = rng.permuted(np.tile(np.arange(values.shape[1]), (simulations, 1)), axis=1)
            values = np.take_along_axis(values, order, axis=1)
            language = np.take_along_axis(language, order, axis=1)
            passed, failed = _all_gates(values, language, claim)
            looks = np.minimum(np.minimum(passed, failed) + 1, values.shape[1])
            images = looks.mean() * 1280 / values.shape[1]
            name = f"{losses[0]:g}, {losses[1]:g}"
            cells[f"{name} {claim}"] = (float((passed < failed).mean()), float((failed < passed).mean()))
            tables.row(name, claim, *cells[f"{name} {claim}"], f"{images:.0f}")
    return cells


def _all_gates(values: Floats, language: Ints, claim: Claim) -> tuple[Ints, Ints]:
    """The looks at which the last of three gates has passed, and the first has failed; beyond the end where none."""
    end = values.shape[1]
    passed, failed = np.zeros(len(values), dtype=int), np.full(len(values), end)
    for part, margin in ((None, 0.02), (0, 0.03), (1, 0.03)):
        places = np.tile(np.arange(end), (len(values), 1))
        if part is not None:
            places = np.argsort(language != part, axis=1, kind="stable")[:, : end // 2]
        mine = np.take_along_axis(values, places, axis=1)
        paths = wealth.suite_wealth(mine, margin) if claim == "this suite" else wealth.prompt_wealth(mine, margin)
        for side, (each, need) in enumerate(zip(paths, (1 / ALPHA, 3 / ALPHA), strict=True)):
            over = each >= math.log(need)
            look = np.take_along_axis(places, over.argmax(axis=1)[:, None], axis=1)[:, 0]
            look = np.where(over.any(axis=1), look, end)
            if side == 0:
                passed = np.maximum(passed, look)
            else:
                failed = np.minimum(failed, look)
    return passed, failed


def main() -> int:
    """Run all cells, print the tables in Markdown, and judge them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--simulations", type=int, default=2_000, help="a cell (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write all rates here")
    options = parser.parse_args()
    tables = Tables()
    started = time.perf_counter()
    tables.say(f"{options.simulations} simulations a cell, α = {ALPHA}, seed {options.seed}; wrong PASS / wrong FAIL")
    images_to_a_verdict(tables, options.simulations // 4, options.seed)
    gates = several_gates(tables, options.simulations // 4, options.seed)
    cells = at_the_margin(tables, options.simulations, options.seed)
    worst = max(cells, key=lambda name: cells[name][0]), max(cells, key=lambda name: cells[name][1])
    tables.say(
        f"\n{len(cells)} cells at a loss of δ: worst rate of wrong PASS {cells[worst[0]][0]:.4f} ({worst[0]}), of "
        f"wrong FAIL {cells[worst[1]][1]:.4f} ({worst[1]}), limit {LIMIT}; {time.perf_counter() - started:.0f} s"
    )
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode({"cells": cells, "gates": gates}), indent=1))
    return int(max(cells[worst[0]][0], cells[worst[1]][1]) > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
