from __future__ import annotations

import random
from itertools import pairwise, permutations

import pytest

from evalsuite.records import TextLine
from evalsuite.scoring.reading_order import layout

Place = tuple[str, float, float, float, float]


def page(*places: Place) -> list[TextLine]:
    """Lines from (text, left, top, right, bottom)."""
    return [TextLine(text=t, polygon=((a, b), (c, b), (c, d), (a, d))) for t, a, b, c, d in places]


def in_order(lines: list[TextLine]) -> list[str]:
    return [lines[i].text for i in layout(lines).order]


def follows(lines: list[TextLine]) -> set[tuple[str, str]]:
    """Which texts may read on to which, beside what the order says."""
    found = layout(lines)
    texts = [lines[i].text for i in found.order]
    assert found.neighbours is not None
    return {
        (one, other)
        for (i, one), (j, other) in permutations(enumerate(texts), 2)
        if j != i + 1 and found.neighbours.follows(i, j)
    }


def test_one_column_reads_down() -> None:
    assert in_order(page(("b", 0, 50, 99, 90), ("a", 0, 0, 99, 40), ("c", 0, 100, 99, 140))) == ["a", "b", "c"]


def test_a_title_then_two_columns() -> None:
    lines = page(
        ("title", 0, 0, 500, 60),
        ("left 1", 0, 120, 200, 160),
        ("right 1", 300, 120, 500, 160),
        ("left 2", 0, 170, 200, 210),
        ("right 2", 300, 170, 500, 210),
    )
    assert in_order(lines) == ["title", "left 1", "left 2", "right 1", "right 2"]
    assert {("left 1", "right 1"), ("left 2", "right 2")} <= follows(lines)
    assert ("right 1", "left 1") not in follows(lines)


def test_words_of_one_row_are_no_columns() -> None:
    lines = page(
        ("one", 0, 3, 90, 43), ("two", 100, 0, 190, 40), ("three", 0, 60, 90, 100), ("four", 100, 62, 190, 102)
    )
    assert in_order(lines) == ["one", "two", "three", "four"]


def test_rows_of_slanted_boxes_that_overlap() -> None:
    lines = page(("a", 0, 0, 90, 60), ("b", 80, 10, 190, 70), ("c", 0, 50, 90, 110), ("d", 80, 60, 190, 120))
    assert in_order(lines) == ["a", "b", "c", "d"]


def test_vertical_text_reads_from_right_to_left() -> None:
    lines = page(("左列字", 0, 0, 40, 120), ("右列字", 60, 0, 100, 120), ("题", 120, 0, 160, 40))
    assert in_order(lines) == ["题", "右列字", "左列字"]


def test_a_tall_line_among_horizontal_text_leads_on_to_the_tall_one_left_of_it() -> None:
    lines = page(
        ("左列字", 0, 0, 40, 120), ("右列字", 60, 0, 100, 120), ("a long line of horizontal text", 200, 0, 700, 40)
    )
    order = in_order(lines)
    assert ("右列字", "左列字") in {*follows(lines), *pairwise(order)}


def test_hebrew_reads_from_right_to_left() -> None:
    lines = page(("שמאל", 0, 0, 100, 40), ("ימין", 150, 0, 250, 40))
    assert in_order(lines) == ["ימין", "שמאל"]


def test_without_boxes_the_list_order_is_kept() -> None:
    lines = [TextLine(text="b"), *page(("a", 0, 0, 9, 9)), TextLine(text="c")]
    assert layout(lines).order == (0, 1, 2)
    assert layout(lines).neighbours is None
    assert layout([]).order == ()


def test_boxes_without_area() -> None:
    lines = page(("a", 5, 5, 5, 5), ("b", 5, 5, 5, 5), ("c", 0, 0, 100, 40), ("d", 0, 0, 0, 0))
    assert sorted(layout(lines).order) == [0, 1, 2, 3]


@pytest.mark.parametrize("seed", range(20))
def test_the_list_order_does_not_matter(seed: int) -> None:
    rng = random.Random(seed)
    places = [(f"line {rng.randrange(6)}", rng.randrange(300), rng.randrange(300)) for _ in range(12)]
    lines = page(*((text, x, y, x + rng.randrange(1, 200), y + rng.randrange(1, 60)) for text, x, y in places))
    shuffled = rng.sample(lines, len(lines))
    assert in_order(shuffled) == in_order(lines)
    assert [shuffled[i].polygon for i in layout(shuffled).order] == [lines[i].polygon for i in layout(lines).order]
    one, other = layout(shuffled).neighbours, layout(lines).neighbours
    assert one is not None
    assert other is not None
    assert [one.follows(i, j) for i in range(12) for j in range(12)] == [
        other.follows(i, j) for i in range(12) for j in range(12)
    ]


def test_a_thousand_lines_are_no_recursion_error() -> None:
    lines = page(*((str(i), 10 * i, 15 * i, 10 * i + 50, 15 * i + 20) for i in range(1200)))
    assert in_order(lines) == [str(i) for i in range(1200)]
