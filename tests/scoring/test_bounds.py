"""Work is bounded: no reading takes long, and what was cut short is flagged."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from evalsuite.records import TextLine
from evalsuite.scoring import count, score_image

Case = tuple[list[str], list[str]]
LETTERS = "etaoinshrdlucmfwyp"


def text(rng: random.Random, size: int) -> str:
    words: list[str] = []
    while sum(map(len, words)) + len(words) < size:
        words.append("".join(rng.choices(LETTERS, k=rng.randint(2, 9))))
    return " ".join(words)[:size].strip()


def damaged(rng: random.Random, whole: str, rate: float) -> str:
    return "".join(rng.choice(LETTERS) if c != " " and rng.random() < rate else c for c in whole)


def wrapped(whole: str, width: int) -> list[str]:
    lines = [""]
    for word in whole.split():
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def long(rng: random.Random, rate: float, count: int = 1) -> Case:
    targets = [text(rng, 2_000) for _ in range(count)]
    return targets, [line for target in targets for line in wrapped(damaged(rng, target, rate), 48)]


def many(rng: random.Random, size: int, rate: float) -> Case:
    targets = [text(rng, 20) for _ in range(size)]
    return targets, [damaged(rng, target, rate) for target in targets]


def equal(size: int, line: str) -> Case:
    return ["GRAND OPENING"] * size, [line] * (2 * size)


HARD: dict[str, tuple[Callable[[random.Random], Case], bool, int]] = {
    "one target of 2,000": (lambda rng: long(rng, 0), True, 1),
    "a tenth of it wrong": (lambda rng: long(rng, 0.1), True, 1),
    "200 targets": (lambda rng: many(rng, 200, 0), True, 200),
    "a tenth of them wrong": (lambda rng: many(rng, 200, 0.1), True, 200),
    "100 equal targets, 200 equal lines": (lambda _: equal(100, "GRAND OPENING"), True, 100),
    "one letter wrong": (lambda _: equal(100, "GRAND OPENIMG"), True, 100),
    "two in a line, run together": (lambda _: equal(100, "GRANDOPENIMGGRANDOPENIMG"), True, 100),
    "three of 2,000, a tenth wrong": (lambda rng: long(rng, 0.1, 3), True, 3),
    "100 like targets, 200 like lines": (
        lambda rng: ([f"SALE ITEM {i}" for i in range(100)], [f"SALE ITEM {rng.randrange(300)}" for _ in range(200)]),
        False,
        100,
    ),
    "a line of 3.9 million": (lambda _: (["GRAND OPENING"], ["GRAND OPENING", "word " * 780_000]), False, 1),
    "a word of 3.9 million": (lambda _: (["GRAND OPENING"], ["x" * 3_900_000, "GRAND OPENING"]), False, 1),
    "Chinese, 3.9 million": (lambda _: (["每日新鲜"], ["日每鲜新" * 970_000, "每日新鲜"]), False, 1),
    "500 lines of 4,000": (lambda rng: (["GRAND OPENING"], [text(rng, 4_000)] * 499 + ["GRAND OPENING"]), False, 1),
    "20,000 lines": (
        lambda rng: (["GRAND OPENING"], [text(rng, 8) for _ in range(20_000)] + ["GRAND OPENING"]),
        False,
        1,
    ),
    "one letter over and over": (lambda _: (["AAAA A A", "A A A", "A " * 30], ["A " * 24] * 200), True, 3),
    "joins everywhere": (lambda _: (["a1b2c3d4" * 10, "a1a1", "1b"], ["a1b2" * 4_900]), False, 2),
    "1,000 targets, a tenth wrong": (lambda rng: many(rng, 1_000, 0.1), False, 232),
}
"""What is drawn and read; whether every way to match them is compared; how many targets are found."""


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", HARD)
def test_work_is_bounded_and_what_was_cut_short_is_flagged(name: str) -> None:
    """Each takes under a second (benchmarks/scoring.py); without bounds they would take hours."""
    make, exact_search, found = HARD[name]
    targets, texts = make(random.Random(7))
    lines = [
        TextLine(text=line, polygon=((0, 50.0 * i), (900, 50.0 * i), (900, 50.0 * i + 40), (0, 50.0 * i + 40)))
        for i, line in enumerate(texts)
    ]
    score = score_image(targets, lines)
    assert score.exact_search is exact_search
    assert sum(row.matched for row in score.targets) == found


@pytest.mark.parametrize("rate", [0.0, 0.1])
def test_a_long_target_is_found_and_proven(rate: float) -> None:
    targets, texts = long(random.Random(3), rate)
    score = score_image(targets, [TextLine(text=line) for line in texts])
    assert score.exact_search
    assert count(score).edits == sum(a != b for a, b in zip(targets[0], " ".join(texts), strict=True))


def test_equal_targets_each_take_a_line() -> None:
    targets, texts = equal(100, "GRAND OPENIMG")
    score = score_image(targets, [TextLine(text=line) for line in texts])
    assert score.exact_search
    assert [row.substitutions for row in score.targets] == [1] * 100
    assert sorted(row.spans[0].line for row in score.targets) == list(range(100))
    assert count(score).duplicate_length == 1_200


def test_a_target_beside_too_much_text_is_still_found_and_the_rest_is_counted() -> None:
    """Lines in which a target stands are searched first; the others are other text, and the score says so."""
    lines = [TextLine(text="word " * 10_000) for _ in range(20)] + [TextLine(text="GRAND OPENING")]
    score = score_image(["GRAND OPENING"], lines)
    assert score.targets[0].exact
    assert not score.exact_search
    assert count(score).other_length == 20 * 40_000
