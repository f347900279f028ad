"""Bounds from a known range, against Clopper and Pearson's, by hand and by simulation."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from evalsuite.stats import Gaffke, gaffke_bounds
from evalsuite.stats.gaffke import pseudo_length

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
    assert found == pytest.approx(clopper_pearson(right, n, ALPHA), abs=1e-6)


@pytest.mark.parametrize(("least", "most"), [(-1.0, 1.0), (0.25, 4.0), (-3.0, -1.0)])
def test_the_range_shifts_and_stretches_them(least, most):
    share = np.array([0.0, 0.1, 0.4, 1.0, 0.8])
    ones = np.ones(5)
    unit = gaffke_bounds(share, ones, ALPHA, least=0.0, most=1.0)
    moved = gaffke_bounds(least + (most - least) * share, ones, ALPHA, least=least, most=most)
    assert moved == pytest.approx([least + (most - least) * end for end in unit], abs=1e-6)


def test_one_prompt_by_hand():
    # L is the α-quantile of w·x with w even over [0, 1]; U that of w·x + (1 - w)·1 at 1 - α.
    found = gaffke_bounds(np.array([18.0]), np.array([24.0]), ALPHA, least=0.0, most=1.0)
    assert found == pytest.approx((ALPHA * 0.75, 1 - ALPHA * 0.25), abs=1e-6)


def test_prompts_that_agree_by_hand():
    # Each has 0.8: L = 0.8 (1 - w₀) and U = 0.8 + 0.2 w₀, where 1 - w₀ has the quantile α^(1/n) at α.
    kept = ALPHA ** (1 / 6)
    found = gaffke_bounds(np.full(6, 0.8), np.ones(6), ALPHA, least=0.0, most=1.0)
    assert found == pytest.approx((0.8 * kept, 1 - 0.2 * kept), abs=1e-6)


def test_the_bound_of_a_ratio_solves_that_of_a_mean():
    num, den = np.array([9.0, 20, 7, 28, 10]), np.array([10.0, 20, 10, 30, 10])
    low, high = gaffke_bounds(num, den, ALPHA, least=0.0, most=1.0)
    # At θ = L the draws of num - θ den, worst value -θ d, lie below zero with probability α; at U they mirror it.
    # d = (10² + 20² + 10² + 30² + 10²) / 80 = 20.
    assert pseudo_length(den) == 20
    weights = np.random.default_rng(11).dirichlet(np.ones(6), size=200_000)
    for theta, worst, share in ((low, 0.0, ALPHA), (high, 1.0, 1 - ALPHA)):
        draws = weights[:, 1:] @ (num - theta * den) + weights[:, 0] * (worst - theta) * 20
        assert (draws <= 0).mean() == pytest.approx(share, abs=0.002)


def test_p_values_are_the_bounds_inverted():
    found = Gaffke(np.array([0.2, 0.9, 0.4, 1.0]), np.ones(4), 0.0, 1.0)
    for alpha in (0.01, 0.05, 0.3):
        assert found.p_above(found.lower(alpha)) == pytest.approx(alpha, abs=1e-6)
        assert found.p_below(found.upper(alpha)) == pytest.approx(alpha, abs=1e-6)
    with pytest.raises(ValueError, match="not between 0 and 1"):
        found.lower(0.0)


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
        low, high = gaffke_bounds(*draw(rng, n), 0.05, least=0.0, most=1.0)
        held += low <= truth <= high
    assert held / 600 > 0.9 - 3 * (0.9 * 0.1 / 600) ** 0.5


shares = st.lists(st.tuples(st.integers(0, 12), st.integers(1, 12)), min_size=1, max_size=12)


@settings(deadline=None, max_examples=40)
@given(shares, st.floats(0.01, 0.49))
def test_bounds_lie_in_range_and_around_the_estimate(pairs, alpha):
    num, den = np.array([(min(a, b), b) for a, b in pairs], dtype=float).T
    low, high = gaffke_bounds(num, den, alpha, least=0.0, most=1.0)
    assert 0 <= low <= num.sum() / den.sum() <= high <= 1


@settings(deadline=None, max_examples=40)
@given(shares)
def test_the_order_of_prompts_is_no_matter(pairs):
    num, den = np.array([(min(a, b), b) for a, b in pairs], dtype=float).T
    one = gaffke_bounds(num, den, ALPHA, least=0.0, most=1.0)
    assert gaffke_bounds(num[::-1], den[::-1], ALPHA, least=0.0, most=1.0) == one


def test_more_prompts_of_the_kind_narrow_them():
    num, den = np.array([1.0, 0.5]), np.ones(2)
    once, tenfold = Gaffke(num, den, 0.0, 1.0), Gaffke(num, den, 0.0, 1.0, times=10)
    assert once.lower(0.05) < tenfold.lower(0.05) < 0.75 < tenfold.upper(0.05) < once.upper(0.05)
    assert tenfold.lower(0.05) == Gaffke(np.repeat(num, 10), np.ones(20), 0.0, 1.0).lower(0.05)


def test_nothing_heavy_is_loaded_for_an_interval():
    code = (
        "import sys; from evalsuite.stats import mean_interval; mean_interval([1.0] * 6, bounds=(0.0, 1.0)); "
        "mean_interval([1.0, 0.5, 0.7, 0.2, 0.4, 0.8]); "
        "print([name for name in ('scipy', 'torch', 'PIL', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
