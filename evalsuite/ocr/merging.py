"""Every glyph is read once: of readings that overlap, the set that explains the picture best.

Two sizes see a line differently, one as a whole and one in words, and one size may box the end of a line twice.
Readings that cannot both be true are in conflict; the heaviest set without a conflict is kept, where a weight
is a number of characters, lowered where the network was unsure. What overlaps only at its ends is joined first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalsuite.ocr.detection import place
from evalsuite.ocr.geometry import Quad, overlap_in_row, spanning
from evalsuite.ocr.recognition import Character, Line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

VERSION = "2"
"""Goes up when a rule here or in detection.py changes, so that readings by different rules are never compared."""

MARGIN = 0.2
"""Boxes are looked at without this part of their height on every side, which detection adds round the lettering."""

COVERED = 0.35
"""Readings at different sizes conflict where they share more than this part of the smaller one's box."""

ARC_COVERED = 0.15
"""The same part where one of them is an arc, which has no row along which to reach into another."""

REACH = 0.3
"""Or where they reach into each other by more than this many heights along a row."""

TOUCH = 0.1
"""Readings at one size can conflict only if they reach into each other by this many heights along a row."""

SAME_PLACE = 0.5
"""Of one size, a text that is part of another one is the same glyphs where the boxes share more than this part."""

DOUBTFUL = 0.7
"""At this confidence and below, a reading weighs next to nothing."""

BOX_COST = 0.3
"""What each reading costs, in characters: one line is better than its words."""

EXACT_UP_TO = 40
"""Readings in one knot of conflicts; above it the heaviest is taken first, and so on."""

SEARCH_STEPS = 20_000
"""The most steps of the exact search in one knot; the best set found so far is then taken."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A reading and the working size that its box comes from; None where it was joined from two."""

    line: Line
    size: int | None

    @property
    def inner(self) -> Quad:
        """The box without the margin that detection adds; an arc takes it from itself."""
        return self.line.quad.inset(MARGIN)


def weight(line: Line) -> float:
    """Characters without spaces × how far the confidence is above `DOUBTFUL`, less the cost of a box."""
    letters = sum(not character.text.isspace() for character in line.characters)
    worth = letters * max(0.05, (line.confidence - DOUBTFUL) / (1 - DOUBTFUL))
    return worth - min(BOX_COST, worth / 2)


def select(candidates: Sequence[Candidate], read: Callable[[Quad], Line]) -> list[Line]:
    """The lines of a picture, each glyph once, from top to bottom.

    Args:
        candidates: All readings; empty ones say nothing.
        read: Reads a further box, for what two readings that overlap at their ends surround together.
    """
    ordered = sorted((item for item in candidates if item.line.characters), key=_order)
    ordered += _joined(ordered, read)
    inner = [item.inner for item in ordered]
    conflicts: list[set[int]] = [set() for _ in ordered]
    for first, second in _touching(inner):
        if _conflict(ordered[first], inner[first], ordered[second], inner[second]):
            conflicts[first].add(second)
            conflicts[second].add(first)
    weights = [weight(item.line) for item in ordered]
    kept = [index for knot in _knots(conflicts) for index in _heaviest(knot, weights, conflicts)]
    return sorted((ordered[index].line for index in kept), key=lambda line: place(line.quad))


def _order(item: Candidate) -> tuple[object, ...]:
    return (*place(item.line.quad), -1 if item.size is None else item.size, item.line.text)


def _touching(quads: Sequence[Quad]) -> list[tuple[int, int]]:
    """The pairs of boxes whose bounds overlap, by a sweep from left to right."""
    by_left = sorted(range(len(quads)), key=lambda index: (quads[index].bounds[0], index))
    pairs: list[tuple[int, int]] = []
    reached: list[int] = []
    for index in by_left:
        left, top, _, bottom = quads[index].bounds
        reached = [other for other in reached if quads[other].bounds[2] > left]
        level = [other for other in reached if quads[other].bounds[1] < bottom and top < quads[other].bounds[3]]
        pairs += [(min(index, other), max(index, other)) for other in level]
        reached.append(index)
    return sorted(pairs)


def _conflict(first: Candidate, first_quad: Quad, second: Candidate, second_quad: Quad) -> bool:
    if first.line.arc is not None:
        return first.line.arc.covered_by(second.line.arc or second_quad, MARGIN) > ARC_COVERED
    if second.line.arc is not None:
        return second.line.arc.covered_by(first_quad, MARGIN) > ARC_COVERED
    covered = first_quad.covered_by(second_quad)
    if not covered:
        return False
    reach = overlap_in_row(first_quad, second_quad)
    if first.size is not None and first.size == second.size:
        # A plain test of overlap would delete right lines that are tilted or curved: only texts that say the
        # same glyphs twice conflict.
        if (reach is None or reach < TOUCH) and covered < COVERED:
            return False
        return _says_twice(*_in_line(first, second), covered)
    return covered > COVERED or (reach is not None and reach > REACH)


def _in_line(first: Candidate, second: Candidate) -> tuple[Candidate, Candidate]:
    """Two candidates in the order in which the larger one's line is read."""
    larger = max(first, second, key=lambda item: item.line.quad.area).line.quad
    x, y = larger.direction

    def along(item: Candidate) -> float:
        start, end = item.line.quad.extent((x, y))
        return start + end

    return (first, second) if along(first) <= along(second) else (second, first)


def _folded(line: Line) -> list[str]:
    return [character.text.casefold() for character in line.characters]


def _seam(before: Sequence[str], after: Sequence[str]) -> int:
    """The greatest number of characters that end the first text and start the second one."""
    sizes = range(min(len(before), len(after)), 0, -1)
    return next((size for size in sizes if before[-size:] == after[:size]), 0)


def _says_twice(before: Candidate, after: Candidate, covered: float) -> bool:
    first, second = (
        "".join(character.text for character in item.line.characters if not character.text.isspace()).casefold()
        for item in (before, after)
    )
    inside = covered > SAME_PLACE and (first in second or second in first)
    return inside or _together(before.line, after.line) is not None


def _joined(ordered: Sequence[Candidate], read: Callable[[Quad], Line]) -> list[Candidate]:
    """What pairs of readings say together that overlap at their ends: read anew, and put together from both.

    Both are offered, for the box over the pair may hold a curve that reads badly as one line.
    """
    found = []
    inner = [item.inner for item in ordered]
    for one, other in _touching(inner):
        if ordered[one].line.arc or ordered[other].line.arc or not _partial(inner[one], inner[other]):
            continue
        before, after = _in_line(ordered[one], ordered[other])
        together = _together(before.line, after.line)
        if together is None:
            continue
        if any(_reaches_over(item.line.quad, together.quad) for item in ordered):
            continue  # another size read the whole of it
        found += [Candidate(line, None) for line in (read(together.quad), together) if line.characters]
    return found


def _reaches_over(quad: Quad, hull: Quad) -> bool:
    """Whether a box begins and ends where another one does, within half a height, in the same row."""
    wanted, found = hull.extent(hull.direction), quad.extent(hull.direction)
    ends = max(abs(wanted[0] - found[0]), abs(wanted[1] - found[1]))
    return ends < 0.5 * hull.height and overlap_in_row(quad, hull) is not None


def _partial(first: Quad, second: Quad) -> bool:
    """Whether two boxes of one row overlap, and neither holds most of the other."""
    reach = overlap_in_row(first, second)
    if reach is None or reach < TOUCH:
        return False
    shorter = min(first.length / max(first.height, 1e-6), second.length / max(second.height, 1e-6))
    return reach < 0.8 * shorter


def _together(before: Line, after: Line) -> Line | None:
    """Two readings as one where the same glyphs, in the same places, end the first and start the second."""
    quad = spanning(before.quad, after.quad)
    first = [(item, _at(quad, before.quad, item)) for item in before.characters]
    second = [(item, _at(quad, after.quad, item)) for item in after.characters]
    size = _seam(_folded(before), _folded(after))
    half_a_height = 0.5 * quad.height / max(quad.length, 1e-6)
    if not size or any(
        abs(first[len(first) - size + index][1] - second[index][1]) > half_a_height for index in range(size)
    ):
        return None
    # Of a glyph read twice the surer reading stays: the other one was cut by the edge of its box.
    twice = [
        max(first[len(first) - size + index], second[index], key=lambda pair: pair[0].probability)
        for index in range(size)
    ]
    pieces = first[: len(first) - size] + twice + second[size:]
    return Line(quad, tuple(Character(item.text, min(max(at, 0.0), 1.0), item.probability) for item, at in pieces))


def _at(whole: Quad, quad: Quad, character: Character) -> float:
    """Where a character of one box stands along another, 0 to 1."""
    x, y = quad.point_along(character.at)
    ux, uy = whole.direction
    start, end = whole.extent((ux, uy))
    return (x * ux + y * uy - start) / max(end - start, 1e-6)


def _knots(conflicts: Sequence[set[int]]) -> list[list[int]]:
    """The connected groups of conflicting readings, each sorted."""
    seen: set[int] = set()
    knots = []
    for start in range(len(conflicts)):
        if start in seen:
            continue
        seen.add(start)
        knot, ahead = [], [start]
        while ahead:
            index = ahead.pop()
            knot.append(index)
            for other in sorted(conflicts[index] - seen):
                seen.add(other)
                ahead.append(other)
        knots.append(sorted(knot))
    return knots


def _heaviest(knot: list[int], weights: Sequence[float], conflicts: Sequence[set[int]]) -> list[int]:
    """The heaviest set of a knot without a conflict: exact up to `EXACT_UP_TO` readings, greedy above."""
    ordered = sorted(knot, key=lambda index: (-weights[index], index))
    greedy: list[int] = []
    for index in ordered:
        if not conflicts[index].intersection(greedy):
            greedy.append(index)
    if len(knot) <= 2 or len(knot) > EXACT_UP_TO:
        return greedy
    best, best_weight = greedy, math.fsum(weights[index] for index in greedy)
    rest = [math.fsum(weights[index] for index in ordered[start:]) for start in range(len(ordered) + 1)]
    steps = 0
    ahead: list[tuple[int, tuple[int, ...], float]] = [(0, (), 0.0)]
    while ahead and steps < SEARCH_STEPS:
        steps += 1
        start, chosen, weight = ahead.pop()
        if weight > best_weight + 1e-9:
            best, best_weight = list(chosen), weight
        if start == len(ordered) or weight + rest[start] <= best_weight + 1e-9:
            continue
        index = ordered[start]
        ahead.append((start + 1, chosen, weight))
        if not conflicts[index].intersection(chosen):
            ahead.append((start + 1, (*chosen, index), weight + weights[index]))
    return best
