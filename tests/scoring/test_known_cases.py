"""The cases whose score is known before anything is computed: what the number must do."""

from __future__ import annotations

import pytest

from evalsuite.records import GlyphError, TextLine
from evalsuite.scoring import ImageScore, rates, score_image

SIGN = ("GRAND OPENING", "Open Daily")  # 12 + 9 characters without white space


def read(*texts: str) -> list[TextLine]:
    return [TextLine(text=text) for text in texts]


@pytest.mark.parametrize(
    ("texts", "accuracy", "strict"),
    [
        (("GRAND OPENING", "Open Daily"), 1, 1),
        (("Open Daily", "GRAND OPENING"), 1, 1),
        (("GRAND", "OPENING", "Open Daily"), 1, 1),
        (("GRAND OPENING Open Daily",), 1, 1),
        (("GRANDOPENINGOpenDaily",), 1, 1),
        (("GRAND OPENING", "GRAND OPENING", "GRAND OPENING", "Open Daily"), 1, 1 - 24 / 21),
        (("GRAND OPENING", "Open Daily", "xq zvkw pjf"), 1, 1 - 9 / 21),
        ((), 0, 0),
    ],
)
def test_sign(texts: tuple[str, ...], accuracy: float, strict: float) -> None:
    result = rates(score_image(SIGN, read(*texts)))
    assert result.character_accuracy == pytest.approx(accuracy)
    assert result.strict_accuracy == pytest.approx(strict)


def test_one_of_two_equal_targets() -> None:
    assert rates(score_image(["SALE", "SALE"], read("SALE"))).character_accuracy == 0.5


def test_price_without_its_point() -> None:
    assert rates(score_image(["$9.99"], read("$999"))).character_accuracy == pytest.approx(0.8)


def test_wrong_case_is_aligned_and_counted_apart() -> None:
    score = score_image(SIGN, read("GRAND OPENING", "OPEN DAILY"))
    result = rates(score)
    assert result.character_accuracy == 1
    assert result.counts.case_errors == 7
    assert [error.wanted for error in score.errors] == list("penaily")


@pytest.mark.parametrize(("profile", "length"), [("standard", 12), ("strict", 13)])
def test_the_lost_letter_is_named(profile: str, length: int) -> None:
    score: ImageScore = score_image(["NIGHT NOODLES"], read("NIGHT NOODES"), profile)
    (row,) = score.targets
    assert (row.substitutions, row.insertions, row.deletions, row.length) == (0, 0, 1, length)
    assert rates(score).character_accuracy == (length - 1) / length
    assert [(edit.kind, edit.target, edit.read) for edit in row.edits] == [
        ("equal", "NIGHT NOOD", "NIGHT NOOD"),
        ("delete", "L", ""),
        ("equal", "ES", "ES"),
    ]
    assert score.errors == (GlyphError(kind="dropped", target_index=0, wanted="L"),)
