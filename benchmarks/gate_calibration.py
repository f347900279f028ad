"""How often the gate errs over whole runs: simulated checkpoints whose true loss is known, and common tests beside it.

    nox -s bench -- gate_calibration [--simulations N] [--json FILE]

`_checkpoints.py` says how checkpoints are drawn. Each cell gives the shares of simulations in which the gate passes and
fails a checkpoint whose true loss is exactly the margin δ (a PASS is wrong; so is a FAIL, though no harm is done), and
what it does with one that lost nothing, and 2δ. Beside it, on the same data: the studentised bootstrap alone, which was
the gate's only bound before, Student's t-test, and the t-test at five looks (Pocock, O'Brien and Fleming).

The bounds are those that ship; for many data sets at a time they are made by `decisions`, which is checked against
`bounds.compare` for the first data sets of each cell. A cell above 0.05 is repeated with ten times the simulations.
Exits with 1 where a false-pass rate is above 0.06, or a run that lost nothing fails more often than α.
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

import msgspec
import numpy as np
from rich.console import Console
from scipy.special import ndtr, stdtrit

from benchmarks._checkpoints import BACKGROUNDS, KINDS, MEAN, Background, Floats, Kind, accuracies, binary, damaged
from benchmarks._checkpoints import differences as draw
from evalsuite.stats import Gaffke, bounds, power, resampling

ALPHA = 0.05
LIMIT = 0.06
SIZES = ((20, 0.15), (40, 0.10), (100, 0.05), (160, 0.03), (160, 0.02), (320, 0.02))
SAMPLES = (1, 4)
POCOCK = 2.122
O_BRIEN_FLEMING = 1.754
"""Constants of five looks at 0.05 one-sided (Jennison and Turnbull, Group Sequential Methods, 2000, ch. 2)."""

_SCAN = 999
"""Bootstrap replicates while scanning; the gate takes 9,999, with which the first data sets of a cell are checked."""

_CHECKED = 3
_BLOCK = 200


@dataclass(frozen=True, slots=True)
class Rates:
    """Shares of simulations: what the gate does, and how often others would pass."""

    pass_: float
    fail: float
    bootstrap: float
    student: float
    pocock: float
    o_brien_fleming: float
    simulations: int


def decisions(values: Floats, margin: float, den: Floats | None = None, replicates: int = _SCAN) -> dict[str, Floats]:
    """For each row of `values` (simulations, n) whether each test passes, and whether the gate fails."""
    m, n = values.shape
    sizes = np.ones(n) if den is None else den
    rate = values.sum(axis=1) / sizes.sum()
    errors = values - rate[:, None] * sizes
    spread = resampling.standard_errors(errors, sizes)
    flat = spread <= resampling.SAME
    low, high = np.full(m, -np.inf), np.full(m, np.inf)
    for start in range(0, m, _BLOCK):
        block = slice(start, start + _BLOCK)
        least, greatest = resampling.pivots(errors[block], den, replicates=replicates)
        with np.errstate(invalid="ignore"):
            low[block] = rate[block] - _quantile(greatest, 1 - ALPHA) * spread[block]
            high[block] = rate[block] - _quantile(least, ALPHA) * spread[block]
    low[flat], high[flat] = rate[flat], rate[flat]
    gaffke = [Gaffke(row, sizes, -1.0, 1.0) for row in values]
    passed, failed = low > -margin, high < -margin
    for place in np.flatnonzero(passed):
        passed[place] = gaffke[place].p_above(-margin) <= ALPHA
    for place in np.flatnonzero(failed):
        failed[place] = gaffke[place].p_below(-margin) <= ALPHA
    for place in range(min(_CHECKED, m)):
        found = bounds.compare(values[place], den)
        near = min(abs(found.lower(ALPHA) + margin), abs(low[place] + margin)) < 0.1 * margin
        if passed[place] != (found.lower(ALPHA) > -margin) and not near:
            raise RuntimeError("the decisions of many data sets at a time differ from those of bounds.compare")
    student = rate - stdtrit(n - 1, 1 - ALPHA) * spread
    # Without any spread neither of the others has an answer.
    return {
        "pass": passed, "fail": failed, "bootstrap": ~flat & (low > -margin), "student": ~flat & (student > -margin)
    }  # fmt: skip


def _quantile(pivots: Floats, level: float) -> Floats:
    """Of the replicates that have a spread, as `bounds.compare` takes them."""
    ordered = np.sort(np.where(np.isfinite(pivots), pivots, np.inf), axis=1)
    count = np.isfinite(pivots).sum(axis=1)
    rank = np.floor(ALPHA * (count + 1) + 1e-9).astype(int)
    place = rank - 1 if level < 0.5 else count - rank
    found: Floats = ordered[np.arange(len(pivots)), np.clip(place, 0, None)]
    return found


def group_sequential(values: Floats, margin: float, critical: list[float]) -> Floats:
    """Whether a t-test at equally spaced looks passes at one of them before it fails at one."""
    m, n = values.shape
    passed, open_ = np.zeros(m, dtype=bool), np.ones(m, dtype=bool)
    for look, z in enumerate(critical, start=1):
        count = n * look // len(critical)
        part = values[:, :count]
        mean, spread = part.mean(axis=1), part.std(axis=1, ddof=1) / np.sqrt(count)
        reach = float(stdtrit(count - 1, ndtr(z))) * spread
        reach = np.where(spread > resampling.SAME, reach, np.inf)
        passed |= open_ & (mean - reach > -margin)
        open_ &= ~((mean - reach > -margin) | (mean + reach < -margin))
    found: Floats = passed
    return found


def rates(values: Floats, margin: float) -> Rates:
    """All shares of one cell."""
    found = decisions(values, margin)
    pocock = group_sequential(values, margin, [POCOCK] * 5)
    fleming = group_sequential(values, margin, [O_BRIEN_FLEMING * (5 / look) ** 0.5 for look in range(1, 6)])
    return _rates(found, float(pocock.mean()), float(fleming.mean()))


def _rates(found: dict[str, Floats], pocock: float, fleming: float) -> Rates:
    return Rates(
        pass_=float(found["pass"].mean()),
        fail=float(found["fail"].mean()),
        bootstrap=float(found["bootstrap"].mean()),
        student=float(found["student"].mean()),
        pocock=pocock,
        o_brien_fleming=fleming,
        simulations=len(found["pass"]),
    )


def cell(
    n: int, margin: float, k: int, kind: Kind, background: Background, loss: float, simulations: int, seed: int
) -> Rates:
    """One cell, repeated with ten times the simulations where the gate's false-pass rate is near its limit."""
    place = [n, round(1e3 * margin), k, KINDS.index(kind), BACKGROUNDS.index(background), round(1e5 * loss)]
    for more in (1, 10):
        rng = np.random.default_rng([seed, more, *place])
        found = rates(draw(rng, more * simulations, n, k, kind, background, loss).mean(axis=2), margin)
        if loss != margin or found.pass_ <= ALPHA:
            break
    return found


def lengths(name: str, n: int) -> Floats:
    """Prompts of unequal lengths, the same in every simulation."""
    rng = np.random.default_rng(7)
    if name == "even 10 to 110":
        return rng.integers(10, 111, n).astype(float)
    return np.clip(np.round(40 * rng.lognormal(0, float(name.rsplit(maxsplit=1)[-1]), n)), 5, None)


MICRO = (
    ("even 10 to 110", 160, 0.05),
    ("even 10 to 110", 320, 0.02),
    ("lognormal 0.5", 320, 0.05),
    ("lognormal 1.0", 320, 0.10),
)


def micro(name: str, n: int, margin: float, kind: str, simulations: int, seed: int) -> Rates:
    """A micro gate at a loss of δ. "long": a prompt breaks with a probability in proportion to its length."""
    rng = np.random.default_rng([seed, n, len(name), len(kind)])
    den = lengths(name, n)
    baseline, candidate = accuracies(rng, 2, (simulations, n), 1, "real")
    share = margin / MEAN["real"]
    if kind == "long":
        chance = np.minimum(share * den * den.sum() / (den**2).sum(), 1.0)
        candidate = np.where(rng.random((simulations, n, 1)) < chance[:, None], 0.0, candidate)
    else:
        candidate = damaged(rng, candidate, "mix20" if kind == "mix20" else "all", share)
    found = decisions((candidate - baseline)[..., 0] * den, margin, den)
    return _rates(found, float("nan"), float("nan"))


def extension(n: int, margin: float, kind: Kind, background: Background, simulations: int, seed: int) -> float:
    """False passes at a loss of δ where an undecided gate is extended once, from 4 to 8 samples per prompt."""
    rng = np.random.default_rng([seed, 99, n, KINDS.index(kind)])
    values = draw(rng, simulations, n, 8, kind, background, margin)
    level = power.look_level(ALPHA, 0.5)
    passed = 0
    for rows in values:
        first = bounds.compare(rows[:, :4].mean(axis=1), replicates=_SCAN)
        if first.p_above(-margin) <= level:
            passed += 1
        elif first.p_below(-margin) > level:
            passed += bounds.compare(rows.mean(axis=1), replicates=_SCAN).p_above(-margin) <= level
    return passed / simulations


class Tables:
    """Prints tables in Markdown, row by row, as the cells are ready."""

    def __init__(self) -> None:
        self._out = Console(highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """A line of its own."""
        self._out.print(text, markup=False)

    def head(self, *names: str) -> None:
        """A table's first two lines."""
        self.say(f"\n| {' | '.join(names)} |\n|{'---|' * len(names)}")

    def row(self, *cells: object) -> None:
        """A row; rates get three decimals."""
        self.say(f"| {' | '.join(f'{each:.3f}' if isinstance(each, float) else str(each) for each in cells)} |")


def losses_of_the_margin(tables: Tables, simulations: int, seed: int) -> dict[str, Rates]:
    """Every cell whose true loss is exactly δ."""
    cells: dict[str, Rates] = {}
    tables.head("n", "δ", "k", "background", *KINDS)
    for n, margin in SIZES:
        for k in SAMPLES:
            for background in BACKGROUNDS:
                found = [cell(n, margin, k, kind, background, margin, simulations, seed) for kind in KINDS]
                cells |= {f"{n} {margin} {k} {background} {kind}": r for kind, r in zip(KINDS, found, strict=True)}
                tables.row(n, str(margin), k, background, *(f"{r.pass_:.3f} / {r.bootstrap:.3f}" for r in found))
    tables.head("0/1 outcomes", "n", "δ", "k", "false PASS", "bootstrap alone", "FAIL at δ")
    for n, margin in SIZES:
        for k in SAMPLES:
            for base, alike in ((0.98, 0.7), (0.9, 0.7), (0.6, 0.5)):
                rng = np.random.default_rng([seed, n, k, round(100 * base)])
                r = rates(binary(rng, simulations, n, k, base, alike, margin).mean(axis=2), margin)
                cells[f"{n} {margin} {k} 0/1 {base}"] = r
                tables.row(f"right in {base}", n, str(margin), k, r.pass_, r.bootstrap, r.fail)
    tables.head("micro average", "n", "δ", "loss", "false PASS", "bootstrap alone", "FAIL at δ")
    for name, n, margin in MICRO:
        for kind in ("all", "mix20", "long"):
            r = micro(name, n, margin, kind, simulations, seed)
            cells[f"micro {name} {n} {margin} {kind}"] = r
            tables.row(name, n, str(margin), kind, r.pass_, r.bootstrap, r.fail)
    return cells


def extensions(tables: Tables, simulations: int, seed: int) -> dict[str, float]:
    """False passes of a gate that may be extended once."""
    cells = {}
    tables.head("one extension, 4 to 8 samples", "n", "δ", "false PASS")
    for kind in ("all", "few", "mix20"):
        for n, margin in ((100, 0.05), (320, 0.02)):
            cells[f"{kind} {n}"] = extension(n, margin, kind, "real", simulations, seed)
            tables.row(f"{kind}, real", n, str(margin), cells[f"{kind} {n}"])
    return cells


def usefulness(tables: Tables, simulations: int, seed: int) -> dict[str, Rates]:
    """What becomes of checkpoints that lost nothing, half the margin, and twice the margin."""
    cells = {}
    tables.head("n", "δ", "k", "background", "A/A PASS", "A/A FAIL", "PASS at δ/2: all", "few", "mix50",
                "FAIL at 2δ: all", "few", "mix50")  # fmt: skip
    for n, margin in SIZES:
        for k in SAMPLES:
            for background in BACKGROUNDS:
                equal = cell(n, margin, k, "all", background, 0.0, simulations, seed)
                half, double = (
                    [cell(n, margin, k, kind, background, loss, simulations, seed) for kind in ("all", "few", "mix50")]
                    for loss in (margin / 2, 2 * margin)
                )
                cells[f"{n} {margin} {k} {background}"] = equal
                tables.row(n, str(margin), k, background, equal.pass_, equal.fail, *(r.pass_ for r in half),
                           *(r.fail for r in double))  # fmt: skip
    return cells


def main() -> int:
    """Run all cells, print the tables in Markdown, and judge them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--simulations", type=int, default=1_500, help="a cell (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write all rates here")
    options = parser.parse_args()
    tables = Tables()
    started = time.perf_counter()
    tables.say(f"{options.simulations} simulations a cell, α = {ALPHA}, seed {options.seed}")
    at_margin = losses_of_the_margin(tables, options.simulations, options.seed)
    extended = extensions(tables, options.simulations // 3, options.seed)
    equal = usefulness(tables, options.simulations // 3, options.seed)
    worst = max(at_margin, key=lambda name: at_margin[name].pass_)
    wrong = max(r.fail for r in equal.values())
    peers = ("bootstrap", "student", "pocock", "o_brien_fleming")
    others = (f"{name} {np.nanmax([getattr(r, name) for r in at_margin.values()]):.3f}" for name in peers)
    tables.say(
        f"\n{len(at_margin)} cells at a loss of δ: worst false-pass rate {at_margin[worst].pass_:.4f} ({worst}), with "
        f"an extension {max(extended.values()):.4f} (limit {LIMIT}); worst FAIL at δ "
        f"{max(r.fail for r in at_margin.values()):.4f}; worst A/A FAIL rate {wrong:.4f} (limit {ALPHA}); others pass "
        f"up to {', '.join(others)}; {time.perf_counter() - started:.0f} s"
    )
    if options.json:
        found = {"at_margin": {name: asdict(r) for name, r in at_margin.items()},
                 "equal": {name: asdict(r) for name, r in equal.items()}, "extended": extended}  # fmt: skip
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1))
    return int(max(at_margin[worst].pass_, *extended.values()) > LIMIT or wrong > ALPHA)


if __name__ == "__main__":
    sys.exit(main())
