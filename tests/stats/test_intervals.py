from __future__ import annotations

from collections import Counter
from itertools import combinations_with_replacement, pairwise
from math import factorial, inf

import numpy as np
import pytest
from scipy import stats as scipy_stats

from evalsuite.stats import MIN_PROMPTS, Bounds, Interval, mean_interval, ratio_interval


def exact_t(num: list[float], den: list[float]) -> list[tuple[float, float]]:
    """The bootstrap distribution of t* in full: every resample of the prompts with its probability."""
    n = len(num)
    ratio = sum(num) / sum(den)
    found = []
    for picks in combinations_with_replacement(range(n), n):
        ways = factorial(n)
        for times in Counter(picks).values():
            ways //= factorial(times)
        total = sum(den[i] for i in picks)
        here = sum(num[i] for i in picks) / total
        square = sum((num[i] - here * den[i]) ** 2 for i in picks)
        spread = (square * n / (n - 1)) ** 0.5 / total
        shift = here - ratio
        t = shift / spread if spread > 1e-9 else 0 if abs(shift) < 1e-12 else inf if shift > 0 else -inf
        found.append((t, ways / n**n))
    return sorted(found)


def quantile(distribution: list[tuple[float, float]], level: float) -> float:
    total = 0.0
    for value, weight in distribution:
        total += weight
        if total >= level - 1e-12:
            return value
    raise AssertionError


NUM = [9.0, 17.0, 4.0, 28.0, 13.0, 11.0, 6.0]
DEN = [10.0, 20.0, 8.0, 30.0, 13.0, 15.0, 7.0]


@pytest.mark.parametrize("level", [0.8, 0.9])
def test_agrees_with_the_whole_bootstrap_distribution(level: float) -> None:
    """All 7^7 resamples of seven prompts, enumerated, against the seeded draw."""
    ratio = sum(NUM) / sum(DEN)
    spread = (sum((a - ratio * b) ** 2 for a, b in zip(NUM, DEN, strict=True)) * 7 / 6) ** 0.5 / sum(DEN)
    distribution = exact_t(NUM, DEN)
    low = ratio - quantile(distribution, (1 + level) / 2) * spread
    high = ratio - quantile(distribution, (1 - level) / 2) * spread
    found = ratio_interval(NUM, DEN, level=level, replicates=99_999)
    assert found.estimate == ratio
    assert found.low == pytest.approx(low, abs=0.05 * spread)
    assert found.high == pytest.approx(high, abs=0.05 * spread)


@pytest.mark.parametrize("bounds", [(None, None), (-9.0, 9.0)])
def test_approaches_students_t_on_normal_data(bounds: Bounds) -> None:
    values = np.random.default_rng(1).normal(size=2_000)
    found = mean_interval(values, bounds=bounds)
    low, high = scipy_stats.t.interval(0.95, 1_999, values.mean(), scipy_stats.sem(values))
    width = high - low
    assert found.estimate == pytest.approx(values.mean())
    assert found.low == pytest.approx(low, abs=0.1 * width)
    assert found.high == pytest.approx(high, abs=0.1 * width)


def test_covers_the_truth_at_least_as_often_as_it_says() -> None:
    """Skewed per-prompt accuracies of 30 prompts: 90% intervals, 400 draws; two standard errors of chance allowed."""
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(400):
        den = rng.integers(5, 60, size=30)
        num = den - rng.binomial(den, rng.beta(0.5, 4.5, size=30))
        found = ratio_interval(num, den, level=0.9, bounds=(0.0, 1.0))
        covered += found.low <= 0.9 <= found.high
    assert covered / 400 > 0.9 - 2 * (0.9 * 0.1 / 400) ** 0.5


# --- Rates whose range is known ------------------------------------------------------------------------


@pytest.mark.parametrize(("right", "n"), [(0, 1), (1, 1), (3, 4), (9, 9), (8, 9), (0, 30), (19, 20), (3, 320)])
def test_on_shares_the_ends_are_quantiles_of_beta_distributions(right: int, n: int) -> None:
    found = mean_interval([1.0] * right + [0.0] * (n - right), bounds=(0.0, 1.0))
    low = scipy_stats.beta.ppf(0.025, right + 3 / 8, n - right + 5 / 8)
    high = scipy_stats.beta.ppf(0.975, right + 5 / 8, n - right + 3 / 8)
    assert (found.estimate, found.n, found.method) == (right / n, n, "Bayesian bootstrap")
    # The estimate belongs to its interval, also where all prompts are right, or none.
    assert (found.low, found.high) == pytest.approx((min(low, right / n), max(high, right / n)), abs=1e-6)


def test_it_lies_between_jeffreys_and_clopper_and_pearson() -> None:
    for right, n in ((29, 30), (75, 80), (310, 320)):
        found = mean_interval([1.0] * right + [0.0] * (n - right), bounds=(0.0, 1.0))
        exact = scipy_stats.binomtest(right, n).proportion_ci(0.95, method="exact")
        jeffreys = scipy_stats.beta.ppf([0.025, 0.975], right + 0.5, n - right + 0.5)
        assert exact.low < found.low < jeffreys[0] < jeffreys[1] < found.high < exact.high


@pytest.mark.parametrize("n", [9, 30])
@pytest.mark.parametrize("flaw", [0.0, 0.5, 0.9])
def test_the_better_of_two_models_never_has_the_wider_interval(n: int, flaw: float) -> None:
    """One prompt after the other gets flawed: the interval widens step by step, and never jumps."""
    widths = []
    for flawed in range(n // 3):
        found = mean_interval([1.0] * (n - flawed) + [flaw] * flawed, bounds=(0.0, 1.0))
        assert found.method == "Bayesian bootstrap"
        widths.append(found.high - found.low)
    assert widths == sorted(widths)
    assert all(after < 1.8 * before for before, after in pairwise(widths))


def test_a_long_prompt_that_was_not_seen_weighs_as_the_pseudo_length_says() -> None:
    # Three perfect prompts of 10, 20 and 10: d = (100 + 400 + 100) / 40 = 15. The lower end by simulation.
    rng = np.random.default_rng(2)
    weights = rng.gamma([1.0, 1.0, 1.0, 3 / 8, 5 / 8], size=(400_000, 5))
    ratio = weights[:, :4] @ [10, 20, 10, 15] / (weights @ [10, 20, 10, 15, 15])
    found = ratio_interval([10, 20, 10], [10, 20, 10], bounds=(0.0, 1.0))
    assert (ratio < found.low).mean() == pytest.approx(0.025, abs=0.001)
    assert found.high == 1.0


def test_the_order_of_prompts_is_no_matter() -> None:
    once = ratio_interval(NUM, DEN, bounds=(0.0, 1.0))
    assert ratio_interval(NUM[::-1], DEN[::-1], bounds=(0.0, 1.0)) == once
    assert ratio_interval(NUM, DEN, bounds=(0.0, 1.0), seed=5) == once


def test_half_a_range_is_not_enough() -> None:
    for bounds in ((0.0, None), (None, 1.0), (None, None)):
        found = mean_interval([1.0] * 6, bounds=bounds)
        assert (found.low, found.high, found.method) == (None, None, "none: no spread")


def test_an_end_that_a_prompt_lies_beyond_is_not_relied_on() -> None:
    """Accuracies below 0: nothing is cut there, and no end starts from there."""
    few = mean_interval([-0.5, 1.0, 0.25], bounds=(0.0, 1.0))
    assert (few.low, few.high, few.method) == (None, None, "none: too few prompts")
    values = [-0.5, -0.2, -0.4, -0.1, 0.1, -0.3, 0.05, -0.25]
    free, found = mean_interval(values), mean_interval(values, bounds=(0.0, 1.0))
    assert found == free
    assert found.low < found.estimate < 0


def test_a_rounding_error_beyond_the_range_refutes_nothing() -> None:
    sums = [0.1 * 3 + 0.7, 1 + 1e-15, 1.0]
    found = ratio_interval(sums, [1.0] * 3, bounds=(0.0, 1.0))
    assert found.method == "Bayesian bootstrap"
    assert found.high >= found.estimate
    assert found.high == pytest.approx(1.0)


# --- Rates without an end: the studentised bootstrap ---------------------------------------------------


def test_the_seed_decides_the_interval() -> None:
    assert ratio_interval(NUM, DEN, seed=1) == ratio_interval(NUM, DEN, seed=1)
    assert ratio_interval(NUM, DEN, seed=1) != ratio_interval(NUM, DEN, seed=2)


def test_the_order_of_prompts_moves_it_by_chance_only() -> None:
    one, other = ratio_interval(NUM, DEN), ratio_interval(NUM[::-1], DEN[::-1])
    assert one.estimate == other.estimate
    assert one.low == pytest.approx(other.low or 0, abs=0.02)


def test_the_scale_moves_with_the_data() -> None:
    one, tenfold = ratio_interval(NUM, DEN), ratio_interval([10 * a for a in NUM], DEN)
    assert tenfold.low == pytest.approx(10 * (one.low or 0))
    assert tenfold.high == pytest.approx(10 * (one.high or 0))


def undefined(found: Interval) -> bool:
    return found.low is None and found.high is None


def test_too_few_prompts_give_an_estimate_and_no_interval() -> None:
    found = ratio_interval(NUM[: MIN_PROMPTS - 1], DEN[: MIN_PROMPTS - 1])
    assert found.estimate == pytest.approx(58 / 68)
    assert undefined(found)
    assert found.method == "none: too few prompts"


def test_no_data_is_undefined_never_zero() -> None:
    for found in (ratio_interval([], []), ratio_interval([0, 0], [0, 0]), mean_interval([])):
        assert found.estimate is None
        assert undefined(found)
        assert (found.n, found.method) == (0, "none: no data")


def test_prompts_that_all_agree_say_nothing_about_their_spread() -> None:
    found = ratio_interval([3, 6, 9, 12, 15, 18], [1, 2, 3, 4, 5, 6])
    assert found.estimate == 3
    assert undefined(found)
    assert found.method == "none: no spread"


def test_one_prompt_that_differs_leaves_too_many_replicates_without_spread() -> None:
    """With one failure in 20, (19/20)^20 = 36% of the replicates miss it and have no spread: no lower end."""
    found = mean_interval([1.0] * 19 + [0.0])
    assert found.estimate == 0.95
    assert undefined(found)


def test_bounds_cut_the_interval_only() -> None:
    values = [1.0, 0.5, 1.0, 0.6, 0.9, 0.4, 1.0]
    free, cut = mean_interval(values), mean_interval(values, bounds=(None, 1.0))
    assert free.high is not None
    assert free.high > 1
    assert (cut.estimate, cut.low, cut.high) == (free.estimate, free.low, 1.0)
    assert cut.method == "studentised bootstrap"


@pytest.mark.parametrize(
    ("num", "den", "message"),
    [
        ([1, 2], [1], "one numerator and one denominator"),
        ([1, float("nan")], [1, 1], "finite"),
        ([1, 1], [1, -1], "negative"),
        ([1, 1], [1, float("inf")], "finite"),
    ],
)
def test_bad_input(num: list[float], den: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ratio_interval(num, den)


def test_bad_level() -> None:
    with pytest.raises(ValueError, match="level 95"):
        mean_interval(NUM, level=95)
