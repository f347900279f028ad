from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from evalsuite import stats
from evalsuite.scoring.protocols.oneig import text_score
from evalsuite.stats.strata import Statistic, Stratum, components, interval, ratio

RATIO = ratio(0, 1)


def stratum(pairs, weight=1.0) -> Stratum:
    return Stratum(np.array(pairs, dtype=float), RATIO, weight)


PAIRS = [(9, 10), (20, 20), (7, 10), (28, 30), (10, 10), (13, 15), (5, 8)]


def test_a_single_ratio_has_the_interval_of_the_suite():
    expected = stats.ratio_interval([a for a, _ in PAIRS], [b for _, b in PAIRS], replicates=999)
    found = interval([stratum(PAIRS)], replicates=999)
    assert (found.estimate, found.low, found.high) == pytest.approx((expected.estimate, expected.low, expected.high))
    assert (found.n, found.method) == (7, "studentised bootstrap")


def test_the_average_of_two_strata_is_unweighted_by_their_sizes():
    small, large = [(1, 2)] * 4 + [(2, 2)], [(90, 100)] * 5 + [(80, 100)]
    found = interval([stratum(small, 0.5), stratum(large, 0.5)], replicates=999)
    assert found.estimate == pytest.approx((6 / 10 + 530 / 600) / 2)
    assert found.n == 11


def test_a_stratum_that_does_not_vary_adds_nothing_to_the_width():
    varied = interval([stratum(PAIRS)], replicates=999)
    halved = interval([stratum(PAIRS, 0.5), stratum([(10, 10)] * 6, 0.5)], replicates=999)
    assert halved.high - halved.low == pytest.approx((varied.high - varied.low) / 2)


@pytest.mark.parametrize(
    ("strata", "method", "estimate"),
    [
        ([], "none: no data", None),
        ([stratum([(0, 0)] * 6)], "none: no data", None),
        ([stratum(PAIRS[:4])], "none: too few prompts", 64 / 70),
        ([stratum(PAIRS, 0.5), stratum([(1, 1)] * 4, 0.5)], "none: too few prompts", None),
        ([stratum([(10, 10)] * 6)], "none: no spread", 1.0),
    ],
)
def test_where_there_is_no_interval_it_says_why(strata, method, estimate):
    found = interval(strata, replicates=99)
    assert (found.method, found.low, found.high) == (method, None, None)
    if estimate is not None:
        assert found.estimate == pytest.approx(estimate)


SHARE = ratio(0, 1, bounds=(0.0, 1.0))


def test_one_stratum_has_the_interval_of_the_suite_where_the_range_is_known():
    for pairs in (PAIRS[:3], PAIRS, [(10, 10)] * 6, [(0, 4), (0, 4), (3, 3)]):
        expected = stats.ratio_interval([a for a, _ in pairs], [b for _, b in pairs], bounds=(0.0, 1.0))
        assert expected.method == "Bayesian bootstrap"
        assert interval([Stratum(np.array(pairs, dtype=float), SHARE)]) == expected


def test_strata_have_weights_of_their_own():
    """Six perfect prompts, and two of which one is right: the mean of two beta variables, by integration."""
    perfect, half = [(5, 5)] * 6, [(5, 5), (0, 5)]
    found = interval([Stratum(np.array(pairs, dtype=float), SHARE, 0.5) for pairs in (perfect, half)])
    assert (found.estimate, found.n, found.method) == (0.75, 8, "Bayesian bootstrap")
    grid = (np.arange(20_000) + 0.5) / 20_000
    for end, shift, level in ((found.low, 0.0, 0.025), (found.high, 0.25, 0.975)):
        one = scipy_stats.beta(6 + 3 / 8 + shift, 5 / 8 - shift)
        other = scipy_stats.beta(1 + 3 / 8 + shift, 1 + 5 / 8 - shift)
        below = one.cdf(2 * end - other.ppf(grid)).mean()
        assert below == pytest.approx(level, abs=0.005)


def test_one_stratum_without_a_range_leaves_the_whole_without_a_bound():
    for other in (RATIO, ratio(0, 1, bounds=(0.0, None)), Statistic(RATIO.value, RATIO.gradient, (0.0, 1.0))):
        strata = [Stratum(np.full((6, 2), 5.0), each, 0.5) for each in (SHARE, other)]
        found = interval(strata, replicates=99)
        assert (found.estimate, found.low, found.high, found.method) == (1.0, None, None, "none: no spread")


def test_intervals_end_where_the_range_ends():
    pairs = np.array([(right, 10) for right in (10, 5, 10, 6, 9, 4, 10)], dtype=float)
    half = ratio(0, 1, bounds=(None, 1.0))
    free, held = (interval([Stratum(pairs, each)]) for each in (RATIO, half))
    assert free.high > 1
    assert (held.low, held.high, held.method) == (free.low, 1.0, "studentised bootstrap")
    # A mean of two, of which one has no greatest value, has none either.
    for other, most in ((ratio(0, 1, bounds=(0.0, None)), 9.0), (half, 1.0)):
        both = interval([Stratum(pairs, half, 0.1), Stratum(pairs, other, 0.9)])
        assert both.high == min(most, interval([Stratum(pairs, RATIO, 0.1), Stratum(pairs, RATIO, 0.9)]).high)


def test_a_product_of_ratios_is_covered_like_the_simulation_that_drew_it():
    """The interval of a nonlinear score against the spread of the score over 2,000 fresh samples of prompts."""
    rng = np.random.default_rng(7)

    def sample(n: int) -> np.ndarray:
        wanted = rng.integers(10, 40, n)
        right = rng.random(n) < 0.3
        match = np.where(right, wanted, rng.binomial(wanted, 0.8))
        edits = np.where(right, 0, (wanted - match) * 5 + 1)
        return np.stack([edits, edits == 0, np.ones(n), match, wanted], axis=1).astype(float)

    statistic = text_score(100.0)
    spread = np.std([float(statistic.value(sample(80).sum(axis=0))) for _ in range(2000)])
    found = interval([Stratum(sample(80), statistic)], replicates=1999)
    assert found.high - found.low == pytest.approx(2 * 1.96 * spread, rel=0.35)


def test_components_of_variance_by_hand():
    # Scores .8 1, 1 1, .6 .8 of three prompts: within (.02 + 0 + .02)/3, prompt means .9 1 .7 of variance 7/300.
    single = np.array([[(8, 10), (10, 10)], [(10, 10), (10, 10)], [(6, 10), (8, 10)]], dtype=float)
    found = components([Stratum(single.sum(axis=1), RATIO)], [single])
    assert found.images == 2
    assert found.within == pytest.approx(0.04 / 3 / 3)
    assert found.between == pytest.approx((7 / 300 - 0.04 / 3 / 2) / 3)
    assert found.spread(2) ** 2 == pytest.approx(7 / 300 / 3)
    assert found.spread(math.inf) ** 2 == pytest.approx(found.between)


def test_components_of_an_average_add_up_with_squared_weights():
    single = np.array([[(8, 10), (10, 10)], [(10, 10), (10, 10)], [(6, 10), (8, 10)]], dtype=float)
    whole = components([Stratum(single.sum(axis=1), RATIO)], [single])
    halves = components([Stratum(single.sum(axis=1), RATIO, 0.5)] * 2, [single] * 2)
    assert halves.between == pytest.approx(whole.between / 2)
    assert halves.within == pytest.approx(whole.within / 2)


def test_one_image_a_prompt_does_not_tell_seeds_from_prompts():
    single = np.array([[(8, 10)], [(10, 10)], [(6, 10)]], dtype=float)
    found = components([Stratum(single.sum(axis=1), RATIO)], [single])
    assert found.within is None
    with pytest.raises(ValueError, match="one image per prompt"):
        found.spread(4)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 10)), min_size=5, max_size=12))
def test_an_interval_that_exists_holds_finite_ends_in_order(pairs):
    found = interval([stratum([(match, match + lost) for match, lost in pairs])], replicates=199)
    if found.low is not None:
        assert math.isfinite(found.low)
        assert math.isfinite(found.high)
        assert found.low <= found.high
