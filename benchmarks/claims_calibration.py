"""How often a claim check errs: runs of a model whose published score is true, or off by a known difference.

    nox -s bench -- claims_calibration [--simulations N]

160 prompts in each of two languages. Images are scored in [0, 1]; a share of their latent variance belongs to the
prompt, and the published figure is the mean of four other images of the same prompts, shifted by `off`. The last rows
add a difference between labs of 0.004 (one standard deviation) to either side.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import sys

import numpy as np
from scipy import stats

from benchmarks._checkpoints import Floats
from benchmarks.gate_calibration import Tables
from evalsuite.claims.scores import UNSEEN
from evalsuite.stats.strata import Stratum, components, ratio

PUBLISHED = 4
TOLERANCE, LABS_DIFFER, ROUNDING = 0.016, 0.008, 0.00005
MEANS = {"ERNIE-like": (0.9804, 0.9661), "klein-like": (0.649, 0.068)}
_LEVELS = np.linspace(0, 1, 20_001)


def images(rng: np.random.Generator, mean: float, share: float, k: int) -> Floats:
    """Scores of k images for 160 prompts: most perfect where the mean is high, all over the range where it is not."""
    latent = np.sqrt(share) * rng.standard_normal((160, 1)) + np.sqrt(1 - share) * rng.standard_normal((160, k))
    level = stats.norm.cdf(latent)
    if mean > 0.9:
        flawed = min(1.0, 6 * (1 - mean))  # those lose 1/6 on average
        return 1 - np.where(level < flawed, stats.beta(0.5, 2.5).ppf(1 - level / flawed), 0.0)
    found: Floats = np.interp(level, _LEVELS, stats.beta(mean, 1 - mean).ppf(np.clip(_LEVELS, 1e-9, 1 - 1e-9)))
    return found


def outcomes(
    rng: np.random.Generator, means: tuple[float, float], share: float, k: int, off: float, labs: float, runs: int
) -> tuple[float, float, float]:
    """Shares of reproduced, not reproduced and inconclusive."""
    counts = [0, 0, 0]
    for _ in range(runs):
        both = [images(rng, mean, share, k + PUBLISHED) for mean in means]
        strata, single = [], []
        for scores in both:
            own = np.stack([scores[:, :k], np.ones((160, k))], axis=2)
            single.append(own)
            strata.append(Stratum(own.sum(axis=1), ratio(0, 1), 0.5))
        gap = float(np.mean([scores[:, :k].mean() - scores[:, k:].mean() for scores in both])) - off
        gap += float(rng.normal(0, labs) - rng.normal(0, labs))
        parts = components(strata, single, unseen=UNSEEN)
        within = parts.between if parts.within is None else parts.within
        error = np.sqrt(within * (1 / k + 1 / PUBLISHED))
        if abs(gap) - ROUNDING - 1.96 * error > LABS_DIFFER:
            counts[1] += 1
        else:
            counts[0 if abs(gap) + ROUNDING + 1.645 * error < TOLERANCE else 2] += 1
    return counts[0] / runs, counts[1] / runs, counts[2] / runs


def main() -> int:
    """Print the table in Markdown; exits with 1 where a true figure is refuted, or one 0.02 off kept, above 0.05."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--simulations", type=int, default=400, help="a row (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    tables = Tables()
    rng = np.random.default_rng(options.seed)
    tables.head("scores", "variance of the prompts", "images", "off by", "reproduced", "not reproduced", "inconclusive")
    wrong = 0.0
    rows = [("ERNIE-like", s, 4, off, 0.0) for s in (0.0, 0.2, 0.5, 0.8) for off in (0.0, 0.008, 0.02)]
    rows += [("ERNIE-like", 0.5, k, off, 0.0) for k in (1, 16) for off in (0.0, 0.02)]
    rows += [("klein-like", 0.8, 4, off, 0.0) for off in (0.0, 0.02)]
    rows += [("ERNIE-like", 0.5, k, 0.0, 0.004) for k in (4, 16)]
    for name, share, k, off, labs in rows:
        found = outcomes(rng, MEANS[name], share, k, off, labs, options.simulations)
        tables.row(name + (", labs differ" if labs else ""), str(share), k, str(off), *found)
        wrong = max(wrong, found[1] if off == 0 else 0.0, found[0] if off == 0.02 else 0.0)
    tables.say(f"\nworst rate of a true figure refuted, or one 0.02 off reproduced: {wrong:.4f}")
    return int(wrong > 0.05)


if __name__ == "__main__":
    sys.exit(main())
