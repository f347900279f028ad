"""WeGenBench-Text, TextAtlasEval and STRICT: values by hand, and what each forgives beside its corrected form."""

from __future__ import annotations

import numpy as np
import pytest

from evalsuite.records import TextLine
from evalsuite.scoring.protocols import PROTOCOLS
from evalsuite.scoring.protocols.strict import STRICT, STRICT_FIXED, ned, truncated_ned
from evalsuite.scoring.protocols.textatlas import TEXTATLAS, TEXTATLAS_FIXED, alike, taken
from evalsuite.scoring.protocols.wegen import (
    WEGEN,
    WEGEN_FIXED,
    character_f1,
    edit_similarity,
    exact_sentences,
    gned,
    gned_as_published,
)


def lines(*texts: str) -> list[TextLine]:
    return [TextLine(text=text) for text in texts]


def score(name: str, *images: tuple[float, ...]) -> dict[str, float]:
    sums = np.sum(np.array(images, dtype=float), axis=0)
    return {each.name: float(each.statistic.value(sums)) for each in PROTOCOLS[name].metrics("en")}


# --- WeGenBench-Text ---------------------------------------------------------------------------------


def test_edit_similarity_tries_all_orders_of_five_segments():
    assert edit_similarity(["ab cd ef", "gh"], ["gh", "ef", "cd", "ab"]) == 1
    assert edit_similarity(["abcd"], ["abxd", "e"]) == 1 - 2 / 5  # best: abxde, one substitution, one insertion
    assert edit_similarity(["Ab"], ["aB"]) == 0  # case is kept
    assert (edit_similarity([" "], []), edit_similarity(["a"], []), edit_similarity(["a"], [" "])) == (1, 0, 0)


def test_edit_similarity_of_six_segments_looks_at_two_orders():
    # By the place of each piece's best fit, the order is right though the reader's is not.
    assert edit_similarity(["abcdef"], ["f", "e", "d", "c", "b", "a"]) == 1
    # "aab" and "a" both fit at place 0 first, so the reader's order of them stays: aaab… for aaba….
    wanted, read = ["aabacdef"], ["a", "aab", "c", "d", "e", "f"]
    assert edit_similarity(wanted, read) == 1 - 2 / 8


def test_sentences_must_equal_one_segment_each():
    assert exact_sentences(["Open Daily", "SALE"], ["sale", "open  daily"]) == 1  # lower case, no white space
    assert exact_sentences(["GRAND OPENING"], ["GRAND", "OPENING"]) == 0  # drawn right, on two lines
    fixed = score("wegen-fixed", WEGEN_FIXED.count(["GRAND OPENING"], lines("GRAND", "OPENING"), "en"))
    assert fixed["sen_acc"] == fixed["edit_sim"] == fixed["char_F1"] == 1


def test_an_anagram_is_perfect_by_characters_as_multisets():
    assert character_f1(["listen"], ["silent"]) == 1
    assert character_f1(["OPEN"], ["open"]) == 0
    assert character_f1(["abc"], ["abd", "x"]) == 2 * 2 / (3 + 4)
    fixed = score("wegen-fixed", WEGEN_FIXED.count(["listen"], lines("silent"), "en"))
    assert fixed["char_F1"] < 0.8


def test_gned_pairs_words_and_ideographs():
    assert gned(["营业 24小时"], "24小时 营业") == 1
    # open/open 0, daily/dally 1/5, now left over: (1/5 + 1) / 3.
    assert gned(["Open Daily"], "open dally now") == pytest.approx(1 - 1.2 / 3)
    assert (gned(["a"], " "), gned([" "], "")) == (0, 1)


def test_a_number_sign_is_never_right_in_the_published_gned():
    assert gned_as_published(["#7"], "#7") == 0.5
    assert gned(["#7"], "#7") == 1
    assert score("wegen", WEGEN.count(["#7"], lines("#7"), "en"))["GNED"] == 0.5
    assert score("wegen-fixed", WEGEN_FIXED.count(["#7"], lines("#7"), "en"))["GNED"] == 1


def test_wegen_is_a_mean_over_images_and_the_corrected_one_sums_counts():
    images = [(["ABCD"], lines("ABCD")), (["ABCDEFGH" * 2], lines("X"))]
    assert score("wegen", *(WEGEN.count(*image, "en") for image in images)) == pytest.approx(
        {"char_F1": 0.5, "edit_sim": 0.5, "sen_acc": 0.5, "GNED": 0.5}
    )
    # 4 characters right of 20 wanted and 5 read: 2 · 4 / 25; the longer lengths are 4 and 16 (the X is extra text).
    fixed = score("wegen-fixed", *(WEGEN_FIXED.count(*image, "en") for image in images))
    assert fixed["char_F1"] == pytest.approx(8 / 25)
    assert fixed["edit_sim"] == pytest.approx(4 / 20)
    assert (WEGEN.missing, WEGEN_FIXED.missing) == ("left out", "counted as empty")


def test_extra_text_costs_under_wegen():
    wanted = ["OPEN"]
    clean, more = (score("wegen", WEGEN.count(wanted, lines(*read), "en")) for read in (["OPEN"], ["OPEN", "LATE"]))
    assert clean["char_F1"] == clean["edit_sim"] == 1
    assert more["char_F1"] == pytest.approx(2 * 4 / 12)
    assert more["edit_sim"] == 0.5


# --- TextAtlasEval -----------------------------------------------------------------------------------


def test_a_word_counts_from_eighty_per_cent_on():
    assert alike("hello", "hallo")  # 2 · 4 / 10
    assert not alike("cat", "cut")  # 2 · 2 / 6
    assert alike("coffee", "coffe")  # 2 · 5 / 11
    assert taken(["hallo", "hello"], ["hello", "hello"]) == 2  # the first takes "hallo", the second "hello"


def test_textatlas_by_hand_and_exactly():
    wanted, read = ["Hello big World"], lines("hallo", "world now")
    published = TEXTATLAS.count(wanted, read, "en")
    assert published[:4] == (2, 3, 4, 6)
    assert score("textatlas", published)["accuracy"] == pytest.approx(2 / 3)
    assert score("textatlas", published)["F1"] == pytest.approx(4 / 6)
    exact = score("textatlas-fixed", TEXTATLAS_FIXED.count(wanted, read, "en"))
    assert exact["accuracy"] == pytest.approx(1 / 3)
    assert exact["F1"] == pytest.approx(2 / 6)


def test_textatlas_accuracy_forgives_extra_text_and_cer_charges_the_order():
    extra = TEXTATLAS.count(["OPEN"], lines("OPEN", "late night bar"), "en")
    assert score("textatlas", extra)["accuracy"] == 1
    assert score("textatlas", extra)["F1"] == pytest.approx(2 / 5)
    turned = (["AB", "CD"], lines("CD", "AB"))
    assert score("textatlas", TEXTATLAS.count(*turned, "en"))["CER"] > 0
    assert score("textatlas-fixed", TEXTATLAS_FIXED.count(*turned, "en"))["CER"] == 0


# --- STRICT ------------------------------------------------------------------------------------------


def test_ned_divides_by_the_path_with_its_matches():
    assert ned("abc", "abd") == pytest.approx(1 / 3)
    assert ned("ab", "abcd") == pytest.approx(2 / 4)
    assert ned("abcd", "bcde") == pytest.approx(2 / 5)  # delete a, keep bcd, insert e
    assert ned("", "") == 0


def test_strict_by_hand():
    got = STRICT.count(["one two  three"], lines("one too", "three"), "en")
    assert got[0] == pytest.approx(1 / 13)
    assert got[1] == pytest.approx(1 / 13)
    assert got[2] == pytest.approx(1 / 3)
    assert got[3] == pytest.approx(24 / 26)
    assert score("strict", STRICT.count(["ab"], lines("abcdefg"), "en"))["CER"] == 2.5


def test_an_empty_picture_is_perfect_by_the_truncated_error():
    nothing = score("strict", STRICT.count(["a long text"], (), "en"))
    assert nothing == {"NED": 1, "CER": 1, "WER": 1, "similarity": 0, "NED_truncated": 0}
    assert truncated_ned("a long text", "a") == 0
    fixed = score("strict-fixed", STRICT_FIXED.count(["a long text"], (), "en"))
    assert fixed == {"NED": 1, "CER": 1, "WER": 1}


def test_strict_corrected_does_not_charge_the_order_of_lines():
    turned = (["first line", "second line"], lines("second line", "first line"))
    assert score("strict", STRICT.count(*turned, "en"))["NED"] > 0.3
    assert set(score("strict-fixed", STRICT_FIXED.count(*turned, "en")).values()) == {0}


@pytest.mark.parametrize("name", ["wegen", "wegen-fixed", "textatlas", "textatlas-fixed", "strict", "strict-fixed"])
def test_a_perfect_reading_is_perfect(name):
    protocol = PROTOCOLS[name]
    values = score(name, protocol.count(["Fresh bread", "OPEN"], lines("Fresh bread", "OPEN"), "en"))
    for metric in protocol.metrics("en"):
        assert values[metric.name] == float(metric.higher_is_better)
