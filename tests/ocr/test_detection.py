from __future__ import annotations

import itertools

import pytest

from evalsuite.ocr import detection
from evalsuite.ocr.detection import Box
from evalsuite.ocr.geometry import Quad


def box(x, y, width, height, *, score=0.8, size=0, working_height=40.0) -> Box:
    quad = Quad(((x, y), (x + width, y), (x + width, y + height), (x, y + height)))
    return Box(quad, score, size, working_height)


@pytest.mark.parametrize(
    ("width", "height", "fine"),
    [(64, 64, 704), (512, 512, 704), (900, 700, 900), (1024, 1024, 1024), (3072, 2048, 1024), (8000, 6000, 1024)],
)
def test_every_picture_is_looked_at_at_a_coarse_and_a_fine_size(width, height, fine):
    assert detection.first_sizes(width, height) == (512, fine)


@pytest.mark.parametrize(
    ("size", "long_side", "working"),
    [
        ((1024, 1024), 1024, (1024, 1024)),
        ((1024, 768), 512, (512, 384)),
        ((768, 1024), 512, (384, 512)),
        ((640, 160), 896, (896, 224)),
        ((3072, 2000), 1024, (1024, 672)),
        # Banners: the area of a picture four times as long as high, so that their lettering keeps its height.
        ((8000, 200), 1024, (3232, 96)),
        ((200, 8000), 1024, (96, 3232)),
        ((8192, 8), 512, (8192, 32)),
    ],
)
def test_working_sizes(size, long_side, working):
    assert detection.working_size(*size, long_side) == working


def test_working_sizes_are_bounded_whatever_the_picture():
    sides = (8, 9, 31, 64, 200, 511, 1000, 1025, 4000, 8192)
    for width, height in itertools.product(sides, sides):
        for side in detection.first_sizes(width, height):
            across, down = detection.working_size(width, height, side)
            assert across % 32 == down % 32 == 0
            assert across * down <= 1024 * 1024
            assert max(across, down) <= 8192


@pytest.mark.parametrize(
    ("native", "last", "heights", "finer"),
    [
        (1024, 1024, [8.0] * 10, None),  # nothing more to see
        (1200, 1024, [8.0] * 10, None),  # hardly more to see
        (1300, 1024, [8.0] * 10, 1300),
        (3072, 1024, [8.0] * 10, 2048),
        (3072, 1024, [20.0] * 10, None),
        (3072, 1024, [8.0] + [40.0] * 10, None),  # under a tenth
        (3072, 1024, [8.0, 8.0] + [40.0] * 10, 2048),
        (3072, 1024, [], 2048),  # no box: nothing there, or too small to be seen
        (8000, 2048, [8.0] * 10, 4096),
        (8000, 4096, [8.0] * 10, None),
    ],
)
def test_small_lettering_in_a_large_picture_is_looked_at_again(native, last, heights, finer):
    assert detection.finer_size(native, native // 2, last, heights) == finer


def test_of_boxes_of_two_sizes_round_one_line_the_surer_stays_and_the_other_is_its_twin():
    coarse, fine = box(10, 10, 200, 40, score=0.9), box(12, 12, 196, 38, score=0.7, size=1)
    (found,) = detection.merge([coarse, fine])
    assert (found.box, found.twins) == (coarse, (fine,))
    assert detection.merge([fine, coarse]) == [found]


def test_a_loose_box_round_small_lettering_counts_for_less():
    coarse = box(10, 10, 200, 40, score=0.9, working_height=20)
    fine = box(12, 12, 196, 38, score=0.75, size=1, working_height=40)
    (found,) = detection.merge([coarse, fine])
    assert found.box == fine


def test_boxes_of_one_size_and_boxes_that_differ_are_kept_apart():
    boxes = [box(10, 10, 200, 40), box(12, 12, 196, 38), box(10, 100, 90, 40, size=1), box(10, 100, 200, 40)]
    assert [found.box for found in detection.merge(boxes)] == [boxes[0], boxes[1], boxes[2], boxes[3]]


def test_the_order_in_which_boxes_come_makes_no_difference():
    boxes = [
        box(x, y, 90, 30, score=0.8, size=size)
        for size, (x, y) in itertools.product((0, 1, 2), ((5, 5), (8, 6), (5, 60), (60, 61)))
    ]
    merged = detection.merge(boxes)
    assert all(detection.merge(boxes[start:] + boxes[:start]) == merged for start in range(len(boxes)))


def test_no_boxes_are_no_lines():
    assert detection.merge([]) == []


def test_a_box_is_seen_twice_where_another_size_shows_one_in_its_place():
    lone, seen = box(10, 10, 60, 40), box(300, 10, 60, 40)
    others = [box(290, 5, 200, 50, size=1), box(60, 10, 60, 40, size=1), box(10, 10, 60, 40)]
    assert not detection.seen_at_another_size(lone, [lone, seen, *others])
    assert detection.seen_at_another_size(seen, [lone, seen, *others])
