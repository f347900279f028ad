"""The corrected rate against formulas worked out by hand, and its coverage by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.judged_calibration import WORLDS, simulate
from evalsuite.stats import Judged, corrected_ratio, ratio_interval

# Eight prompts of ten characters. The reader gives 10, 10, 10, 10, 8, 8, 6, 6 right: 68 of 80.
READ = [10, 10, 10, 10, 8, 8, 6, 6]
LENGTHS = [10] * 8
ONE = [0] * 8


def sample(read, true, lengths=None, strata=None):
    n = len(read)
    return Judged(
        np.array(read, float), np.array(true, float), np.array(lengths or [10] * n, float), np.array(strata or [0] * n)
    )


def test_the_figure_is_the_readers_mean_plus_the_mean_correction_where_the_weight_is_one():
    # Every judged prompt is one character better than read: the slope is 1, the correction 1/10.
    found = corrected_ratio(READ, LENGTHS, ONE, sample([9, 8, 6, 8, 6], [10, 9, 7, 9, 7]))
    assert found.weight == 1.0
    assert found.interval.estimate == pytest.approx(68 / 80 + 0.1)
    assert found.correction == pytest.approx(0.1)


def test_the_weight_is_the_slope_of_person_over_reader():
    # Reader 10, 10, 8, 6, 6 (mean 8: 2, 2, 0, -2, -2), person 9, 9, 8, 7, 7 (1, 1, 0, -1, -1): slope 8 / 16.
    found = corrected_ratio(READ, LENGTHS, ONE, sample([10, 10, 8, 6, 6], [9, 9, 8, 7, 7]))
    assert found.weight == pytest.approx(0.5)
    # t + λ (R - r) = 0.8 + 0.5 (0.85 - 0.8)
    assert found.interval.estimate == pytest.approx(0.825)


def test_a_reader_who_says_nothing_of_the_person_has_no_weight():
    found = corrected_ratio(READ, LENGTHS, ONE, sample([10, 10, 8, 6, 6], [7, 7, 8, 9, 9]))
    assert found.weight == 0.0
    assert found.interval.estimate == pytest.approx(0.8)  # the person's own mean


def test_strata_weigh_what_they_weigh_among_all():
    # Stratum 0 has 60 of 80 characters, stratum 1 has 20; judged are three and two prompts, corrected by 1, 0 in ten:
    # 0.75 · 0.1 + 0.25 · 0. Reader and person differ by a constant in each stratum, and λ = 1 needs equal readings.
    strata = [0, 0, 0, 0, 0, 0, 1, 1]
    read = [8] * 8
    found = corrected_ratio(read, LENGTHS, strata, sample([8] * 5, [9, 9, 9, 8, 8], strata=[0, 0, 0, 1, 1]))
    assert found.weight == 1.0
    assert found.interval.estimate == pytest.approx(0.8 + 0.075)


def test_without_misreadings_the_interval_is_wider_than_the_readers_own_and_shrinks_as_more_are_judged():
    rng = np.random.default_rng(1)
    read = rng.integers(5, 11, 60).astype(float)
    lengths, strata = np.full(60, 10.0), np.zeros(60)
    plain = ratio_interval(read, lengths, bounds=(0.0, 1.0))
    widths = []
    for n in (10, 30, 60):
        found = corrected_ratio(read, lengths, strata, sample(read[:n], read[:n])).interval
        assert found.estimate == pytest.approx(plain.estimate)
        widths.append(found.high - found.low)
    assert widths[0] > widths[1] > widths[2]
    # All judged: the sample adds nothing, and without misreadings the person's interval is the reader's.
    assert widths[2] == pytest.approx(plain.high - plain.low)


def test_what_cannot_be_corrected_is_refused():
    with pytest.raises(ValueError, match="4 judged prompts; 5 are needed"):
        corrected_ratio(READ, LENGTHS, ONE, sample([8] * 4, [8] * 4))
    with pytest.raises(ValueError, match="no prompt of stratum 1"):
        corrected_ratio(READ, LENGTHS, [0] * 7 + [1], sample([8] * 5, [8] * 5))
    with pytest.raises(ValueError, match="a stratum that is not there"):
        corrected_ratio(READ, LENGTHS, ONE, sample([8] * 5, [8] * 5, strata=[0, 0, 0, 0, 3]))
    with pytest.raises(ValueError, match="between 0 and their length"):
        corrected_ratio(READ, LENGTHS, ONE, sample([8] * 5, [11] * 5))


@pytest.mark.parametrize("world", WORLDS[:3], ids=lambda world: world.name)
def test_the_interval_covers_with_a_reader_that_errs_on_a_twentieth_of_the_strings(world):
    covered, width, plainly = simulate(world, prompts=50, judged=25, rounds=100, seed=5)
    assert covered >= 0.94
    assert plainly <= covered
    assert width < 0.3
