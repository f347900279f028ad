"""Nothing that was read right is lost to reading order: pictures as people letter them, each line read exactly."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts_by_hand import Place, arc, line, lost, page

from evalsuite.records import TextLine

ANGLES = (0, -7, 10, -10, 16, -16, 20, -20, 30, -30, 40, -40, 45, -45)
LEFT: list[Place] = [
    ("ARE YOU", 80, 40, 100, 30),
    ("SURE", 80, 120, 100, 30),
    ("THIS IS", 80, 200, 120, 30),
    ("DEEP MEANING", 80, 280, 300, 30),
    ("AND PIZZA", 80, 360, 420, 30),
]
RIGHT: list[Place] = [
    ("THE TWO OF", 460, 40, 300, 30),
    ("US STRUGGLE", 460, 110, 300, 30),
    ("WITH HUMANITY", 460, 215, 300, 30),
]


def joined(places: list[Place]) -> str:
    return " ".join(place[0] for place in places)


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("width", [420, 480])
def test_two_speech_bubbles_whose_blocks_overlap(width: int, angle: float) -> None:
    left = [*LEFT[:-1], ("AND PIZZA", 80.0, 360.0, float(width), 30.0)]
    assert lost([joined(left), joined(RIGHT)], page([*left, *RIGHT], angle)) == (0, 0)


@pytest.mark.parametrize("angle", ANGLES)
def test_two_lines_turned_each_about_its_own_centre(angle: float) -> None:
    big = [line("BE THE", 330, 435, 440, 118, -7), line("BEST", 276, 539, 650, 180, -7)]
    assert lost(["BE THE BEST"], big) == (0, 0)
    sheet: list[Place] = [("BE THE", 330, 400, 440, 118), ("BEST", 276, 540, 650, 180)]
    assert lost(["BE THE BEST"], page(sheet, angle)) == (0, 0)


NOTE = ["Happy bday", "to my dear", "friend Anna", "from Peter"]


@pytest.mark.parametrize("angle", ANGLES)
def test_a_note_of_four_tilted_lines(angle: float) -> None:
    stepped = [line(text, 200 - 8 * row, 200 + 24 * row, 14 * len(text), 28, -16) for row, text in enumerate(NOTE)]
    assert lost([" ".join(NOTE)], stepped) == (0, 0)
    level: list[Place] = [(text, 200, 200 + 30 * row, 14 * len(text), 28) for row, text in enumerate(NOTE)]
    assert lost([" ".join(NOTE)], page(level, angle)) == (0, 0)
    assert lost([" ".join(NOTE)], page(level, angle), "strict") == (0, 0)


@pytest.mark.parametrize("angle", ANGLES)
def test_a_turned_sheet_of_several_texts(angle: float) -> None:
    sheet: list[Place] = [
        ("GRAND OPENING SALE", 100, 100, 500, 60),
        ("every Saturday", 180, 180, 340, 40),
        ("from nine to five", 150, 230, 400, 40),
        ("Free coffee", 120, 400, 240, 40),
        ("for the first", 120, 450, 260, 40),
        ("Cakes and more", 520, 400, 300, 40),
        ("bread rolls", 520, 450, 220, 40),
    ]
    targets = [
        "GRAND OPENING SALE",
        "every Saturday from nine to five",
        "Free coffee for the first",
        "Cakes and more bread rolls",
    ]
    assert lost(targets, page(sheet, angle)) == (0, 0)


COLUMNS = ("春眠不觉", "晓处处闻", "啼鸟夜来", "风雨声花")


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize(
    ("size", "down", "across"), [(40, 60, 60), (48, 60, 60), (40, 60, 90), (40, 60, 50), (50, 60, 80)]
)
def test_vertical_chinese_with_a_box_for_each_character(size: int, down: int, across: int, angle: float) -> None:
    """Columns read from right to left, whether they stand closer than their characters or farther apart."""
    places: list[Place] = [
        (glyph, 600 - across * column, 100 + down * row, size, size)
        for column, text in enumerate(COLUMNS)
        for row, glyph in enumerate(text)
    ]
    assert lost(["".join(COLUMNS)], page(places, angle)) == (0, 0)
    assert lost(["".join(COLUMNS[:2]), "".join(COLUMNS[2:])], page(places, angle)) == (0, 0)


def test_a_wrong_character_between_single_ones_is_one_error() -> None:
    wrong = ("春眠X觉", "晓处处闻")
    places: list[Place] = [
        (glyph, 600 - 60 * column, 100 + 60 * row, 44, 44)
        for column, text in enumerate(wrong)
        for row, glyph in enumerate(text)
    ]
    assert lost(["春眠不觉晓处处闻"], page(places)) == (1, 0)


def test_the_four_sides_of_a_coin() -> None:
    """Top, bottom, right, left; the boxes overlap."""
    coin: list[Place] = [
        ("康", 180, 70, 160, 150),
        ("寶", 89, 174, 145, 150),
        ("熙", 180, 180, 155, 215),
        ("通", 284, 175, 137, 132),
    ]
    assert lost(["康熙通寶"], page(coin)) == (0, 0)


@pytest.mark.parametrize("words", [["THE", "GOLDEN", "LION"], ["WEL", "COME", "HOME"], ["BEST", "PIZZA", "IN", "TOWN"]])
@pytest.mark.parametrize("span", [40, 60, 90, 120, 150, 180])
@pytest.mark.parametrize("radius", [150, 250, 400])
@pytest.mark.parametrize("below", [False, True])
def test_words_on_an_arc(words: list[str], span: float, radius: float, below: bool) -> None:
    """Each word is a box of its own, along the tangent of the circle at its middle."""
    assert lost([" ".join(words)], arc(words, radius, span, below=below)) == (0, 0)


@pytest.mark.parametrize("span", [60, 90, 120, 150])
def test_a_badge_of_two_arcs_and_a_name(span: float) -> None:
    name = line("JOE'S", 430, 490, 160, 50)
    badge = [*arc(["FRESH", "HOT", "COFFEE"], 300, span), name, *arc(["OPEN", "SINCE", "1987"], 300, span, below=True)]
    assert lost(["FRESH HOT COFFEE", "JOE'S", "OPEN SINCE 1987"], badge) == (0, 0)


def test_words_on_an_arc_in_another_order_are_not_read_in_the_targets() -> None:
    assert lost(["BEST PIZZA IN TOWN"], arc(["TOWN", "BEST", "PIZZA"], 250, 120)) != (0, 0)
    assert lost(["THE GOLDEN LION"], arc(["LION", "GOLDEN", "THE"], 250, 120)) != (0, 0)


def test_two_lines_that_differ_by_one_letter_keep_their_order() -> None:
    """Exchanged, they would cost two errors, fewer than a line has letters."""
    assert lost(["WELCOME HOME"], arc(["WEL", "COME", "HOME"], 150, 120, below=True)) == (0, 0)


def test_words_beside_a_line_that_is_bent_itself() -> None:
    """A reader that follows an arc gives its outline: along the heads, and back along the feet."""
    heads = [(512 + 220 * math.sin(math.radians(a)), 512 - 220 * math.cos(math.radians(a))) for a in (-30, -10, 10, 30)]
    feet = [(512 + 180 * math.sin(math.radians(a)), 512 - 180 * math.cos(math.radians(a))) for a in (-30, -10, 10, 30)]
    bent = TextLine(text="GOLDEN LION", polygon=(*heads, *feet[::-1]), confidence=0.99)
    before, after = arc(["THE", "__________________", "INN"], 200, 100)[::2]
    assert lost(["THE GOLDEN LION INN"], [bent, after, before]) == (0, 0)
    letter = line("A", 512 + 200 * math.sin(math.radians(40)) - 15, 512 - 200 * math.cos(math.radians(40)) - 20, 30, 40)
    assert lost(["GOLDEN LION A"], [letter, bent]) == (0, 0)


@pytest.mark.parametrize("angle", ANGLES)
def test_columns_of_tall_boxes(angle: float) -> None:
    places: list[Place] = [(text, 600 - 70 * column, 100, 50, 220) for column, text in enumerate(COLUMNS)]
    assert lost(["".join(COLUMNS)], page(places, angle)) == (0, 0)
    assert lost(["".join(COLUMNS[:2]), "".join(COLUMNS[2:])], page(places, angle)) == (0, 0)


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("rows", [2, 3, 5, 8])
def test_ragged_centred_blocks_side_by_side(rows: int, angle: float) -> None:
    """Lines of any length about two centres; the widest of one block reaches under the other."""
    rng = random.Random(rows)
    words = [f"{kind}{number}" * 2 for kind in ("ka", "mo") for number in range(rows)]
    places: list[Place] = []
    for number, word in enumerate(words):
        block, row = divmod(number, rows)
        width = rng.choice((120, 180, 260))
        places.append((word, 300 + 270 * block - width / 2, 200 + 50 * row + 25 * block, width, 40))
    targets = [" ".join(words[:rows]), " ".join(words[rows:])]
    assert lost(targets, page(places, angle)) == (0, 0)


@pytest.mark.parametrize("angle", [0, 10, -20])
def test_a_text_that_runs_on_in_the_next_column(angle: float) -> None:
    texts = [
        "It was the best",
        "of times, it was",
        "the worst of",
        "times, it was the",
        "age of wisdom, it",
        "was the age of",
    ]
    places: list[Place] = [
        (text, 100 + 420 * (row // 3), 200 + 50 * (row % 3), 380, 40) for row, text in enumerate(texts)
    ]
    assert lost([" ".join(texts)], page(places, angle)) == (0, 0)


def test_hebrew_bubbles() -> None:
    places: list[Place] = [
        ("פתוח כל", 500, 40, 200, 30),
        ("היום עד", 500, 80, 200, 30),
        ("הערב מאוד", 200, 120, 500, 30),
        ("ברוכים", 200, 30, 220, 30),
        ("הבאים אלינו", 180, 70, 240, 30),
    ]
    assert lost(["פתוח כל היום עד הערב מאוד", "ברוכים הבאים אלינו"], page(places)) == (0, 0)


def test_shuffled_characters_are_not_read_in_order() -> None:
    """The graph follows the picture: neighbours in the wrong order do not become the target."""
    places: list[Place] = [(glyph, 100 + 60 * place, 100, 44, 44) for place, glyph in enumerate("鲜日新每")]
    assert lost(["每日新鲜"], page(places))[0] >= 2
    words = ["fox", "the", "brown", "quick"]
    assert (
        lost(["the quick brown fox"], page([(word, 100, 100 + 60 * i, 90, 40) for i, word in enumerate(words)]))[0] >= 5
    )


sheets = st.lists(
    st.tuples(
        st.sampled_from(["AB", "ABCD", "CDEF", "EF", "天地", "人", "GH IJ"]), st.integers(0, 5), st.integers(0, 6)
    ),
    min_size=2,
    max_size=9,
)


@settings(deadline=None, max_examples=60)
@given(sheet=sheets, angle=st.sampled_from(ANGLES), seed=st.integers(0, 99))
def test_the_list_order_does_not_matter_at_any_angle(
    sheet: list[tuple[str, int, int]], angle: float, seed: int
) -> None:
    lines: list[TextLine] = page([(text, 100 * x, 50 * y, 24 * len(text), 40) for text, x, y in sheet], angle)
    shuffled = random.Random(seed).sample(lines, len(lines))
    for targets in (["ABCDEF", "天地人"], ["AB CDEF GH IJ", "人天地", "EF"]):
        assert lost(targets, shuffled) == lost(targets, lines)
