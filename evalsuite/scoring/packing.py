"""The best set of (target, piece) pairs in which every target and every unit of the reading is used at most once.

Weighted set packing, exact by branch and bound. The gain of a pair is |target| + |piece| - distance, so that
the best set is the one with the fewest edits when unused text and unmatched targets are paid for in full.
Of sets with equal gain, in this order: the greatest accuracy (target length less distance), the fewest case
errors, the fewest line breaks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evalsuite.scoring.candidates import Candidate

NODE_BUDGET = 50_000
"""Nodes of the search tree after which the best set so far is taken, and flagged as not proven."""


@dataclass(frozen=True, slots=True)
class Packing:
    """`chosen` candidates, at most one a target; `exact` says whether the set is proven to be the best."""

    chosen: tuple[Candidate, ...]
    gain: int
    exact: bool


def gain(candidate: Candidate, lengths: Sequence[int]) -> int:
    """|target| + |piece| - distance."""
    return lengths[candidate.target] + len(candidate.units) - candidate.distance


def pack(candidates: Sequence[Candidate], lengths: Sequence[int], *, node_budget: int = NODE_BUDGET) -> Packing:
    """The best packing of `candidates`; `lengths[i]` is the length of target i in units."""
    base = 4 + sum(lengths) + sum(len(c.units) + c.distance + c.case_distance + c.pieces for c in candidates)
    rows: list[list[tuple[int, int, Candidate]]] = [[] for _ in lengths]
    for candidate in candidates:
        first = gain(candidate, lengths)
        second = lengths[candidate.target] - candidate.distance
        weight = ((first * base + second) * base - candidate.case_distance) * base - candidate.pieces
        rows[candidate.target].append((weight, candidate.mask, candidate))
    for row in rows:
        row.sort(key=lambda item: -item[0])
    order = sorted((i for i, row in enumerate(rows) if row), key=lambda i: (-rows[i][0][0], i))
    search = _Search([rows[i] for i in order], node_budget)
    search.run()
    total = sum(gain(candidate, lengths) for candidate in search.best)
    return Packing(tuple(search.best), total, search.budget > 0)


class _Search:
    """Depth first, heaviest candidate first; a branch ends where its bound does not beat the best set."""

    def __init__(self, rows: list[list[tuple[int, int, Candidate]]], budget: int) -> None:
        self.rows = rows
        self.budget = budget
        self.best: list[Candidate] = []
        self.best_weight = 0

    def run(self) -> None:
        self._descend(0, 0, 0, [])

    def _descend(self, depth: int, used: int, weight: int, chosen: list[Candidate]) -> None:
        self.budget -= 1
        if weight > self.best_weight:
            self.best_weight, self.best = weight, list(chosen)
        if depth == len(self.rows) or self.budget <= 0:
            return
        bound = weight
        for row in self.rows[depth:]:
            bound += next((item[0] for item in row if not item[1] & used), 0)
        if bound <= self.best_weight:
            return
        for item_weight, mask, candidate in self.rows[depth]:
            if not mask & used:
                chosen.append(candidate)
                self._descend(depth + 1, used | mask, weight + item_weight, chosen)
                chosen.pop()
        self._descend(depth + 1, used, weight, chosen)
