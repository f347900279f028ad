"""The best set of (target, piece) pairs in which every target and every unit of the reading is used at most once.

The gain of a pair is |target| + |piece| - distance, so that the best set is the one with the fewest edits
when unused text and unmatched targets are paid for in full. Of sets with equal gain, in this order: the
greatest accuracy (target length less distance), the fewest case errors, the fewest line breaks.

This is weighted set packing. Mostly every target can have its best piece, and then nothing is left to
prove. Otherwise the search is branch and bound under a Lagrangian bound: with a price on every unit,

    bound = Σ prices + Σ over targets max(0, max over pieces of weight - price of the piece)

is at least the weight of any packing, whatever the prices (Fisher, "The Lagrangian relaxation method for
solving integer programming problems", Management Science 27(1), 1981). Subgradient steps lower it; pieces
that cannot reach the best packing known are dropped; what is left is searched depth first. All weights and
prices are integers, so the bound is exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from evalsuite.scoring.candidates import Candidate

NODE_BUDGET = 20_000
"""Nodes of the search tree after which the best set so far is taken, and flagged as not proven."""

STEPS = 60
"""Subgradient steps at most."""

Ints = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Packing:
    """`chosen` candidates, at most one a target; `exact` says whether the set is proven to be the best."""

    chosen: tuple[Candidate, ...]
    exact: bool


class _Option(NamedTuple):
    weight: int
    mask: int
    candidate: Candidate


def gain(candidate: Candidate, length: int) -> int:
    """|target| + |piece| - distance, for a target of `length` units."""
    return length + candidate.size - candidate.distance


def unhindered(candidates: Iterable[Candidate], lengths: Sequence[int]) -> Packing | None:
    """The best packing where every target can have its best candidate, else None; see `pack`."""
    rows = _options(candidates, lengths)
    best = _greedy(rows)
    return _packing(best, exact=True) if _weight(best) == sum(row[0].weight for row in rows) else None


def pack(candidates: Sequence[Candidate], lengths: Sequence[int], *, node_budget: int = NODE_BUDGET) -> Packing:
    """The best packing of `candidates`; `lengths[i]` is the length of target i in units.

    Deterministic. `exact` is False where the search tree has more than `node_budget` nodes; the packing is
    then the best that was found.
    """
    easy = unhindered(candidates, lengths)
    if easy:
        return easy
    rows = _options(candidates, lengths)
    problem = _Problem(rows)
    best = problem.tighten(_greedy(rows))
    bound, branches = problem.branches(_weight(best))
    search = _Search(branches, best, node_budget)
    search.run(bound)
    return _packing(search.best, exact=search.budget >= 0)


def _packing(options: Iterable[_Option], *, exact: bool) -> Packing:
    return Packing(tuple(option.candidate for option in options), exact)


def _options(candidates: Iterable[Candidate], lengths: Sequence[int]) -> list[list[_Option]]:
    """The candidates of each target that has any, the heaviest first, with all criteria in one integer weight."""
    # No sum of one criterion over a packing reaches the base: each is bounded by the lengths of the targets.
    base = 4 * sum(lengths) + 4
    rows: dict[int, dict[int, _Option]] = {}
    for candidate in candidates:
        length = lengths[candidate.target]
        weight = gain(candidate, length)
        for criterion in (length - candidate.distance, -candidate.case, -candidate.lines):
            weight = weight * base + criterion
        row = rows.setdefault(candidate.target, {})
        if candidate.mask not in row or row[candidate.mask].weight < weight:
            row[candidate.mask] = _Option(weight, candidate.mask, candidate)
    ranked = [sorted(row.values(), key=lambda option: -option.weight) for row in rows.values()]
    return sorted(ranked, key=lambda row: -row[0].weight)


def _greedy(rows: Iterable[Iterable[_Option]]) -> list[_Option]:
    """Each row in turn takes its first option that is still free."""
    used = 0
    chosen = []
    for row in rows:
        for option in row:
            if not option.mask & used:
                used |= option.mask
                chosen.append(option)
                break
    return chosen


def _weight(options: Iterable[_Option]) -> int:
    return sum(option.weight for option in options)


class _Problem:
    """The options as a matrix, and the best prices found so far."""

    def __init__(self, rows: Sequence[Sequence[_Option]]) -> None:
        self.rows = rows
        self.flat = [option for row in rows for option in row]
        self.row_of = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
        self.ends = np.cumsum([len(row) for row in rows])
        self.firsts = self.ends - [len(row) for row in rows]
        # Python integers where 64 bits do not hold the weights of a very large image.
        self.exact_type = np.int64 if sum(row[0].weight for row in rows) < 1 << 61 else object
        self.weights = np.array([option.weight for option in self.flat], dtype=self.exact_type)
        self.use = self._contested()
        self.prices = np.zeros(self.use.shape[1])

    def _contested(self) -> Ints:
        """Which option (row) uses which unit (column); equal columns once, and only where targets compete."""
        size = (max(option.mask for option in self.flat).bit_length() + 7) // 8
        packed = b"".join(option.mask.to_bytes(size, "little") for option in self.flat)
        bits = np.unpackbits(np.frombuffer(packed, dtype=np.uint8).reshape(len(self.flat), size), axis=1)
        wanted = np.add.reduceat(bits, self.firsts, axis=0, dtype=np.int64) > 0
        return np.unique(bits[:, wanted.sum(axis=0) > 1], axis=1).astype(np.float64)

    def tighten(self, best: list[_Option]) -> list[_Option]:
        """Lower the bound by subgradient steps (Held, Wolfe and Crowder 1974); the best packing met on the way."""
        weights = self.weights.astype(np.float64)
        prices, least, step = self.prices, np.inf, 1.0
        for number in range(STEPS):
            reduced = weights - self.use @ prices
            tops = np.maximum.reduceat(reduced, self.firsts)
            bound = prices.sum() + np.maximum(tops, 0).sum()
            if bound < least:
                least, self.prices = bound, prices
            else:
                step *= 0.7
            if number % 4 == 0:
                best = max(best, self._packed_by(reduced), key=_weight)
            wanted = [
                np.argmax(reduced[a:b]) + a for a, b, top in zip(self.firsts, self.ends, tops, strict=True) if top > 0
            ]
            slope = self.use[wanted].sum(axis=0) - 1
            slope[(prices <= 0) & (slope < 0)] = 0
            steepness = slope @ slope
            gap = bound - _weight(best)
            if steepness == 0 or gap <= 0:
                break
            prices = np.maximum(prices + step * gap / steepness * slope, 0)
        return best

    def _packed_by(self, worth: Ints) -> list[_Option]:
        """A packing that takes what is worth most first."""
        used, rows, chosen = 0, set(), []
        for number in np.argsort(-worth, kind="stable").tolist():
            option, row = self.flat[number], self.row_of[number]
            if not option.mask & used and row not in rows:
                used |= option.mask
                rows.add(row)
                chosen.append(option)
        return chosen

    def branches(self, known: int) -> tuple[int, list[_Branch]]:
        """The exact bound, and for each row the options that can be part of a packing heavier than `known`."""
        prices = np.array([int(price) for price in self.prices], dtype=self.exact_type)
        reduced = self.weights - self.use.astype(self.exact_type) @ prices
        tops = np.maximum(np.maximum.reduceat(reduced, self.firsts), 0)
        bound = int(prices.sum()) + int(tops.sum())
        branches = []
        for row, top in enumerate(tops.tolist()):
            options = [
                (top - int(reduced[number]), self.flat[number])
                for number in range(self.firsts[row], self.ends[row])
                if bound - top + int(reduced[number]) > known
            ]
            branches.append(_Branch(options, top))
        return bound, branches


@dataclass(frozen=True, slots=True)
class _Branch:
    """The options of one target with what each takes off the bound; `regret` is what choosing none takes off."""

    options: list[tuple[int, _Option]]
    regret: int


class _Search:
    """Depth first, the least regret first; a branch ends where its bound does not beat the best packing."""

    def __init__(self, branches: Iterable[_Branch], best: list[_Option], budget: int) -> None:
        self.branches = sorted(branches, key=lambda branch: len(branch.options))
        for branch in self.branches:
            branch.options.sort(key=lambda item: (item[0], -item[1].weight))
        self.best = best
        self.best_weight = _weight(best)
        self.budget = budget

    def run(self, bound: int) -> None:
        """Search everything, from the bound at the root."""
        self._descend(0, 0, 0, bound, [])

    def _descend(self, depth: int, used: int, weight: int, bound: int, chosen: list[_Option]) -> None:
        if weight > self.best_weight:
            self.best_weight, self.best = weight, list(chosen)
        if depth == len(self.branches) or self.budget < 0:
            return
        self.budget -= 1
        free = weight
        for branch in self.branches[depth:]:
            free += max((option.weight for _, option in branch.options if not option.mask & used), default=0)
        if free <= self.best_weight:
            return
        branch = self.branches[depth]
        for regret, option in branch.options:
            if bound - regret <= self.best_weight:
                break
            if not option.mask & used:
                chosen.append(option)
                self._descend(depth + 1, used | option.mask, weight + option.weight, bound - regret, chosen)
                chosen.pop()
        if bound - branch.regret > self.best_weight:
            self._descend(depth + 1, used, weight, bound - branch.regret, chosen)
