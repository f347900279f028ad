from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.records import TextLine
from evalsuite.scoring import candidates as module
from evalsuite.scoring import score_image, table
from evalsuite.scoring.candidates import Search
from evalsuite.scoring.normalize import normalize, profile_named
from evalsuite.scoring.page import MAX_UNITS
from evalsuite.scoring.pieces import Alphabet, Chain, Line, Pattern, Patterns
from evalsuite.scoring.table import Work

STANDARD = profile_named("standard")


def pattern(text: str) -> Pattern:
    return Pattern(normalize(text, STANDARD), Alphabet())


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("A", 0),
        ("AB", 0),
        ("ABC", 1),
        ("ABCD", 1),
        ("ABCDE", 2),
        ("ABCDEF", 3),
        ("A" * 30, 19),
        ("推", 0),
        ("推门", 1),
        ("推门进", 1),
        ("推门进来", 2),
    ],
)
def test_the_floor(text: str, allowed: int) -> None:
    """1 - d/n >= 1/3 + 1/n, worked by hand; an unspaced character counts three times in 1/n."""
    assert pattern(text).allowed == allowed


def chain_of(text: str) -> Chain:
    """One line in which every character may start and end a piece."""
    places = tuple(range(len(text)))
    return Chain([Line(text, text, 0, places, tuple(place + 1 for place in places))])


def found(targets: list[str], text: str) -> tuple[list[list[tuple[int, int, int]]], bool]:
    patterns = Patterns(pattern(target) for target in targets)
    search = Search(patterns, chain_of(text), Work())
    pieces = [[(c.start, c.end, c.distance) for c in search.candidates(number)] for number in range(len(patterns))]
    rows = {target: row for members, row in zip(patterns.members, pieces, strict=True) for target in members}
    return [rows[number] for number in range(len(targets))], search.complete


def test_pieces_by_hand() -> None:
    """Smaller pieces that are farther stay, for another target may want the rest; larger ones that are farther go."""
    assert found(["abcd"], "xabcdx") == ([[(1, 4, 1), (1, 5, 0), (2, 5, 1)]], True)
    assert found(["abd"], "xabcdx") == ([[(1, 3, 1), (1, 4, 1), (1, 5, 1)]], True)


texts = st.text(alphabet="abc", min_size=1, max_size=40)
target_lists = st.lists(st.text(alphabet="abc", min_size=1, max_size=8), min_size=1, max_size=3)


@settings(deadline=None)
@given(targets=target_lists, text=texts, few=st.integers(0, 5), stretch=st.integers(1, 5))
def test_computing_only_what_is_needed_changes_nothing(targets: list[str], text: str, few: int, stretch: int) -> None:
    """The best candidates, and all of them, are the same where distances are computed a few at a time."""

    def best() -> list[tuple[int, list[tuple[int, int, int]]]]:
        patterns = Patterns(pattern(target) for target in targets)
        search = Search(patterns, chain_of(text), Work())
        tops = [search.top_gain(number) for number in range(len(patterns))]
        return [
            (top, [(c.start, c.end, c.distance) for c in search.candidates(number, top)])
            for number, top in enumerate(tops)
        ]

    def all_of() -> list[tuple[int, list[tuple[int, int, int]]]]:
        rows = found(targets, text)[0]
        gains = [[len(t) + end - start - d for start, end, d in row] for t, row in zip(targets, rows, strict=True)]
        tops = [max(row, default=0) for row in gains]
        kept = [
            (top, [piece for piece, gain in zip(row, gain_row, strict=True) if gain == top])
            for top, row, gain_row in zip(tops, rows, gains, strict=True)
        ]
        return list(dict(zip(targets, kept, strict=True)).values())

    whole = found(targets, text)
    assert best() == all_of()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "FEW", few)
        patch.setattr(table, "STRETCH", stretch)
        assert found(targets, text) == whole
        assert best() == all_of()


def test_work_is_bounded_and_that_is_flagged() -> None:
    patterns = Patterns([pattern("abcabdacb" * 4)])
    text = "abcabdacb" * 40
    search = Search(patterns, chain_of(text), Work(limit=1))
    assert search.candidates(0, search.top_gain(0))
    assert not search.complete


def test_beyond_the_budget_of_pieces_the_best_cuts_are_tried_and_it_is_flagged(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "abcabdacb" * 5 + "abcdefabcdef" + "bacdbacab" * 5
    assert found(["abcdefabcdef"], text)[1]
    monkeypatch.setattr(module, "PAIR_BUDGET", 200)
    rows, complete = found(["abcdefabcdef"], text)
    assert not complete
    assert (45, 57, 0) in rows[0]


def test_beyond_the_budget_of_candidates_the_best_are_kept_and_it_is_flagged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CANDIDATE_BUDGET", 2)
    rows, complete = found(["abcdef"], "abcdxfabcdefabxdef")
    assert not complete
    assert len(rows[0]) == 2
    assert (6, 12, 0) in rows[0]


def test_more_clusters_than_private_code_points_is_no_error() -> None:
    alphabet = Alphabet()
    first = alphabet.encode(["a\u0301\u0302"])
    assert alphabet.encode(["a\u0301\u0302", "b"]) == first + "b"
    many = [f"a{chr(0x300 + i % 80)}{chr(0x300 + i // 80 % 80)}{chr(0x300 + i // 6400)}" for i in range(140_000)]
    assert len(alphabet.encode(many)) == len(many)


@pytest.mark.parametrize(
    "text",
    ["x" * 100_000, "A" * 100_000, "open daily " * 9_000, "每日新鲜" * 25_000, "A " * 19_000, "\x00\u202e" * 50_000],
    ids=["one word", "one letter", "words", "Chinese", "all match", "invisible"],
)
def test_a_reading_of_any_size_is_scored_in_seconds(text: str) -> None:
    targets = ["GRAND OPENING", "每日新鲜烘焙", "A" * 60]
    start = time.process_time()
    score = score_image(targets, [TextLine(text=text), TextLine(text="GRAND OPENING")])
    assert time.process_time() - start < 20
    size = len(normalize(text, STANDARD))
    assert score.exact_search or size > MAX_UNITS or text.startswith("A")
    assert score.targets[0].exact
