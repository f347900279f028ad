"""Gates on latency and memory: their figures, and when they count."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs_by_hand import check, open_side
from scipy import stats

from evalsuite.gate import load_policy
from evalsuite.gate.compare import interleaved as drawn_in_turns
from evalsuite.gate.policy import SpeedRule
from evalsuite.gate.speed import memory_ratio, quantile_ratios
from evalsuite.records import Environment


def pairs_of(baseline, candidate, k=1):
    return {
        (f"p{i // k}", i % k): (float(a), float(b)) for i, (a, b) in enumerate(zip(baseline, candidate, strict=True))
    }


@pytest.fixture
def policy(policy_file):
    def with_speed(**rule):
        return msgspec.structs.replace(load_policy(policy_file), speed=SpeedRule(**rule))

    return with_speed


@pytest.mark.parametrize(("place", "q"), [(0, 0.5), (1, 0.9)])
def test_quantile_ratios_agree_with_scipys_bootstrap(place, q):
    rng = np.random.default_rng(1)
    one, other = rng.lognormal(0, 0.2, 90), rng.lognormal(0.1, 0.2, 90)
    base, cand, found = quantile_ratios(pairs_of(one, other), [0.5, 0.9])[place]
    assert (base, cand) == (pytest.approx(np.percentile(one, 100 * q)), pytest.approx(np.percentile(other, 100 * q)))
    assert found.estimate == pytest.approx(math.log(cand / base))

    def log_ratio(a, b, axis):
        return np.log(np.quantile(b, q, axis=axis) / np.quantile(a, q, axis=axis))

    scipys = stats.bootstrap(
        (one, other), log_ratio, paired=True, n_resamples=9_999, confidence_level=0.9, method="percentile", rng=3
    )
    assert stats.ks_2samp(found.replicates, scipys.bootstrap_distribution).pvalue > 0.01
    interval = scipys.confidence_interval
    assert [found.lower(0.05), found.upper(0.05)] == pytest.approx([interval.low, interval.high], abs=0.012)


@given(
    st.integers(2, 12), st.integers(1, 3), st.floats(0, 1), st.integers(0, 2**32 - 1), st.booleans()
)  # fmt: skip
def test_replicates_are_the_quantiles_of_the_resampled_images(n, k, q, seed, ties):
    from evalsuite.gate.speed import _weighted_quantiles
    from evalsuite.stats import resampling

    rng = np.random.default_rng(seed)
    seconds = rng.integers(1, 4, size=(n * k, 2)).astype(float) if ties else rng.uniform(1, 2, size=(n * k, 2))
    owner = np.repeat(np.arange(n), k)
    counts = resampling.resample_counts(n, 20, 5)
    found = _weighted_quantiles(seconds, owner, counts, [0.0, q])[1]
    for place, weights in enumerate(counts):
        images = np.repeat(seconds, weights[owner].astype(int), axis=0)
        assert found[:, place] == pytest.approx(np.quantile(images, q, axis=0))


def test_images_of_one_prompt_are_resampled_together():
    # Two samples of a prompt take the same time: the interval is that of 40 prompts, not of 80 images.
    rng = np.random.default_rng(2)
    one = rng.lognormal(0, 0.3, 40)
    double = quantile_ratios(pairs_of(np.repeat(one, 2), np.ones(80), k=2), [0.5])[0][2]
    single = quantile_ratios(pairs_of(one, np.ones(40)), [0.5])[0][2]
    assert double.n == single.n == 40
    assert double.replicates.std() == pytest.approx(single.replicates.std(), rel=0.1)


def test_memory_ratio_by_hand():
    base, cand, found = memory_ratio({("a", 0): (100.0, 110.0), ("a", 1): (100.0, 110.0), ("b", 0): (200.0, 200.0)})
    assert (base, cand, found.n) == (200.0, 200.0, 2)
    assert found.estimate == pytest.approx(math.log(1.1) / 2)
    # Two prompts: replicates are ln 1.1 times 0, 1/2 or 1 with probabilities 1/4, 1/2, 1/4.
    levels, counts = np.unique(np.round(found.replicates / math.log(1.1), 6), return_counts=True)
    assert list(levels) == [0, 0.5, 1]
    assert counts / counts.sum() == pytest.approx([0.25, 0.5, 0.25], abs=0.02)


def interleaved(make_run, factor, name="both"):
    rng = np.random.default_rng(3)
    noise = rng.lognormal(0, 0.05, size=(2, 200, 2))

    def seconds(model, i, seed):
        return float(noise[int(model == "new"), i, seed]) * (factor if model == "new" else 1.0)

    return make_run(name, models=("old", "new"), seconds=seconds, interleave=True)


@pytest.mark.parametrize(("factor", "decision"), [(1.0, "PASS"), (1.1, "INCONCLUSIVE"), (1.3, "FAIL")])
def test_latency_counts_where_both_were_drawn_in_turns(make_run, policy, factor, decision):
    run = interleaved(make_run, factor)
    verdict = check(run, run, policy=policy(p50=1.1, p90=1.1), baseline_model="old", candidate_model="new")
    assert [speed.name for speed in verdict.speed] == ["speed/p50", "speed/p90"]
    assert all(speed.decision == decision for speed in verdict.speed)
    assert all(speed.advisory is None for speed in verdict.speed)
    assert verdict.speed[0].ratio == pytest.approx(factor, abs=0.02)
    assert verdict.speed[0].lower < verdict.speed[0].ratio < verdict.speed[0].upper
    assert verdict.outcome == decision


def slow(factor):
    return lambda _, i, seed: factor * (1 + 0.01 * ((i + seed) % 7))


def test_latency_of_two_sessions_is_advice(make_run, policy):
    runs = make_run("a", seconds=slow(1.0)), make_run("b", seconds=slow(2.0))
    verdict = check(*runs, policy=policy(p50=1.1))
    (speed,) = verdict.speed
    assert (speed.decision, verdict.outcome) == (None, "PASS")
    assert "two sessions" in speed.advisory
    assert speed.ratio == pytest.approx(2.0)
    insisted = check(*runs, policy=policy(p50=1.1, enforce="same-hardware"))
    assert (insisted.speed[0].decision, insisted.outcome) == (None, "PASS")


def test_other_hardware_or_settings_make_timing_advisory(make_run, policy):
    rules = policy(p50=1.1, memory=1.1, enforce="same-hardware")
    extra = {"seconds": slow(2.0), "memory": lambda i, _: 2_000 + i}
    baseline = make_run("a", seconds=slow(1.0), memory=lambda i, _: 1_000 + i)
    other = check(baseline, make_run("b", **extra, environment=Environment(cpu="another")), policy=rules)
    assert {speed.decision for speed in other.speed} == {None}
    assert "gpus a GPU 300 W → none; cpu a processor → another" in other.speed[0].advisory
    steps = check(baseline, make_run("c", **extra, settings={"steps": 8}), policy=rules)
    assert "settings: steps 4 → 8" in steps.speed[0].advisory
    assert steps.outcome == "PASS"
    same = check(baseline, make_run("d", **extra), policy=rules)
    assert [speed.decision for speed in same.speed] == [None, "FAIL"]


def test_peak_memory_counts_between_sessions_but_not_where_both_were_loaded(make_run, policy):
    runs = [make_run(name, memory=lambda i, _: 10**9 + i) for name in "ab"]
    verdict = check(*runs, policy=policy(memory=1.05))
    (speed,) = verdict.speed
    assert (speed.decision, speed.unit, speed.baseline) == ("PASS", "bytes", 10**9 + 199)
    both = make_run("both", models=("old", "new"), memory=lambda i, _: 10**9 + i, interleave=True)
    verdict = check(both, both, policy=policy(memory=1.05), baseline_model="old", candidate_model="new")
    assert verdict.speed == ()
    assert any("both models were loaded" in note for note in verdict.notes)


def test_speed_that_was_not_measured_is_noted(make_run, policy):
    verdict = check(make_run("a"), make_run("b"), policy=policy(p50=1.1, memory=1.1))
    assert verdict.speed == ()
    assert len([note for note in verdict.notes if "not compared" in note]) == 2


def test_warm_up_images_do_not_count(make_run, policy):
    baseline = make_run("a", seconds=lambda _, i, seed: 100.0 if (i, seed) == (0, 0) else 1.0)
    (speed,) = check(baseline, make_run("b", seconds=slow(1.0)), policy=policy(p90=1.1)).speed
    assert speed.baseline == 1.0
    assert speed.prompts == 200


def test_turns_are_seen_from_the_order_of_the_rows(make_run):
    def turns(folder):
        return drawn_in_turns(open_side(folder, "old"), open_side(folder, "new"))

    assert turns(interleaved(make_run, 1.0))
    one_after_the_other = make_run("plain", models=("old", "new"), seconds=slow(1.0))
    assert not turns(one_after_the_other)
    assert not drawn_in_turns(open_side(make_run("x")), open_side(make_run("y")))
