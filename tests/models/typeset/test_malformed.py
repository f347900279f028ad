"""Malformed glyphs on typeset pages: recorded where the page differs, at the rate asked for, by option."""

from __future__ import annotations

import cv2
import msgspec
import numpy as np
import pytest
import regex

from evalsuite.errors import EvalsuiteError
from evalsuite.models.typeset.defects import KINDS, can_be_malformed
from evalsuite.models.typeset.malformed import Malforming, by_line, orders
from evalsuite.models.typeset.model import TypesetModel
from evalsuite.records import Generation, Prompt, encode

pytest.importorskip("font_amatic_sc", reason="the fonts of styled pages are not installed")

TARGETS = ("NIGHT NOODLES", "Open daily 5-11", "今日特价，新鲜出炉")


def drawn(ident, *, styled=False, **malforming):
    prompt = Prompt(
        id=ident, suite="s", language="en", category="c", length="short", text=" ".join(TARGETS), targets=TARGETS
    )
    model = TypesetModel(width=320, height=320, styled=styled, malforming=Malforming(**malforming))
    (drawing,) = model.draw([(prompt, 0)])
    assert drawing.error is None
    return np.asarray(drawing.image).astype(int), drawing.planted


def inside(planted, shape):
    covered = np.zeros(shape[:2], bool)
    for each in planted:
        left, top, right, bottom = each.box
        assert 0 <= left < right <= shape[1]
        assert 0 <= top < bottom <= shape[0]
        covered[top:bottom, left:right] = True
    return covered


def test_a_printed_page_differs_from_the_sound_one_in_the_recorded_boxes_and_nowhere_else():
    sound, none = drawn("a")
    page, planted = drawn("a", rate=0.4)
    assert none == ()
    changed = np.abs(page - sound).max(axis=2) > 8
    assert not (changed & ~inside(planted, page.shape)).any()
    assert len(planted) >= 5
    for each in planted:
        left, top, right, bottom = each.box
        assert changed[top:bottom, left:right].sum() >= 10
        assert regex.findall(r"\X", TARGETS[each.target])[each.index] == each.character
        assert each.kind in KINDS
    places = [(each.target, each.index) for each in planted]
    assert places == sorted(set(places))
    again, planted_again = drawn("a", rate=0.4)
    assert planted_again == planted
    assert (again == page).all()


# The styles that these pages are drawn in, and how far their effects reach beyond the letter itself, in pixels.
@pytest.mark.parametrize(
    ("ident", "style", "reach"),
    [
        ("p0", "neon", 40),
        ("p1", "perspective", 8),
        ("p2", "outlined", 16),
        ("p8", "arc", 8),
        ("p10", "embossed", 16),
        ("p26", "hand", 8),
    ],
)
def test_a_styled_page_differs_at_each_recorded_box_and_beyond_them_only_in_their_effects(ident, style, reach):
    sound, _ = drawn(ident, styled=True)
    page, planted = drawn(ident, styled=True, rate=0.3)
    changed = np.abs(page - sound).max(axis=2) > 24
    assert planted
    for each in planted:
        left, top, right, bottom = each.box
        assert changed[top:bottom, left:right].sum() >= 10, (style, each)
    boxes = cv2.dilate(inside(planted, page.shape).astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1)))
    assert not (changed & (boxes == 0)).any()


def test_the_rate_is_that_of_letters_digits_and_ideographs():
    text = "Fresh bread, 24 rolls — daily! 每日新鲜出炉。" * 100
    able = sum(map(can_be_malformed, text))
    assert able == 28 * 100  # 10 + 2 + 5 + 5 letters and digits, 6 ideographs
    chosen = orders(text, Malforming(rate=0.1), ["k"])
    assert len(chosen) == pytest.approx(280, abs=50)  # three standard deviations: 3 √(2,800 · 0.1 · 0.9) = 48
    assert chosen == orders(text, Malforming(rate=0.1), ["k"]) != orders(text, Malforming(rate=0.1), ["l"])
    assert all(text[order.index] == order.character and can_be_malformed(order.character) for order in chosen.values())
    assert orders(text, Malforming(), ["k"]) == {}
    whole = orders("a, b c", Malforming(rate=1.0, kinds=("cut",)), ["k"])
    assert {number: (order.index, order.character) for number, order in whole.items()} == {
        0: (0, "a"), 2: (3, "b"), 3: (5, "c"),
    }  # fmt: skip


def test_orders_follow_their_characters_into_wrapped_lines():
    whole = orders("a, b c", Malforming(rate=1.0), ["k"])
    found = list(by_line(["a,", "b c"], whole))
    assert [{place: order.character for place, order in line.items()} for line in found] == [
        {0: "a"}, {0: "b", 2: "c"},
    ]  # fmt: skip


def test_only_the_kinds_asked_for_are_planted():
    _, planted = drawn("a", rate=1.0, kinds=("half", "cut"), severity=0.8)
    assert {each.kind for each in planted} == {"half", "cut"}
    able = [character for target in TARGETS for character in target if can_be_malformed(character)]
    assert len(planted) == len(able) == 32


def test_the_options_name_the_model_and_change_its_digest_and_it_is_no_ceiling():
    spec = TypesetModel.parse("malformed=0.1").spec
    assert spec.name == "typeset:malformed=0.1"
    assert (spec.settings["malformed"], spec.settings["severity"]) == (0.1, 0.5)
    assert spec.settings["kinds"] == list(KINDS)
    assert (spec.is_malformed, spec.is_ceiling, spec.measures_reader, spec.role) == (True, False, True, "reference")
    other = TypesetModel.parse("styled,malformed=0.1,severity=0.8,kinds=cut+half,size=512x512").spec
    assert other.name == "typeset:styled,malformed=0.1,severity=0.8,kinds=cut+half,size=512x512"
    assert not other.is_styled_ceiling
    clean = TypesetModel.parse("").spec
    assert len({clean.digest, spec.digest, other.digest}) == 3
    assert "malformed" not in clean.settings
    assert not clean.is_malformed
    assert TypesetModel.parse("malformed=0").spec == clean


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("malformed=2", "typeset:malformed=2: a rate between 0 and 1"),
        ("malformed=x", "'malformed=x': write malformed=0.1"),
        ("malformed=0.1,severity=-1", "severity=-1: a number from 0"),
        ("malformed=0.1,kinds=cut+bent", "'bent' is no kind of malformed glyph; known, joined by [+]: missing-part"),
        ("malformed=0.1,kinds=", "'nothing' is no kind"),
        ("severity=0.5", "severity: says how characters are malformed; name a rate"),
        ("errors=0.1,malformed=0.1", "name one of them"),
    ],
)
def test_bad_options_are_refused(arguments, message):
    with pytest.raises(EvalsuiteError, match=message):
        TypesetModel.parse(arguments)


def test_without_opencv_the_option_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(EvalsuiteError, match=r"OpenCV, which is not installed; run: pip install .*\[ocr\]"):
        Malforming(0.1)
    assert Malforming().rate == 0.0


def test_a_row_keeps_its_planted_characters_and_rows_from_before_have_none():
    _, planted = drawn("a", rate=0.4)
    row = Generation(key="k", model="m", prompt="p", seed=0, planted=planted, error="x", drawn_at="now")
    assert msgspec.json.decode(encode(row), type=Generation) == row
    before = b'{"key":"k","model":"m","prompt":"p","seed":0,"error":"x","drawn_at":"now"}'
    assert msgspec.json.decode(before, type=Generation).planted == ()
