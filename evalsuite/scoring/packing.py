"""The best set of (target, piece) pairs in which every target and every unit of the reading is used at most once.

The gain of a pair is |target| + |piece| - distance, so that the best set is the one with the fewest edits
when unused text and unmatched targets are paid for in full. Of sets with equal gain, in this order: the
greatest accuracy (target length less distance), the fewest case errors, the fewest line breaks.

This is weighted set packing, solved exactly in three stages, each for what the one before left open:

1. Mostly every target can have its best piece, and nothing is left to prove.
2. The sum of all best pieces bounds every packing, so no target can lose more against its best than the gap
   between that bound and a known packing; pieces that would are dropped. Two targets whose best pieces
   collide are merged into one choice between pairs of pieces, which lowers the bound, until none collide.
3. Where too many pairs remain: HiGHS, on what is left, within a limit of nodes. There equal gain falls to
   accuracy only.

All weights are integers, so every bound is exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from evalsuite.scoring.pieces import Candidate

MERGE_LIMIT = 2_000
"""Pairs of options that are looked at to merge two choices into one."""

NODE_LIMIT = 2_000
"""Nodes that HiGHS may search; then the best packing so far is taken, and flagged as not proven."""


@dataclass(frozen=True, slots=True)
class Packing:
    """`chosen` candidates, at most one a target; `exact` says whether the set is proven to be the best."""

    chosen: tuple[Candidate, ...]
    exact: bool


class _Option(NamedTuple):
    """Candidates of one target, or of several, that are taken together; none of them for an empty option.

    `weight` holds all criteria, `worth` the first two, small enough for floating-point numbers.
    """

    weight: int
    worth: int
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


def pack(candidates: Sequence[Candidate], lengths: Sequence[int], *, node_limit: int = NODE_LIMIT) -> Packing:
    """The best packing of `candidates`; `lengths[i]` is the length of target i in units.

    Deterministic. `exact` is False where stage 3 was needed and ran into `node_limit`; the packing is then the
    best that was found.
    """
    chosen: list[_Option] = []
    exact = True
    for part in _parts(_affordable(_options(candidates, lengths))):
        best, proven = _solve(part, node_limit)
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


def _solve(rows: list[_Row], node_limit: int) -> tuple[list[_Option], bool]:
    """The best packing of some rows, and whether it is proven to be."""
    best, unmerged = _greedy(rows), rows
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
            return _by_highs(_affordable(unmerged, best), best, node_limit)
        slack = _top(rows) - _weight(best)
        merged = _merge(rows[first], rows[second], rows[first][0].weight + rows[second][0].weight - slack)
        rows = [merged, *(row for number, row in enumerate(rows) if number not in {first, second})]
        best = max(best, _greedy(rows), key=_weight)
    return best, True


def _merge(first: _Row, second: _Row, least: int) -> _Row:
    """One choice for two: all pairs of options that do not collide and weigh at least `least`, none included."""
    nothing = _Option(0, 0, 0, ())
    found: dict[int, _Option] = {}
    for one in (*first, nothing):
        for other in (*second, nothing):
            weight = one.weight + other.weight
            if weight < least:
                break
            mask = one.mask | other.mask
            if not one.mask & other.mask and (mask not in found or found[mask].weight < weight):
                found[mask] = _Option(weight, one.worth + other.worth, mask, one.candidates + other.candidates)
    return sorted(found.values(), key=lambda option: -option.weight)


def _by_highs(rows: list[_Row], best: list[_Option], node_limit: int) -> tuple[list[_Option], bool]:
    """Stage 3: an integer programme with one 0/1 variable an option."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    options = [option for row in rows for option in row]
    numbers = [number for number, row in enumerate(rows) for _ in row]
    constraint = {number: number for number in range(len(rows))}
    cells = list(zip(numbers, range(len(options)), strict=True))
    for column, option in enumerate(options):
        units = (unit for candidate in option.candidates for unit in candidate.units)
        cells += [(constraint.setdefault(-1 - unit, len(constraint)), column) for unit in units]
    at, columns = zip(*cells, strict=True)
    matrix = csr_array((np.ones(len(cells)), (at, columns)), shape=(len(constraint), len(options)))
    answer = milp(
        -np.array([option.worth for option in options], dtype=np.float64),
        constraints=LinearConstraint(matrix, -np.inf, 1),
        integrality=np.ones(len(options)),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 0, "node_limit": node_limit},
    )
    found = [] if answer.x is None else [option for option, taken in zip(options, answer.x, strict=True) if taken > 0.5]
    return max(best, found, key=lambda chosen: sum(option.worth for option in chosen)), answer.status == 0


def _packing(options: Iterable[_Option], *, exact: bool) -> Packing:
    return Packing(tuple(candidate for option in options for candidate in option.candidates), exact)


def _options(candidates: Iterable[Candidate], lengths: Sequence[int]) -> list[_Row]:
    """The candidates of each target that has any, the heaviest first, with all criteria in one integer weight."""
    # No sum of one criterion over a packing reaches the base: each is bounded by the lengths of the targets.
    base = 4 * sum(lengths) + 4
    rows: dict[int, dict[int, _Option]] = {}
    for candidate in candidates:
        length = lengths[candidate.target]
        worth = gain(candidate, length) * base + length - candidate.distance
        weight = (worth * base - candidate.case) * base - candidate.lines
        row = rows.setdefault(candidate.target, {})
        if candidate.mask not in row or row[candidate.mask].weight < weight:
            row[candidate.mask] = _Option(weight, worth, candidate.mask, (candidate,))
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
