from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.ocr.geometry import Quad, overlap_in_row, spanning


def rectangle(x, y, width, height, degrees=0.0) -> Quad:
    """A rectangle with its centre at (x, y), turned clockwise as one sees it."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    return Quad(
        tuple(
            (x + (a * width * cos - b * height * sin) / 2, y + (a * width * sin + b * height * cos) / 2)
            for a, b in corners
        )
    )


def test_measures_of_an_upright_and_of_a_turned_box():
    for degrees in (0, 30, -45):
        box = rectangle(100, 100, 80, 20, degrees)
        assert box.area == pytest.approx(1600)
        assert (box.length, box.height, box.runs_down) == (pytest.approx(80), pytest.approx(20), False)
        assert box.direction == pytest.approx((math.cos(math.radians(degrees)), math.sin(math.radians(degrees))))


def test_a_tall_box_is_read_downwards():
    box = rectangle(50, 100, 20, 120)
    assert box.runs_down
    assert (box.length, box.height, box.direction) == (120, 20, (0, 1))
    assert box.point_along(0.0) == (50, 40)
    assert box.point_along(1.0) == (50, 160)
    assert not rectangle(50, 50, 20, 29).runs_down


def test_shared_area_of_boxes_that_overlap_touch_and_miss():
    box = rectangle(50, 50, 100, 20)
    assert box.shared(rectangle(100, 50, 100, 20)) == pytest.approx(1000)
    assert box.shared(rectangle(50, 50, 10, 10)) == pytest.approx(100)
    assert box.shared(rectangle(150, 50, 100, 20)) == 0
    assert box.shared(rectangle(50, 50, 20, 20, 45)) == pytest.approx(400 - 2 * (math.sqrt(200) - 10) ** 2)
    # The bounds of these two overlap, the boxes do not.
    assert rectangle(0, 0, 100, 4, 45).shared(rectangle(30, -30, 20, 4, 45)) == 0


@given(
    st.tuples(st.floats(0, 200), st.floats(0, 200), st.floats(5, 200), st.floats(5, 200), st.floats(-90, 90)),
    st.tuples(st.floats(0, 200), st.floats(0, 200), st.floats(5, 200), st.floats(5, 200), st.floats(-90, 90)),
)
def test_shared_area_is_symmetric_and_at_most_the_smaller_one(first, second):
    one, other = rectangle(*first), rectangle(*second)
    assert one.shared(other) == pytest.approx(other.shared(one), abs=1e-6)
    assert one.shared(other) <= min(one.area, other.area) + 1e-6
    assert 0 <= one.likeness(other) <= 1 + 1e-9
    assert one.shared(one) == pytest.approx(one.area)


def test_likeness_is_intersection_over_union():
    assert rectangle(50, 50, 100, 20).likeness(rectangle(100, 50, 100, 20)) == pytest.approx(1 / 3)


def test_inset_moves_every_side_inwards_by_a_part_of_the_height():
    assert rectangle(50, 50, 100, 20).inset(0.2).bounds == pytest.approx((4, 44, 96, 56))
    turned = rectangle(50, 50, 100, 20, 30).inset(0.2)
    assert (turned.length, turned.height) == (pytest.approx(92), pytest.approx(12))


def test_overlap_in_a_row_is_counted_in_heights_also_where_the_row_is_turned():
    for degrees in (0, 25):
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        first = rectangle(0, 0, 100, 20, degrees)
        assert overlap_in_row(first, rectangle(90 * cos, 90 * sin, 100, 20, degrees)) == pytest.approx(0.5)
        assert overlap_in_row(first, rectangle(110 * cos, 110 * sin, 100, 20, degrees)) == pytest.approx(-0.5)
        assert overlap_in_row(first, rectangle(-19 * sin, 19 * cos, 100, 20, degrees)) is None


def test_the_box_over_two_is_in_the_frame_of_the_larger():
    over = spanning(rectangle(0, 0, 100, 20, 30), rectangle(90 * math.cos(math.radians(30)), 45, 80, 20, 30))
    assert (over.length, over.height) == (pytest.approx(180), pytest.approx(20))
    assert over.direction == pytest.approx((math.cos(math.radians(30)), 0.5))


def test_a_box_without_area_shares_nothing_and_does_not_fail():
    point = Quad(((5, 5), (5, 5), (5, 5), (5, 5)))
    box = rectangle(5, 5, 10, 10)
    assert (point.area, point.shared(box), box.shared(point), box.likeness(point)) == (0, 0, 0, 0)
    assert point.direction == (1, 0)
