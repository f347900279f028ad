from __future__ import annotations

import random
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from evalsuite.scoring import packing
from evalsuite.scoring.packing import Packing, gain, greedy, pack
from evalsuite.scoring.pieces import Candidate, Chain, Line

WIDTH = 6
LINES = 3
CHAIN = Chain([Line("x" * WIDTH, "x" * WIDTH, row * (WIDTH + 1), (0,), (WIDTH,)) for row in range(LINES)])

Order = tuple[int, int, int, int]


def candidate(target: int, start: int, end: int, distance: int, case: int = 0) -> Candidate:
    return Candidate(target, CHAIN, start, end, distance, case, CHAIN.mask(start, end))


def order(chosen: tuple[Candidate, ...], lengths: list[int]) -> Order:
    """What a packing is judged by, most important first."""
    return (
        sum(gain(c, lengths[c.target]) for c in chosen),
        sum(lengths[c.target] - c.distance for c in chosen),
        -sum(c.case for c in chosen),
        -sum(c.lines for c in chosen),
    )


def is_packing(chosen: tuple[Candidate, ...]) -> bool:
    units = [unit for c in chosen for unit in c.units]
    return len(set(units)) == len(units) and len({c.target for c in chosen}) == len(chosen)


def best_of_all(candidates: list[Candidate], lengths: list[int]) -> Order:
    options = [[None, *(c for c in candidates if c.target == target)] for target in range(len(lengths))]
    choices = (tuple(c for c in choice if c) for choice in product(*options))
    return max(order(choice, lengths) for choice in choices if is_packing(choice))


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[Candidate], list[int]]:
    lengths = draw(st.lists(st.integers(1, 8), min_size=1, max_size=4))
    found = []
    for target, length in enumerate(lengths):
        for _ in range(draw(st.integers(0, 5))):
            start = draw(st.integers(0, WIDTH * LINES - 1))
            end = draw(st.integers(start + 1, min(start + 9, WIDTH * LINES)))
            distance = draw(st.integers(abs(length - (end - start)), max(length, end - start)))
            found.append(candidate(target, start, end, distance, draw(st.integers(0, 2))))
    return found, lengths


def check(result: Packing, candidates: list[Candidate], lengths: list[int]) -> None:
    assert result.exact
    assert is_packing(result.chosen)
    assert order(result.chosen, lengths) == best_of_all(candidates, lengths)


@settings(max_examples=300, deadline=None)
@given(problems())
def test_agrees_with_all_choices(problem: tuple[list[Candidate], list[int]]) -> None:
    check(pack(*problem), *problem)


@settings(max_examples=200, deadline=None)
@given(problems())
def test_highs_agrees_with_all_choices(problem: tuple[list[Candidate], list[int]]) -> None:
    """The last stage alone; it breaks ties by accuracy only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "MERGE_LIMIT", 0)
        result = pack(*problem)
    assert result.exact
    assert is_packing(result.chosen)
    assert order(result.chosen, problem[1])[:2] == best_of_all(*problem)[:2]


def test_weights_beyond_64_bits() -> None:
    """Very long targets: the weights are Python integers, and still exact."""
    lengths = [10**7, 10**7, 10**7]
    found = [candidate(t, s, s + 3, 10**7 - 3 + (t != s)) for t in range(3) for s in (0, 1, 2)]
    check(pack(found, lengths), found, lengths)


def hard(seed: int, targets: int = 12, lines: int = 60) -> tuple[list[Candidate], list[int]]:
    """A price list: every target is like every line, few are right, and some lines are missing."""
    rng = random.Random(seed)
    chain = Chain([Line("x" * 5, "x" * 5, row * 6, (0,), (5,)) for row in range(lines)])
    found = []
    for target in range(targets):
        for row in rng.sample(range(lines), lines // 2):
            start = row * 5
            distance = 0 if row == target % (targets // 2) else rng.choice((1, 1, 2))
            found.append(Candidate(target, chain, start, start + 5, distance, 0, chain.mask(start, start + 5)))
    return found, [5] * targets


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_highs_on_a_price_list(seed: int) -> None:
    found, lengths = hard(seed, targets=12, lines=8)
    units = sorted({unit for c in found for unit in c.units})
    uses = np.array([[unit in set(c.units) for c in found] for unit in units], dtype=float)
    owns = np.array([[c.target == target for c in found] for target in range(12)], dtype=float)
    answer = milp(
        -np.array([gain(c, 5) for c in found]),
        constraints=LinearConstraint(np.vstack([uses, owns]), -np.inf, 1),
        integrality=np.ones(len(found)),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 0},
    )
    result = pack(found, lengths)
    assert result.exact
    assert is_packing(result.chosen)
    assert sum(gain(c, 5) for c in result.chosen) == round(-answer.fun)


@pytest.mark.parametrize("limit", ["NODE_LIMIT", "OPTION_LIMIT"])
def test_too_large_to_be_proven_is_flagged_and_still_a_packing(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    found, lengths = tangle()
    with monkeypatch.context() as patch:
        patch.setattr(packing, limit, 0)
        result = pack(found, lengths, node_limit=packing.NODE_LIMIT)
    assert not result.exact
    assert is_packing(result.chosen)
    assert order(result.chosen, lengths) >= order(greedy(found, lengths).chosen, lengths)
    proven = pack(found, lengths)
    assert proven.exact
    assert order(proven.chosen, lengths) >= order(result.chosen, lengths)


def tangle() -> tuple[list[Candidate], list[int]]:
    """Many targets that all want overlapping pieces of one line: more than merging can settle."""
    rng = random.Random(1)
    chain = Chain([Line("x" * 60, "x" * 60, 0, (0,), (60,))])
    found = []
    for target in range(14):
        for _ in range(40):
            start = rng.randrange(52)
            end = start + rng.choice((3, 4, 5, 6, 7, 8))
            found.append(Candidate(target, chain, start, end, rng.choice((0, 1, 2, 3)), 0, chain.mask(start, end)))
    return found, [6] * 14


def test_nothing_to_pack() -> None:
    assert pack([], [4, 5]) == Packing((), exact=True)
    assert pack([], []) == Packing((), exact=True)


def test_equal_gain_falls_to_accuracy_then_case_then_lines() -> None:
    lengths = [4]
    long, exact = candidate(0, 0, 6, 2), candidate(0, 0, 4, 0)
    assert gain(long, 4) == gain(exact, 4)
    assert pack([long, exact], lengths).chosen == (exact,)
    wrong_case, right_case = candidate(0, 0, 4, 0, case=1), candidate(0, 12, 16, 0)
    assert pack([wrong_case, right_case], lengths).chosen == (right_case,)
    broken, whole = candidate(0, 4, 8, 0), candidate(0, 12, 16, 0)
    assert pack([broken, whole], lengths).chosen == (whole,)
