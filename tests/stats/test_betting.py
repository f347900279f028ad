"""Wagers against confseq, full enumeration and hand-worked cases.

`confseq` (0.0.11, by the authors of the method) cannot be a test dependency: its source needs Boost to build, and it
does not import with NumPy 2. The logarithms of wealth below were computed once with its `betting_mart` (for "this
suite" the mixture of five calls with `N=40` and `trunc_scale` as the bet; for "prompts like these" one with our bets).
"""

from __future__ import annotations

import math
from itertools import permutations, product

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.stats.betting import Wager, WagerState, resumed

SEEN = [
    0.03, 0.04, -0.17, -0.78, 0.04, -0.09, -0.04, -0.71, 0.03, -0.08, -0.91, -0.02, -0.22, 0.01, 0.04, -0.07, 0.05,
    0.0, -0.04, -0.08, -0.11, -0.03, 0.01, -0.04, -0.62,
]  # fmt: skip
CONFSEQ = {
    "this suite": {
        1: (0.1116805024, -0.101670363),
        5: (-0.7276030912, 0.1263108196),
        10: (-1.278925198, 0.3878348923),
        25: (-2.170740267, 1.146112033),
    },
    "prompts like these": {
        1: (0.1285886418, -0.1190907085),
        5: (-0.9375775041, 0.1438902752),
        10: (-1.757012967, 0.3686789989),
        25: (-3.777624893, 0.5355709961),
    },
}
CLAIMS = list(CONFSEQ)


def wager(claim, margin=0.1, population=40):
    return Wager(margin, claim=claim, population=population if claim == "this suite" else None)


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_wealth_is_that_of_confseq(claim):
    bets = wager(claim)
    for count, value in enumerate(SEEN, start=1):
        bets.observe(value)
        if count in CONFSEQ[claim]:
            assert bets.log_wealth == pytest.approx(CONFSEQ[claim][count], abs=1e-8)
    assert (bets.count, bets.estimate) == (25, pytest.approx(np.mean(SEEN)))


def test_the_first_look_by_hand():
    # "this suite", no loss, δ = 0.1: m = -0.1, gain 0.1 / 0.9 on each bet c: Σ w (1 + c / 9).
    bets = wager("this suite")
    bets.observe(0.0)
    stake = 0.7 * 0.99 + 0.1 * 0.7 + 0.1 * 0.4 + 0.05 * 0.2 + 0.05 * 0.1
    assert math.exp(bets.log_wealth[0]) == pytest.approx(1 + stake / 9)
    assert math.exp(bets.log_wealth[1]) == pytest.approx(1 - stake * 0.1 / 1.1)
    # "prompts like these": the belief is a gain of 0.1 with variance 0.002, so that λμ is beyond the cap of 0.95.
    bets = wager("prompts like these")
    bets.observe(0.0)
    assert math.exp(bets.log_wealth[0]) == pytest.approx(1 + 0.95 / 9)


def test_without_a_loss_the_verdict_takes_as_many_looks_as_the_floor_at_least():
    """ln 0.05 / ln 0.98 = 148.3 prompts of an endless number; of 1,280 cells fewer, since those seen are known."""
    for claim, looks in (("prompts like these", 157), ("this suite", 154)):
        bets = wager(claim, 0.02, 1280)
        count = 0
        while bets.verdict(0.05) is None:
            bets.observe(0.0)
            count += 1
        assert (bets.verdict(0.05), count) == ("PASS", looks)


POPULATIONS = [
    [-0.4, 0.0, 0.0, 0.0, 0.0, -0.2],  # mean -0.1
    [-0.6, 0.0, 0.0, 0.0, 0.0, 0.0],
    [-1.0, 0.6, -0.5, 0.3, 0.0, 0.0],
    [-0.1] * 6,
]


@pytest.mark.parametrize("cells", POPULATIONS)
def test_in_no_order_of_a_finite_population_can_either_side_expect_to_gain(cells):
    """All 720 orders of six cells whose mean is exactly -δ: Ville's inequality, and a mean wealth of one at most."""
    greatest, wealth = [], []
    for order in permutations(cells):
        bets = wager("this suite", 0.1, 6)
        path = []
        for value in order:
            bets.observe(value)
            path.append(bets.log_wealth)
        assert bets.certain is None
        greatest.append((bets.p_pass, bets.p_fail))
        wealth.append(np.exp(path))
    assert (np.mean(wealth, axis=0) <= 1 + 1e-9).all()
    for alpha in (0.05, 0.2, 0.5, 0.9):
        assert (np.mean(np.array(greatest) <= alpha, axis=0) <= alpha + 1e-9).all()


@pytest.mark.parametrize("lost", [0.2, 0.5, 1.0])
def test_no_sequence_of_independent_prompts_lets_either_side_expect_to_gain(lost):
    """Every outcome of ten prompts that lose `lost` with probability δ / `lost`, weighed by its probability."""
    chance = 0.1 / lost
    total = np.zeros((10, 2))
    reached = dict.fromkeys((0.05, 0.2, 0.5), np.zeros(2))
    for outcome in product((0, 1), repeat=10):
        bets = wager("prompts like these")
        weight = math.prod(chance if each else 1 - chance for each in outcome)
        for place, each in enumerate(outcome):
            bets.observe(-lost * each)
            total[place] += weight * np.exp(bets.log_wealth)
        for alpha in reached:
            reached[alpha] = reached[alpha] + weight * (np.array([bets.p_pass, bets.p_fail]) <= alpha)
    assert total == pytest.approx(1.0)
    assert all((found <= alpha + 1e-9).all() for alpha, found in reached.items())


def test_what_the_rest_cannot_change_is_certain():
    bets = wager("this suite", 0.5, 4)
    for value, expected in ((0.0, None), (0.0, "PASS")):  # even if both others lose all, the mean is -0.5: at δ
        bets.observe(value)
        assert bets.certain is None or expected == "PASS"
    assert bets.certain is None
    bets.observe(-0.5)
    assert (bets.certain, bets.p_pass, bets.verdict(1e-9)) == ("PASS", 0.0, "PASS")
    bets = wager("this suite", 0.1, 3)
    bets.observe(-1.0)
    bets.observe(-1.0)
    assert (bets.certain, bets.verdict(1e-9)) == ("FAIL", "FAIL")


@pytest.mark.parametrize(("last", "expected"), [(-0.1, None), (-0.1001, "FAIL"), (-0.0999, "PASS")])
def test_at_the_end_of_this_suite_its_mean_is_known(last, expected):
    bets = wager("this suite", 0.1, 3)
    for value in (-0.1, -0.1, last):
        bets.observe(value)
    assert bets.certain == expected


def test_a_refuted_mean_stays_refuted():
    # After a cell that lost nothing, the other of two would have to lose 1.2 for a mean of -0.6.
    bets = wager("this suite", 0.6, 2)
    bets.observe(0.0)
    assert bets.certain == "PASS"
    bets.observe(-1.0)
    assert (bets.p_pass, bets.verdict(0.05)) == (0.0, "PASS")


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_confidence_sequence_and_the_verdict_agree(claim):
    rng = np.random.default_rng(4)
    for loss in (0.0, 0.1, 0.4):
        bets = wager(claim, 0.1, 200)
        for value in rng.normal(-loss, 0.05, 120).clip(-1, 1):
            bets.observe(value)
        lower, upper = bets.bounds(0.05)
        assert -1 <= lower < -loss < upper <= 1
        # The ends are rounded outwards to a grid of 1/400.
        assert (bets.p_pass <= 0.05) == (lower > -0.1) or abs(lower + 0.1) < 0.006
        assert (bets.p_fail <= 0.05) == (upper < -0.1) or abs(upper + 0.1) < 0.006


def test_a_whole_suite_that_is_known_has_an_interval_around_its_mean_alone():
    bets = wager("this suite", 0.1, 40)
    for value in SEEN + [-0.05] * 15:
        bets.observe(value)
    mean = (sum(SEEN) - 0.75) / 40
    lower, upper = bets.bounds(0.05)
    assert mean - 0.006 < lower <= mean <= upper < mean + 0.006


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_true_mean_stays_in_the_confidence_sequence(claim):
    """60 % to either side: over 150 simulations no more than 0.2 + three standard errors ever leave it."""
    rng = np.random.default_rng(5)
    left = 0
    for _ in range(150):
        values = np.where(rng.random(60) < 0.1, -0.8, rng.normal(0, 0.05, 60))
        bets = wager(claim, 0.05, 60)
        truth = values.mean() if claim == "this suite" else -0.08
        out = False
        for value in values:
            bets.observe(value)
            if bets.count % 20 == 0:
                lower, upper = bets.bounds(0.1)
                out |= not lower <= truth <= upper
        left += out
    assert left / 150 < 0.2 + 3 * (0.2 * 0.8 / 150) ** 0.5


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("kill", [0, 1, 13, 24])
def test_a_stored_wager_goes_on_to_the_last_bit(claim, kill):
    through, stopped = wager(claim), wager(claim)
    for value in SEEN:
        through.observe(value)
    for value in SEEN[:kill]:
        stopped.observe(value)
    again = resumed(msgspec.json.decode(msgspec.json.encode(stopped.state), type=WagerState))
    for value in SEEN[kill:]:
        again.observe(value)
    assert (again.log_wealth, again.p_pass, again.p_fail) == (through.log_wealth, through.p_pass, through.p_fail)
    assert again.state == through.state


def test_a_block_is_bet_on_before_any_of_it_is_seen():
    """The wealth after a block is the product of its factors under one bet, whatever their order."""
    one, other = wager("prompts like these"), wager("prompts like these")
    one.observe(-0.4, 0.2)
    other.observe(0.2, -0.4)
    assert one.log_wealth == pytest.approx(other.log_wealth)
    # By hand: c = 0.95 for PASS: (1 - 0.95 + 0.95 · 0.6 / 0.9) (1 - 0.95 + 0.95 · 1.2 / 0.9).
    assert math.exp(one.log_wealth[0]) == pytest.approx((0.05 + 0.95 * 0.6 / 0.9) * (0.05 + 0.95 * 1.2 / 0.9))


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(CLAIMS), st.lists(st.floats(-1, 1), min_size=1, max_size=30), st.floats(0.01, 0.9))
def test_whatever_comes_the_figures_stay_in_order(claim, values, margin):
    bets = wager(claim, margin, 30)
    before = 1.0, 1.0
    for value in values:
        bets.observe(value)
        now = bets.p_pass, bets.p_fail
        assert all(0 <= after <= earlier <= 1 for after, earlier in zip(now, before, strict=True))
        assert not any(math.isnan(wealth) for wealth in bets.log_wealth)
        before = now
    lower, upper = bets.bounds(0.05)
    assert -1 <= lower <= 1
    assert -1 <= upper <= 1
    if bets.certain is not None:
        assert bets.verdict(0.001) is not None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Wager(0.0, claim="prompts like these"), "margin"),
        (lambda: Wager(0.1, claim="this suite"), "takes the number of its cells"),
        (lambda: Wager(0.1, claim="prompts like these", population=3), "takes the number of its cells"),
        (lambda: Wager(0.1, claim="this suite", population=0), "population of 0"),
        (lambda: wager("this suite").observe(1.5), "not between -1 and 1"),
        (lambda: wager("this suite").observe(float("nan")), "not between -1 and 1"),
        (lambda: wager("this suite", population=1).observe(0.0, 0.0), "more differences than"),
    ],
)
def test_what_cannot_be_bet_on_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
