"""Bounds from a known range, against Clopper and Pearson's, by hand and by simulation."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from evalsuite.stats import gaffke_bounds, mean_interval, ratio_interval
from evalsuite.stats.gaffke import gaffke_draws

ALPHA = 0.025


def clopper_pearson(right: int, n: int, alpha: float) -> tuple[float, float]:
    """Exact one-sided bounds for a share, from the beta distribution."""
    low = scipy_stats.beta.ppf(alpha, right, n - right + 1) if right else 0.0
    return low, scipy_stats.beta.ppf(1 - alpha, right + 1, n - right) if right < n else 1.0


@pytest.mark.parametrize(("right", "n"), [(0, 1), (1, 1), (2, 3), (6, 6), (0, 6), (19, 20), (3, 40), (160, 160)])
@pytest.mark.parametrize("size", [1.0, 7.0])
def test_on_two_values_they_are_those_of_clopper_and_pearson(right, n, size):
    num = np.repeat([size, 0.0], [right, n - right])
    found = gaffke_bounds(num, np.full(n, size), ALPHA, least=0.0, most=1.0)
    assert found == pytest.approx(clopper_pearson(right, n, ALPHA), abs=0.002)


@pytest.mark.parametrize(("least", "most"), [(-1.0, 1.0), (0.25, 4.0), (-3.0, -1.0)])
def test_the_range_shifts_and_stretches_them(least, most):
    share = np.array([0.0, 0.1, 0.4, 1.0, 0.8])
    ones = np.ones(5)
    unit = gaffke_bounds(share, ones, ALPHA, least=0.0, most=1.0, draws=999)
    moved = gaffke_bounds(least + (most - least) * share, ones, ALPHA, least=least, most=most, draws=999)
    assert moved == pytest.approx([least + (most - least) * end for end in unit])


def test_one_prompt_by_hand():
    # L is the α-quantile of w·x with w even over [0, 1]; U that of w·x + (1 - w)·1 at 1 - α.
    found = gaffke_bounds(np.array([18.0]), np.array([24.0]), ALPHA, least=0.0, most=1.0)
    assert found == pytest.approx((ALPHA * 0.75, 1 - ALPHA * 0.25), abs=0.001)


def test_prompts_that_agree_by_hand():
    # Each has 0.8: L = 0.8 (1 - w₀) and U = 0.8 + 0.2 w₀, where 1 - w₀ has the quantile α^(1/n) at α.
    kept = ALPHA ** (1 / 6)
    found = gaffke_bounds(np.full(6, 0.8), np.ones(6), ALPHA, least=0.0, most=1.0)
    assert found == pytest.approx((0.8 * kept, 1 - 0.2 * kept), abs=0.003)


def test_the_bound_of_a_ratio_solves_that_of_a_mean():
    num, den = np.array([9.0, 20, 7, 28, 10]), np.array([10.0, 20, 10, 30, 10])
    low, high = gaffke_bounds(num, den, ALPHA, least=0.0, most=1.0)
    # At θ = L the draws of num - θ den, worst value -θ d, lie below zero with probability α; at U they mirror it.
    weights = np.random.default_rng(11).dirichlet(np.ones(6), size=200_000)
    for theta, worst, share in ((low, 0.0, ALPHA), (high, 1.0, 1 - ALPHA)):
        draws = weights[:, 1:] @ (num - theta * den) + weights[:, 0] * (worst - theta) * 30
        assert (draws <= 0).mean() == pytest.approx(share, abs=0.002)


def test_a_level_that_the_draws_are_too_few_for_leaves_the_range():
    assert gaffke_bounds(np.array([0.5]), np.ones(1), 0.001, least=0.0, most=1.0, draws=99) == (0.0, 1.0)


def perfect_but_for_a_few(rng, n):
    den = np.full(n, 5.0)
    return den * (rng.random(n) < 0.95), den


def skewed_and_continuous(rng, n):
    return rng.beta(4.5, 0.5, n), np.ones(n)


def strings_of_many_lengths(rng, n):
    den = rng.integers(5, 31, n).astype(float)
    return rng.binomial(den.astype(int), rng.beta(9.0, 1.0, n)).astype(float), den


@pytest.mark.parametrize(
    ("draw", "n", "truth"),
    [
        (perfect_but_for_a_few, 4, 0.95),
        (perfect_but_for_a_few, 12, 0.95),
        (skewed_and_continuous, 3, 0.9),
        (skewed_and_continuous, 10, 0.9),
        (strings_of_many_lengths, 4, 0.9),
        (strings_of_many_lengths, 12, 0.9),
    ],
)
def test_they_hold_the_truth_as_often_as_they_say(draw, n, truth):
    """90 % by two bounds at 5 %: 600 samples each; three standard errors of chance are allowed."""
    rng = np.random.default_rng(n)
    held = 0
    for _ in range(600):
        low, high = gaffke_bounds(*draw(rng, n), 0.05, least=0.0, most=1.0, draws=499)
        held += low <= truth <= high
    assert held / 600 > 0.9 - 3 * (0.9 * 0.1 / 600) ** 0.5


shares = st.lists(st.tuples(st.integers(0, 12), st.integers(1, 12)), min_size=1, max_size=12)


@given(shares, st.floats(0.5, 0.99))
def test_an_interval_of_a_bounded_rate_is_there_in_range_and_around_its_estimate(pairs, level):
    num, den = [min(a, b) for a, b in pairs], [b for _, b in pairs]
    found = ratio_interval(num, den, level=level, replicates=199, bounds=(0.0, 1.0))
    assert 0 <= found.low <= found.high <= 1
    if found.method == "Gaffke":
        assert found.low <= found.estimate <= found.high


@given(shares)
def test_the_order_of_prompts_is_no_matter(pairs):
    num, den = np.array([(min(a, b), b) for a, b in pairs], dtype=float).T
    one = gaffke_bounds(num, den, ALPHA, least=0.0, most=1.0, draws=199)
    assert gaffke_bounds(num[::-1], den[::-1], ALPHA, least=0.0, most=1.0, draws=199) == pytest.approx(one)


def test_more_prompts_of_the_kind_narrow_them():
    num, den = np.array([1.0, 0.5]), np.ones(2)
    once = gaffke_draws(num, den, least=0.0, most=1.0, draws=999)
    tenfold = gaffke_draws(num, den, least=0.0, most=1.0, times=10, draws=999)
    assert once[0][49] < tenfold[0][49] < 0.75 < tenfold[1][-50] < once[1][-50]


def test_nothing_heavy_is_loaded_for_an_interval():
    code = (
        "import sys; from evalsuite.stats import mean_interval; mean_interval([1.0] * 6, bounds=(0.0, 1.0)); "
        "mean_interval([1.0, 0.5, 0.7, 0.2, 0.4, 0.8]); "
        "print([name for name in ('scipy', 'torch', 'PIL', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- As intervals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "right"),
    [([1.0] * 3 + [0.0], 3), ([1.0], 1), ([1.0] * 6, 6), ([0.0] * 30, 0), ([1.0] * 19 + [0.0], 19)],
    ids=["too few", "one", "no spread", "none right", "too many replicates without spread"],
)
def test_an_interval_takes_them_where_the_bootstrap_cannot_be_had(values, right):
    found = mean_interval(values, bounds=(0.0, 1.0))
    assert found.method == "Gaffke"
    assert (found.estimate, found.n) == (right / len(values), len(values))
    assert (found.low, found.high) == pytest.approx(clopper_pearson(right, len(values), ALPHA), abs=0.003)


def test_half_a_range_is_not_enough():
    for bounds in ((0.0, None), (None, 1.0), (None, None)):
        found = mean_interval([1.0] * 6, bounds=bounds)
        assert (found.low, found.high, found.method) == (None, None, "none: no spread")


def test_an_end_that_a_prompt_lies_beyond_is_not_relied_on():
    """Accuracies below 0: nothing is cut there, and no bound starts from there."""
    few = mean_interval([-0.5, 1.0, 0.25], bounds=(0.0, 1.0))
    assert (few.low, few.high, few.method) == (None, None, "none: too few prompts")
    values = [-0.5, -0.2, -0.4, -0.1, 0.1, -0.3, 0.05, -0.25]
    free, found = mean_interval(values), mean_interval(values, bounds=(0.0, 1.0))
    assert found == free
    assert found.low < found.estimate < 0


def test_a_rounding_error_beyond_the_range_refutes_nothing():
    sums = [0.1 * 3 + 0.7, 1 + 1e-15, 1.0]
    found = ratio_interval(sums, [1.0] * 3, bounds=(0.0, 1.0))
    assert found.method == "Gaffke"
    assert found.high >= found.estimate
    assert found.high == pytest.approx(1.0)
