"""How often the gate errs: simulated checkpoints whose true loss is known, and three common tests beside it.

    nox -s bench -- gate_calibration [--simulations N] [--json FILE]

Each simulation draws prompts, and k = 4 images of each by a baseline and by a candidate, and gates them with margin δ
at level 0.05. Losses: 0 (A/A: a FAIL is wrong), exactly δ (a PASS is wrong), and 2δ (a FAIL is wanted). Two kinds:

* all: every prompt loses a little, a share of its accuracy;
* few: a prompt breaks outright, in all its images, with the probability that gives that mean loss.

Three backgrounds: "quiet" (the baseline is perfect and repeats exactly), "mixed" (half the prompts are, the others
are as in noisy), "noisy" (prompts of different difficulty, images that scatter). Beside the gate, on the same data:
Student's t-test, the percentile bootstrap, and the sign-flip test of the differences plus δ.

The bounds are those that ship (`resampling.pivots`, `gaffke.gaffke_draws`), for many data sets at a time; for the first
data sets of each cell they are checked against `bounds.compare`. Exits with 1 where a false-pass rate is above 0.07
or an A/A run fails more often than α.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt
from rich.console import Console
from scipy.special import stdtrit

from evalsuite.stats import bounds, power, resampling

Floats = npt.NDArray[np.float64]
Kind = Literal["all", "few"]
Background = Literal["quiet", "mixed", "noisy"]

ALPHA = 0.05
SAMPLES = 4
MARGINS = (0.02, 0.05, 0.10)
PROMPTS = (40, 100, 200)
KINDS: tuple[Kind, ...] = ("all", "few")
BACKGROUNDS: tuple[Background, ...] = ("quiet", "mixed", "noisy")
LIMIT = 0.07
LENGTHS = (10, 110)
"""Characters of a prompt's targets: even between these."""

DIFFICULTY = (0.6, 12.0)
"""Beta distribution of a prompt's error rate in noisy prompts: mean 0.048, a few far worse."""

SCATTER = 30.0
"""How closely images keep to their prompt's error rate: a beta distribution with this sum of parameters."""

FLIPS = 1_999
CHECKED = 5
_BLOCK = 200


@dataclass(frozen=True, slots=True)
class Rates:
    """Shares of simulations. `pass_` and `fail` are the gate's; the others pass where the test rejects a loss of δ."""

    pass_: float
    fail: float
    student: float
    percentile: float
    sign_flip: float
    sparse: float


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of the table: the gate at a true loss of 0, δ and 2δ."""

    margin: float
    prompts: int
    kind: Kind
    background: Background
    least: int
    equal: Rates
    at_margin: Rates
    at_double: Rates


def simulate(
    rng: np.random.Generator,
    simulations: int,
    n: int,
    kind: Kind,
    background: Background,
    loss: float,
    k: int = SAMPLES,
) -> Floats:
    """Differences of accuracy, candidate minus baseline, shape (simulations, n, k); their mean is exactly -loss."""
    lengths = rng.integers(LENGTHS[0], LENGTHS[1] + 1, size=(simulations, n))
    errors, mean = error_rates(rng, (simulations, n), background)
    share = loss / (1 - mean)
    baseline = draw(rng, lengths, 1 - errors, k)
    if kind == "all":
        return draw(rng, lengths, (1 - errors) * (1 - share), k) - baseline
    broken = rng.random((simulations, n, 1)) < share
    return np.where(broken, 0.0, draw(rng, lengths, 1 - errors, k)) - baseline


def error_rates(rng: np.random.Generator, shape: tuple[int, ...], background: Background) -> tuple[Floats, float]:
    """Each prompt's error rate, and the mean over all prompts there could be."""
    a, b = DIFFICULTY
    noisy, mean = rng.beta(a, b, size=shape), a / (a + b)
    if background == "quiet":
        return np.zeros(shape), 0.0
    if background == "mixed":
        return np.where(rng.random(shape) < 0.5, 0.0, noisy), mean / 2
    return noisy, mean


def draw(rng: np.random.Generator, lengths: npt.NDArray[np.int64], accuracy: Floats, k: int) -> Floats:
    """The accuracy of k images a prompt: characters right of its length, scattered about the prompt's own rate."""
    certain = ((accuracy <= 0) | (accuracy >= 1))[..., None]
    inner = np.clip(accuracy, 1e-6, 1 - 1e-6)[..., None]
    rates = rng.beta(inner * SCATTER, (1 - inner) * SCATTER, size=(*accuracy.shape, k))
    rates = np.where(certain, accuracy[..., None], rates)
    right: Floats = rng.binomial(lengths[..., None], rates) / lengths[..., None]
    return right


def one_sided(values: Floats, alpha: float) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """L and U of each row of `values` (simulations, prompts) as `bounds.compare` makes them, and which are sparse."""
    m, n = values.shape
    mean = values.mean(axis=1)
    errors = values - mean[:, None]
    spread = resampling.standard_errors(errors, np.ones(n))
    sparse = (np.count_nonzero(np.abs(values) > 1e-12, axis=1) < bounds.SPARSE) | (spread <= 1e-12)
    lower, upper = np.empty(m), np.empty(m)
    known: dict[bytes, tuple[float, float]] = {}
    for place in np.flatnonzero(sparse):
        key = np.sort(values[place]).tobytes()
        if key not in known:
            found = bounds.compare(values[place])
            known[key] = found.lower(alpha), found.upper(alpha)
        lower[place], upper[place] = known[key]
    dense = np.flatnonzero(~sparse)
    rank = resampling.rank(alpha, resampling.REPLICATES)
    for start in range(0, len(dense), _BLOCK):
        block = dense[start : start + _BLOCK]
        least, greatest = resampling.pivots(errors[block])
        top = np.partition(greatest, resampling.REPLICATES - rank, axis=1)[:, resampling.REPLICATES - rank]
        bottom = np.partition(least, rank - 1, axis=1)[:, rank - 1]
        lower[block] = np.maximum(-1, mean[block] - top * spread[block])
        upper[block] = np.minimum(1, mean[block] - bottom * spread[block])
    for place in range(min(CHECKED, m)):
        found = bounds.compare(values[place])
        if not np.allclose([found.lower(alpha), found.upper(alpha)], [lower[place], upper[place]], atol=1e-9):
            raise RuntimeError("the bounds of many data sets at a time differ from those of bounds.compare")
    return lower, upper, sparse


def rates(values: Floats, margin: float, alpha: float = ALPHA) -> Rates:
    """What the gate and the other tests decide on each row of `values` (simulations, prompts)."""
    m, n = values.shape
    lower, upper, sparse = one_sided(values, alpha)
    enough = n >= power.prompts_for_margin(margin, alpha)
    mean, spread = values.mean(axis=1), values.std(axis=1, ddof=1) / np.sqrt(n)
    percentile = np.empty(m)
    rank = resampling.rank(alpha, resampling.REPLICATES)
    counts = resampling.resample_counts(n).astype(np.float64)
    signs = np.random.default_rng(7).choice([-1.0, 1.0], size=(FLIPS, n))
    flipped = np.empty(m)
    for start in range(0, m, _BLOCK):
        block = slice(start, start + _BLOCK)
        means = counts @ values[block].T / n
        percentile[block] = np.partition(means, rank - 1, axis=0)[rank - 1]
        centred = values[block] + margin
        at_least = (signs @ centred.T / n >= centred.mean(axis=1) - 1e-12).sum(axis=0)
        flipped[block] = (1 + at_least) / (FLIPS + 1)
    return Rates(
        pass_=float((lower > -margin).mean()) if enough else 0.0,
        fail=float((upper < -margin).mean()),
        student=float((mean - stdtrit(n - 1, 1 - alpha) * spread > -margin).mean()),
        percentile=float((percentile > -margin).mean()),
        sign_flip=float((flipped <= alpha).mean()),
        sparse=float(sparse.mean()),
    )


def measure(margin: float, n: int, kind: Kind, background: Background, simulations: int, seed: int) -> Cell:
    """One cell at all three losses."""
    place = [MARGINS.index(margin), n, KINDS.index(kind), BACKGROUNDS.index(background)]
    found = []
    for number, loss in enumerate((0.0, margin, 2 * margin)):
        rng = np.random.default_rng([seed, number, *place])
        found.append(rates(simulate(rng, simulations, n, kind, background, loss).mean(axis=2), margin))
    least = power.prompts_for_margin(margin, ALPHA)
    return Cell(margin, n, kind, background, least, equal=found[0], at_margin=found[1], at_double=found[2])


def two_looks(n: int, kind: Kind, background: Background, margin: float, simulations: int, seed: int) -> float:
    """False passes at a loss of δ where an undecided gate is extended once, from 4 to 8 samples a prompt."""
    rng = np.random.default_rng([seed, 99, n, KINDS.index(kind), BACKGROUNDS.index(background)])
    values = simulate(rng, simulations, n, kind, background, margin, 2 * SAMPLES)
    level = power.look_level(ALPHA, 0.5)
    if n < power.prompts_for_margin(margin, level):
        return 0.0
    first, upper, _ = one_sided(values[:, :, :SAMPLES].mean(axis=2), level)
    second, _, _ = one_sided(values.mean(axis=2), level)
    undecided = (first <= -margin) & (upper >= -margin)
    return float(((first > -margin) | (undecided & (second > -margin))).mean())


def micro(n: int, margin: float, loss: float, simulations: int, seed: int) -> float:
    """Passes of a micro gate where long prompts break more often than short ones: the ratio bootstrap."""
    rng = np.random.default_rng([seed, 98, n])
    sizes = np.arange(LENGTHS[0], LENGTHS[1] + 1)
    errors_mean = DIFFICULTY[0] / sum(DIFFICULTY)
    share = loss * sizes.mean() / ((sizes**2).mean() * (1 - errors_mean))
    passed = 0
    for _ in range(simulations):
        lengths = rng.integers(LENGTHS[0], LENGTHS[1] + 1, size=(1, n))
        errors, _mean = error_rates(rng, (1, n), "noisy")
        baseline = draw(rng, lengths, 1 - errors, SAMPLES)
        candidate = draw(rng, lengths, 1 - errors, SAMPLES)
        broken = rng.random((1, n, 1)) < share * lengths[..., None]
        difference = (np.where(broken, 0.0, candidate) - baseline).mean(axis=2)[0] * lengths[0]
        den = lengths[0].astype(np.float64)
        least = power.prompts_for_margin(margin, ALPHA, float(den.max() / den.mean()))
        passed += n >= least and bounds.compare(difference, den).lower(ALPHA) > -margin
    return passed / simulations


def main() -> int:
    """Run all cells, print the tables in Markdown, and judge them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--simulations", type=int, default=2_000, help="a cell and loss (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write all rates here")
    options = parser.parse_args()
    out = Console(highlight=False, soft_wrap=True)
    started = time.perf_counter()
    cells = []
    out.print(f"{options.simulations} simulations a cell, k = {SAMPLES}, α = {ALPHA}, seed {options.seed}\n")
    head = ("δ", "n", "prompts that lose", "background", "false PASS", "t-test", "percentile", "sign-flip", "FAIL at δ",
            "A/A PASS", "A/A FAIL", "FAIL at 2δ", "PASS at 2δ")  # fmt: skip
    out.print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}", markup=False)
    for margin in MARGINS:
        for kind in KINDS:
            for n in PROMPTS:
                for background in BACKGROUNDS:
                    cell = measure(margin, n, kind, background, options.simulations, options.seed)
                    cells.append(cell)
                    out.print(f"| {' | '.join(_row(cell))} |", markup=False)
    looks = {
        f"{kind}, {background}, n = {n}, δ = 0.05": two_looks(
            n, kind, background, 0.05, options.simulations, options.seed
        )
        for kind in KINDS
        for background in BACKGROUNDS
        for n in (100, 200)
    }
    out.print("\n| one extension, 4 to 8 samples | false PASS |\n|---|---|", markup=False)
    for name, rate in looks.items():
        out.print(f"| {name} | {rate:.3f} |", markup=False)
    ratios = {f"n = {n}, δ = 0.1": micro(n, 0.1, 0.1, options.simulations, options.seed) for n in (100, 200)}
    out.print("\n| micro average, long prompts break | false PASS |\n|---|---|", markup=False)
    for name, rate in ratios.items():
        out.print(f"| {name} | {rate:.3f} |", markup=False)
    worst = max([cell.at_margin.pass_ for cell in cells] + list(looks.values()) + list(ratios.values()))
    wrong = max(cell.equal.fail for cell in cells)
    able = [cell.at_margin for cell in cells if cell.prompts >= cell.least]
    peers = ("t-test", "student"), ("percentile bootstrap", "percentile"), ("sign-flip", "sign_flip")
    shown = [f"{name} up to {max(getattr(rate, field) for rate in able):.3f}" for name, field in peers]
    out.print(
        f"\nworst false-pass rate {worst:.4f} (limit {LIMIT}), worst A/A FAIL rate {wrong:.4f} (limit {ALPHA}); "
        f"where n allows a PASS, {'; '.join(shown)}; "
        f"{time.perf_counter() - started:.0f} s"
    )
    if options.json:
        found = {"cells": [asdict(cell) for cell in cells], "two_looks": looks, "micro": ratios}
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1))
    return int(worst > LIMIT or wrong > ALPHA)


def _row(cell: Cell) -> tuple[str, ...]:
    at, equal, double = cell.at_margin, cell.equal, cell.at_double
    passed = f"{at.pass_:.3f}" if cell.prompts >= cell.least else f"0 (n < {cell.least})"
    figures = (at.student, at.percentile, at.sign_flip, at.fail, equal.pass_, equal.fail, double.fail, double.pass_)
    return (
        f"{cell.margin:g}", str(cell.prompts), cell.kind, cell.background, passed, *(f"{rate:.3f}" for rate in figures)
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
