"""What must hold for any targets and any reading."""

from __future__ import annotations

import random
from fractions import Fraction

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from evalsuite.records import ImageScore, TextLine
from evalsuite.scoring import PROFILES, count, rates, score_image
from evalsuite.scoring.normalize import normalize, profile_named

WORDS = ("OPEN", "Open", "OPENING", "SALE", "Sale!", "a", "24h", "$9.99", "新鲜", "咖啡", "开", "Café", "it's", "—")
targets_of = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join)
some_targets = st.lists(targets_of, min_size=1, max_size=4)
some_texts = st.lists(st.one_of(targets_of, st.text(alphabet="OPENsale 新开9.", max_size=12)), max_size=6)
profiles = st.sampled_from(PROFILES)


def read(texts: list[str]) -> list[TextLine]:
    return [TextLine(text=text) for text in texts]


def boxed(data: st.DataObject, texts: list[str]) -> list[TextLine]:
    """Lines at drawn places of a coarse grid, some in the same place."""
    lines = []
    for text in texts:
        left, top = (data.draw(st.integers(0, 4)) * 100, data.draw(st.integers(0, 5)) * 50)
        width, height = data.draw(st.sampled_from([(90, 40), (190, 45), (40, 140)]))
        corners = ((left, top), (left + width, top), (left + width, top + height), (left, top + height))
        lines.append(TextLine(text=text, polygon=corners, confidence=0.9))
    return lines


def summary(score: ImageScore) -> tuple[object, ...]:
    """All counts, the rows of the targets and the extras, without their places in the lists."""
    rows = sorted(repr((t.target, t.matched, t.edits)) for t in score.targets)
    return count(score), rows, sorted((e.kind, e.text) for e in score.extras), score.exact_search


@settings(deadline=None)
@given(targets=some_targets, texts=some_texts, profile=profiles, seed=st.integers(0, 99))
def test_the_order_of_the_targets_does_not_matter(
    targets: list[str], texts: list[str], profile: str, seed: int
) -> None:
    targets = [target for target in targets if normalize(target, profile_named(profile))]
    shuffled = random.Random(seed).sample(targets, len(targets))
    assert summary(score_image(shuffled, read(texts), profile)) == summary(score_image(targets, read(texts), profile))


@settings(deadline=None)
@given(data=st.data(), targets=some_targets, texts=some_texts, seed=st.integers(0, 99))
def test_the_order_of_lines_with_boxes_does_not_matter(
    data: st.DataObject, targets: list[str], texts: list[str], seed: int
) -> None:
    lines = boxed(data, texts)
    shuffled = random.Random(seed).sample(lines, len(lines))
    assert summary(score_image(targets, shuffled)) == summary(score_image(targets, lines))


@settings(deadline=None)
@given(targets=some_targets, profile=profiles, seed=st.integers(0, 99))
def test_identity_gives_one(targets: list[str], profile: str, seed: int) -> None:
    targets = [target for target in targets if normalize(target, profile_named(profile))]
    lines = read(random.Random(seed).sample(targets, len(targets)))
    score = score_image(targets, lines, profile)
    result = rates(score)
    if targets:
        assert result.character_accuracy == result.strict_accuracy == result.exact_string_rate == 1
        assert result.all_exact_image_rate == result.ned == 1
        assert result.cer == result.wer == result.extra_ratio == result.case_error_rate == 0
    assert score.errors == score.extras == ()


@settings(deadline=None)
@given(targets=some_targets, texts=some_texts, other=st.text(alphabet="ЖШЩЭЮ世界 ", min_size=1, max_size=20))
def test_text_without_a_common_character_changes_no_alignment(targets: list[str], texts: list[str], other: str) -> None:
    """It never raises strict accuracy, by its length lowers it, and leaves accuracy as it is."""
    before, after = (count(score_image(targets, read(lines))) for lines in (texts, [*texts, other]))
    added = len("".join(other.split()))
    assert after.edits == before.edits
    assert after.extra_length == before.extra_length + added


@settings(deadline=None)
@given(targets=some_targets, texts=some_texts, other=st.text(alphabet="OPENsale 新开9.Zqx", max_size=20))
def test_text_unlike_any_target_changes_accuracy_by_no_more_than_the_floor_allows(
    targets: list[str], texts: list[str], other: str
) -> None:
    """A target keeps at least the floor, a third of its characters, or had less than that to lose."""
    assume(not rates(score_image(targets, read([other]))).matched_rate)
    before, after = (score_image(targets, read(lines)) for lines in (texts, [*texts, other]))
    for old, new in zip(before.targets, after.targets, strict=True):
        had, has = (Fraction(t.length - t.substitutions - t.insertions - t.deletions, t.length) for t in (old, new))
        assert has >= min(had, Fraction(1, 3)) or not new.matched
    assert (rates(after).character_accuracy or 0) >= (rates(before).character_accuracy or 0) - 2 / 3


@settings(max_examples=300, deadline=None)
@given(data=st.data(), targets=some_targets, texts=some_texts, profile=profiles, with_boxes=st.booleans())
def test_the_rows_are_consistent(
    data: st.DataObject, targets: list[str], texts: list[str], profile: str, with_boxes: bool
) -> None:
    targets = [target for target in targets if normalize(target, profile_named(profile))]
    lines = boxed(data, texts) if with_boxes else read(texts)
    score = score_image(targets, lines, profile)
    assert [row.target for row in score.targets] == targets
    used: set[tuple[int, int]] = set()
    for row in score.targets:
        edits = row.substitutions + row.insertions + row.deletions
        assert row.length == len(normalize(row.target, profile_named(profile)))
        assert row.substitutions + row.deletions <= row.length
        assert row.exact == (edits == 0)
        assert "".join(edit.target for edit in row.edits) == row.target
        pieces = ["".join(list_of(lines[s.line].text)[s.start : s.end]) for s in row.spans]
        assert "".join(edit.read for edit in row.edits) == "\n".join(pieces)
        if row.matched:
            # More than a third of the target, marks at its ends aside, is there, or all of a short one.
            assert 3 * (row.length - edits) > len(
                "".join(normalize(row.target, profile_named(profile)).keys).strip(" -—!")
            )
        else:
            assert not row.spans
            assert row.deletions == row.length
            assert row.word_errors == row.words
        for span in row.spans:
            places = {(span.line, place) for place in range(span.start, span.end)}
            assert not places & used
            used |= places
    for extra in score.extras:
        places = {(extra.span.line, place) for place in range(extra.span.start, extra.span.end)}
        assert not places & used
        used |= places
        assert extra.text == "".join(list_of(lines[extra.span.line].text)[extra.span.start : extra.span.end])
        assert extra.length > 0
    charged = sum(len(normalize(text, profile_named("lenient"))) for text in texts)
    read_length = sum(row.length - row.deletions + row.insertions for row in score.targets if row.matched)
    assert profile != "lenient" or read_length + sum(extra.length for extra in score.extras) == charged


def list_of(text: str) -> list[str]:
    """The graphemes of the texts above, none of which has a combining mark."""
    return list(text)
