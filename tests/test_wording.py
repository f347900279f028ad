from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite import wording
from evalsuite.stats import Interval


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
    assert wording.rate(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "–"), (0.94871, "0.949"), (0.9996, "0.9996"), (0.99994, "0.9999"), (0.99999, "1.000")]
)
def test_the_end_of_an_interval_has_four_decimals_at_most(value, shown):
    assert wording.end(value) == shown


@given(st.floats(min_value=-3, max_value=1))
def test_a_rate_reads_as_one_only_where_it_is_almost_exactly_one(value):
    shown = wording.rate(value)
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
    assert wording.seconds(value) == shown


def test_size():
    assert wording.size(13 * 2**30) == "13.0 GiB"
    assert wording.size(300 * 2**20) == "300 MiB"
    assert wording.size(None) == "–"


def test_what_hides_or_reorders_is_written_out_and_the_rest_is_kept():
    assert wording.visible("a\x00b\u202ec\u2066d\u200be\ufefff") == "a‹U+0000›b‹U+202E›c‹U+2066›d‹U+200B›e‹U+FEFF›f"
    assert wording.visible("tab\tnew\nline 漢 é 👩\u200d💻 عربي") == "tab\tnew\nline 漢 é 👩\u200d💻 عربي"


def test_clipped_says_how_much_is_left_out():
    assert wording.clipped("abc", 3) == "abc"
    assert wording.clipped("x" * 12_003, 3) == "xxx… (+12,000)"


def interval(estimate, low=None, high=None, method="studentised bootstrap"):
    return Interval(estimate=estimate, low=low, high=high, level=0.95, n=20, method=method)


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [
        (interval(0.97331, 0.9712, 0.97539), None, "0.973 [0.971, 0.975]"),
        (interval(0.97331, 0.9712, 0.97539), 4, "0.9733 [0.9712, 0.9754]"),
        (interval(0.9996, 0.9912, 0.99999), None, "0.9996 [0.991, 1.000]"),
        (interval(-0.25, -0.5, 0.125), None, "\u22120.250 [\u22120.500, 0.125]"),
        (interval(0.75, 0.02, 0.98), 4, "0.7500 [0.0200, 0.9800]"),
        (interval(0.75, method="none: too few prompts"), None, "0.750"),
        (interval(None, method="none: no data"), 4, "undefined"),
        (None, None, "undefined"),
    ],
)
def test_an_interval_stands_in_brackets_behind_its_estimate(value, digits, shown):
    assert wording.with_ends(value, digits) == shown
    assert f"{wording.point(value, digits)} {wording.ends(value, digits)}".rstrip() == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0.000"), (0.0123, "+0.012"), (-0.5, "\u22120.500"), (-0.00004, "\u22120.00004"), (None, "–")],
)
def test_signed(value, shown):
    assert wording.signed(value) == shown


def test_lists_and_counts_read_as_english():
    assert wording.listed(["a", "b"]) == "a, b"
    assert wording.listed(list("abcdefg")) == "a, b, c, d, e and 2 more"
    assert wording.listed(list("abc"), 1) == "a and 2 more"
    assert wording.sentence("drawn with 4 steps") == "Drawn with 4 steps."
    assert wording.sentence("Is it?") == "Is it?"
    assert wording.images_per_prompt(1) == "1 image per prompt"
    assert wording.images_per_prompt(4) == "4 images per prompt"
    assert wording.did_you_mean("paddel", ["paddle", "qwen"]) == "did you mean 'paddle'? known: paddle, qwen"
    assert wording.did_you_mean("x", ["paddle"]) == "known: paddle"
    assert wording.did_you_mean("paddel", ["paddle", "qwen"], listed=False) == "did you mean 'paddle'? "


@pytest.mark.parametrize(("value", "shown"), [(0.03149, "0.031"), (-0.02, "0.020"), (0.0004, "0.0004"), (0.0, "0.000")])
def test_an_amount_has_no_sign_and_does_not_look_like_none(value, shown):
    assert wording.amount(value) == shown


def test_a_difference_carries_its_sign():
    value = Interval(estimate=0.012, low=-0.0031, high=0.0271, level=0.95, n=9, method="Bayesian bootstrap")
    assert wording.with_ends(value, 4, sign="+") == "+0.0120 [\u22120.0031, +0.0271]"


@pytest.mark.parametrize(
    ("text", "logged"),
    [
        ("::error::pwned", ": :error::pwned"),
        ("a\n  ::add-mask::b", "a\n  : :add-mask::b"),
        ("x ##vso[task.setvariable]y ##[error]z", "x # #vso[task.setvariable]y # #[error]z"),
        ("C++ std::vector, 10::30, ## heading", "C++ std::vector, 10::30, ## heading"),
        ("\x1b]0;t\x07", "‹U+001B›]0;t‹U+0007›"),
    ],
)
def test_no_line_of_a_log_is_a_command(text, logged):
    assert wording.for_log(text) == logged


def test_one_notation_for_intervals_and_points():
    assert wording.between(0.9712, 0.99997) == "[0.971, 1.000]"
    assert wording.between(-0.0031, 0.0271, sign="+") == "[\u22120.003, +0.027]"
    found = Interval(estimate=-0.25, low=-0.5, high=0.125, level=0.95, n=9, method="Bayesian bootstrap")
    assert wording.with_ends(found, sign="+") == "\u22120.250 [\u22120.500, +0.125]"
    assert [wording.points(each) for each in (0.041, 0.00041, 0.0, -0.0321)] == ["4.1", "0.04", "0.0", "\u22123.2"]
    assert wording.points(0.012, sign="+") == "+1.2"
