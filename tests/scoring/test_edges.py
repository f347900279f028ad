"""What stands at the edge of a target, and what of a target must be there: as a careful person counts it."""

from __future__ import annotations

import random
from collections import defaultdict
from itertools import product

import pytest
import regex
from layouts_by_hand import line, lost, page

from evalsuite import suites
from evalsuite.records import TextLine
from evalsuite.scoring import score_image

PROFILES = ("standard", "strict")
MARKS = (
    "!",
    "!!",
    "!!!",
    "?",
    "…",
    "...",
    "—",
    "-",
    "_",
    ".",
    ",",
    ":",
    ";",
    "♥",
    "★",
    "☆",
    "→",
    "•",
    "·",
    "☺",
    "😀",
    ":)",
    "~",
    "*",
    "|",
    "©",
    "&",
    "/",
    "。",
    "、",
    "！",
    "？",
    "：",
)
PAIRS = (
    ('"', '"'),
    ("'", "'"),
    ("“", "”"),
    ("‘", "’"),
    ("(", ")"),
    ("[", "]"),
    ("{", "}"),
    ("<", ">"),
    ("«", "»"),
    ("★", "★"),
    ("【", "】"),
    ("《", "》"),
    ("「", "」"),
    ("（", "）"),
    ("〔", "〕"),
    ("-", "-"),
    ("→", "←"),
)
TARGETS = ("SALE", "NO", "A", "5", "OPEN 24", "免费", "特", "今天开业", "Café", "it's", "₴8")


def read(*texts: str) -> list[TextLine]:
    return [TextLine(text=text) for text in texts]


def units(text: str, profile: str) -> int:
    """Characters that a profile counts."""
    return score_image([text], [], profile).targets[0].length


@pytest.mark.parametrize("mark", MARKS)
def test_marks_beside_a_target_are_other_text(mark: str) -> None:
    for profile, target in product(PROFILES, TARGETS):
        size = units(mark, profile)
        for text in (target + mark, mark + target, f"{target} {mark}"):
            assert lost([target], read(text), profile) == (0, size), text


@pytest.mark.parametrize("pair", PAIRS, ids="".join)
def test_marks_around_a_target_are_other_text(pair: tuple[str, str]) -> None:
    for profile, target in product(PROFILES, TARGETS):
        assert lost([target], read(target.join(pair)), profile) == (0, 2), target


@pytest.mark.parametrize("pair", PAIRS, ids="".join)
def test_marks_that_a_target_lost_are_errors_and_not_the_whole_target(pair: tuple[str, str]) -> None:
    for target in ("SALE", "NO", "A", "5", "免费", "特"):
        assert lost([target.join(pair)], read(target)) == (2, 0)
        assert lost([target + pair[1]], read(target)) == (1, 0)


def test_marks_are_no_evidence_for_a_target() -> None:
    assert lost(['"A"'], read('"B"')) == (3, 3)
    assert lost(["A."], read("B.")) == (2, 2)
    assert lost(["SALE!"], read("OPEN!")) == (5, 5)


@pytest.mark.parametrize(
    ("target", "text", "edits", "extra"),
    [
        ("OPEN", "OPEN…!", 0, 2),
        ("OPEN", "OPEN24", 0, 2),
        ("5", "$5", 0, 1),
        ("免费", "免费!!", 0, 2),
        ("SALE!", "SALE!!!", 0, 2),
        ("SALE!!!", "SALE!", 2, 0),
        ("SALE!", "SALE?", 1, 0),
        ("今天开业。", "今天开业.", 0, 0),
        ("今天开业，免费！", "今天开业,免费!", 0, 0),
        ("office", "oﬃce", 0, 0),
        ("FILM", "ﬁlm", 0, 0),
        ("مرحبا", "ﻣﺮﺣﺒﺎ", 0, 0),
        ("CAFE", "СAFЕ", 0, 0),
        ("HOTEL BAR", "НОТЕL ВАR", 0, 0),
        ("5", "5.99", 1, 4),
        ("it", "it's", 2, 4),
    ],
)
def test_case_by_case(target: str, text: str, edits: int, extra: int) -> None:
    assert lost([target], read(text)) == (edits, extra)


def test_a_ligature_that_lost_a_letter_keeps_what_was_written() -> None:
    (row,) = score_image(["office"], read("oﬃe")).targets
    assert (row.deletions, row.substitutions, row.insertions) == (1, 0, 0)
    assert "".join(edit.read for edit in row.edits) == "oﬃe"
    assert "".join(edit.target for edit in row.edits) == "office"


@pytest.mark.parametrize(
    ("target", "lines"),
    [
        ("都可以连续收缩到一个点", ("都可以连续收缩到一个", "个点")),
        ("春眠不觉晓处处闻", ("春眠不觉晓", "晓处处闻")),
        ("OPEN DAILY", ("OPEN DAIL", "LY")),
        ("GRAND OPENING", ("GRAND O", "OPENING")),
    ],
)
def test_a_character_doubled_at_a_line_seam_is_one_insertion(target: str, lines: tuple[str, ...]) -> None:
    (row,) = score_image([target], read(*lines)).targets
    assert (row.insertions, row.deletions, row.substitutions) == (1, 0, 0)
    assert lost([target], read(*lines)) == (1, 0)
    boxed = [line(text, 40, 50 * number, 20 * len(text), 40) for number, text in enumerate(lines)]
    assert lost([target], boxed) == (1, 0)


def test_a_seam_does_not_swallow_the_line_below() -> None:
    assert lost(["OPEN DAILY"], read("OPEN DAIL", "BY APPOINTMENT")) == (1, 13)
    assert lost(["OPEN DAILY"], read("OPEN DAIL", "X")) == (1, 1)


@pytest.mark.parametrize(
    ("target", "text"), [("TO", "T0"), ("IT", "1T"), ("SALE", "5ALE"), ("B2B", "828"), ("24", "Z4")]
)
def test_a_digit_for_the_letter_that_it_looks_like_is_an_error_and_no_other_text(target: str, text: str) -> None:
    edits = sum(one != other for one, other in zip(target, text, strict=True))
    assert lost([target], read(text)) == (
        (edits, 0) if 3 * (len(target) - edits) > len(target) else (len(target), len(text))
    )


def short_words() -> dict[int, list[str]]:
    words: dict[int, set[str]] = defaultdict(set)
    for prompt in (prompt for suite in suites.load("all") for prompt in suite.prompts):
        for target in prompt.targets:
            for word in regex.findall(r"[A-Za-z]+", target):
                words[len(word)].add(word.upper())
    return {size: sorted(found) for size, found in words.items()}


@pytest.mark.parametrize("size", [2, 3, 4, 5, 6])
def test_what_short_targets_earn_in_other_text(size: int) -> None:
    """The floor's measure: of words of one length, few find credit in each other, and none in their mirror image.

    Were two letters of three enough to be wrong (SIM for SUN), a fifth of all three-letter words would match any
    other, and each of them its own mirror image. So that stays missing.
    """
    words = short_words()[size]
    rng = random.Random(size)
    pairs = [(one, other) for one, other in (rng.sample(words, 2) for _ in range(400))]
    matched = sum(score_image([one], read(other)).targets[0].matched for one, other in pairs)
    assert matched / len(pairs) <= 0.04
    garble = ["".join(rng.choices("ETAOINSHRDLUCMFWYP", k=size)) for _ in pairs]
    matched = sum(
        score_image([one], read(text)).targets[0].matched for (one, _), text in zip(pairs, garble, strict=True)
    )
    assert matched / len(pairs) <= 0.03


@pytest.mark.parametrize("target", ["SUN", "NOW", "BEST", "EXIT", "COFFEE", "OPENING"])
def test_mirrored_and_garbled_short_text_earns_nothing(target: str) -> None:
    assert lost([target], read(target[::-1])) == (len(target), len(target))
    for text in ("SIM", "SULF", "COEEFF"):
        assert lost([target], read(text)) == (len(target), len(text))


def test_a_line_that_the_reader_doubts_must_be_nearer() -> None:
    """A mirrored CORRECT comes back as COECT, with little confidence; the same from a sure reader is two errors."""
    doubted, sure = (
        [TextLine(text="COECT", confidence=confidence, polygon=((0, 0), (90, 0), (90, 30), (0, 30)))]
        for confidence in (0.75, 0.95)
    )
    assert lost(["CORRECT"], doubted) == (7, 5)
    assert lost(["CORRECT"], sure) == (2, 0)
    near = [TextLine(text="COEECT", confidence=0.75, polygon=((0, 0), (90, 0), (90, 30), (0, 30)))]
    assert lost(["CORREET"], near) == (7, 6)
    assert lost(["COERECT"], near) == (1, 0)


def test_words_in_another_order_are_errors() -> None:
    """The words are there, but a string with its words mixed up is not the string."""
    assert lost(["the quick brown fox"], read("brown the fox quick")) == (16, 16)


def test_every_mark_at_every_place_of_a_board() -> None:
    """Several targets on one page, each with marks; none steals from another."""
    for before, after in product(("", "★", '"', "- "), ("", "!!", " ☺", "”")):
        lines = page(
            [
                (f"{before}{text}{after}", 60, 80 * row, 400, 40)
                for row, text in enumerate(("SALE", "NO ENTRY", "免费停车"))
            ]
        )
        edits, _ = lost(["SALE", "NO ENTRY", "免费停车"], lines)
        assert edits == 0
