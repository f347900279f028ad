"""The best set of (target, piece) pairs in which every target and every unit of the reading is used at most once.

The gain of a pair is |target| + |piece| - distance, so that the best set is the one with the fewest edits
when unused text and unmatched targets are paid for in full. Of sets with equal gain, in this order: the
greatest accuracy (target length less distance), the fewest case errors, the fewest line breaks.

This is weighted set packing, solved exactly in three stages, each for what the one before left open:

1. Mostly every target can have its best piece, and nothing is left to prove.
2. The sum of all best pieces bounds every packing, so no target can lose more against its best than the gap
   between that bound and a known packing; pieces that would are dropped. Two targets whose best pieces
   collide are merged into one choice between pairs of pieces, which lowers the bound, until none collide.
3. Where too many pairs remain: branch and bound under a Lagrangian bound. With a price on every unit,
   Σ prices + Σ over choices max(0, max over pieces of weight - price of the piece) is at least the weight of
   any packing (Fisher, "The Lagrangian relaxation method for solving integer programming problems",
   Management Science 27(1), 1981). Subgradient steps lower it; what cannot reach the best packing known is
   dropped, and the rest is searched depth first.

All weights and prices are integers, so every bound is exact.
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

MERGE_LIMIT = 4_000
"""Pairs of pieces that are looked at to merge two choices into one."""

STEPS = 60
"""Subgradient steps at most."""

Ints = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Packing:
    """`chosen` candidates, at most one a target; `exact` says whether the set is proven to be the best."""

    chosen: tuple[Candidate, ...]
    exact: bool


class _Option(NamedTuple):
    """Candidates of one target, or of several, that are taken together; none of them for an empty option."""

    weight: int
    mask: int
    candidates: tuple[Candidate, ...]


_Row = list[_Option]
"""The options of one choice, the heaviest first."""


def gain(candidate: Candidate, length: int) -> int:
    """|target| + |piece| - distance, for a target of `length` units."""
    return length + candidate.size - candidate.distance


def greedy(candidates: Iterable[Candidate], lengths: Sequence[int]) -> Packing:
    """Each target in turn takes the best candidate that is still free; `exact` where each got its best.

    See `pack` for the arguments.
    """
    rows = _options(candidates, lengths)
    best = _greedy(rows)
    return _packing(best, exact=_weight(best) == _top(rows))


def pack(candidates: Sequence[Candidate], lengths: Sequence[int], *, node_budget: int = NODE_BUDGET) -> Packing:
    """The best packing of `candidates`; `lengths[i]` is the length of target i in units.

    Deterministic. `exact` is False where the search tree has more than `node_budget` nodes; the packing is
    then the best that was found.
    """
    chosen: list[_Option] = []
    exact = True
    for part in _parts(_affordable(_options(candidates, lengths))):
        best, proven = _solve(part, node_budget)
        chosen += best
        exact &= proven
    return _packing(chosen, exact=exact)


def _affordable(rows: Sequence[_Row], best: Sequence[_Option] | None = None) -> list[_Row]:
    """The rows without the options that no packing as heavy as the one known (by default the greedy one) can have."""
    slack = _top(rows) - _weight(_greedy(rows) if best is None else best)
    return [[option for option in row if option.weight >= row[0].weight - slack] for row in rows]


def _parts(rows: Iterable[_Row]) -> list[list[_Row]]:
    """The rows in groups that have no unit in common."""
    parts: list[tuple[int, list[_Row]]] = []
    for row in rows:
        mask, group = 0, [row]
        for option in row:
            mask |= option.mask
        apart = []
        for other, members in parts:
            if other & mask:
                mask, group = mask | other, members + group
            else:
                apart.append((other, members))
        parts = [*apart, (mask, group)]
    return [group for _, group in parts]


def _solve(rows: list[_Row], node_budget: int) -> tuple[list[_Option], bool]:
    """The best packing of some rows, and whether it is proven to be."""
    best = _greedy(rows)
    while _weight(best) < _top(rows):
        rows = _affordable(rows, best)
        clashes = [
            (len(rows[first]) * len(rows[second]), first, second)
            for second in range(len(rows))
            for first in range(second)
            if rows[first][0].mask & rows[second][0].mask
        ]
        size, first, second = min(clashes)
        if size > MERGE_LIMIT:
            return _branch_and_bound(rows, best, node_budget)
        slack = _top(rows) - _weight(best)
        merged = _merge(rows[first], rows[second], rows[first][0].weight + rows[second][0].weight - slack)
        rows = [merged, *(row for number, row in enumerate(rows) if number not in {first, second})]
        best = max(best, _greedy(rows), key=_weight)
    return best, True


def _merge(first: _Row, second: _Row, least: int) -> _Row:
    """One choice for two: all pairs of options that do not collide and weigh at least `least`, none included."""
    nothing = _Option(0, 0, ())
    found: dict[int, _Option] = {}
    for one in (*first, nothing):
        for other in (*second, nothing):
            weight = one.weight + other.weight
            if weight < least:
                break
            mask = one.mask | other.mask
            if not one.mask & other.mask and (mask not in found or found[mask].weight < weight):
                found[mask] = _Option(weight, mask, one.candidates + other.candidates)
    return sorted(found.values(), key=lambda option: -option.weight)


def _branch_and_bound(rows: list[_Row], best: list[_Option], node_budget: int) -> tuple[list[_Option], bool]:
    problem = _Problem(rows)
    best = problem.tighten(best)
    bound, branches = problem.branches(_weight(best))
    search = _Search(branches, best, node_budget)
    search.run(bound)
    return search.best, search.budget >= 0


def _packing(options: Iterable[_Option], *, exact: bool) -> Packing:
    return Packing(tuple(candidate for option in options for candidate in option.candidates), exact)


def _options(candidates: Iterable[Candidate], lengths: Sequence[int]) -> list[_Row]:
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
            row[candidate.mask] = _Option(weight, candidate.mask, (candidate,))
    ranked = [sorted(row.values(), key=lambda option: -option.weight) for row in rows.values()]
    return sorted(ranked, key=lambda row: -row[0].weight)


def _greedy(rows: Iterable[_Row]) -> list[_Option]:
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


def _top(rows: Iterable[_Row]) -> int:
    """The sum of the best options: at least the weight of any packing."""
    return sum(row[0].weight for row in rows)


class _Problem:
    """The options as a matrix, and the best prices found so far."""

    def __init__(self, rows: Sequence[_Row]) -> None:
        self.rows = rows
        self.flat = [option for row in rows for option in row]
        self.row_of = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
        self.ends = np.cumsum([len(row) for row in rows])
        self.firsts = self.ends - [len(row) for row in rows]
        # Python integers where 64 bits do not hold the weights of a very large image.
        self.exact_type = np.int64 if _top(rows) < 1 << 61 else object
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
