"""Scores of edited pictures, worked out by hand."""

from __future__ import annotations

import pytest

from evalsuite import scoring
from evalsuite.records import TextLine
from evalsuite.scoring import Before, kept_row, old_left, score_edited


def line(text, left=0.0, top=0.0, right=100.0, bottom=20.0):
    return TextLine(text=text, polygon=((left, top), (right, top), (right, bottom), (left, bottom)))


def rates(targets, kept, *texts):
    found = scoring.rates(score_edited(targets, kept, [TextLine(text=text) for text in texts]))
    return found.character_accuracy, found.extra_ratio


def test_lines_that_stay_are_neither_new_text_nor_extra():
    assert rates(["SOLD OUT"], ["Open daily"], "SOLD OUT", "Open daily") == (1.0, 0.0)
    assert rates(["SOLD OUT"], ["Open daily"], "Open daily") == (0.0, 0.0)


def test_old_text_that_is_left_is_extra():
    # SALE is 4 graphemes beside a target of 7: blanks are not counted.
    assert rates(["SOLD OUT"], ["Open daily"], "SOLD OUT", "Open daily", "SALE") == (1.0, 4 / 7)


def test_a_line_that_stays_is_not_taken_for_an_equal_target():
    assert rates(["23"], ["23"], "23") == (pytest.approx(rates(["23"], ["23"], "23")[0]), 0.0)
    assert sum(accuracy for accuracy, _ in (rates(["23"], ["23"], "23", "23"),)) == 1.0


@pytest.mark.parametrize(
    ("old", "targets", "kept", "read", "left"),
    [
        ("SALE", ["SOLD OUT"], [], ["SOLD OUT"], False),
        ("SALE", ["SOLD OUT"], [], ["SALE"], True),
        ("SALE", ["SOLD OUT"], [], ["SOLD OUT", "SALE"], True),
        ("SALE", ["SOLD OUT"], [], ["SAL"], True),  # 3 of 4
        ("SALE", ["SOLD OUT"], [], ["SA"], False),
        ("SALE", ["SOLD OUT"], ["SALE ENDS MAY"], ["SOLD OUT", "SALE ENDS MAY"], False),
        ("SALE 20%", ["SALE 50%"], [], ["SALE 20%"], True),
        ("SALE 20%", ["SALE 50%"], [], ["SALE 50%"], False),
        ("SALE 20%", ["SALE 50%"], [], ["SALE 30%"], False),  # between the two: neither
        ("until 14 March", ["until 30 June"], [], ["until 14 March"], True),
        ("35", ["55"], [], ["35"], True),
        ("35", ["55"], [], ["55"], False),
        ("SALE", ["SOLD OUT"], [], [], False),
    ],
)
def test_old_text_is_left_where_it_can_be_read_and_is_no_nearer_to_the_new(old, targets, kept, read, left):
    lines = [TextLine(text=text) for text in read]
    assert old_left([TextLine(text=old)], targets, kept, lines) == [left]


def test_short_old_text_is_looked_for_in_its_place_only():
    there, elsewhere = line("5"), line("5", top=200.0, bottom=220.0)
    assert old_left([there], ["2"], [], [line("5", left=2.0)]) == [True]
    assert old_left([there], ["2"], [], [line("2"), elsewhere]) == [False]


def test_a_kept_line_is_read_in_its_place():
    kept = line("Open daily", top=40.0, bottom=60.0)
    assert kept_row(kept, [line("SALE"), line("Open daily", top=42.0, bottom=62.0)]).exact
    moved = kept_row(kept, [line("SALE"), line("Open daily", top=80.0, bottom=100.0)])
    assert (moved.matched, moved.distance, moved.length) == (False, 9, 9)
    assert kept_row(kept, [line("Opem daily", top=40.0, bottom=60.0)]).distance == 1
    # A reader may run it together with what stands beside it.
    assert kept_row(kept, [line("Open daily Ring", top=40.0, bottom=60.0, right=180.0)]).exact
    assert kept_row(kept, [TextLine(text="Open daily")]) is None


def test_places_move_with_the_size_of_the_picture():
    before = Before((line("SALE"),), (line("Open", top=40.0, bottom=60.0),), 200, 100)
    half = before.scaled(100, 50)
    assert half.old[0].polygon == ((0, 0), (50, 0), (50, 10), (0, 10))
    assert half.keep[0].polygon == ((0, 20), (50, 20), (50, 30), (0, 30))
    assert before.scaled(200, 100) is before
