from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.scoring.folding import Kind, graphemes, simplified
from evalsuite.scoring.normalize import PROFILES, normalize, profile_named

STRICT, STANDARD, LENIENT = (profile_named(name) for name in PROFILES)


def units(text: str) -> list[str]:
    return list(normalize(text, STRICT).units)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  a \t\n b ", ["a", " ", "b"]),
        ("a\u00a0b\u3000c", ["a", " ", "b", " ", "c"]),
        ("ＡＢ１，！", ["A", "B", "1", ",", "!"]),
        ("①②½ﬁ㎡", ["①", "②", "½", "f", "i", "㎡"]),
        ("ｶﾞ", ["ガ"]),
        ("‘a’ “b”", ["'", "a", "'", " ", '"', "b", '"']),
        ("a—b––c", ["a", "-", "b", "-", "c"]),
        ("a...b……c…", ["a", "…", "b", "…", "c", "…"]),
        ("a..b", ["a", ".", ".", "b"]),
        ("a. ..", ["a", ".", " ", ".", "."]),
        ("e\u0301", ["é"]),
        ("x\u0301\u0323", ["x\u0323\u0301"]),
        ("👨‍👩‍👧❤️", ["👨‍👩‍👧", "❤"]),
        ("🇨🇳🇬🇧", ["🇨🇳", "🇬🇧"]),
        ("a\u200bb\u00adc\x00d\ufeff", ["a", "b", "c", "d"]),
        ("\u200e\u202bab\u202c", ["a", "b"]),
        ("한국", ["한", "국"]),
        ("\u1112\u1161\u11ab", ["한"]),
        ("नमस्ते", graphemes("नमस्ते")),
        ("oﬃce ﬅ Ĳ", ["o", "f", "f", "i", "c", "e", " ", "s", "t", " ", "I", "J"]),
        ("ﻣﺮﺣﺒﺎ ﻻ", ["م", "ر", "ح", "ب", "ا", " ", "ل", "ا"]),
        ("שׁלום ﬡ", ["שׁ", "ל", "ו", "ם", " ", "א"]),
        ("︵上︶﹃下﹄﹗", ["(", "上", ")", "『", "下", "』", "!"]),
        ("⼀⼈", ["一", "人"]),
        ("今天。明天｡", ["今", "天", ".", "明", "天", "."]),
        ("САFЕ хор", ["C", "A", "F", "E", " ", "x", "o", "p"]),
        ("ВАR НОТЕL ВОТ", ["B", "A", "R", " ", "H", "O", "T", "E", "L", " ", "В", "O", "Т"]),
        ("8 ℃ 46℉ 3º", ["8", " ", "°", "C", " ", "4", "6", "°", "F", " ", "3", "°"]),
        ("", []),
        (" \u200b ", []),
    ],
)
def test_units(text: str, expected: list[str]) -> None:
    assert units(text) == expected


def test_profiles_differ_in_what_they_charge() -> None:
    text = "Open — 開 x"
    assert normalize(text, STRICT).keys == ("O", "p", "e", "n", " ", "-", " ", "開", " ", "x")
    assert normalize(text, STANDARD).keys == ("o", "p", "e", "n", "-", "開", "x")
    assert normalize(text, LENIENT).keys == ("o", "p", "e", "n", "开", "x")
    assert normalize(text, STANDARD).units == ("O", "p", "e", "n", "-", "開", "x")


def test_origins_point_into_the_text_as_written() -> None:
    text = normalize(" a…… b", STRICT)
    assert text.graphemes == (" ", "a", "…", "…", " ", "b")
    assert text.origins == ((1, 2), (2, 4), (4, 5), (5, 6))


def test_words_and_joins() -> None:
    text = normalize("Open24h 每日T恤 EXITOnly it's $5!", STANDARD)
    keys = ["".join(text.keys[start:end]) for start, end in text.words]
    assert keys == ["open24h", "每", "日", "t", "恤", "exitonly", "it's", "$5!"]
    assert ["".join(text.units[:join])[-1] + "|" + text.units[join] for join in text.joins] == [
        "n|2",
        "4|h",
        "T|O",
        "$|5",
        "5|!",
    ]


def test_kinds() -> None:
    assert normalize("aA1$.中", STRICT).kinds == (
        Kind.LETTER,
        Kind.CAPITAL,
        Kind.DIGIT,
        Kind.SYMBOL,
        Kind.PUNCTUATION,
        Kind.SINGLE,
    )


def test_simplified_maps_single_characters() -> None:
    assert [simplified(character) for character in "開门門a①"] == ["开", "门", "门", "a", "①"]


def test_unknown_profile_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"no scoring profile 'loose': choose one of strict, standard, lenient"):
        profile_named("loose")


any_text = st.text(
    alphabet=st.one_of(
        st.characters(codec="utf-8"), st.sampled_from("aA1 .…-—’“中開。，ｶﾞ\u0301\u200d👨👩❤\ufe0f🇨🇳\u200b\n")
    ),
    max_size=30,
)


@settings(deadline=None)
@given(text=any_text)
def test_any_text_gives_consistent_rows(text: str) -> None:
    assert "".join(graphemes(text)) == text
    for profile in (STRICT, STANDARD, LENIENT):
        found = normalize(text, profile)
        assert "".join(found.graphemes) == text
        assert len(found.units) == len(found.keys) == len(found.kinds) == len(found.origins) == len(found.spaced)
        edges = [place for origin in found.origins for place in origin]
        assert edges == sorted(edges)
        assert all(low < high or low == before for (_, before), (low, high) in pairwise([(0, -1), *found.origins]))
        inside = [place for start, end in found.words for place in range(start, end)]
        assert inside == [i for i, kind in enumerate(found.kinds) if kind is not Kind.SPACE]
        assert set(found.joins) <= set(inside)


@settings(deadline=None)
@given(text=st.text(alphabet="aé中開ガ각ñ 1.-", max_size=20))
def test_canonical_equivalents_are_equal(text: str) -> None:
    for profile in (STRICT, STANDARD, LENIENT):
        composed, decomposed = unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)
        assert normalize(composed, profile).keys == normalize(decomposed, profile).keys


@settings(deadline=None)
@given(text=st.text(alphabet="aB1 .…-—’“”中開。，Ａ１é👨‍👩", max_size=20))
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalize(text, STRICT)
    assert normalize("".join(once.units), STRICT).units == once.units
