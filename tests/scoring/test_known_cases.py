"""The cases whose score is known before anything is computed: what the number must do."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import pytest

from evalsuite.records import GlyphError, ImageScore, TextLine
from evalsuite.scoring import rates, score_image

SIGN = ("GRAND OPENING", "Open Daily")  # 12 + 9 characters without white space


def read(*texts: str) -> list[TextLine]:
    return [TextLine(text=text) for text in texts]


def box(text: str, left: float, top: float, width: float, height: float = 40, **other: float) -> TextLine:
    corners = ((left, top), (left + width, top), (left + width, top + height), (left, top + height))
    return TextLine(text=text, polygon=corners, **other)


def accuracy(targets: Sequence[str], lines: Sequence[TextLine], profile: str = "standard") -> Fraction:
    counts = rates(score_image(targets, lines, profile)).counts
    return Fraction(counts.length - counts.edits, counts.length)


@pytest.mark.parametrize(
    ("texts", "accuracy", "strict"),
    [
        (("GRAND OPENING", "Open Daily"), 1, 1),
        (("Open Daily", "GRAND OPENING"), 1, 1),
        (("GRAND", "OPENING", "Open Daily"), 1, 1),
        (("GRAND OPENING Open Daily",), 1, 1),
        (("GRANDOPENINGOpenDaily",), 1, 1),
        (("GRAND OPENING", "GRAND OPENING", "GRAND OPENING", "Open Daily"), 1, 1 - 24 / 21),
        (("GRAND OPENING", "Open Daily", "xq zvkw pjf"), 1, 1 - 9 / 21),
        ((), 0, 0),
    ],
)
def test_sign(texts: tuple[str, ...], accuracy: float, strict: float) -> None:
    result = rates(score_image(SIGN, read(*texts)))
    assert result.character_accuracy == pytest.approx(accuracy)
    assert result.strict_accuracy == pytest.approx(strict)


def test_one_of_two_equal_targets() -> None:
    assert rates(score_image(["SALE", "SALE"], read("SALE"))).character_accuracy == 0.5


def test_price_without_its_point() -> None:
    assert rates(score_image(["$9.99"], read("$999"))).character_accuracy == pytest.approx(0.8)


def test_wrong_case_is_aligned_and_counted_apart() -> None:
    score = score_image(SIGN, read("GRAND OPENING", "OPEN DAILY"))
    result = rates(score)
    assert result.character_accuracy == 1
    assert result.counts.case_errors == 7
    assert [error.wanted for error in score.errors] == list("penaily")


@pytest.mark.parametrize(("profile", "length"), [("standard", 12), ("strict", 13)])
def test_the_lost_letter_is_named(profile: str, length: int) -> None:
    score: ImageScore = score_image(["NIGHT NOODLES"], read("NIGHT NOODES"), profile)
    (row,) = score.targets
    assert (row.substitutions, row.insertions, row.deletions, row.length) == (0, 0, 1, length)
    assert rates(score).character_accuracy == (length - 1) / length
    assert [(edit.kind, edit.target, edit.read) for edit in row.edits] == [
        ("equal", "NIGHT NOOD", "NIGHT NOOD"),
        ("delete", "L", ""),
        ("equal", "ES", "ES"),
    ]
    assert score.errors == (GlyphError(kind="dropped", target_index=0, wanted="L"),)


def test_words_matched_whole() -> None:
    """A letter too many at a word's end is an insertion, not text of its own; so is one after a Chinese string."""
    assert accuracy(["NOODLES"], read("NOODLESS")) == Fraction(6, 7)
    assert accuracy(["每日新鲜"], read("每日新鲜鲜")) == Fraction(3, 4)


@pytest.mark.parametrize("profile", ["strict", "standard", "lenient"])
def test_a_target_over_three_lines(profile: str) -> None:
    lines = read("Locally Roasted", "FRESH", "BREWS EVERY", "MORNING")
    assert accuracy(["FRESH BREWS EVERY MORNING", "Locally Roasted"], lines, profile) == 1


def test_a_target_inside_another() -> None:
    assert accuracy(["OPEN", "OPENING"], read("OPENING", "OPEN")) == 1
    assert accuracy(["OPEN", "OPENING"], read("OPENING")) == Fraction(7, 11)
    assert accuracy(["OPEN", "OPENING"], read("OPEN")) == Fraction(4, 11)


def test_a_target_is_not_found_inside_another_word() -> None:
    assert accuracy(["OPEN"], read("REOPENED")) == 0
    assert accuracy(["MARKET"], read("SUPERMARKETS")) == 0


def test_nested_duplicates() -> None:
    targets = ["SALE", "SUMMER SALE", "SALE"]
    assert accuracy(targets, read("SUMMER SALE", "SALE", "SALE")) == 1
    assert accuracy(targets, read("SUMMER SALE", "SALE")) == Fraction(14, 18)
    assert accuracy(targets, read("SUMMER SALE")) == Fraction(10, 18)


def test_a_string_drawn_twice_without_a_space_is_a_duplicate() -> None:
    score = score_image(["SALE"], read("SALESALE"))
    assert rates(score).character_accuracy == 1
    assert [(extra.kind, extra.text) for extra in score.extras] == [("duplicate", "SALE")]


@pytest.mark.parametrize("profile", ["strict", "standard", "lenient"])
@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("“I’m here”", '"I\'m here"'),
        ("Wait… what", "Wait... what"),
        ("2019–2024", "2019-2024"),
        ("电话：０１２３", "电话:0123"),
        ("Café Crème", "Cafe\u0301 Cre\u0300me"),
        ("Family 👨‍👩‍👧 Day", "Family 👨‍👩‍👧 Day"),
        ("I ❤️ NY", "I ❤ NY"),
        ("פתוח כל היום", "\u200fפתוח כל היום\u200f"),
        ("ｶﾞｲﾄﾞ", "ガイド"),
    ],
)
def test_what_every_profile_folds(target: str, text: str, profile: str) -> None:
    assert accuracy([target], read(text), profile) == 1
    assert accuracy([text], read(target), profile) == 1


@pytest.mark.parametrize(
    ("target", "text", "expected"),
    [
        ("①开门", "①开门", Fraction(1)),
        ("①开门", "1开门", Fraction(2, 3)),
        ("Café Crème", "Cafe Creme", Fraction(7, 9)),
        ("Family 👨‍👩‍👧 Day", "Family 👨 Day", Fraction(9, 10)),
        ("T恤研究所 30分钟取", "T恤研究所30分钟取", Fraction(1)),
        ("中央公园 - 2 Blocks", "中央公园-2Blocks", Fraction(1)),
        ("盛大开业", "盛大開業", Fraction(2, 4)),
    ],
)
def test_standard_profile(target: str, text: str, expected: Fraction) -> None:
    assert accuracy([target], read(text)) == expected


def test_strict_counts_white_space_and_case() -> None:
    assert accuracy(["T恤 30分"], read("T恤30分"), "strict") == Fraction(5, 6)
    assert accuracy(["Open Daily"], read("Open daily"), "strict") == Fraction(9, 10)


def test_lenient_drops_punctuation_and_folds_traditional() -> None:
    assert accuracy(["盛大开业！"], read("盛大開業"), "lenient") == 1
    assert accuracy(["Hello, world"], read("hello world."), "lenient") == 1


def test_right_to_left_lines_in_one_row() -> None:
    lines = [box("כל היום", 0, 0, 140), box("פתוח", 160, 0, 80), box("ברוכים הבאים", 20, 60, 240)]
    assert accuracy(["פתוח כל היום", "ברוכים הבאים"], lines) == 1


def test_vertical_chinese_in_two_columns() -> None:
    """Columns from right to left; an engine lists both by their equal tops."""
    lines = [box("烘焙咖啡", 100, 50, 40, 160), box("每日新鲜", 160, 50, 40, 160), box("营业中", 300, 50, 40, 120)]
    assert accuracy(["每日新鲜烘焙咖啡", "营业中"], lines) == 1


def test_vertical_chinese_one_character_a_line() -> None:
    lines = [box(glyph, 100, 50 * row, 40) for row, glyph in enumerate("每日新鲜")]
    assert accuracy(["每日新鲜"], lines[::-1]) == 1


def test_a_vertical_target_beside_horizontal_text() -> None:
    horizontal = [box("本店营业时间为上午九点至晚上十点", 300, 40 + 50 * row, 640) for row in range(2)]
    lines = [box("吉祥如意", 60, 50, 40, 160), box("万事顺心", 120, 50, 40, 160), *horizontal]
    assert accuracy(["万事顺心吉祥如意"], lines) == 1


def test_two_columns() -> None:
    """Lines of both columns share their heights, and the engine lists them by height."""
    left = ["Whole Grain", "Bread From", "Our Oven"]
    right = ["Handmade", "Goat Cheese", "From Hill Farm"]
    lines = [
        line for row in range(3) for line in (box(left[row], 0, 50 * row, 220), box(right[row], 320, 50 * row, 280))
    ]
    assert accuracy([" ".join(left), " ".join(right)], lines) == 1


def test_a_row_of_cells_over_a_table() -> None:
    """Columns are read one after another, and still a target that fills three cells of a row is found."""
    cells = [["Boarding", "Time", "09:35"], ["Gate", "Seat", "23A"], ["Zone", "Date", "May"]]
    lines = [
        box(text, 200 * column, 50 * row, 100) for row, texts in enumerate(cells) for column, text in enumerate(texts)
    ]
    assert accuracy(["Boarding Time 09:35"], lines) == 1


def test_background_signage_is_extra_text() -> None:
    score = score_image(SIGN, read("Taxi", "GRAND OPENING", "No Parking", "Open Daily", "Platform 4"))
    result = rates(score)
    assert result.character_accuracy == 1
    assert [(extra.kind, extra.text, extra.length, extra.words) for extra in score.extras] == [
        ("other", "Taxi", 4, 1),
        ("other", "No Parking", 9, 2),
        ("other", "Platform 4", 9, 2),
    ]
    assert result.extra_ratio == 22 / 21


@pytest.mark.parametrize(
    "text", ["EXITOpen Daily", "onlyOpenDaily", "24hOpen Daily", "Open DailyPUSH", "→→ Open Daily"]
)
def test_other_text_run_into_a_target(text: str) -> None:
    """White space was lost between a target and its neighbour, but the kind of character tells them apart."""
    assert accuracy(["Open Daily"], read(text)) == 1


def test_a_lone_letter_run_into_a_target_is_an_insertion_and_a_mark_is_not() -> None:
    assert accuracy(["Open Daily"], read("xOpen Daily")) == Fraction(8, 9)
    assert accuracy(["Open Daily"], read("→Open Daily")) == 1


def test_sixty_lines_against_twelve_targets() -> None:
    """A price board: every target is like many lines, half of them are drawn right, the others not at all."""
    targets = [f"${price}.{cents:02d}" for price, cents in zip(range(1, 13), range(10, 95, 7), strict=False)]
    drawn = targets[::2]
    board = [f"Dish {number} ${20 + number}.95" for number in range(54)]
    lines = [box(text, 300 * (row % 3), 50 * (row // 3), 250) for row, text in enumerate(drawn + board)]
    score = score_image(targets, lines)
    assert score.exact_search
    exact = [row.target for row in score.targets if row.exact]
    assert exact == drawn
    used = [(span.line, place) for row in score.targets for span in row.spans for place in range(span.start, span.end)]
    assert len(set(used)) == len(used)


def kinds(score: ImageScore) -> list[tuple[str, str, str]]:
    return [(error.kind, error.wanted, error.read) for error in score.errors]


@pytest.mark.parametrize(
    ("target", "text", "expected"),
    [
        ("NIGHT NOODLES", "NIGHT NOODDLES", [("doubled", "", "D")]),
        ("NIGHT NOODLES", "NIGHT NODLES", [("dropped", "O", "")]),
        ("NIGHT NOODLES", "NIGHT NOODLXES", [("inserted", "", "X")]),
        ("NIGHT NOODLES", "NIGHT N0ODLES", [("substitution", "O", "0")]),
        ("OPEN EVERY DAY", "OPEN DAY", [("missing-word", "EVERY", "")]),
        ("Open Daily", "Open daily", [("case", "D", "d")]),
        ("$9.99", "$999", [("punctuation", ".", "")]),
        ("盛大开业", "盛大開业", [("traditional-for-simplified", "开", "開")]),
        ("SALE", "", [("missing-target", "SALE", "")]),
    ],
)
def test_errors_by_name(target: str, text: str, expected: list[tuple[str, str, str]]) -> None:
    assert kinds(score_image([target], read(text))) == expected


def test_low_confidence_on_a_mismatch_suspects_a_malformed_glyph() -> None:
    def suspected(confidence: float) -> list[bool]:
        return [
            e.malformed_suspected
            for e in score_image(["NOODLES"], [box("NOODIES", 0, 0, 9, confidence=confidence)]).errors
        ]

    assert suspected(0.55) == [True]
    assert suspected(0.95) == [False]
