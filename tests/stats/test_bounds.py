"""One-sided bounds against independent computations: hand-worked cases, full enumeration, SciPy."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evalsuite.stats import Gaffke, resampling
from evalsuite.stats.bounds import compare

ALPHA = 0.05


def enumerated_bounds(diff, den, alpha):
    """Bootstrap-t bounds from all n^n resamples, each as likely as the next: no random numbers, no shared code."""
    n = len(diff)
    ratio = sum(diff) / sum(den)

    def error(d, q, r):
        residual = [x - r * y for x, y in zip(d, q, strict=True)]
        return (n / (n - 1) * sum(e * e for e in residual)) ** 0.5 / sum(q)

    pivots = []
    for picks in product(range(n), repeat=n):
        d, q = [diff[i] for i in picks], [den[i] for i in picks]
        shift, spread = sum(d) / sum(q) - ratio, error(d, q, sum(d) / sum(q))
        if spread > 1e-9:  # a resample without spread says nothing of it
            pivots.append(shift / spread)
    pivots.sort()
    spread = error(diff, den, ratio)
    low = pivots[int(np.ceil((1 - alpha) * len(pivots))) - 1]
    high = pivots[int(np.floor(alpha * len(pivots)))]
    return ratio - low * spread, ratio - high * spread


def gaffke(diff, den=None):
    diff = np.array(diff)
    return Gaffke(diff, np.ones_like(diff) if den is None else np.array(den), -1.0, 1.0)


# Six prompts: 46,656 resamples.
SIX = [-0.30, -0.11, -0.04, 0.02, 0.05, -0.17]
SIZES = [10.0, 24.0, 15.0, 40.0, 12.0, 31.0]


@pytest.mark.parametrize("den", [[1.0] * 6, SIZES], ids=["mean", "ratio"])
@pytest.mark.parametrize("alpha", [0.2, 0.1])
def test_the_more_cautious_of_both_bounds_counts(den, alpha):
    """The studentised bounds from all resamples, Gaffke's from its own tests."""
    diff = [d * q for d, q in zip(SIX, den, strict=True)]
    found = compare(diff, None if den[0] == den[1] else den, replicates=99_999)
    assert found.method == "Gaffke and studentised bootstrap"
    low, high = enumerated_bounds(diff, den, alpha)
    assert found.lower(alpha) == pytest.approx(max(min(low, gaffke(diff, den).lower(alpha)), -1), abs=0.02)
    assert found.upper(alpha) == pytest.approx(min(max(high, gaffke(diff, den).upper(alpha)), 1), abs=0.02)


def test_a_spread_alone_never_passes():
    """All lose 0.018 and none of the few that break is seen: bootstrap-t is sure, and wrong in half of the cases."""
    diff = -0.018 + 1e-4 * np.sin(np.arange(160))
    found = compare(diff)
    spread = found.standard_error
    assert diff.mean() - 3 * spread > -0.02
    assert found.lower(ALPHA) == gaffke(diff).lower(ALPHA) < -0.03
    assert found.p_above(-0.02) > 0.5


def test_a_ratio_over_equal_denominators_is_the_mean():
    diff = np.random.default_rng(3).normal(-0.02, 0.1, 40)
    mean, ratio = compare(diff), compare(diff * 7, np.full(40, 7.0))
    for alpha in (0.01, 0.05, 0.3):
        assert ratio.lower(alpha) == pytest.approx(mean.lower(alpha), rel=1e-9)
        assert ratio.upper(alpha) == pytest.approx(mean.upper(alpha), rel=1e-9)
    assert ratio.standard_error == pytest.approx(stats.sem(diff))
    assert mean.standard_error == pytest.approx(stats.sem(diff))


def test_on_many_even_differences_the_pivots_are_students_and_scipys():
    diff = np.random.default_rng(1).normal(-0.03, 0.08, 300).clip(-1, 1)
    least, greatest = resampling.pivots((diff - diff.mean())[None])
    assert (least == greatest).all()
    own = diff.mean() - np.quantile(least[0], [1 - ALPHA, ALPHA]) * stats.sem(diff)
    student = diff.mean() + stats.t.ppf([ALPHA, 1 - ALPHA], 299) * stats.sem(diff)
    assert own == pytest.approx(student, abs=0.0006)
    other = stats.bootstrap((diff,), np.mean, confidence_level=0.9, n_resamples=9_999, method="BCa", rng=5)
    assert own == pytest.approx(other.confidence_interval, abs=0.0006)
    # Gaffke's bounds are those of the range, so they lie further out.
    found = compare(diff)
    assert found.lower(ALPHA) < own[0] < own[1] < found.upper(ALPHA)


def test_with_ever_more_prompts_the_range_costs_nothing():
    diff = np.random.default_rng(1).normal(-0.03, 0.2, 20_000).clip(-1, 1)
    student = diff.mean() + stats.t.ppf([ALPHA, 1 - ALPHA], 19_999) * stats.sem(diff)
    found = gaffke(diff)
    assert [found.lower(ALPHA), found.upper(ALPHA)] == pytest.approx(student, abs=1e-4)


def test_replicate_means_are_those_of_scipy():
    diff = np.random.default_rng(2).beta(1, 6, 30) - 0.2
    own = resampling.resample_counts(30) @ diff / 30
    theirs = stats.bootstrap((diff,), np.mean, n_resamples=9_999, method="percentile", rng=5).bootstrap_distribution
    assert stats.ks_2samp(own, theirs).pvalue > 0.01


@pytest.mark.parametrize(("broken", "n"), [(0, 40), (1, 40), (3, 160), (9, 100), (9, 300), (40, 300)])
def test_on_two_values_no_bound_is_tighter_than_that_of_clopper_and_pearson(broken, n):
    diff = np.zeros(n)
    diff[:broken] = -1.0
    exact = stats.binomtest(broken, n, alternative="less").proportion_ci(1 - ALPHA, method="exact")
    assert -gaffke(diff).lower(ALPHA) == pytest.approx(exact.high, abs=1e-6)
    assert -compare(diff).lower(ALPHA) >= exact.high - 1e-6


def test_one_prompt_by_hand():
    # One prompt without a difference: L is the α-quantile of -w₀ with w₀ even over [0, 1], so α - 1.
    found = compare([0.0])
    assert found.lower(ALPHA) == pytest.approx(ALPHA - 1)
    assert found.upper(ALPHA) == pytest.approx(1 - ALPHA)
    # D = -0.5: -w₀ - (1 - w₀) / 2 = -(1 + w₀) / 2.
    assert compare([-0.5]).lower(ALPHA) == pytest.approx(-(2 - ALPHA) / 2)


def test_the_ratio_bound_solves_that_of_the_mean():
    diff, den = np.array([-4.0, 0, 0, -1, 0, 2, 0, 0]), np.array([4.0, 9, 3, 7, 5, 6, 2, 8])
    lower = gaffke(diff, den).lower(ALPHA)
    # At θ = L the draws of diff - θ den, with one prompt of Σd²/Σd = 284/44 at its worst, are below zero as often as α.
    rng = np.random.default_rng(11)
    weights = rng.dirichlet(np.ones(9), size=200_000)
    shifted = weights[:, 1:] @ (diff - lower * den) - weights[:, 0] * (1 + lower) * 284 / 44
    assert (shifted <= 0).mean() == pytest.approx(ALPHA, abs=0.003)


def test_no_difference_at_all_needs_ln_alpha_over_ln_one_minus_delta_prompts():
    for n in (60, 148, 149):
        assert compare(np.zeros(n)).lower(ALPHA) == pytest.approx(-(1 - ALPHA ** (1 / n)))
    assert compare(np.zeros(148)).lower(ALPHA) < -0.02 < compare(np.zeros(149)).lower(ALPHA)


def test_equal_losses_have_no_spread_and_take_the_range_alone():
    found = compare(np.full(50, -0.1))
    assert (found.method, found.standard_error) == ("Gaffke", pytest.approx(0, abs=1e-12))
    # -w₀ - 0.1 (1 - w₀), where w₀ has the quantile 1 - α^(1/50) at 1 - α.
    assert found.lower(ALPHA) == pytest.approx(-0.1 - 0.9 * (1 - ALPHA ** (1 / 50)))


@pytest.mark.parametrize("last", [0.0, -2e-12, -1e-6, -0.002])
def test_the_tenth_prompt_that_differs_is_no_cliff(last):
    diff = np.zeros(160)
    diff[:9] = -0.05
    nine = compare(diff)
    diff[9] = last
    ten = compare(diff)
    assert ten.lower(ALPHA) == pytest.approx(nine.lower(ALPHA), abs=1e-4)
    assert ten.upper(ALPHA) == pytest.approx(nine.upper(ALPHA), abs=1e-4)


def test_replicates_without_spread_are_infinite():
    # One of eleven prompts is broken, the others lost 0.1: a replicate without it has no spread and lies above.
    diff = np.full(11, -0.1)
    diff[0] = -1.0
    errors = (diff - diff.mean())[None]
    least, greatest = resampling.pivots(errors)
    without = resampling.resample_counts(11)[:, 0] == 0
    assert np.isposinf(greatest[0][without]).all()
    assert np.isposinf(least[0][without]).all()
    assert np.isfinite(greatest[0][~without & (resampling.resample_counts(11)[:, 0] < 11)]).all()
    # What is not seen is the range's business: the bound stands on the replicates that have a spread.
    assert compare(diff).lower(ALPHA) == pytest.approx(gaffke(diff).lower(ALPHA))


def test_silent_replicates_count_against_either_bound():
    # -1, 0 × 10, +1: a replicate of zeros alone has neither shift nor spread.
    errors = np.array([[-1.0, *[0.0] * 10, 1.0]])
    least, greatest = resampling.pivots(errors)
    silent = (resampling.resample_counts(12)[:, 0] == 0) & (resampling.resample_counts(12)[:, 11] == 0)
    assert silent.any()
    assert np.isneginf(least[0][silent]).all()
    assert np.isposinf(greatest[0][silent]).all()
    assert (least[0][~silent] == greatest[0][~silent]).all()


def test_the_same_data_give_the_same_bounds_in_any_order():
    rng = np.random.default_rng(8)
    diff, den = rng.normal(0, 0.1, 50).clip(-1, 1), rng.integers(1, 9, 50).astype(float)
    for sizes in (None, den):
        values = diff if sizes is None else diff * den
        once = compare(values, sizes)
        for _ in range(5):
            order = rng.permutation(50)
            again = compare(values[order], None if sizes is None else sizes[order])
            assert [again.lower(ALPHA), again.upper(ALPHA)] == [once.lower(ALPHA), once.upper(ALPHA)]
            assert again.p_above(-0.02) == once.p_above(-0.02)


differences = st.lists(
    st.one_of(st.just(0.0), st.floats(-1, 1, allow_nan=False, allow_subnormal=False)), min_size=1, max_size=40
)


def near(bound, theta, end):
    """At the end of the range, or so near to θ that rounding decides."""
    return bound == end or abs(bound - theta) < 1e-6


@settings(deadline=None, max_examples=40)
@given(differences, st.floats(0.001, 0.4), st.floats(-0.99, 0.99))
def test_bounds_and_p_values_agree_and_hold_their_order(diff, alpha, theta):
    found = compare(diff, replicates=999)
    assert -1 <= found.lower(alpha) <= found.upper(alpha) <= 1 or alpha > 0.3
    assert found.lower(alpha) <= found.lower(min(0.49, alpha * 1.2))
    assert (found.lower(alpha) > theta) == (found.p_above(theta) <= alpha) or near(found.lower(alpha), theta, -1)
    assert (found.upper(alpha) < theta) == (found.p_below(theta) <= alpha) or near(found.upper(alpha), theta, 1)
    mirrored = compare([-d for d in diff], replicates=999)
    assert mirrored.estimate == pytest.approx(-found.estimate, abs=1e-12)
    assert mirrored.method == found.method


@pytest.mark.parametrize(
    ("diff", "den", "message"),
    [
        ([], None, "one difference and one denominator"),
        ([0.1, float("nan")], None, "finite"),
        ([0.1, float("inf")], None, "finite"),
        ([1.5], None, "no difference greater"),
        ([0.1, 0.2], [1.0], "one difference and one denominator"),
        ([0.0], [0.0], "positive"),
    ],
)
def test_what_cannot_be_compared_is_refused(diff, den, message):
    with pytest.raises(ValueError, match=message):
        compare(diff, den)


def test_a_level_outside_its_range_is_refused():
    with pytest.raises(ValueError, match="not between 0 and 1"):
        compare([0.0]).lower(0.0)
