from __future__ import annotations

import jiwer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.errors import EvalsuiteError
from evalsuite.records import Prompt, TextLine
from evalsuite.scoring import (
    RATES,
    Counts,
    Rates,
    check_targets,
    count,
    rates,
    score_image,
    scorer_spec,
    unread_targets,
)


def read(*texts: str) -> list[TextLine]:
    return [TextLine(text=text) for text in texts]


def test_rates_by_hand() -> None:
    """NIGHT NOODLES lost its L (12 long), SALE is missing (4), Taxi and a second SALE-free line are extra."""
    score = score_image(["NIGHT NOODLES", "SALE"], read("NIGHT NOODES", "Taxi", "NIGHT NOODLES"))
    counts = count(score)
    assert counts.length == 16
    assert counts.edits == 4
    assert (counts.duplicate_length, counts.other_length) == (11, 4)
    result = rates(score)
    assert result.character_accuracy == 12 / 16
    assert result.strict_accuracy == (12 - 15) / 16
    assert result.extra_ratio == 15 / 16
    assert result.duplicate_ratio == 11 / 16
    assert result.exact_string_rate == result.matched_rate == 1 / 2
    assert result.all_exact_image_rate == 0
    assert result.cer == (4 + 15) / 16
    assert result.ned == 1 / 2
    assert result.wer == (1 + 3) / 3


def test_counts_add_before_they_are_divided() -> None:
    good = score_image(["GRAND OPENING"], read("GRAND OPENING"))
    bad = score_image(["AB"], read())
    both = rates([good, bad])
    assert both.counts == count(good) + count(bad)
    assert both.counts.images == 2
    assert both.character_accuracy == 12 / 14
    assert both.all_exact_image_rate == 1 / 2


def test_nothing_counted_is_undefined_never_zero() -> None:
    empty = rates([])
    assert empty == Rates(counts=Counts())
    assert RATES
    assert all(getattr(empty, name) is None for name in RATES)


def test_ned_of_a_longer_reading() -> None:
    """One insertion in seven: 1 - 1/8."""
    assert rates(score_image(["NOODLES"], read("NOODLESS"))).ned == 1 - 1 / 8


vocabulary = ("grand", "opening", "coffee", "window", "yellow", "bistro", "market")


@settings(deadline=None)
@given(words=st.lists(st.sampled_from(vocabulary), min_size=4, max_size=6, unique=True), data=st.data())
def test_cer_and_wer_are_the_fields_where_there_is_one_line(words: list[str], data: st.DataObject) -> None:
    """A damaged word, or one too few or too many, in one line: jiwer aligns them as we do."""
    place = data.draw(st.integers(0, len(words) - 1))
    change = data.draw(st.sampled_from([lambda word: word[1:], lambda word: word[:2] + "x" + word[2:], lambda _: ""]))
    text = " ".join(filter(None, [*words[:place], change(words[place]), *words[place + 1 :], "zzz"]))
    target = " ".join(words)
    score = score_image([target], read(text), "strict")
    result = rates(score)
    assert result.matched_rate == 1
    assert result.cer is not None
    assert result.wer == pytest.approx(jiwer.wer(target, text))
    # The space before text that belongs to no target may be charged there, never here.
    serial = jiwer.cer(target, text)
    assert serial - len(score.extras) / len(target) - 1e-9 <= result.cer <= serial + 1e-9


def test_unread_targets_are_all_missing() -> None:
    rows = unread_targets(["NIGHT NOODLES", "每日"], "standard")
    assert [(row.matched, row.length, row.deletions, row.exact) for row in rows] == [
        (False, 12, 12, False),
        (False, 2, 2, False),
    ]
    assert score_image(["NIGHT NOODLES", "每日"], []).targets == rows


def test_an_empty_target_is_an_error_of_the_suite() -> None:
    prompt = Prompt(
        id="p-1", suite="signs", language="en", category="sign", length="short", text='"!?"', targets=("SALE", "!?")
    )
    check_targets(prompt, "standard")
    with pytest.raises(
        EvalsuiteError, match=r"prompt 'p-1' of suite 'signs': target '!\?' is empty after the 'lenient'"
    ):
        check_targets(prompt, "lenient")
    with pytest.raises(EvalsuiteError, match="is empty after the 'standard' normalisation"):
        score_image(["\u200b "], [])


def test_an_unknown_profile_is_an_error_that_names_the_known() -> None:
    with pytest.raises(EvalsuiteError, match="choose one of strict, standard, lenient"):
        scorer_spec("loose")


def test_the_scorer_says_what_it_is() -> None:
    spec = scorer_spec()
    assert (spec.profile, spec.name) == ("standard", "evalsuite-packing")
    assert spec.version
    assert spec.normalizer
