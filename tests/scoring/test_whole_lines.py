"""The score of a perfect reading is the same with and without the search."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.records import ImageScore, TextLine
from evalsuite.scoring import PROFILES, score, score_image
from evalsuite.scoring.normalize import normalize, profile_named

WORDS = (
    "OPEN",
    "Open",
    "OPENING",
    "SALE",
    "SALE SALE",
    "a",
    "24h",
    "$9.99",
    "“NO”",
    '"NO"',
    "新鲜",
    "咖啡",
    "开",
    "oﬃce",
    "—",
)


def searched(targets: list[str], lines: list[TextLine], profile: str) -> ImageScore:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(score, "whole_lines", lambda *_: None)
        return score_image(targets, lines, profile)


@settings(deadline=None, max_examples=300)
@given(
    targets=st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join), min_size=1, max_size=5),
    profile=st.sampled_from(PROFILES),
    seed=st.integers(0, 99),
    boxed=st.booleans(),
)
def test_the_quick_way_and_the_search_agree_in_every_field(
    targets: list[str], profile: str, seed: int, boxed: bool
) -> None:
    targets = [target for target in targets if normalize(target, profile_named(profile))]
    rng = random.Random(seed)
    texts = rng.sample(targets, len(targets)) + ["  "] * rng.randrange(2)
    if rng.random() < 0.3:
        texts = [text.replace("“", '"').replace(" ", "  ") for text in texts]
    if rng.random() < 0.2:
        texts = texts[1:]
    lines = [
        TextLine(
            text=text,
            polygon=((x, y), (x + 90, y), (x + 90, y + 40), (x, y + 40)) if boxed else None,
            confidence=rng.choice((0.5, 0.99)) if boxed else None,
        )
        for text in texts
        for x, y in [(100.0 * rng.randrange(3), 50.0 * rng.randrange(6))]
    ]
    assert score_image(targets, lines, profile) == searched(targets, lines, profile)


def test_it_is_taken_where_it_may_be() -> None:
    lines = [TextLine(text="Open Daily"), TextLine(text=""), TextLine(text="GRAND OPENING")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(score, "match", None)
        assert all(row.exact for row in score_image(["GRAND OPENING", "Open Daily"], lines).targets)
