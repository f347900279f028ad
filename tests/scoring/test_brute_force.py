"""The fast search against the definition, written out as plainly as can be: every cut, every piece, every choice."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.records import TextLine
from evalsuite.scoring import score_image
from evalsuite.scoring.matching import all_candidates
from evalsuite.scoring.normalize import normalize, profile_named
from evalsuite.scoring.page import Page
from evalsuite.scoring.pieces import Alphabet, Pattern, Patterns


@cache
def distance(one: str, other: str) -> int:
    """Levenshtein's recurrence."""
    if not one or not other:
        return len(one) + len(other)
    return min(
        distance(one[1:], other) + 1,
        distance(one, other[1:]) + 1,
        distance(one[1:], other[1:]) + (one[0] != other[0]),
    )


def near_enough(target: str, found: int) -> bool:
    size = len(target)
    return found == 0 or (size - found) / size >= 1 / 3 + 1 / size - 1e-12


def cuts(targets: Sequence[str], lines: Sequence[str]) -> tuple[str, list[int], list[int]]:
    """The text of all lines without white space, the offsets at which a piece may start or end, and line starts."""
    text = ""
    edges, line_starts = [0], []
    for line in lines:
        line_starts.append(len(text))
        for word in line.split():
            text += word
            edges.append(len(text))
    ending = {t: [min(distance(t, text[i:j]) for i in range(j + 1)) for j in range(len(text) + 1)] for t in targets}
    starting = {
        t: [min(distance(t, text[j:i]) for i in range(j, len(text) + 1)) for j in range(len(text) + 1)] for t in targets
    }
    seams = set()
    for left, right in pairwise(edges):
        for one, other in product(targets, targets):
            total = [ending[one][p] + starting[other][p] for p in range(len(text) + 1)]
            good = [
                p
                for p in range(left + 1, right)
                if 2 * ending[one][p] <= len(one) and 2 * starting[other][p] <= len(other)
            ]
            edge = min(total[left], total[right])
            for p in good:
                inside = p - left >= len(one) - ending[one][p] and right - p >= len(other) - starting[other][p]
                if total[p] == min(total[q] for q in good) and (total[p] < edge or (total[p] == edge and inside)):
                    seams.add(p)
    return text, sorted({*edges, *seams}), line_starts


def definition(targets: Sequence[str], lines: Sequence[str]) -> list[set[tuple[int, int, int]]]:
    """Start, end and distance of all candidates of each target."""
    text, edges, line_starts = cuts(targets, lines)

    def line_of(place: int) -> int:
        return max(i for i, start in enumerate(line_starts) if start <= place)

    found = []
    for target in targets:
        near = {
            (a, b): distance(target, text[a:b])
            for a, b in product(edges, edges)
            if a < b and near_enough(target, distance(target, text[a:b]))
        }
        kept = set()
        for (a, b), here in near.items():
            lines_used = line_of(b - 1) - line_of(a)
            doubled = [p for p in line_starts if a < p < b and text[p] == text[p - 1]]
            once = "".join(text[p] for p in range(a, b) if p not in doubled)
            net = here - len(doubled) if distance(target, once) == here - len(doubled) else here
            inside = [(c, d) for c, d in near if a <= c and d <= b and (c, d) != (a, b)]
            nearer = any(near[piece] < here for piece in inside)
            as_near = any(near[c, d] <= net and line_of(d - 1) - line_of(c) < lines_used for c, d in inside)
            if not nearer and not as_near:
                kept.add((a, b, here))
        found.append(kept)
    return found


def best_gain(targets: Sequence[str], pieces: Sequence[set[tuple[int, int, int]]]) -> int:
    """The greatest gain of any choice, all choices tried."""

    def best(number: int, used: frozenset[int]) -> int:
        if number == len(targets):
            return 0
        top = best(number + 1, used)
        for start, end, found in pieces[number]:
            span = frozenset(range(start, end))
            if not span & used:
                top = max(top, len(targets[number]) + end - start - found + best(number + 1, used | span))
        return top

    return best(0, frozenset())


def agrees(targets: Sequence[str], lines: Sequence[str]) -> None:
    """The candidates are those of the definition, and the score has the greatest gain of all choices."""
    targets = sorted(targets)
    lines = [line for line in lines if line.strip()]
    reading = [TextLine(text=line) for line in lines]
    keys = ["".join(target.split()) for target in targets]
    wanted = definition(keys, lines)
    profile, alphabet = profile_named("standard"), Alphabet()
    patterns = Patterns(Pattern(normalize(target, profile), alphabet) for target in targets)
    found: list[set[tuple[int, int, int]]] = [set() for _ in targets]
    for candidate in all_candidates(Page(reading, profile, alphabet), patterns):
        for number in patterns.members[candidate.target]:
            found[number].add((candidate.start, candidate.end, candidate.distance))
    assert found == wanted
    score = score_image(targets, reading)
    gain = sum(2 * row.length - 2 * row.deletions - row.substitutions for row in score.targets)
    assert score.exact_search
    assert gain == best_gain(keys, wanted)


def _strings(alphabet: str, most: int) -> list[str]:
    return ["".join(letters) for size in range(1, most + 1) for letters in product(alphabet, repeat=size)]


def test_every_pair_of_tiny_targets_and_lines() -> None:
    """All pairs of targets and all pairs of lines of up to two letters from two."""
    texts = _strings("ab", 2)
    for targets in product(texts, repeat=2):
        for lines in product([*texts, ""], repeat=2):
            agrees(targets, lines)


@pytest.mark.parametrize("target", [text for text in _strings("ab", 4) if len(text) > 2])
def test_every_small_target_in_every_split_of_four_letters(target: str) -> None:
    """One target of three or four letters; every text of four, in every way of words and lines."""
    for letters in product("ab", repeat=4):
        for gaps in product(("", " ", "\n"), repeat=3):
            text = letters[0] + "".join(gap + letter for gap, letter in zip(gaps, letters[1:], strict=True))
            agrees([target], text.split("\n"))


def test_a_glyph_left_over_is_taken_only_as_an_insertion() -> None:
    """Beside the second target's piece a letter is left that realigning could use: taking it would beat the optimum."""
    agrees(["a", "aa ab aaab"], ["aaaaa a a", "aa"])


words = st.text(alphabet="abc", min_size=1, max_size=5)
texts = st.lists(words, min_size=1, max_size=3).map(" ".join)


@settings(max_examples=300, deadline=None)
@given(targets=st.lists(texts, min_size=1, max_size=3), lines=st.lists(texts, max_size=3))
def test_small_random_pages(targets: list[str], lines: list[str]) -> None:
    agrees(targets, lines)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), targets=st.lists(texts, min_size=1, max_size=3))
def test_readings_made_of_the_targets(data: st.DataObject, targets: list[str]) -> None:
    """Targets run together, with and without white space, cut into lines and damaged: where seams and joins arise."""
    order = data.draw(st.permutations([*targets, data.draw(words)]))
    text = data.draw(st.sampled_from(["", " ", "\n"])).join(order)
    if data.draw(st.booleans()):
        text = text.replace(" ", "")
    place = data.draw(st.integers(0, len(text) - 1))
    text = text[:place] + data.draw(st.sampled_from(["", "a", "\n", " ", "x"])) + text[place + 1 :]
    agrees(targets, text.split("\n"))
