"""Which readings stay: made-up lines whose characters stand a pixel apart from where a person would put them."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from evalsuite.ocr.geometry import Quad
from evalsuite.ocr.merging import Candidate, select, weight
from evalsuite.ocr.recognition import Character, Line


def line(text, x, y, *, width=None, height=40.0, confidence=0.99, degrees=0.0) -> Line:
    """A line whose left edge's middle is at (x, y); each character is 20 pixels wide unless `width` says otherwise."""
    width = 20.0 * len(text) if width is None else width
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = tuple(
        (x + a * cos - b * sin, y + a * sin + b * cos)
        for a, b in ((0, -height / 2), (width, -height / 2), (width, height / 2), (0, height / 2))
    )
    characters = tuple(Character(letter, (index + 0.5) / len(text), confidence) for index, letter in enumerate(text))
    return Line(Quad(corners), characters)


def nothing(quad: Quad) -> Line:
    """A reader that sees nothing in a further box."""
    return Line(quad, ())


def texts(*candidates: Candidate, read=nothing) -> list[str]:
    return [found.text for found in select(candidates, read)]


def test_a_line_read_as_a_whole_and_in_words_is_read_once():
    whole = Candidate(line("GRAND OPENING", 0, 50), 0)
    words = [Candidate(line("GRAND", 0, 50), 1), Candidate(line("OPENING", 120, 50), 1)]
    assert texts(whole, *words) == ["GRAND OPENING"]


def test_words_read_surely_win_over_a_whole_read_badly():
    whole = Candidate(line("CRAHO 0PENIHG", 0, 50, confidence=0.6), 0)
    words = [Candidate(line("GRAND", 0, 50), 1), Candidate(line("OPENING", 120, 50), 1)]
    assert texts(whole, *words) == ["GRAND", "OPENING"]


def test_neighbours_that_touch_are_both_kept():
    first, second = line("OPEN", 0, 50), line("DAILY", 80, 50)
    below = line("SINCE 1887", 0, 88)
    assert texts(Candidate(first, 0), Candidate(second, 0), Candidate(below, 1)) == ["OPEN", "DAILY", "SINCE 1887"]


def test_tilted_lines_of_one_size_whose_boxes_overlap_are_both_kept():
    """Their texts say different glyphs, so the overlap is one of boxes and not of readings."""
    first, second = line("BE THE", 0, 60, degrees=-7), line("BEST", 20, 86, height=60, degrees=-7)
    assert sorted(texts(Candidate(first, 0), Candidate(second, 0))) == ["BE THE", "BEST"]


def test_one_size_that_boxes_the_end_of_a_line_twice_gives_one_line_in_order():
    """A page "evalsuite 2026" came back as "2026" and "evalsuite 2", two overlapping boxes of one size."""
    whole, end = line("evalsuite 2", 0, 50), line("2026", 200, 50)
    (found,) = select([Candidate(end, 0), Candidate(whole, 0)], nothing)
    assert found.text == "evalsuite 2026"
    assert found.quad.bounds == pytest.approx((0, 30, 280, 70))
    assert [round(character.at * 280) for character in found.characters] == [10 + 20 * index for index in range(14)]


def test_what_is_read_over_both_boxes_wins_where_it_says_more():
    whole, end = line("evalsuite 2", 0, 50), line("2O26", 200, 50, confidence=0.8)

    def read(quad: Quad) -> Line:
        assert quad.bounds == pytest.approx((0, 30, 280, 70))
        return line("evalsuite 2026", 0, 50)

    assert texts(Candidate(whole, 0), Candidate(end, 0), read=read) == ["evalsuite 2026"]


def test_ends_that_are_equal_but_stand_elsewhere_are_not_one_glyph():
    """The same letter at the end of one word and at the start of the next one."""
    first, second = line("STOP", 0, 50), line("PRESS", 76, 50)
    assert texts(Candidate(first, 0), Candidate(second, 1)) == ["STOP", "PRESS"]


def test_joining_works_along_a_turned_line():
    degrees = 20
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    whole = line("evalsuite 2", 100, 100, degrees=degrees)
    end = line("2026", 100 + 200 * cos, 100 + 200 * sin, degrees=degrees)
    assert texts(Candidate(end, 1), Candidate(whole, 1)) == ["evalsuite 2026"]


def test_two_readings_of_one_line_at_two_sizes_are_one():
    sure, unsure = line("Trick", 0, 50), line("Triek", 2, 51, confidence=0.9)
    assert texts(Candidate(sure, 0), Candidate(unsure, 1)) == ["Trick"]
    assert texts(Candidate(unsure, 0), Candidate(sure, 1)) == ["Trick"]


def test_of_two_readings_of_one_line_the_longer_wins_only_if_it_is_sure():
    """A title read as OMIS-IMAGEGE at the coarse size and as OVIS-IMAGE at the fine one, letters 390 pixels high."""
    coarse = line("OMIS-IMAGEGE", 0, 200, width=1000, height=400, confidence=0.84)
    fine = line("OVIS-IMAGE", 10, 200, width=980, height=390, confidence=0.883)
    assert texts(Candidate(coarse, 0), Candidate(fine, 1)) == ["OVIS-IMAGE"]


def test_empty_readings_say_nothing():
    assert texts(Candidate(line("", 0, 50, width=100), 0), Candidate(line("OPEN", 0, 50), 1)) == ["OPEN"]
    assert texts() == []


def test_the_order_of_the_candidates_makes_no_difference():
    candidates = [
        Candidate(line("GRAND OPENING", 0, 50), 0),
        Candidate(line("GRAND", 0, 50), 1),
        Candidate(line("OPENING", 120, 50), 1),
        Candidate(line("OPENING", 120, 50), 2),
        Candidate(line("DAILY", 0, 90), 0),
        Candidate(line("DAILY", 0, 90), 1),
    ]
    wanted = texts(*candidates)
    assert wanted == ["GRAND OPENING", "DAILY"]
    assert all(texts(*order) == wanted for order in itertools.permutations(candidates))


def best_weight(candidates, conflict) -> float:
    """The weight of the heaviest set without a conflict, by trying all."""
    return max(
        sum(weight(candidates[index].line) for index in chosen)
        for size in range(len(candidates) + 1)
        for chosen in itertools.combinations(range(len(candidates)), size)
        if not any(conflict(one, other) for one, other in itertools.combinations(chosen, 2))
    )


def test_the_set_kept_is_the_heaviest_one():
    """Words at random places along one row, all at different sizes: any two that overlap are in conflict."""
    random_numbers = random.Random(13)
    for _ in range(30):
        candidates = [
            Candidate(line("ABCDEFGHIJ"[: random_numbers.randint(2, 9)], 30 * random_numbers.randint(0, 20), 50), size)
            for size in range(9)
        ]
        ends = [candidate.inner.bounds for candidate in candidates]

        def conflict(one: int, other: int, ends=ends) -> bool:
            reach = min(ends[one][2], ends[other][2]) - max(ends[one][0], ends[other][0])
            narrower = min(ends[one][2] - ends[one][0], ends[other][2] - ends[other][0])
            return reach > 0 and (reach / 24 > 0.3 or reach / narrower > 0.35)

        kept = select(candidates, nothing)
        assert sum(weight(found) for found in kept) == pytest.approx(best_weight(candidates, conflict))


def test_a_page_full_of_overlapping_readings_is_merged_in_bounded_time():
    """Three sizes over 400 lines, each overlapping the next one: one knot of over a thousand readings."""
    candidates = [
        Candidate(line("LINE OF TEXT", 3 * size, 20 * row, height=40, confidence=0.9 + 0.01 * size), size)
        for row in range(400)
        for size in range(3)
    ]
    assert 200 <= len(select(candidates, nothing)) <= 400


def test_overlapping_boxes_whose_words_merely_end_and_start_alike_are_both_kept():
    """REST and TEA, tilted, in boxes that overlap: the T at the end and the T at the start are two letters."""
    rest, tea = line("REST", 0, 60, degrees=-10), line("TEA", 10, 88, degrees=-10)
    assert texts(Candidate(rest, 0), Candidate(tea, 0)) == ["REST", "TEA"]
    beside = line("TEA", 72, 60 - 72 * math.tan(math.radians(10)), degrees=-10)
    assert texts(Candidate(rest, 0), Candidate(beside, 0)) in (["REST", "TEA"], ["TEA", "REST"])


def test_a_box_inside_another_one_of_its_size_is_the_same_glyphs_where_it_says_a_part_of_them():
    assert texts(Candidate(line("SALE", 0, 50), 0), Candidate(line("AL", 20, 50), 0)) == ["SALE"]
