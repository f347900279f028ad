"""The exact sign test against sums of binomial coefficients by hand, and against SciPy's binomial test."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from evalsuite.stats import sign_test


@pytest.mark.parametrize(
    ("up", "down", "p"),
    [
        (18, 0, 2 / 2**18),
        (0, 18, 2 / 2**18),
        # (1 + 10 + 45 + 120) / 1024, twice.
        (7, 3, 352 / 1024),
        (6, 0, 2 / 64),
        (5, 0, 2 / 32),
        (1, 0, 1.0),
        (4, 4, 1.0),
    ],
)
def test_by_hand(up, down, p):
    assert sign_test(up, down) == pytest.approx(p, rel=1e-12)


def test_nothing_moved():
    assert sign_test(0, 0) is None


def test_it_is_the_binomial_test_at_one_half():
    for up, down in ((0, 1), (3, 11), (40, 28), (150, 190), (1, 60)):
        assert sign_test(up, down) == pytest.approx(binomtest(up, up + down, 0.5).pvalue, rel=1e-9)
