"""One-sided bounds against independent computations: hand-worked cases, full enumeration, SciPy."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, interpolate, stats

from evalsuite.stats import bounds, resampling
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
        if spread < 1e-9:
            spread = 0.0
        pivots.append(shift / spread if spread else np.copysign(np.inf, shift))
    pivots.sort()
    spread = error(diff, den, ratio)
    low = pivots[int(np.ceil((1 - alpha) * len(pivots))) - 1]
    high = pivots[int(np.floor(alpha * len(pivots)))]
    return ratio - low * spread, ratio - high * spread


# Six prompts: 46,656 resamples. Ten must differ for the bootstrap, so the test lowers that number.
SIX = [-0.30, -0.11, -0.04, 0.02, 0.05, -0.17]
SIZES = [10.0, 24.0, 15.0, 40.0, 12.0, 31.0]


@pytest.mark.parametrize("den", [[1.0] * 6, SIZES], ids=["mean", "ratio"])
@pytest.mark.parametrize("alpha", [0.2, 0.1])
def test_studentised_bounds_equal_those_of_all_resamples(monkeypatch, den, alpha):
    monkeypatch.setattr(bounds, "SPARSE", 2)
    diff = [d * q for d, q in zip(SIX, den, strict=True)]
    found = compare(diff, None if den[0] == den[1] else den, replicates=99_999)
    assert found.method == "studentised bootstrap"
    low, high = enumerated_bounds(diff, den, alpha)
    assert found.lower(alpha) == pytest.approx(max(low, -1), abs=0.02 * abs(low))
    assert found.upper(alpha) == pytest.approx(min(high, 1), abs=0.02)


def test_a_ratio_over_equal_denominators_is_the_mean():
    diff = np.random.default_rng(3).normal(-0.02, 0.1, 40)
    mean, ratio = compare(diff), compare(diff * 7, np.full(40, 7.0))
    for alpha in (0.01, 0.05, 0.3):
        assert ratio.lower(alpha) == pytest.approx(mean.lower(alpha), rel=1e-9)
        assert ratio.upper(alpha) == pytest.approx(mean.upper(alpha), rel=1e-9)
    assert ratio.standard_error == pytest.approx(stats.sem(diff))
    assert mean.standard_error == pytest.approx(stats.sem(diff))


def test_on_many_even_differences_the_bounds_are_students_and_scipys():
    diff = np.random.default_rng(1).normal(-0.03, 0.08, 300).clip(-1, 1)
    found = compare(diff)
    student = diff.mean() + stats.t.ppf([ALPHA, 1 - ALPHA], 299) * stats.sem(diff)
    assert [found.lower(ALPHA), found.upper(ALPHA)] == pytest.approx(student, abs=0.0006)
    other = stats.bootstrap((diff,), np.mean, confidence_level=0.9, n_resamples=9_999, method="BCa", rng=5)
    assert [found.lower(ALPHA), found.upper(ALPHA)] == pytest.approx(other.confidence_interval, abs=0.0006)


def test_replicate_means_are_those_of_scipy():
    diff = np.random.default_rng(2).beta(1, 6, 30) - 0.2
    own = resampling.resample_counts(30) @ diff / 30
    theirs = stats.bootstrap((diff,), np.mean, n_resamples=9_999, method="percentile", rng=5).bootstrap_distribution
    assert stats.ks_2samp(own, theirs).pvalue > 0.01


@pytest.mark.parametrize(("broken", "n"), [(0, 40), (1, 40), (3, 160), (9, 100), (9, 300)])
def test_on_two_values_the_sparse_bound_is_that_of_clopper_and_pearson(broken, n):
    diff = np.zeros(n)
    diff[:broken] = -1.0
    found = compare(diff)
    assert found.method == "Gaffke"
    exact = stats.binomtest(broken, n, alternative="less").proportion_ci(1 - ALPHA, method="exact")
    assert -found.lower(ALPHA) == pytest.approx(exact.high, abs=0.0008)
    # U knows only that D may reach +1: Clopper-Pearson for the share of intact prompts, between -1 and 1.
    weights = stats.beta(n - broken + 1, broken) if broken else None
    if weights is not None:
        draws = np.random.default_rng(0)
        intact, lost = draws.gamma(n - broken, size=400_000), draws.gamma(broken, size=400_000)
        extra = draws.exponential(size=400_000)
        mirror = np.quantile((extra - lost) / (intact + lost + extra), 1 - ALPHA)
        assert found.upper(ALPHA) == pytest.approx(mirror, abs=0.0012)


def test_one_prompt_by_hand():
    # One prompt without a difference: L is the α-quantile of -w₀ with w₀ even over [0, 1], so α - 1.
    found = compare([0.0])
    assert found.lower(ALPHA) == pytest.approx(ALPHA - 1, abs=0.002)
    assert found.upper(ALPHA) == pytest.approx(1 - ALPHA, abs=0.002)
    # D = -0.5: -w₀ - (1 - w₀) / 2 = -(1 + w₀) / 2.
    assert compare([-0.5]).lower(ALPHA) == pytest.approx(-(2 - ALPHA) / 2, abs=0.002)


@pytest.mark.parametrize("diff", [[-0.9, -0.3, 0.1, 0.4], [-1.0, -0.25, 0.0, 0.5, 0.75, -0.6, 0.2]])
def test_the_sparse_bound_is_the_quantile_of_a_b_spline(diff):
    # Σ wᵢ xᵢ with flat Dirichlet weights has the B-spline with knots xᵢ as its density (Curry and Schoenberg).
    found = compare(diff)
    for worst, bound, share in ((-1.0, found.lower(ALPHA), ALPHA), (1.0, found.upper(ALPHA), 1 - ALPHA)):
        knots = np.sort([worst, *diff])
        density = interpolate.BSpline.basis_element(knots, extrapolate=False)
        ends = np.unique([*knots, bound])
        pieces = [integrate.fixed_quad(density, a, b, n=8)[0] for a, b in pairwise(ends)]
        below = sum(piece for piece, end in zip(pieces, ends[1:], strict=True) if end <= bound)
        assert below / sum(pieces) == pytest.approx(share, abs=0.003)


def test_the_sparse_ratio_bound_solves_that_of_the_mean():
    diff, den = np.array([-4.0, 0, 0, -1, 0, 2, 0, 0]), np.array([4.0, 9, 3, 7, 5, 6, 2, 8])
    lower = compare(diff, den).lower(ALPHA)
    # At θ = L the mean's draws of (diff - θ den) / d, worst value -(1 + θ), lie below zero with probability α.
    rng = np.random.default_rng(11)
    weights = rng.dirichlet(np.ones(9), size=200_000)
    shifted = weights[:, 1:] @ (diff - lower * den) / 9 - weights[:, 0] * (1 + lower)
    assert (shifted <= 0).mean() == pytest.approx(ALPHA, abs=0.003)


def test_no_difference_at_all_needs_ln_alpha_over_ln_one_minus_delta_prompts():
    assert compare(np.zeros(149)).lower(ALPHA) > -0.02 - 3e-4
    assert compare(np.zeros(148)).lower(ALPHA) == pytest.approx(-(1 - ALPHA ** (1 / 148)), rel=0.02)
    assert compare(np.zeros(60)).lower(ALPHA) == pytest.approx(-(1 - ALPHA ** (1 / 60)), rel=0.02)


def test_equal_losses_have_no_spread_and_take_the_sparse_bound():
    found = compare(np.full(50, -0.1))
    assert (found.method, found.standard_error) == ("Gaffke", pytest.approx(0, abs=1e-12))
    # -w₀ - 0.1 (1 - w₀), where w₀ has the quantile 1 - α^(1/50) at 1 - α.
    assert found.lower(ALPHA) == pytest.approx(-0.1 - 0.9 * (1 - ALPHA ** (1 / 50)), abs=0.002)


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
    assert compare(diff).lower(ALPHA) == -1.0


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
    diff = np.random.default_rng(8).normal(0, 0.1, 50).clip(-1, 1)
    again = compare(diff)
    assert compare(diff).lower(ALPHA) == again.lower(ALPHA)
    sparse = np.array([0.0] * 30 + [-0.5, 0.25])
    assert compare(sparse).lower(ALPHA) == compare(sparse[::-1]).lower(ALPHA)


differences = st.lists(
    st.one_of(st.just(0.0), st.floats(-1, 1, allow_nan=False, allow_subnormal=False)), min_size=1, max_size=40
)


@given(differences, st.floats(0.001, 0.4), st.floats(-0.99, 0.99))
def test_bounds_and_p_values_agree_and_hold_their_order(diff, alpha, theta):
    found = compare(diff, replicates=999, draws=999)
    assert -1 <= found.lower(alpha) <= found.upper(alpha) <= 1 or alpha > 0.3
    assert found.lower(alpha) <= found.lower(min(0.49, alpha * 1.2))
    assert (found.lower(alpha) > theta) == (found.p_above(theta) <= alpha) or found.lower(alpha) == -1
    assert (found.upper(alpha) < theta) == (found.p_below(theta) <= alpha) or found.upper(alpha) == 1
    mirrored = compare([-d for d in diff], replicates=999, draws=999)
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
