"""How often the interval of a rate holds the truth, and how wide it is, beside its neighbours.

    nox -s bench -- interval_calibration [--simulations N]

Six kinds of scores, 9 to 320 prompts, nominal 95 %: the interval that ships (`intervals.NEAR`, `FAR`), Jeffreys'
weights (half a pseudo-prompt at each end), Gaffke's two bounds, and Student's t. The micro tables have prompts of 5 to
184 characters. Coverage takes two exact probabilities for each data set; widths, which take a search, are the mean over
the first of them. Exits with 1 where coverage is below 0.93, or an interval is wider on average than Gaffke's.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import sys
from collections.abc import Callable

import numpy as np
from scipy import stats

from benchmarks._checkpoints import MEAN, Floats, accuracies
from benchmarks.gate_calibration import Tables
from evalsuite.stats.dirichlet import quantile, share_below
from evalsuite.stats.gaffke import pseudo_length
from evalsuite.stats.intervals import FAR, NEAR

LEAST_COVERAGE = 0.93
TAIL = 0.025
WIDTHS = 60
METHODS = {"ours": (NEAR, FAR), "Jeffreys": (0.5, 0.5), "Gaffke": (1.0, 0.0)}

Draw = Callable[[np.random.Generator, int], Floats]

SCORES: dict[str, tuple[Draw, float]] = {
    "real, k = 4": (lambda rng, n: accuracies(rng, 1, (n,), 4, "real")[0].mean(axis=1), MEAN["real"]),
    "real, k = 1": (lambda rng, n: accuracies(rng, 1, (n,), 1, "real")[0].mean(axis=1), MEAN["real"]),
    "6 % fail, U(0, 1)": (lambda rng, n: np.where(rng.random(n) < 0.06, rng.random(n), 1.0), 0.97),
    "1 % fail at 0": (lambda rng, n: np.where(rng.random(n) < 0.01, 0.0, 1.0), 0.99),
    "noisy, 2 % break": (lambda rng, n: np.where(rng.random(n) < 0.02, 0.0, rng.beta(45, 5, n)), 0.98 * 0.9),
    "middling": (lambda rng, n: rng.beta(1.4, 1.4, n), 0.5),
}


def ends(num: Floats, den: Floats, near: float, far: float) -> tuple[tuple[Floats, Floats, Floats], ...]:
    """Numerators, denominators and shapes for the lower end and for the upper one."""
    pairs, counts = np.unique(np.stack([num, den], axis=1), axis=0, return_counts=True)
    size = pseudo_length(den)
    found = []
    for low, high in ((near, far), (far, near)):
        extra = [(end * size, size, weight) for end, weight in ((0.0, low), (1.0, high)) if weight]
        rows = np.array([*((*pair, count) for pair, count in zip(pairs, counts, strict=True)), *extra])
        found.append((rows[:, 0], rows[:, 1], rows[:, 2]))
    return tuple(found)


def row(draw: Draw, truth: float, den: Floats, simulations: int, rng: np.random.Generator) -> dict[str, list[float]]:
    """Coverage and mean width of each method."""
    held = dict.fromkeys((*METHODS, "t"), 0)
    widths: dict[str, list[float]] = {name: [] for name in held}
    for place in range(simulations):
        num = draw(rng, len(den)) * den
        for name, (near, far) in METHODS.items():
            lower, upper = ends(num, den, near, far)
            below = [share_below(top - truth * bottom, shapes) for top, bottom, shapes in (lower, upper)]
            held[name] += below[0] >= TAIL and below[1] <= 1 - TAIL
            if place < WIDTHS:
                low, high = (
                    quantile(*side, level, least=0.0, most=1.0, tolerance=1e-5)
                    for side, level in ((lower, TAIL), (upper, 1 - TAIL))
                )
                widths[name].append(high - low)
        rate = num.sum() / den.sum()
        reach = stats.t.ppf(1 - TAIL, len(den) - 1) * np.sqrt(len(den) * (num - rate * den).var(ddof=1)) / den.sum()
        held["t"] += abs(rate - truth) <= reach
        widths["t"].append(min(1.0, rate + reach) - max(0.0, rate - reach))
    return {name: [held[name] / simulations, float(np.mean(widths[name]))] for name in held}


def main() -> int:
    """Print both tables in Markdown, and judge them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--simulations", type=int, default=1_000, help="a row (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    tables = Tables()
    rng = np.random.default_rng(options.seed)
    tables.say(f"{options.simulations} data sets a row, nominal 95 %, seed {options.seed}: coverage / mean width")
    worst, wider = 1.0, []
    for average in ("macro", "micro"):
        tables.head(f"{average} average", "n", *METHODS, "t")
        for n in (9, 30, 80, 160, 320):
            den = np.ones(n) if average == "macro" else np.clip(np.round(rng.lognormal(3.2, 0.85, n)), 5, 184)
            for name, (draw, truth) in SCORES.items():
                if average == "micro" and name not in ("real, k = 1", "1 % fail at 0", "noisy, 2 % break"):
                    continue
                found = row(draw, truth, den, options.simulations, rng)
                tables.row(name, n, *(f"{covered:.3f} / {width:.3f}" for covered, width in found.values()))
                worst = min(worst, found["ours"][0])
                wider += [f"{name} {n}"] if found["ours"][1] > found["Gaffke"][1] else []
    tables.say(
        f"\nleast coverage {worst:.3f} (limit {LEAST_COVERAGE}); wider than Gaffke's: {', '.join(wider) or 'none'}"
    )
    return int(worst < LEAST_COVERAGE or bool(wider))


if __name__ == "__main__":
    sys.exit(main())
