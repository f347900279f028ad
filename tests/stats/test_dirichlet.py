"""Randomly weighted means against the beta distribution, B-splines and simulation."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, interpolate, stats

from evalsuite.stats.dirichlet import quantile, share_below

LEVELS = (1e-9, 1e-4, 0.025, 0.3, 0.5, 0.8, 0.975, 0.9999)


@pytest.mark.parametrize("n", [1, 2, 9, 80, 1_000, 10_000])
@pytest.mark.parametrize("ends", [(0.5, 0.5), (0.625, 0.375), (0.0, 1.0), (1.0, 0.0)])
def test_on_two_values_it_is_the_beta_distribution(n, ends):
    for right in {0, 1, n // 2, n - 1, n}:
        a, b = right + ends[0], n - right + ends[1]
        if a <= 0 or b <= 0:
            continue
        for level in LEVELS:
            theta = stats.beta.ppf(level, a, b)
            if 1e-9 < theta < 1 - 1e-12:
                found = share_below(np.array([1 - theta, -theta]), np.array([a, b]))
                assert found == pytest.approx(stats.beta.cdf(theta, a, b), abs=1e-6)


@pytest.mark.parametrize("values", [[-0.9, -0.3, 0.1, 0.4], [-1.0, -0.25, 0.03, 0.5, 0.75, -0.6, 0.2], [-0.5, 1.0]])
def test_flat_weights_give_the_integral_of_a_b_spline(values):
    # Σ wᵢ xᵢ with flat Dirichlet weights has the B-spline with knots xᵢ as its density (Curry and Schoenberg, 1966).
    knots = np.sort(values)
    density = interpolate.BSpline.basis_element(knots, extrapolate=False)
    pieces = [(integrate.fixed_quad(density, a, b, n=8)[0], b) for a, b in pairwise(np.unique([*knots, 0.0])) if b > a]
    below = sum(piece for piece, end in pieces if end <= 0)
    assert share_below(np.array(values), np.ones(len(values))) == pytest.approx(
        below / sum(piece for piece, _ in pieces), abs=1e-9
    )


def test_three_weights_by_hand():
    # P(g₁ > g₂ + g₃) for exponential g: g₁ outlives the one and then, without memory, the other: 1/2 · 1/2.
    assert share_below(np.array([1.0, -1.0, -1.0]), np.ones(3)) == pytest.approx(0.75)
    # And P(g₁ ≤ 2 g₂) = 2/3.
    assert share_below(np.array([1.0, -2.0]), np.ones(2)) == pytest.approx(2 / 3)


def test_many_uneven_weights_agree_with_simulation():
    rng = np.random.default_rng(3)
    for _ in range(5):
        values = rng.normal(0.02, 0.2, 60)
        values[0] = -1.0
        shapes = rng.choice([0.375, 0.625, 1.0, 7.0], 60)
        drawn = rng.gamma(shapes, size=(40_000, 60)) @ values
        assert share_below(values, shapes) == pytest.approx((drawn <= 0).mean(), abs=0.01)


def test_values_of_one_sign_leave_nothing_to_chance():
    assert share_below(np.array([0.1, 0.2]), np.ones(2)) == 0.0
    assert share_below(np.array([-0.1, 0.0]), np.ones(2)) == 1.0
    assert share_below(np.zeros(2), np.ones(2)) == 1.0


weighted = st.lists(
    st.tuples(st.floats(-1, 1, allow_subnormal=False), st.sampled_from([0.375, 0.5, 1.0, 3.0])), min_size=2, max_size=30
)


@settings(deadline=None, max_examples=40)
@given(weighted, st.floats(0.001, 1000))
def test_the_mirror_image_and_the_scale(pairs, scale):
    values, shapes = np.array(pairs).T
    found = share_below(values, shapes)
    assert 0 <= found <= 1
    if (np.abs(values) > 1e-9).any():
        assert share_below(-values, shapes) == pytest.approx(1 - found, abs=1e-6)
    assert share_below(values * scale, shapes) == pytest.approx(found, abs=1e-6)


@settings(deadline=None, max_examples=40)
@given(weighted, st.floats(0.001, 0.999))
def test_a_quantile_inverts_the_share(pairs, level):
    values, shapes = np.array(pairs).T
    num, den = np.append(values, [-1.0, 1.0]), np.ones(len(values) + 2)
    shapes = np.append(shapes, [1.0, 1.0])
    theta = quantile(num, den, shapes, level, least=-1.0, most=1.0)
    assert share_below(num - theta * den, shapes) == pytest.approx(level, abs=1e-5)
