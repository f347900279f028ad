"""A difference of two rates, corrected on both sides: values by hand, and how often the bounds err."""

from __future__ import annotations

import numpy as np
import pytest

from evalsuite.stats import bounds
from evalsuite.stats.corrected_difference import Errors, corrected_difference


def errors(*moved: float, share: float = 0.0) -> Errors:
    return Errors(np.array(moved), np.ones(len(moved)), share)


def test_the_estimate_is_what_was_read_and_both_sides_mean_errors():
    read = bounds.compare(np.array([0.0, -0.1, 0.0, -0.1, 0.0, -0.1, 0.0, -0.1]))
    found = corrected_difference(read, errors(0.0, 0.1, 0.0, 0.1), errors(0.0, -0.2, 0.0, 0.0, 0.0))
    assert found.estimate == pytest.approx(-0.05 - 0.2 / 5 - 0.05)
    # sqrt(n / (n - 1) Σe²) / n of each part, joined by their squares
    parts = (np.sqrt(8 / 7 * 8 * 0.05**2) / 8, np.sqrt(4 / 3 * 4 * 0.05**2) / 4, np.sqrt(5 / 4 * 0.032) / 5)
    assert found.standard_error == pytest.approx(np.sqrt(sum(part**2 for part in parts)))
    assert (found.n, found.differing, found.method) == (8, 4, "prediction-powered")


def test_bounds_join_the_three_distances_by_their_squares():
    read = bounds.compare(np.full(40, -0.02))
    one, other = errors(*[0.0] * 30), errors(*[0.0] * 20)
    found = corrected_difference(read, one, other)
    down = read.estimate - read.lower(0.05)
    assert found.lower(0.05) == pytest.approx(
        -0.02 - np.sqrt(down**2 + other.reach(0.05)[0] ** 2 + one.reach(0.05)[1] ** 2)
    )
    assert found.lower(0.05) < read.lower(0.05)  # what is not known of the errors makes it wider
    whole = corrected_difference(read, errors(*[0.0] * 30, share=1.0), errors(*[0.0] * 20, share=1.0))
    assert whole.lower(0.05) == pytest.approx(read.lower(0.05))  # all was judged: nothing is left open
    assert whole.upper(0.05) == pytest.approx(read.upper(0.05))


def test_p_values_are_the_levels_at_which_the_bounds_decide():
    read = bounds.compare(np.tile([0.0, -0.1], 20))
    found = corrected_difference(read, errors(*[0.0] * 30), errors(*[0.0] * 30))
    for theta in (-0.3, -0.2):
        level = found.p_above(theta)
        assert found.lower(level * 1.001) > theta
        assert found.lower(level * 0.999) <= theta
    assert found.p_above(0.9) == found.p_below(-0.9) == 1.0
    assert found.p_below(0.9) < 1e-3


def test_the_bounds_err_about_as_often_as_they_may():
    """Equal sides read by a verifier that misses half of 4 % malformed glyphs and doubts 2 % of the sound ones."""
    rng = np.random.default_rng(3)
    prompts, glyphs, judged = 60, 20, 150
    above = below = 0
    trials = 80
    for _ in range(trials):
        sides = []
        for _ in range(2):
            bad = rng.random((prompts, glyphs)) < rng.beta(1, 24, size=(prompts, 1))
            doubted = np.where(bad, rng.random(bad.shape) < 0.5, rng.random(bad.shape) < 0.02)
            chosen = rng.permutation(prompts * glyphs)[:judged]
            wrong = (doubted.astype(int) - bad).ravel()[chosen]  # sound by the person less sound by the verifier
            unit = chosen // glyphs
            moved, weights = np.bincount(unit, wrong, prompts), np.bincount(unit, minlength=prompts)
            kept = weights > 0
            sides.append(
                (1 - doubted.mean(axis=1), Errors(moved[kept], weights[kept].astype(float), judged / bad.size))
            )
        (one, before), (other, after) = sides
        found = corrected_difference(bounds.compare(other - one), before, after)
        above += found.lower(0.05) > 0
        below += found.upper(0.05) < 0
    assert above + below <= 0.1 * trials + 3 * np.sqrt(0.1 * 0.9 * trials)
