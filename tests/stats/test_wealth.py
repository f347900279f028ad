"""Many wagers at a time against one by one, and what a stored run foretells."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evalsuite.stats.betting import Wager
from evalsuite.stats.wealth import expected_images, prompt_wealth, stops, suite_wealth

CLAIMS = ("this suite", "prompts like these")


@pytest.mark.parametrize("claim", CLAIMS)
def test_many_at_a_time_are_one_by_one(claim):
    rng = np.random.default_rng(0)
    values = np.where(rng.random((6, 50)) < 0.1, -1.0, rng.normal(-0.02, 0.05, (6, 50))).clip(-1, 1)
    paths = suite_wealth(values, 0.05) if claim == "this suite" else prompt_wealth(values, 0.05)
    looks, verdict = stops(values, 0.05, claim, alpha=0.1, gates=2)
    for row in range(6):
        wager = Wager(0.05, claim=claim, population=50 if claim == "this suite" else None)
        first = None
        for place, value in enumerate(values[row]):
            wager.observe(value)
            expected = [min(1.0, math.exp(-path[row, place])) for path in paths]
            assert [wager.p_pass, wager.p_fail] == pytest.approx(expected, abs=1e-9)
            if first is None and wager.verdict(0.1, alpha_fail=0.05):
                first = place + 1, {"PASS": 1, "FAIL": -1}[wager.verdict(0.1, alpha_fail=0.05)]
        assert (looks[row], verdict[row]) == (first or (50, 0))


def test_a_baseline_that_repeats_exactly_is_foretold_to_the_image():
    """No chance at all: 320 prompts, perfect. The images are those of one wager without a loss."""
    found = expected_images(np.ones((320, 4)), 0.02, claim="this suite", simulations=5)
    assert [(each.samples, each.loss) for each in found[:4]] == [(1, 0.0), (1, 0.01), (1, 0.04), (1, 0.1)]
    equal = {each.samples: each for each in found if each.loss == 0}
    for count, each in equal.items():
        wager = Wager(0.02, claim="this suite", population=320 * count)
        while wager.verdict(0.05) is None:
            wager.observe(0.0)
        assert each.images == wager.count < 155
    assert all((each.passed, each.failed, each.planned) == (1.0, 0.0, 320 * k) for k, each in equal.items())
    broken = [each for each in found if each.loss == 0.1]
    assert all(each.failed == 1.0 and each.images < 60 for each in broken)


def test_one_seed_a_prompt_and_more_prompts_is_the_cheapest():
    rng = np.random.default_rng(1)
    accuracy = 1 - np.where(rng.random((320, 4)) < 0.2, rng.beta(0.5, 2.5, (320, 4)), 0.0)
    found = expected_images(accuracy, 0.05, claim="prompts like these", factors=(0.0,), simulations=40)
    images = [each.images for each in found]
    assert images == sorted(images)
    assert images[2] > 2 * images[0]
    assert found[0].seeds_known


def test_one_stored_image_a_prompt_does_not_show_what_seeds_do():
    found = expected_images(np.linspace(0.5, 1, 60)[:, None], 0.1, claim="this suite", factors=(0.0,), simulations=3)
    assert not any(each.seeds_known for each in found)
    assert all(each.passed == 1.0 for each in found)
