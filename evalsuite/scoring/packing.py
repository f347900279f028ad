"""The best set of (target, piece) pairs in which every target and every unit of the reading is used at most once.

Equal targets are one *class*, whose number of targets says how often it may be used.

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

What is too large for stage 3 keeps the packing that is known, not proven. All weights are integers, so every bound
is exact. Where all else is equal the place decides: what stands first in the reading is taken first.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from evalsuite.scoring.pieces import Candidate

MERGE_LIMIT = 2_000
"""Pairs of options that are looked at to merge two choices into one."""

SINGLE_LIMIT = 12
"""Targets that are merged one by one where some are equal; each may be told from its equals only by its place."""

ROW_LIMIT = 100
"""Choices that are merged; each merging looks at all pairs of them."""

NODE_LIMIT = 2_000
"""Nodes that HiGHS may search; then the best packing so far is taken, and flagged as not proven."""

OPTION_LIMIT = 1_500
"""Options that HiGHS is asked about; more take seconds."""


@dataclass(frozen=True, slots=True)
class Packing:
    """`chosen` candidates, at most one a target of each class; `exact` says whether they are proven to be the best."""

    chosen: tuple[Candidate, ...]
    exact: bool


class _Option(NamedTuple):
    """Candidates of one class, or of several, that are taken together; none of them for an empty option.

    `weight` holds all criteria, `worth` the first two, small enough for floating-point numbers.
    """

    weight: int
    worth: int
    mask: int
    candidates: tuple[Candidate, ...]


class _Row(NamedTuple):
    """The options of one choice, the heaviest first, of which up to `times` may be taken."""

    options: list[_Option]
    times: int

    @property
    def top(self) -> int:
        """At least the weight of what a packing takes of the row."""
        return sum([option.weight for option in self.options[: self.times]])


def gain(candidate: Candidate, length: int) -> int:
    """|target| + |piece| - distance, for a target of `length` units."""
    return length + candidate.size - candidate.distance


def greedy(candidates: Iterable[Candidate], lengths: Sequence[int], counts: Sequence[int] | None = None) -> Packing:
    """Each class in turn takes the best candidates that are still free; `exact` where each got its best.

    See `pack` for the arguments.
    """
    rows = _options(candidates, lengths, counts)
    best = _greedy(rows)
    return _packing(best, exact=_weight(best) == _top(rows))


def pack(
    candidates: Sequence[Candidate],
    lengths: Sequence[int],
    counts: Sequence[int] | None = None,
    *,
    node_limit: int = NODE_LIMIT,
) -> Packing:
    """The best packing of `candidates`.

    `lengths[i]` is the length of the targets of class i in units, `counts[i]` their number (by default one).
    Deterministic. `exact` is False where stage 3 was needed and was too large or ran into `node_limit`; the
    packing is then the best that was found.
    """
    chosen: list[_Option] = []
    exact = True
    for part in _parts(_affordable(_options(candidates, lengths, counts))):
        best, proven = _solve(part, node_limit)
        chosen += best
        exact &= proven
    return _packing(chosen, exact=exact)


def _affordable(rows: Sequence[_Row], best: Sequence[_Option] | None = None) -> list[_Row]:
    """The rows without the options that no packing as heavy as the one known (by default the greedy one) can have."""
    slack = _top(rows) - _weight(_greedy(rows) if best is None else best)
    found = []
    for options, times in rows:
        if len(options) > times:
            # Taking an option displaces at least the lightest of the row's best.
            least = options[times - 1].weight - slack
            found.append(_Row([option for option in options if option.weight >= least], times))
        else:
            found.append(_Row(options, times))
    return found


def _parts(rows: Iterable[_Row]) -> list[list[_Row]]:
    """The rows in groups that have no unit in common."""
    parts: list[tuple[int, list[_Row]]] = []
    for row in rows:
        mask, group = 0, [row]
        for option in row.options:
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
    if len(rows) > ROW_LIMIT and _weight(best) < _top(rows):
        return _by_highs(rows, best, node_limit)
    if _weight(best) < _top(rows) and sum(row.times for row in rows) > len(rows):
        if sum(row.times for row in rows) > SINGLE_LIMIT:
            return _by_highs(rows, best, node_limit)
        rows = [_Row(row.options, 1) for row in rows for _ in range(row.times)]
    while _weight(best) < _top(rows):
        rows = _affordable(rows, best)
        clashes = [
            (len(rows[first].options) * len(rows[second].options), first, second)
            for second in range(len(rows))
            for first in range(second)
            if rows[first].options[0].mask & rows[second].options[0].mask
        ]
        size, first, second = min(clashes)
        if size > MERGE_LIMIT:
            return _by_highs(_affordable(unmerged, best), best, node_limit)
        slack = _top(rows) - _weight(best)
        merged = _merge(rows[first].options, rows[second].options, rows[first].top + rows[second].top - slack)
        rows = [_Row(merged, 1), *(row for number, row in enumerate(rows) if number not in {first, second})]
        best = max(best, _greedy(rows), key=_weight)
    return best, True


def _merge(first: list[_Option], second: list[_Option], least: int) -> list[_Option]:
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
    options = [option for row in rows for option in row.options]
    if len(options) > OPTION_LIMIT:
        return best, False
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    # Units that all options take together, or not at all, are one constraint.
    parts = {mask: mask_runs(mask) for mask in {option.mask for option in options}}
    edges = sorted({edge for runs in parts.values() for run in runs for edge in run})
    cells: list[tuple[int, int]] = []
    most = [row.times for row in rows] + [1] * len(edges)
    numbers = [number for number, row in enumerate(rows) for _ in row.options]
    for column, (number, option) in enumerate(zip(numbers, options, strict=True)):
        cells.append((number, column))
        for low, high in parts[option.mask]:
            first, last = bisect_left(edges, low), bisect_left(edges, high)
            cells += [(len(rows) + place, column) for place in range(first, last)]
    at, columns = zip(*cells, strict=True)
    matrix = csr_array((np.ones(len(cells)), (at, columns)), shape=(len(most), len(options)))
    answer = milp(
        -np.array([option.worth for option in options], dtype=np.float64),
        constraints=LinearConstraint(matrix, -np.inf, np.array(most)),
        integrality=np.ones(len(options)),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 0, "node_limit": node_limit},
    )
    found = [] if answer.x is None else [option for option, taken in zip(options, answer.x, strict=True) if taken > 0.5]
    return max(best, found, key=lambda chosen: sum(option.worth for option in chosen)), answer.status == 0


def mask_runs(mask: int) -> list[tuple[int, int]]:
    """The runs of bits that are set, each from its first to behind its last.

    >>> mask_runs(0b1100111)
    [(0, 3), (5, 7)]
    """
    runs = []
    place = 0
    while mask:
        skip = (mask & -mask).bit_length() - 1
        mask >>= skip
        place += skip
        size = (~mask & (mask + 1)).bit_length() - 1
        runs.append((place, place + size))
        mask >>= size
        place += size
    return runs


def _packing(options: Iterable[_Option], *, exact: bool) -> Packing:
    return Packing(tuple(candidate for option in options for candidate in option.candidates), exact)


def _options(candidates: Iterable[Candidate], lengths: Sequence[int], counts: Sequence[int] | None) -> list[_Row]:
    """The candidates of each class that has any, the heaviest first, with all criteria in one integer weight."""
    counts = [1] * len(lengths) if counts is None else counts
    # No sum of one criterion over a packing reaches the base: each is bounded by the lengths of the targets.
    base = 4 * sum(length * count for length, count in zip(lengths, counts, strict=True)) + 4
    rows: dict[int, dict[int, _Option]] = {}
    for candidate in candidates:
        length = lengths[candidate.target]
        worth = gain(candidate, length) * base + length - candidate.distance
        weight = (worth * base - candidate.case) * base - candidate.lines
        row = rows.setdefault(candidate.target, {})
        if candidate.mask not in row or row[candidate.mask].weight < weight:
            row[candidate.mask] = _Option(weight, worth, candidate.mask, (candidate,))
    ranked = [
        _Row(sorted(row.values(), key=lambda option: (-option.weight, option.candidates[0].place)), counts[number])
        for number, row in rows.items()
    ]
    return sorted(ranked, key=lambda row: -row.options[0].weight)


def _greedy(rows: Iterable[_Row]) -> list[_Option]:
    """Each row in turn takes its first options that are still free."""
    used = 0
    chosen = []
    for row in rows:
        taken = 0
        for option in row.options:
            if not option.mask & used:
                used |= option.mask
                chosen.append(option)
                taken += 1
                if taken == row.times:
                    break
    return chosen


def _weight(options: Iterable[_Option]) -> int:
    return sum([option.weight for option in options])


def _top(rows: Iterable[_Row]) -> int:
    """The sum of the best options: at least the weight of any packing."""
    return sum([row.top for row in rows])
