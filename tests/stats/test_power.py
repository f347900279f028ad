"""Floors, detectable effects and levels: by hand, from tables, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from evalsuite.stats import Interval, bounds, power


def test_prompts_for_a_margin_by_hand():
    # ln 0.05 / ln 0.98 = 148.3; ln 0.05 / ln 0.95 = 58.4; ln 0.5 / ln 0.5 = 1.
    assert power.prompts_for_margin(0.02, 0.05) == 149
    assert power.prompts_for_margin(0.05, 0.05) == 59
    assert power.prompts_for_margin(0.5, 0.5) == 1
    # A prompt that can weigh four times the mean leaves a quarter of the margin to each.
    assert power.prompts_for_margin(0.02, 0.05, concentration=4.0) == math.ceil(math.log(0.05) / math.log(0.995))


@pytest.mark.parametrize("margin", [0.005, 0.02, 0.1, 0.4])
def test_floor_and_prompts_are_inverse(margin):
    n = power.prompts_for_margin(margin, 0.05)
    assert power.resolution_floor(np.ones(n), 0.05) <= margin < power.resolution_floor(np.ones(n - 1), 0.05)
    assert power.resolution_floor(np.ones(n), 0.05) == pytest.approx(1 - 0.05 ** (1 / n))


def test_a_long_prompt_that_was_not_seen_raises_the_floor():
    den = np.array([10.0, 20, 10])  # an unseen prompt counts (100 + 400 + 100) / 40 = 15
    floor = power.resolution_floor(den, 0.05)
    weights = np.random.default_rng(0).exponential(size=(400_000, 4))
    lost = weights[:, 3] * 15 / (weights @ [10, 20, 10, 15])
    assert (lost > floor).mean() == pytest.approx(0.05, abs=0.002)


def test_a_margin_that_prompts_carry_by_hand():
    # 1.25 ln 0.05 / ln 0.98 = 185.4; 160 prompts carry 1 - 0.05^(1.25/160) = 0.0231.
    assert power.prompts_that_carry(0.02, 0.05) == 186
    assert power.carried_margin(160, 0.05) == pytest.approx(0.02313, abs=1e-5)
    assert power.prompts_that_carry(power.carried_margin(160, 0.05), 0.05) == 160


def test_prompts_for_a_width_by_hand():
    found = Interval(estimate=0.9, low=0.82, high=0.98, level=0.95, n=30, method="Bayesian bootstrap")
    # 0.16 wide: a quarter of it takes sixteen times the prompts, and twice as wide they already are enough.
    assert power.prompts_for_width(found, 0.04) == 480
    assert power.prompts_for_width(found, 0.32) == 30
    none = Interval(estimate=0.9, low=None, high=None, level=0.95, n=3, method="none: too few prompts")
    assert power.prompts_for_width(none, 0.1) is None


def test_two_looks_have_the_level_of_pocock():
    # Pocock's constant for two equally spaced looks: 1.875 at 0.05 one-sided, 2.178 at 0.025 (Jennison and
    # Turnbull, Group Sequential Methods, 2000, table 2.1, for the two-sided levels 0.1 and 0.05).
    assert power.look_level(0.05, 0.5) == pytest.approx(stats.norm.sf(1.875), abs=4e-5)
    assert power.look_level(0.025, 0.5) == pytest.approx(stats.norm.sf(2.178), abs=4e-5)
    level, rho = power.look_level(0.05, 0.25), 0.5
    c = stats.norm.isf(level)
    both = stats.multivariate_normal(cov=[[1, rho], [rho, 1]]).cdf([c, c])
    assert 1 - both == pytest.approx(0.05, abs=1e-5)
    with pytest.raises(ValueError, match="fraction"):
        power.look_level(0.05, 1.0)


def test_an_equal_checkpoint_passes_at_the_minimum_detectable_effect_with_the_power_it_states():
    rng = np.random.default_rng(4)
    effects, lowers = [], []
    for _ in range(150):
        found = bounds.compare(rng.normal(0, 0.05, size=100).clip(-1, 1), replicates=999)
        effects.append(power.minimum_detectable_effect(found, 0.05))
        lowers.append(found.lower(0.05))
    passed = (np.array(lowers) > -np.median(effects)).mean()
    assert 0.7 < passed < 0.92


def test_without_a_difference_the_minimum_detectable_effect_is_the_floor():
    found = bounds.compare(np.zeros(100))
    assert power.minimum_detectable_effect(found, 0.05) == power.resolution_floor(np.ones(100), 0.05)
    assert power.minimum_detectable_effect(bounds.compare([0.0]), 0.05) == 1.0


def needs_of(differences, margin):
    differences = np.asarray(differences)
    found = bounds.compare(differences.mean(axis=1))
    return found, power.needs(found, differences, np.ones(len(differences)), margin, 0.05)


def test_more_prompts_of_the_kind_would_decide():
    rng = np.random.default_rng(5)
    # Between prompts 0.1, within 0.2: more samples help down to 0.1 / sqrt(n).
    differences = rng.normal(0, 0.1, size=(160, 1)) + rng.normal(0, 0.2, size=(160, 4))
    differences = (differences - differences.mean() - 0.01).clip(-1, 1)
    _, needs = needs_of(differences, 0.03)
    sd = differences.mean(axis=1).std(ddof=1)
    t = stats.t.ppf(0.95, 159) + stats.t.ppf(0.8, 159)
    assert needs.prompts == math.ceil((sd * t / 0.02) ** 2)
    within, between = differences.var(axis=1, ddof=1).mean(), sd**2 - differences.var(axis=1, ddof=1).mean() / 4
    assert needs.samples == math.ceil(within / (160 * (0.02 / t) ** 2 - between))


def test_where_prompts_differ_among_themselves_no_number_of_samples_helps():
    rng = np.random.default_rng(6)
    spread = np.repeat(rng.normal(0, 0.3, size=(100, 1)).clip(-0.9, 0.9), 4, axis=1)
    spread -= spread.mean()
    _, needs = needs_of(spread, 0.05)
    assert needs.samples is None
    assert needs.prompts is not None
    assert needs.prompts > 100


def test_at_the_margin_itself_nothing_would():
    rng = np.random.default_rng(7)
    differences = np.repeat(rng.normal(0, 0.1, size=(100, 1)), 2, axis=1)
    differences -= differences.mean() + 0.05
    _, needs = needs_of(differences, 0.05)
    assert needs == power.Needs(None, None)


def test_runs_without_difference_need_as_many_prompts_as_the_margin_asks_for():
    _, needs = needs_of(np.zeros((60, 4)), 0.02)
    assert needs.samples is None
    assert needs.prompts == pytest.approx(149, abs=2)


def test_a_sparse_loss_is_scaled_up():
    differences = np.zeros((100, 2))
    differences[0] = -1.0  # 1 % lost, margin 2 %: Clopper-Pearson clears it at 6 of 600 or so
    found, needs = needs_of(differences, 0.02)
    assert needs.prompts is not None
    n = needs.prompts
    # The greater of what the range asks for and what the spread does, with a power of 0.8.
    t = stats.t.ppf(0.95, 99) + stats.t.ppf(0.8, 99)
    by_spread = math.ceil(100 * (found.standard_error * t / 0.01) ** 2)
    by_range = next(n for n in range(100, 2000) if stats.beta.ppf(0.95, n / 100 + 1, n - n / 100) < 0.02)
    assert n == max(by_spread, n)
    assert n >= by_range * 0.99
