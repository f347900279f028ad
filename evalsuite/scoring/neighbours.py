"""Which lines may read on to which: a graph of successors, each line seen in its own direction.

In the frame of line a (its direction level, text below it further down), line b may follow a

* *right* of it: in the same row, and the nearest one there;
* *below* it: in a lower row, overlapping it along the line, with no other such line between;
* as a *wrap*: the first line of a row, a line of which is below some line of a's row;
* at the *head of a column*: a is the foot of its column, b the head of another that begins further right;
* *along an arc* (`arcs`).

Lines that follow each other have letters of like size and nearly the same direction. A line of one character
has no direction of its own: it is tried in the page's, in that of the nearest longer line, and, in scripts
that are written downwards, in the vertical one. Short boxes may be turned more. The graph is generous on
purpose: it is followed only where a target's text runs on from one line to the next (`passages`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from statistics import median

import numpy as np
import numpy.typing as npt
import regex

from evalsuite.scoring.arcs import along_arcs
from evalsuite.scoring.boxes import Oriented

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

SIZE_RATIO = 3.0
"""Letters of neighbouring lines differ in height by less than this factor."""

TURN = 20.0
"""Degrees by which neighbouring lines may differ in direction."""

LOOSE_TURN = 45.0
"""The same where one of them is so short that its direction is a guess."""

GAP_BELOW = 3.0
"""Line heights (of the larger line) that may lie between a line and the next one below."""

GAP_BESIDE = 8.0
"""Line heights that may lie between two lines of a row, as in a table."""

SAME_DIRECTION = 3.0
"""Degrees within which lines are looked at in one direction."""

MAX_VIEWS = 24
"""Directions in which lines are looked at."""

OVERLAP = 0.1
"""Share of the shorter line that must lie above the next line."""

_DOWNWARDS = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Bopomofo}]")


class Neighbours:
    """The graph for lines 0 to n - 1, which are in reading order; made when it is first asked for.

    `angle` is the page's in degrees; `mirrored` says that rows read from right to left.
    """

    def __init__(self, boxes: Sequence[Oriented], texts: Sequence[str], angle: float, mirrored: bool) -> None:
        self._boxes = boxes
        self._texts = texts
        self._angle = angle
        self._mirrored = mirrored

    def follows(self, line: int, other: int) -> bool:
        """May `other` read on from `line`?"""
        return any(
            other in view.followers[line] or view.begins_column(line, other) for view in self._views if view.agree[line]
        ) or bool(self._arcs[line, other])

    def among(self, lines: Sequence[int]) -> Among:
        """The graph with line i for its line `lines[i]`."""
        return Among(self, tuple(lines))

    @cached_property
    def _arcs(self) -> Flags:
        return along_arcs(self._boxes)

    @cached_property
    def _views(self) -> list[_View]:
        """The graph in each direction in which some line is looked at."""
        return [
            _View(self._boxes, angle, mirrored=self._mirrored and abs(angle - self._angle) < LOOSE_TURN)
            for angle in self._directions()
        ]

    def _directions(self) -> list[float]:
        """The directions of all lines, those that hardly differ as one."""
        angles = [self._angle]
        for box, text in zip(self._boxes, self._texts, strict=True):
            angles.append(box.angle)
            if (box.free or box.loose) and _DOWNWARDS.search(text):
                angles += [self._angle + 90, box.angle + 90]
        groups: list[list[float]] = []
        for angle in sorted(angles):
            if groups and angle - groups[-1][0] <= SAME_DIRECTION:
                groups[-1].append(angle)
            else:
                groups.append([angle])
        # The directions of most lines, where a picture has more than it can have.
        groups.sort(key=lambda group: (-len(group), group[0]))
        return [median(group) for group in groups[:MAX_VIEWS]]


class Among:
    """A part of the graph, under other numbers."""

    def __init__(self, whole: Neighbours, lines: tuple[int, ...]) -> None:
        self._whole = whole
        self._lines = lines

    def follows(self, line: int, other: int) -> bool:
        """May `other` read on from `line`?"""
        return self._whole.follows(self._lines[line], self._lines[other])


def _reach(line: int, back: Sequence[set[int]]) -> set[int]:
    """A line and all from which steps lead to it."""
    found, waiting = {line}, [line]
    while waiting:
        for other in back[waiting.pop()]:
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


class _View:
    """All lines as seen with one direction level: `low` to `high` along it, `middle` across, `height` of letters."""

    def __init__(self, boxes: Sequence[Oriented], angle: float, *, mirrored: bool) -> None:
        corners = np.array([box.corners for box in boxes], dtype=np.float64)
        along = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
        across = np.array([-along[1], along[0]])
        reach, depth = corners @ along, corners @ across
        if mirrored:
            reach = -reach
        self.low, self.high = reach.min(axis=1), reach.max(axis=1)
        top, bottom = depth.min(axis=1), depth.max(axis=1)
        self.middle = (top + bottom) / 2
        self.below: list[set[int]] = []
        self.above: list[set[int]] = []
        free = np.array([box.free for box in boxes])
        loose = np.array([box.loose for box in boxes])
        turn = np.abs((np.array([box.angle for box in boxes]) - angle + 180) % 360 - 180)
        self.agree: Flags = (turn <= TURN) | free | (loose & (turn <= LOOSE_TURN))
        across_or_tall = free | (loose & (turn > TURN))
        self.height: Floats = np.maximum(
            np.where(across_or_tall, bottom - top, np.array([box.height for box in boxes])), 1e-6
        )

    @cached_property
    def followers(self) -> list[set[int]]:
        """For each line: what follows it right, below or as a wrap."""
        lines = range(len(self.agree))
        around = [self.around(line) if self.agree[line] else (set(), set()) for line in lines]
        left, self.above = [set[int]() for _ in lines], [set[int]() for _ in lines]
        self.below = [below for below, _ in around]
        for line, (below, right) in enumerate(around):
            for other in right:
                left[other].add(line)
            for other in below:
                self.above[other].add(line)
        firsts = [{first for first in _reach(line, left) if not left[first]} for line in lines]
        found = []
        for line, (below, right) in enumerate(around):
            follows = below | right
            for member in _reach(line, left):
                for lower in self.below[member]:
                    follows |= firsts[lower]
            found.append(follows - {line})
        return found

    def around(self, line: int) -> tuple[set[int], set[int]]:
        """The lines below a line, and the nearest right of it."""
        low, high, middle, height = self.low, self.high, self.middle, self.height
        larger, smaller = np.maximum(height, height[line]), np.minimum(height, height[line])
        like = self.agree & (larger <= SIZE_RATIO * smaller)
        like[line] = False
        shorter = np.minimum(high - low, high[line] - low[line])
        overlap = np.minimum(high, high[line]) - np.maximum(low, low[line])
        row = np.minimum(middle + height / 2, middle[line] + height[line] / 2) - np.maximum(
            middle - height / 2, middle[line] - height[line] / 2
        )
        lower = like & (middle > middle[line] + 0.5 * smaller) & (row < 0.75 * smaller)
        near = middle - height / 2 - (middle[line] + height[line] / 2) < GAP_BELOW * larger
        under = np.flatnonzero(lower & near & (overlap > OVERLAP * shorter)).tolist()
        below = {other for other in under if not any(self._between(line, third, other) for third in under)}
        gap = low - high[line]
        beside = like & (row > 0.5 * smaller) & (low + high > low[line] + high[line])
        beside &= (gap > -larger) & (gap < GAP_BESIDE * larger)
        rights = np.flatnonzero(beside)
        right = {int(rights[np.argmin(low[rights] + high[rights])])} if len(rights) else set()
        return below, right

    def begins_column(self, line: int, other: int) -> bool:
        """Is `line` the foot of its column, and `other` the head of another that begins further right?"""
        if self.below[line] or self.above[other]:
            return False
        larger, smaller = max(self.height[line], self.height[other]), min(self.height[line], self.height[other])
        shorter = min(self.high[line] - self.low[line], self.high[other] - self.low[other])
        return bool(
            self.agree[other]
            and larger <= SIZE_RATIO * smaller
            and self.middle[other] < self.middle[line]
            and self.low[other] > self.low[line] + 0.5 * shorter
        )

    def _between(self, line: int, third: int, other: int) -> bool:
        """Does `third` hide `other` from a line above both? Only where there is room for it."""
        height, middle = self.height, self.middle
        room = middle[other] - middle[line] - (height[other] + height[line]) / 2
        if third == other or room < 0.5 * height[third]:
            return False
        if middle[third] >= middle[other] - 0.5 * min(height[third], height[other]):
            return False
        shorter = min(self.high[third] - self.low[third], self.high[other] - self.low[other])
        overlap = min(self.high[third], self.high[other]) - max(self.low[third], self.low[other])
        return bool(overlap > 0.3 * shorter)
