"""The peers' protocols: values worked by hand from the formulas, with brute force or difflib beside them."""

from __future__ import annotations

import difflib
from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from evalsuite.errors import EvalsuiteError
from evalsuite.records import TextLine
from evalsuite.scoring.protocols import protocol_named
from evalsuite.scoring.protocols.anytext import ANYTEXT
from evalsuite.scoring.protocols.cvtg import CVTG, similarity
from evalsuite.scoring.protocols.oneig import ONEIG, reduced, text_score
from evalsuite.scoring.protocols.pairing import LEX, TIIF, pairing_cost
from evalsuite.scoring.protocols.textpecker import TEXTPECKER, cleaned, tokens


def lines(*texts: str) -> list[TextLine]:
    return [TextLine(text=text) for text in texts]


def score(protocol, language: str, *images: tuple[float, ...]) -> dict[str, float]:
    sums = np.sum(np.array(images, dtype=float), axis=0)
    return {metric.name: float(metric.statistic.value(sums)) for metric in protocol.metrics(language)}


# --- OneIG -------------------------------------------------------------------------------------------


def test_oneig_english_by_hand():
    wrong = ONEIG.count(["Hello", "World"], lines("Hello Word"), "en")
    right = ONEIG.count(["Hello", "World"], lines("Hello", "World!"), "en")
    assert wrong == (1, 0, 1, 1, 2)  # one edit; not complete; one of two words
    assert right == (0, 1, 1, 2, 2)
    # ED 1/2, CR 1/2, WAC 3/4: 1 - (1/2)(1/2)(1/4)/100.
    assert score(ONEIG, "en", wrong, right) == pytest.approx(
        {"text_score": 0.999375, "ED": 0.5, "CR": 0.5, "WAC": 0.75}, abs=1e-12
    )


def test_oneig_chinese_counts_characters_and_halves_the_cap():
    wrong = ONEIG.count(["你好", "世界"], lines("你好 地界"), "zh")
    assert wrong == (1, 0, 1, 3, 4)
    assert score(ONEIG, "zh", wrong)["text_score"] == pytest.approx(1 - 1 * 1 * 0.25 / 50)


def test_oneig_caps_the_mean_distance_and_keeps_case():
    assert ONEIG.count(["open"], lines("OPEN"), "en") == (4, 0, 1, 0, 1)
    assert score(ONEIG, "en", (250, 0, 1, 1, 2))["text_score"] == pytest.approx(0.5)
    assert score(ONEIG, "zh", (250, 0, 1, 1, 2))["text_score"] == pytest.approx(0.5)


def test_oneig_removes_both_keywords_and_white_space_in_chinese_only():
    assert ONEIG.count(["OPEN"], lines("OPEN addCriterion", "No text recognized."), "en") == (0, 1, 1, 1, 1)
    assert reduced("始于 1998") == "始于1998"
    assert reduced("Since  1998") == "Since 1998"


@given(st.tuples(*[st.floats(1, 60) for _ in range(5)]), st.sampled_from([50.0, 100.0]))
def test_oneig_gradient_is_that_of_its_value(values, cap):
    statistic = text_score(cap)
    sums = np.array(values)
    step = 1e-6
    numeric = [
        (statistic.value(sums + step * row) - statistic.value(sums - step * row)) / (2 * step) for row in np.eye(5)
    ]
    if abs(sums[0] / sums[2] - cap) > 1e-3:  # not at the kink
        assert statistic.gradient(sums) == pytest.approx(np.array(numeric), rel=1e-4, abs=1e-6)


# --- CVTG-2K -----------------------------------------------------------------------------------------


def test_cvtg_by_hand():
    # night is there; noodles is nearest to noodes, one edit in seven.
    right, likeness, words = CVTG.count(["NIGHT NOODLES"], lines("Night", "NOODES"), "en")
    assert (right, words) == (1, 2)
    assert likeness == pytest.approx(float(1 + Fraction(6, 7)))
    assert score(CVTG, "en", (right, likeness, words))["word_accuracy"] == 0.5
    assert CVTG.count(["OPEN"], [], "en") == (0, 0, 1)


def test_cvtg_lets_one_word_answer_for_many():
    assert CVTG.count(["GO GO GO"], lines("go"), "en") == (3, 3, 3)


@given(
    st.text("abcd", min_size=1, max_size=6),
    st.lists(st.text("abcd", min_size=1, max_size=6), min_size=1, max_size=6),
)
def test_cvtg_picks_the_word_that_difflib_picks(word, read):
    (best,) = difflib.get_close_matches(word, read, n=1, cutoff=0)
    expected = 1 - Levenshtein.distance(word, best) / max(len(word), len(best))
    assert similarity(word, read) == pytest.approx(expected)


# --- LeX and TIIF ------------------------------------------------------------------------------------


def test_pned_and_gned_by_hand():
    # night 0, noodles with noodes 1/7, "now" left over 1.
    read = lines("NOODES now", "Night")
    assert LEX.count(["NIGHT NOODLES"], read, "en") == (pytest.approx(8 / 7), 1)
    assert TIIF.count(["NIGHT NOODLES"], read, "en") == (pytest.approx(8 / 21), 1)


def test_pned_and_gned_of_nothing_read():
    # One empty word against night (1), noodles left over (1).
    assert LEX.count(["NIGHT NOODLES"], [], "en") == (2, 1)
    assert TIIF.count(["NIGHT NOODLES"], [], "en") == (1, 1)


small_words = st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=4)


@given(small_words, small_words)
def test_the_pairing_is_the_cheapest_of_all(wanted, read):
    few, many = sorted((wanted, read), key=len)
    cheapest = min(
        sum(Levenshtein.distance(a, b) / max(len(a), len(b)) for a, b in zip(few, chosen, strict=True))
        for chosen in permutations(many, len(few))
    )
    assert pairing_cost(wanted, read) == pytest.approx(cheapest + len(many) - len(few))


# --- AnyText -----------------------------------------------------------------------------------------


def test_anytext_by_hand():
    # SALE exact; OPEM is one of four wrong; CAFE is not there at all.
    counts = ANYTEXT.count(["SALE", "OPEN", "CAFE"], lines("OPEM", "SALE"), "en")
    assert counts == (1, pytest.approx(1 + 3 / 4 + 0), 3)
    assert score(ANYTEXT, "en", counts) == {"sentence_accuracy": pytest.approx(1 / 3), "NED": pytest.approx(7 / 12)}
    assert ANYTEXT.count(["Sale"], lines("SALE"), "en")[0] == 0  # case counts


def test_an_unknown_protocol_is_named_with_the_known_ones():
    with pytest.raises(EvalsuiteError, match=r"'longtex': did you mean 'longtext' or .*known: longtext"):
        protocol_named("longtex")


# --- TextPecker ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("targets", "read", "semantic", "quality", "malformed", "characters"),
    [
        # "open" as it is, "#aily" for "daily": 1/5 over two words; one of nine characters is malformed
        (["Open", "daily"], "open \ufffdaily", 1 - 1 / 5 / 2, 1 - 1 / 9, 1, 9),
        # 今, 日 and 价 as they are, # for 特: one of four; the "!" at the end of the word is no word
        (["今日特价"], "今日\ufffd价!", 1 - 1 / 4, 1 - 1 / 5, 1, 5),
        # a malformed word is ###, nothing like "big"
        (["Hello big world"], "Hello \ufffd\ufffd\ufffd world", 1 - 1 / 3, 1 - 3 / 13, 3, 13),
        # the target has a #, so the mark is read as $: "$5" for "#5" is 1/2 of two words
        (["Room #5"], "Room \ufffd5", 1 - 1 / 2 / 2, 1 - 1 / 6, 1, 6),
        # a # that was drawn counts as malformed
        (["Room #5"], "Room #5", 1 - 1 / 2 / 2, 1 - 1 / 6, 1, 6),
        # a comma turns into a space in the reading alone: "hi" for "hi," is 1/3 of two words
        (["Hi, you"], "Hi, you", 1 - 1 / 3 / 2, 1, 0, 5),
        # nothing read is one empty word: 1 for the pair, 1 for the word left over, of two
        (["Open", "daily"], "", 0, 0, 0, 0),
        # a word too many: (0 + 1) / 3
        (["Open daily"], "open daily now", 1 - 1 / 3, 1, 0, 12),
    ],
)
def test_textpecker_by_hand(targets, read, semantic, quality, malformed, characters):
    found = TEXTPECKER.count(targets, lines(*read.splitlines()), "en")
    assert found == (pytest.approx(semantic), pytest.approx(quality), malformed, characters, 1)


def test_textpecker_is_averaged_over_images():
    images = (
        TEXTPECKER.count(["Open"], lines("Open"), "en"),
        TEXTPECKER.count(["Open"], lines("\ufffd\ufffden"), "en"),
    )
    assert score(TEXTPECKER, "en", *images) == {
        "S_E": pytest.approx((1 + 0.5) / 2),
        "S_Q": pytest.approx((1 + 0.5) / 2),
    }


def test_textpeckers_words_with_their_faults():
    assert tokens("鱼fish") == ["鱼"]
    assert tokens("Fish鱼abc鱼") == ["鱼", "fish", "鱼", "abc"]
    assert tokens("") == [""]
    assert cleaned('"a, b" c, d') == "a, b c d"
    assert cleaned("“a, b” c, d and ‘e") == "a, b” c, d and ‘e"  # one quotation mark that opens and never ends
    assert cleaned("a\\nb，c") == "a b c"  # an escape that was written out
