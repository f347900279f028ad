"""The figures of a level by hand."""

from __future__ import annotations

import pytest

from evalsuite.load.figures import level_figures
from evalsuite.load.records import Level, Sample


def sample(part: str, due: float, ended: float, service: float | None = None, error: str | None = None) -> Sample:
    return Sample(part=part, prompt="p", seed=0, due=due, ended=ended, service=service, error=error)


def test_the_window_of_a_concurrency_runs_from_the_last_warm_up_answer_to_the_last_measured_one():
    samples = [sample("warm-up", 0, 2), sample("warm-up", 0, 4)]
    samples += [sample("measured", 4 + 2 * n, 6 + 2 * n, service=0.5) for n in range(4)]  # at 6, 8, 10, 12
    samples += [sample("ending", 12, 99)]
    found = level_figures(Level(concurrency=1), samples)
    assert (found.requests, found.images, found.window, found.throughput) == (4, 4, 8.0, 0.5)
    assert (found.latency.p50, found.latency.p99, found.latency.mean) == (2.0, 2.0, 2.0)
    assert (found.service.p50, found.queueing.p50) == (0.5, 1.5)
    assert (found.low, found.high, found.keeps_up) == (None, None, True)


def test_quantiles_are_linear_between_the_images():
    samples = [sample("warm-up", 0, 0)] + [sample("measured", 0, float(n)) for n in range(1, 102)]
    found = level_figures(Level(concurrency=1), samples)
    assert (found.latency.p50, found.latency.p90, found.latency.p99, found.latency.mean) == (51.0, 91.0, 100.0, 51.0)
    assert found.service is None
    assert found.queueing is None


def test_the_interval_rests_on_ten_blocks_of_answers():
    """Two answers a block; blocks of 1 and 3 seconds in turn: mean 2, standard deviation sqrt(10/9) = 1.0541."""
    ends = [0.0]
    for block in range(10):
        length = 1.0 if block % 2 == 0 else 3.0
        ends += [ends[-1] + length / 2, ends[-1] + length]
    found = level_figures(
        Level(concurrency=1), [sample("warm-up", 0, 0), *(sample("measured", 0, end) for end in ends[1:])]
    )
    assert found.throughput == 1.0
    reach = 2.262157 * 1.054093 / 10**0.5  # Student's t at 97.5 % with 9 degrees of freedom, by the tables
    assert found.low == pytest.approx(2 / (2 + reach), rel=1e-5)
    assert found.high == pytest.approx(2 / (2 - reach), rel=1e-5)


def test_errors_are_counted_by_reason_and_are_no_images():
    samples = [sample("warm-up", 0, 1)]
    samples += [sample("measured", 1, 2), sample("measured", 1, 3, error="http://h:1: HTTP 400: 'x'")]
    samples += [sample("measured", 1, 4, error="HTTP 503"), sample("measured", 1, 5, error="HTTP 503")]
    found = level_figures(Level(concurrency=2), samples)
    assert found.errors == {"HTTP 503": 2, "HTTP 400: 'x'": 1}
    assert (found.requests, found.images, found.throughput) == (4, 1, 0.25)


def test_at_a_rate_the_window_begins_with_the_first_measured_arrival_and_falling_behind_is_told():
    late = [sample("warm-up", 0, 1)] + [sample("measured", 1.0 + n, 3.0 + 2 * n) for n in range(5)]  # until 11
    found = level_figures(Level(rate=1.0), late)
    assert (found.window, found.throughput) == (10.0, 0.5)
    assert found.latency.mean == 4.0  # 2, 3, 4, 5, 6
    assert not found.keeps_up
    prompt = [sample("measured", float(n), n + 0.1) for n in range(100)]
    assert level_figures(Level(rate=1.0), prompt).keeps_up


def test_a_level_without_any_image_has_no_latency():
    found = level_figures(Level(concurrency=1), [sample("warm-up", 0, 1), sample("measured", 1, 2, error="HTTP 500")])
    assert (found.throughput, found.latency, found.images) == (0.0, None, 0)
