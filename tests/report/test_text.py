from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.report import text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (0.0, "0.000"),
        (1.0, "1.000"),
        (0.94871, "0.949"),
        (0.9995, "0.9995"),
        (0.99996, "0.99996"),
        (-0.25, "\u22120.250"),
    ],
)
def test_rate_never_rounds_to_perfect(value, shown):
    assert text.rate(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "–"), (0.94871, "0.949"), (0.9996, "0.9996"), (0.99994, "0.9999"), (0.99999, "1.000")]
)
def test_the_end_of_an_interval_has_four_decimals_at_most(value, shown):
    assert text.end(value) == shown


@given(st.floats(min_value=-3, max_value=1))
def test_a_rate_reads_as_one_only_where_it_is_almost_exactly_one(value):
    shown = text.rate(value)
    if value < 1 - 1e-6:
        assert not shown.startswith("1")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (0.0042, "4.2 ms"),
        (0.4821, "0.482 s"),
        (12.44, "12.4 s"),
        (101.2, "101 s"),
        (125.2, "2 min 05 s"),
        (59.999, "60 s"),
        (179.9, "3 min 00 s"),
    ],
)
def test_seconds(value, shown):
    assert text.seconds(value) == shown


def test_size():
    assert text.size(13 * 2**30) == "13.0 GiB"
    assert text.size(300 * 2**20) == "300 MiB"
    assert text.size(None) == "–"


def test_what_hides_or_reorders_is_written_out_and_the_rest_is_kept():
    assert text.visible("a\x00b\u202ec\u2066d\u200be\ufefff") == "a‹U+0000›b‹U+202E›c‹U+2066›d‹U+200B›e‹U+FEFF›f"
    assert text.visible("tab\tnew\nline 漢 é 👩\u200d💻 عربي") == "tab\tnew\nline 漢 é 👩\u200d💻 عربي"


def test_clipped_says_how_much_is_left_out():
    assert text.clipped("abc", 3) == "abc"
    assert text.clipped("x" * 12_003, 3) == "xxx… (+12,000)"
