from __future__ import annotations

import numpy as np
import pytest

from evalsuite.ocr.base import OcrError
from evalsuite.ocr.geometry import Quad
from evalsuite.ocr.recognition import Line, crop, decode

pytest.importorskip("cv2", reason="OpenCV comes with PaddleOCR (evalsuite[ocr])")

ALPHABET = ["blank", "A", "B", " "]


def answer(*steps: tuple[int, float]) -> np.ndarray:
    """A network's answer: the best class of every step with its probability."""
    rows = np.zeros((len(steps), len(ALPHABET)), dtype=np.float32)
    for row, (best, probability) in zip(rows, steps, strict=True):
        row[:] = (1 - probability) / (len(ALPHABET) - 1)
        row[best] = probability
    return rows


def test_repeats_are_one_character_and_blanks_part_them():
    found = decode(answer((1, 0.9), (1, 0.8), (0, 1), (1, 0.7), (2, 0.6), (3, 1), (0, 1), (0, 1)), ALPHABET, 1.0)
    assert [(item.text, item.at, round(item.probability, 4)) for item in found] == [
        ("A", 1 / 8, 0.9),  # the middle of its two steps; the probability of the first one
        ("A", 3.5 / 8, 0.7),
        ("B", 4.5 / 8, 0.6),
        (" ", 5.5 / 8, 1.0),
    ]
    assert Line(Quad(((0, 0), (8, 0), (8, 1), (0, 1))), found).text == "AAB "
    assert Line(Quad(((0, 0), (8, 0), (8, 1), (0, 1))), found).confidence == pytest.approx((0.9 + 0.7 + 0.6 + 1) / 4)


def test_places_are_along_the_line_and_not_along_its_padding():
    found = decode(answer((0, 1), (1, 1), (2, 1), (0, 1), (0, 1), (0, 1), (0, 1), (0, 1)), ALPHABET, 0.5)
    assert [item.at for item in found] == [1.5 / 4, 2.5 / 4]


def test_blanks_alone_are_an_empty_line_of_confidence_zero():
    assert decode(answer((0, 1), (0, 1)), ALPHABET, 1.0) == ()
    assert Line(Quad(((0, 0), (8, 0), (8, 1), (0, 1))), ()).confidence == 0


@pytest.mark.parametrize("broken", [np.nan, np.inf, 1.5])
def test_numbers_that_are_no_probabilities_are_an_error_and_not_a_text(broken):
    numbers = answer((1, 0.9), (2, 0.9))
    numbers[1, 2] = broken
    with pytest.raises(OcrError, match="no probabilities"):
        decode(numbers, ALPHABET, 1.0)


def test_another_number_of_classes_than_characters_is_an_error():
    with pytest.raises(OcrError, match=r"shape \(2, 4\) for 5 classes"):
        decode(answer((1, 0.9), (2, 0.9)), [*ALPHABET, "C"], 1.0)


def stripes(height, width) -> np.ndarray:
    """A picture whose pixels say where they are: blue is x, green is y."""
    rows, columns = np.mgrid[0:height, 0:width]
    return np.dstack([columns, rows, np.zeros_like(rows)]).astype(np.uint8)


def test_a_crop_is_the_box_at_full_resolution():
    line = crop(stripes(100, 200), Quad(((20, 30), (120, 30), (120, 60), (20, 60))))
    assert line.shape == (30, 100, 3)
    assert np.abs(line[15, 50].astype(int) - (70, 45, 0)).max() <= 1


def test_the_crop_of_a_tall_box_lies_on_its_left_side_so_that_it_reads_from_top_to_bottom():
    line = crop(stripes(200, 100), Quad(((30, 20), (60, 20), (60, 120), (30, 120))))
    assert line.shape == (30, 100, 3)
    assert line[15, 5, 1] < line[15, 95, 1]  # left in the crop is the top of the picture


def test_a_box_without_extent_gives_an_empty_crop():
    assert crop(stripes(50, 50), Quad(((5, 5), (5, 5), (5, 5), (5, 5)))).size == 0
