"""How often the gate on p50 passes a candidate whose latency is exactly the limit, where the speed of a session drifts.

    nox -s bench -- speed_calibration [--simulations N]

Log latencies follow an autoregression (φ, standard deviation 4 %) with 2 % noise an image. "In turns": one session, so
both models share the drift, and prompts are resampled with both sides as the gate does. "Two sessions": each has a
drift of its own, and each is resampled by circular blocks of consecutive images, or split into stretches whose medians
are compared by Student's t.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import math
import sys

import numpy as np
from scipy import stats

from benchmarks._checkpoints import Floats
from benchmarks.gate_calibration import Tables
from evalsuite.gate.speed import quantile_ratios

ALPHA = 0.05
LIMIT = 0.06
REPLICATES = 399


def drift(rng: np.random.Generator, n: int, phi: float) -> Floats:
    """One session's log speed."""
    found = np.empty(n)
    found[0] = rng.normal(0, 0.04)
    for place in range(1, n):
        found[place] = phi * found[place - 1] + rng.normal(0, 0.04 * math.sqrt(1 - phi**2))
    return found


def in_turns(rng: np.random.Generator, n: int, phi: float) -> bool:
    """Whether the gate's upper bound lies at or below the limit, which is the true ratio."""
    shared = drift(rng, n, phi)
    one, other = (np.exp(shared + rng.normal(0, 0.02, n)) for _ in range(2))
    pairs = {(f"p{place}", 0): (float(a), float(b)) for place, (a, b) in enumerate(zip(one, other, strict=True))}
    return quantile_ratios(pairs, [0.5], replicates=REPLICATES)[0][2].upper(ALPHA) <= 0.0


def by_blocks(rng: np.random.Generator, one: Floats, other: Floats, length: int) -> bool:
    """The same for two sessions, by the percentiles of circular blocks."""
    n = len(one)
    medians = []
    for values in (one, other):
        starts = rng.integers(0, n, (REPLICATES, -(-n // length)))
        places = (starts[:, :, None] + np.arange(length)).reshape(REPLICATES, -1)[:, :n] % n
        medians.append(np.median(values[places], axis=1))
    return bool(np.quantile(medians[1] - medians[0], 1 - ALPHA) <= 0.0)


def by_stretches(one: Floats, other: Floats, count: int) -> bool:
    """The same, by the medians of a few long stretches."""
    size = len(one) // count
    parts = [np.median(values[: count * size].reshape(count, size), axis=1) for values in (one, other)]
    error = math.sqrt(sum(part.var(ddof=1) for part in parts) / count)
    return bool(np.median(other) - np.median(one) + stats.t.ppf(1 - ALPHA, count - 1) * error <= 0.0)


def main() -> int:
    """Print the table in Markdown; exits with 1 where the gate, in turns, is above its limit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--simulations", type=int, default=300, help="a row (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    tables = Tables()
    rng = np.random.default_rng(options.seed)
    tables.head("images", "φ", "in turns", "two sessions: single images", "blocks of √n", "of n/6", "of n/4",
                "t over 4 stretches")  # fmt: skip
    worst = 0.0
    for n in (40, 160, 320):
        for phi in (0.0, 0.5, 0.9):
            passed = np.zeros(6)
            for _ in range(options.simulations):
                one, other = (drift(rng, n, phi) + rng.normal(0, 0.02, n) for _ in range(2))
                blocks = [by_blocks(rng, one, other, length) for length in (1, round(n**0.5), n // 6, n // 4)]
                passed += [in_turns(rng, n, phi), *blocks, by_stretches(one, other, 4)]
            rates = passed / options.simulations
            worst = max(worst, float(rates[0]))
            tables.row(n, str(phi), *(float(rate) for rate in rates))
    tables.say(f"\nworst rate in turns {worst:.3f} (limit {LIMIT})")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
