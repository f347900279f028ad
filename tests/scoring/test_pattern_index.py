from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.scoring.pattern_index import PatternIndex


def sellers(pattern: str, text: str) -> list[int]:
    """The recurrence, row by row (Sellers 1980)."""
    column = list(range(len(pattern) + 1))
    found = [column[-1]]
    for character in text:
        following = [0]
        for index, wanted in enumerate(pattern):
            following.append(min(column[index] + (wanted != character), column[index + 1] + 1, following[index] + 1))
        column = following
        found.append(column[-1])
    return found


letters = st.text(alphabet="abcd", max_size=20)
patterns = st.lists(st.text(alphabet="abc", min_size=1, max_size=12), min_size=1, max_size=5)


@settings(deadline=None)
@given(patterns=patterns, text=letters)
def test_agrees_with_the_recurrence(patterns: list[str], text: str) -> None:
    ending, starting = PatternIndex(patterns).distances(text)
    assert ending.tolist() == [sellers(pattern, text) for pattern in patterns]
    assert starting.tolist() == [sellers(pattern[::-1], text[::-1])[::-1] for pattern in patterns]


def test_patterns_longer_than_a_machine_word() -> None:
    pattern = "abcdefghij" * 20
    ending, starting = PatternIndex([pattern, "x"]).distances("yy" + pattern[:-1] + "zyy")
    assert ending[0].min() == 1
    assert starting[0].argmin() == 2
    assert ending[1].min() == 1
