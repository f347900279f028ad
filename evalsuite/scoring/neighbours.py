"""Which lines may read on to which: a graph of successors, each line seen in its own direction.

In the frame of line a (its direction level, text below it further down), line b may follow a

* *right* of it: in the same row, and the nearest one there;
* *below* it: in a lower row, overlapping it along the line, with no other such line between;
* as a *wrap*: the first line of a row, a line of which is below some line of a's row;
* at the *head of a column*: a is the foot of its column, b the head of another that begins further right.

Lines that follow each other have letters of like size and nearly the same direction. A line of one character
has no direction of its own: it is tried in the page's, in that of the nearest longer line, and, in scripts
that are written downwards, in the vertical one. Short boxes may be turned more. The graph is generous on
purpose: it is followed only where a target's text runs on from one line to the next (`passages`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt
import regex

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

GAP_BESIDE = 1.5
"""Line heights that may lie between two lines of a row."""

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
        followers, below, above = self._graph
        if other in followers[line]:
            return True
        return not below[line] and not above[other] and any(view.begins_column(line, other) for view in self._of(line))

    def among(self, lines: Sequence[int]) -> Among:
        """The graph with line i for its line `lines[i]`."""
        return Among(self, tuple(lines))

    def _of(self, line: int) -> list[_View]:
        return [view for view, lines in self._views if line in lines]

    @cached_property
    def _views(self) -> list[tuple[_View, list[int]]]:
        """The directions in which lines are looked at, and which lines in which."""
        return [
            (_View(self._boxes, angle, mirrored=self._mirrored and abs(angle - self._angle) < LOOSE_TURN), lines)
            for angle, lines in self._frames().items()
        ]

    @cached_property
    def _graph(self) -> tuple[list[set[int]], list[set[int]], list[set[int]]]:
        """For each line: what follows it right, below or as a wrap; what is below it; and what is above it."""
        below, right, left, above = ([set[int]() for _ in self._boxes] for _ in range(4))
        for view, lines in self._views:
            for line in lines:
                down, beside = view.around(line)
                below[line] |= down
                right[line] |= beside
        for line in range(len(self._boxes)):
            for other in right[line]:
                left[other].add(line)
            for other in below[line]:
                above[other].add(line)
        followers = []
        for line in range(len(self._boxes)):
            follows = set(right[line])
            for member in _reach(line, left):
                for lower in below[member]:
                    follows.update(first for first in _reach(lower, left) if not left[first])
            followers.append((follows | below[line]) - {line})
        return followers, below, above

    def _frames(self) -> dict[float, list[int]]:
        """The directions (whole degrees) in which each line is looked at."""
        firm = [i for i, box in enumerate(self._boxes) if not box.free and not box.loose]
        centres = np.array([box.corners for box in self._boxes], dtype=np.float64).mean(axis=1)
        frames: dict[float, list[int]] = {}
        for line, box in enumerate(self._boxes):
            angles = [] if box.free else [box.angle]
            if box.free or box.loose:
                angles.append(self._angle)
                if firm:
                    away = ((centres[firm] - centres[line]) ** 2).sum(axis=1)
                    angles.append(self._boxes[firm[int(away.argmin())]].angle)
                if _DOWNWARDS.search(self._texts[line]):
                    angles.append(self._angle + 90)
            for angle in dict.fromkeys(float(round(angle)) for angle in angles):
                frames.setdefault(angle, []).append(line)
        return frames


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
        free = np.array([box.free for box in boxes])
        loose = np.array([box.loose for box in boxes])
        turn = np.abs((np.array([box.angle for box in boxes]) - angle + 180) % 360 - 180)
        self.agree: Flags = (turn <= TURN) | free | (loose & (turn <= LOOSE_TURN))
        across_or_tall = free | (loose & (turn > TURN))
        self.height: Floats = np.maximum(
            np.where(across_or_tall, bottom - top, np.array([box.height for box in boxes])), 1e-6
        )

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
        below = {other for other in under if not any(self._between(third, other) for third in under)}
        gap = low - high[line]
        beside = like & (row > 0.5 * smaller) & (low + high > low[line] + high[line])
        beside &= (gap > -larger) & (gap < GAP_BESIDE * larger)
        rights = np.flatnonzero(beside)
        right = {int(rights[np.argmin(low[rights] + high[rights])])} if len(rights) else set()
        return below, right

    def begins_column(self, line: int, other: int) -> bool:
        """Does `other`, with letters alike, stand further up and begin further right?"""
        larger, smaller = max(self.height[line], self.height[other]), min(self.height[line], self.height[other])
        shorter = min(self.high[line] - self.low[line], self.high[other] - self.low[other])
        return bool(
            self.agree[other]
            and larger <= SIZE_RATIO * smaller
            and self.middle[other] < self.middle[line]
            and self.low[other] > self.low[line] + 0.5 * shorter
        )

    def _between(self, third: int, other: int) -> bool:
        """Does `third` hide `other` from a line above both?"""
        if third == other or self.middle[third] >= self.middle[other] - 0.5 * min(
            self.height[third], self.height[other]
        ):
            return False
        shorter = min(self.high[third] - self.low[third], self.high[other] - self.low[other])
        overlap = min(self.high[third], self.high[other]) - max(self.low[third], self.low[other])
        return bool(overlap > 0.3 * shorter)
