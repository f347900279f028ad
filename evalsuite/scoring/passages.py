"""Along which lines could a target run, other than in the reading order? The graph of neighbours, followed by text.

Line b can follow line a within a target where some place of the target has the end of a before it and the start
of b behind it. Ends are compared by three characters, one of which may be wrong, missing or too many (a shorter
line is compared whole), and then by twelve, a third of which may be. A *passage* is a longest run of lines of
which each can follow the one before at places that agree with the lines' lengths (a line of one or two characters
between two others may be wrong altogether), and each stands where it may follow: next in reading order, or a
neighbour (`neighbours`). Passages that say no more than the reading order does are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice, pairwise

from rapidfuzz.distance import Levenshtein

from evalsuite.scoring.neighbours import Among

MAX_STEPS = 20_000
"""Steps from line to line that are tried for all targets of an image."""

MAX_LINES = 600
"""Lines of a reading in which passages are looked for; a picture holds far fewer."""

MAX_PASSAGES = 6
"""Passages of one target that are searched: those that cover most of it."""

KEPT_RUNS = 3
"""Runs to one line at one place of the target that are followed: those that cover most."""

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
        self._neighbours = neighbours if 1 < len(lines) <= MAX_LINES else None
        self._budget = MAX_STEPS
        self.complete = neighbours is None or len(lines) <= MAX_LINES

    @cached_property
    def _starts(self) -> Ends:
        return Ends(self._lines)

    @cached_property
    def _ends(self) -> Ends:
        return Ends([line[::-1] for line in self._lines])

    def of(self, target: str) -> list[tuple[int, ...]]:
        """Runs of lines (indices) along which `target` may be written, the most of it first."""
        if self._neighbours is None or self._budget <= 0:
            return []
        steps = self._steps(target)
        if all(b == a + 1 for (a, _), onward in steps.items() for b, _ in onward):
            return []
        found = self._longest(steps, target)
        kept: list[tuple[int, ...]] = []
        for run in sorted(found, key=lambda run: (-found[run], len(run), run)):
            if len(kept) < MAX_PASSAGES and not any(_within(run, other) for other in kept):
                kept.append(run)
        return kept

    def _steps(self, target: str) -> Steps:
        """From each line that ends at a place of the target, the lines that may follow, and where those may end."""
        size = len(target)
        starts = self._starts.places(target)
        ends = {size - place: lines for place, lines in self._ends.places(target[::-1]).items()}
        pairs = (
            (place, a, b) for place in sorted(ends.keys() & starts.keys()) for a in ends[place] for b in starts[place]
        )
        likely = [
            (place, a, b) for place, a, b in islice(pairs, self._budget) if a != b and self._agree(a, b, target, place)
        ]
        bridges = list(self._bridges(starts, ends, target))
        steps: Steps = {}
        if not bridges and all(b == a + 1 for _, a, b in likely):
            return steps
        ending: dict[int, list[int]] = {}
        for place in sorted(ends):
            for line in ends[place]:
                ending.setdefault(line, []).append(place)
        for place, a, b in likely:
            if self._may_follow(a, b):
                onward = [(b, end) for end in _onward(len(self._lines[b]), place, ending.get(b, ()), target)]
                steps.setdefault((a, place), []).extend(onward)
        for place, a, wrong, b in bridges:
            if self._may_follow(a, wrong) and self._may_follow(wrong, b):
                behind = place + len(self._lines[wrong])
                steps.setdefault((a, place), []).append((wrong, behind))
                onward = [(b, end) for end in _onward(len(self._lines[b]), behind, ending.get(b, ()), target)]
                steps.setdefault((wrong, behind), []).extend(onward)
        return steps

    def _may_follow(self, line: int, other: int) -> bool:
        if not self._spend():
            return False
        return other == line + 1 or (self._neighbours is not None and self._neighbours.follows(line, other))

    def _bridges(
        self, starts: dict[int, list[int]], ends: dict[int, list[int]], target: str
    ) -> Iterator[tuple[int, int, int, int]]:
        """A place, lines a and b, and between them one so short that an error in it leaves nothing to know it by."""
        short = [line for line, text in enumerate(self._lines) if len(text) <= _SHORT and text not in target]
        for wrong in short:
            text = self._lines[wrong]
            for place in sorted(ends):
                if place + len(text) in starts:
                    for a in ends[place]:
                        for b in starts[place + len(text)]:
                            if not self._spend():
                                return
                            if len({a, b, wrong}) == 3:
                                yield place, a, wrong, b

    def _agree(self, line: int, other: int, target: str, place: int) -> bool:
        """Does what stands before and behind a place look like both lines' ends, by more than three letters?"""
        text, onward = self._lines[line], self._lines[other]
        size = min(len(text), place, _LOOK)
        if Levenshtein.distance(text[-size:], target[place - size : place], score_cutoff=size // 3) > size // 3:
            return False
        place += target[place] == " "
        size = min(len(onward), len(target) - place, _LOOK)
        return Levenshtein.distance(onward[:size], target[place : place + size], score_cutoff=size // 3) <= size // 3

    def _longest(self, steps: Steps, target: str) -> dict[tuple[int, ...], int]:
        """The runs that cover most up to each place where no line follows, and how much of the target they cover.

        A line stands in a run once. Runs that follow the reading order only are left out.
        """
        reached = {state for onward in steps.values() for state in onward}
        waiting = [(place, line) for line, place in {*steps, *reached}]
        best: dict[tuple[int, int], dict[tuple[int, ...], int]] = {}
        for line, place in steps.keys() - reached:
            best[line, place] = {(line,): min(place, len(self._lines[line]))}
        found: dict[tuple[int, ...], int] = {}
        for place, line in sorted(waiting):  # each step leads to a later place
            runs = best.pop((line, place), {})
            for run in sorted(runs, key=lambda run: (-runs[run], len(run), run))[:KEPT_RUNS]:
                further = [(b, end) for b, end in steps.get((line, place), ()) if b not in run]
                for b, end in further:
                    if not self._spend():
                        return found
                    text = self._lines[b]
                    wrong = len(text) <= _SHORT and not target.startswith(text, place)
                    covered = runs[run] + (0 if wrong else min(len(text), len(target) - place))
                    rivals = best.setdefault((b, end), {})
                    rivals[*run, b] = max(rivals.get((*run, b), 0), covered)
                if not further and any(after != before + 1 for before, after in pairwise(run)):
                    found[run] = max(found.get(run, 0), runs[run])
        return found

    def _spend(self) -> bool:
        self._budget -= 1
        self.complete &= self._budget > 0
        return self._budget > 0


def _onward(size: int, place: int, ends: Sequence[int], target: str) -> list[int]:
    """Places of the target at which a line of `size` that starts at `place` may end; the target's end for the last."""
    slack = max(2, size // 5)
    place += target[place] == " "
    found = [end for end in ends if abs(end - place - size) <= min(slack, size - 1) and end > place]
    if place + size + slack >= len(target) or not found:
        found.append(len(target))
    return found


def _within(run: Sequence[int], other: Sequence[int]) -> bool:
    return any(tuple(other[i : i + len(run)]) == tuple(run) for i in range(len(other) - len(run) + 1))


class Ends:
    """The starts of all lines by their letters, so that those that a target holds are found at once."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._grams: dict[str, list[tuple[int, int]]] = {}
        self._short: dict[str, list[int]] = {}
        for line, text in enumerate(lines):
            if len(text) < _GRAM:
                self._short.setdefault(text, []).append(line)
            # In the target the first character may be wrong, or too many, or the second wrong, or one be missing.
            for skip, shifts in ((0, (0, -1)), (1, (-1, 0)), (2, (-2,))):
                gram = text[skip : skip + _GRAM]
                if len(gram) == _GRAM:
                    self._grams.setdefault(gram, []).extend([(line, shift) for shift in shifts])

    def places(self, target: str) -> dict[int, list[int]]:
        """Places inside the target behind which lines may start, each with those lines in order."""
        size = len(target)
        found: dict[int, set[int]] = {}
        for place in range(size - _GRAM + 1):
            for line, shift in self._grams.get(target[place : place + _GRAM], ()):
                found.setdefault(place + shift, set()).add(line)
        if self._short:
            for length in range(1, _GRAM):
                for place in range(size - length + 1):
                    found.setdefault(place, set()).update(self._short.get(target[place : place + length], ()))
        if " " in target:
            for place in [place for place in found if 0 < place < size and target[place - 1] == " "]:
                found.setdefault(place - 1, set()).update(found[place])  # a line break for a space
        return {place: sorted(lines) for place, lines in found.items() if lines and 0 < place < size}
