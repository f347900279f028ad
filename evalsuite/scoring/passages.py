"""Along which lines could a target run, other than in the reading order? The graph of neighbours, followed by text.

Line b can follow line a within a target where some place p of the target has the end of a before it and the
start of b behind it. Ends are compared by three characters, one of which may be wrong, missing or too many
(a shorter line is compared whole), and then by twelve, a third of which may be. A *passage* is a longest run of lines of which each can follow the one before
at places that agree with the lines' lengths (a line of one or two characters between two others may be wrong
altogether), and each stands where it may follow: next in reading order, or
a neighbour (`neighbours`). Passages that say no more than the reading order does are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, pairwise

from rapidfuzz.distance import Levenshtein

from evalsuite.scoring.neighbours import Among

MAX_STEPS = 20_000
"""Steps from line to line that are tried for all targets of an image."""

MAX_LINES = 600
"""Lines of a reading in which passages are looked for; a picture holds far fewer."""

MAX_PASSAGES = 6
"""Passages of one target that are searched: those that cover most of it."""

_GRAM = 3
_LOOK = 12
_SHORT = 2

Steps = dict[tuple[int, int], list[tuple[int, int]]]


class Passages:
    """Finds the passages of any number of targets among `lines`, which are in reading order.

    All strings have one code point a unit. `complete` becomes False where not all could be looked at.
    """

    def __init__(self, lines: Sequence[str], neighbours: Among | None) -> None:
        self._lines = lines
        self._neighbours = neighbours if len(lines) > 1 else None
        self._budget = MAX_STEPS
        self.complete = neighbours is None or len(lines) <= MAX_LINES
        if not self.complete:
            self._neighbours = None

    def of(self, target: str) -> list[tuple[int, ...]]:
        """Runs of lines (indices) along which `target` may be written, the most of it first."""
        if self._neighbours is None or self._budget <= 0:
            return []
        steps = self._steps(target)
        if all(b == a + 1 for (a, _), onward in steps.items() for b, _ in onward):
            return []
        reached = {state for onward in steps.values() for state in onward}
        found: dict[tuple[int, ...], int] = {}
        for state in steps:
            if state not in reached:
                for run, size in self._walk(state, steps, target):
                    if any(after != before + 1 for before, after in pairwise(run)):
                        found[run] = max(found.get(run, 0), size)
        kept: list[tuple[int, ...]] = []
        for run in sorted(found, key=lambda run: (-found[run], len(run), run)):
            if len(kept) < MAX_PASSAGES and not any(_within(run, other) for other in kept):
                kept.append(run)
        return kept

    def _steps(self, target: str) -> Steps:
        """From each line that ends at a place of the target, the lines that may follow, and where those may end."""
        assert self._neighbours is not None
        grams = _Grams(target)
        heads: dict[int, list[int]] = {}
        for line, text in enumerate(self._lines):
            for place in grams.starts(text):
                heads.setdefault(place, []).append(line)
        steps: Steps = {}
        if not heads:
            return steps
        ends = [grams.ends(text) for text in self._lines]
        every = ((a, place, b) for a, places in enumerate(ends) for place in sorted(places) for b in heads.get(place, ()))
        pairs = [
            (a, place, b)
            for a, place, b in islice(every, self._budget)
            if a != b and _agrees(self._lines[a], self._lines[b], target, place)
        ]
        bridges = list(islice(self._bridges(ends, heads, target), self._budget))
        if not bridges and all(b == a + 1 for a, _, b in pairs):
            return steps
        for a, place, b in pairs:
            if self._spend() and self._may_follow(a, b):
                onward = [(b, end) for end in _onward(len(self._lines[b]), place, ends[b], target)]
                steps.setdefault((a, place), []).extend(onward)
        for a, place, wrong, b in bridges:
            if self._spend() and self._may_follow(a, wrong) and self._may_follow(wrong, b):
                behind = place + len(self._lines[wrong])
                steps.setdefault((a, place), []).append((wrong, behind))
                onward = [(b, end) for end in _onward(len(self._lines[b]), behind, ends[b], target)]
                steps.setdefault((wrong, behind), []).extend(onward)
        return steps

    def _may_follow(self, line: int, other: int) -> bool:
        return other == line + 1 or (self._neighbours is not None and self._neighbours.follows(line, other))

    def _bridges(
        self, ends: Sequence[set[int]], heads: dict[int, list[int]], target: str
    ) -> Iterator[tuple[int, int, int, int]]:
        """Lines a and b, and between them one so short that an error in it leaves nothing to know it by."""
        short = [line for line, text in enumerate(self._lines) if len(text) <= _SHORT]
        for wrong in short:
            size = len(self._lines[wrong])
            for a, places in enumerate(ends):
                for place in sorted(places):
                    if a != wrong and not target.startswith(self._lines[wrong], place):
                        for b in heads.get(place + size, ()):
                            if b not in {a, wrong}:
                                yield a, place, wrong, b

    def _walk(self, state: tuple[int, int], steps: Steps, target: str) -> Iterator[tuple[tuple[int, ...], int]]:
        """All longest runs from a state, and how much of the target each covers; no line twice."""
        waiting = [((state[0],), state[1], min(state[1], len(self._lines[state[0]])))]
        while waiting and self._spend():
            run, place, covered = waiting.pop()
            further = [(line, end) for line, end in steps.get((run[-1], place), ()) if line not in run]
            if not further and len(run) > 1:
                yield run, covered
            for line, end in sorted(further, reverse=True):
                text = self._lines[line]
                wrong = len(text) <= _SHORT and not target.startswith(text, place)
                more = 0 if wrong else min(len(text), len(target) - place)
                waiting.append(((*run, line), end, covered + more))

    def _spend(self) -> bool:
        self._budget -= 1
        self.complete &= self._budget > 0
        return self._budget > 0


def _onward(size: int, place: int, ends: set[int], target: str) -> list[int]:
    """Places of the target at which a line of `size` that starts at `place` may end; the target's end for the last."""
    slack = max(2, size // 5)
    place += target[place] == " "
    found = [end for end in sorted(ends) if abs(end - place - size) <= min(slack, size - 1) and end > place]
    if place + size + slack >= len(target) or not found:
        found.append(len(target))
    return found


def _within(run: Sequence[int], other: Sequence[int]) -> bool:
    return any(tuple(other[i : i + len(run)]) == tuple(run) for i in range(len(other) - len(run) + 1))


class _Grams:
    """Where in a target lines may start and end."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._places: dict[str, list[int]] = {}
        for place in range(len(target) - _GRAM + 1):
            self._places.setdefault(target[place : place + _GRAM], []).append(place)

    def starts(self, line: str) -> set[int]:
        """Places inside the target behind which the line's start may stand."""
        target, size, places = self._target, len(self._target), self._places
        found: set[int] = set()
        if len(line) < _GRAM:
            found.update(_all(line, target))
        else:
            for place in places.get(line[:3], ()):
                found.update((place, place - 1))  # the character before it may be missing
            for place in places.get(line[1:4], ()):
                found.update((place - 1, place))  # the first may be wrong, or too many
            found.update([place - 2 for place in places.get(line[2:5], ())])  # the second may be wrong
        # The target's last characters, where the line goes on with other text.
        found.update([size - short for short in range(1, min(_GRAM, len(line))) if target.endswith(line[:short])])
        if " " in target:
            found.update([place - 1 for place in found if place and target[place - 1] == " "])  # a break for a space
        return {place for place in found if 0 < place < size}

    def ends(self, line: str) -> set[int]:
        """Places inside the target before which the line's end may stand."""
        target, size, places = self._target, len(self._target), self._places
        found: set[int] = set()
        if len(line) < _GRAM:
            found.update([place + len(line) for place in _all(line, target)])
        else:
            for place in places.get(line[-3:], ()):
                found.update((place + 3, place + 4))
            for place in places.get(line[-4:-1], ()):
                found.update((place + 4, place + 3))
            found.update([place + 5 for place in places.get(line[-5:-2], ())])
        found.update([short for short in range(1, min(_GRAM, len(line))) if target.startswith(line[-short:])])
        return {place for place in found if 0 < place < size}


def _all(piece: str, target: str) -> Iterator[int]:
    place = target.find(piece)
    while place >= 0:
        yield place
        place = target.find(piece, place + 1)


def _agrees(line: str, other: str, target: str, place: int) -> bool:
    """Does what stands before and behind a place of the target look like the two lines' ends, not like three letters?"""
    size = min(len(line), place, _LOOK)
    if Levenshtein.distance(line[-size:], target[place - size : place]) > size // 3:
        return False
    place += target[place] == " "
    size = min(len(other), len(target) - place, _LOOK)
    return Levenshtein.distance(other[:size], target[place : place + size]) <= size // 3
