from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.records import TextLine
from evalsuite.scoring.protocols import PROTOCOLS
from evalsuite.scoring.protocols.longtext import LONGTEXT, LONGTEXT_FIXED, clean, clean_as_published, match_counts
from evalsuite.scoring.protocols.longtext import tokens as tokens_of


def lines(*texts: str) -> list[TextLine]:
    return [TextLine(text=text) for text in texts]


def test_the_published_scorer_cases_agree_in_every_count(longtext_bench):
    wanted = {
        language: {row["prompt_id"]: row["text"] for row in map(json.loads, content.splitlines())}
        for language, content in (
            ("en", (longtext_bench / "text_prompts.jsonl").read_text(encoding="utf-8")),
            ("zh", (longtext_bench / "text_prompts_zh.jsonl").read_text(encoding="utf-8")),
        )
    }
    published = json.loads((longtext_bench / "scorer_cases.json").read_text(encoding="utf-8"))
    assert len(published["cases"]) == 300
    sums = {"en": [0, 0], "zh": [0, 0]}
    for case in published["cases"]:
        language = case["language"]
        found = match_counts(wanted[language][case["prompt_id"]], case["ocr_text"], language)
        assert found == (case["match"], case["total"]), case
        sums[language] = [total + count for total, count in zip(sums[language], found, strict=True)]
    # The published Text Scores, to the six digits that the cases give.
    assert {key: round(match / total, 6) for key, (match, total) in sums.items()} == published["text_score"]


def test_the_token_pooled_mean_of_the_published_figures(longtext_bench):
    """0.9804 and 0.9661, averaged over tokens instead of languages: 0.9711."""
    totals = {}
    for language, name in (("en", "text_prompts.jsonl"), ("zh", "text_prompts_zh.jsonl")):
        rows = map(json.loads, (longtext_bench / name).read_text(encoding="utf-8").splitlines())
        totals[language] = sum(match_counts(row["text"], "", language)[1] for row in rows)
    assert totals == {"en": 4263, "zh": 7944}
    pooled = (0.9804 * totals["en"] + 0.9661 * totals["zh"]) / (totals["en"] + totals["zh"])
    assert round(pooled, 4) == 0.9711


def test_english_words_are_a_multiset_in_lower_case():
    # fresh, brews, every, morning, every, day; "every" was read once.
    assert LONGTEXT.count(["FRESH BREWS, EVERY MORNING, EVERY DAY"], lines("every fresh", "day BREWS!"), "en") == (4, 6)


def test_chinese_characters_are_a_multiset_with_case_kept():
    # 中央公园2公里 has 公 twice.
    assert LONGTEXT.count(["中央公园 - 2公里"], lines("公园 2 里"), "zh") == (4, 7)
    assert LONGTEXT.count(["AI 咖啡"], lines("ai咖啡"), "zh") == (2, 4)


def test_the_order_of_lines_and_text_beyond_the_targets_cost_nothing():
    target = ["Locally Roasted Since 1998"]
    assert LONGTEXT.count(target, lines("1998 since", "Roasted locally", "and much besides"), "en") == (4, 4)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Wi-Fi 24/7", ["wifi", "247"]),  # deleted, not replaced by a space
        ("a—b", ["ab"]),
        ("Crème Brûlée", ["crème", "brûlée"]),
        ("Señor Ångström", ["seor", "ngström"]),  # French accents only
        ("ＯＰＥＮ 10", ["10"]),  # full-width letters are deleted
        ("two\u3000words", ["two", "words"]),
        ("…", []),
    ],
)
def test_what_is_kept_of_an_english_text(text, words):
    assert tokens_of(text, "en") == words


def test_only_the_second_keyword_is_removed_as_published_and_both_when_mended():
    text = "addCriterion\nOPEN\nNo text recognized."
    assert clean_as_published(text) == "addCriterion\nOPEN\n"
    assert clean(text) == "\nOPEN\n"
    # The prompt asks for the answer without the full stop, which the published clean-up leaves in.
    assert clean_as_published("No text recognized") == "No text recognized"
    assert clean("No text recognized") == ""


def test_the_sentinel_can_score_as_published_and_cannot_when_mended():
    target = ["NO TEXT HERE"]
    assert LONGTEXT.count(target, lines("No text recognized"), "en") == (2, 3)
    assert LONGTEXT_FIXED.count(target, lines("No text recognized"), "en") == (0, 3, 0, 0)


def test_repeats_and_extras_are_counted_when_mended():
    # Wanted sale, now; read sale three times, now, cat: two repeats and one that is in no target.
    read = lines("SALE SALE", "SALE NOW cat")
    assert LONGTEXT.count(["SALE NOW"], read, "en") == (2, 2)
    assert LONGTEXT_FIXED.count(["SALE NOW"], read, "en") == (2, 2, 2, 1)


@pytest.mark.parametrize("language", ["en", "zh"])
@given(targets=st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=4), read=st.text(max_size=60))
def test_counts_are_bounded_and_a_perfect_reading_matches_all(language, targets, read):
    match, total = match_counts(targets, read, language)
    assert 0 <= match <= min(total, len(tokens_of(read, language)))
    assert match_counts(targets, " ".join(targets), language) == (total, total)
    fixed = LONGTEXT_FIXED.count(targets, lines(*read.split("\n")), language)
    assert fixed[1] == total
    assert sum(fixed) - total == len(tokens_of(clean("\n".join(read.split("\n"))), language))


def test_every_protocol_says_where_it_comes_from():
    for name, protocol in PROTOCOLS.items():
        assert protocol.name == name
        assert "arXiv" in protocol.source
        for language in protocol.languages:
            assert len(protocol.count(["你好" if language == "zh" else "a b"], [], language)) == len(protocol.columns)
            names = [metric.name for metric in protocol.metrics(language)]
            assert len(names) == len(set(names)) >= 1
