from __future__ import annotations

from fractions import Fraction

import msgspec
import pytest
from scipy import stats as scipy_stats

from evalsuite import stats
from evalsuite.records import Generation, Memory, Phase, Timing
from evalsuite.runs import open_run
from evalsuite.runs.timing import time_model


def summary_of(store):
    return open_run(store).summary


@pytest.fixture
def noodes(handmade, tmp_path):
    return handmade.make_run(tmp_path / "run", outcome=handmade.noodes, seeds=(0, 1))


def test_counts_and_rates_worked_by_hand(noodes):
    # Targets: NIGHT NOODLES 12, GRAND OPENING 12, Open Daily 9, 今日特价 4, 半价 2 characters; two seeds.
    # Errors a seed: the lost L, 持 for 特. Extra text a seed: Lorem, 5 characters.
    model = summary_of(noodes).models[0]
    overall = model.overall
    assert (overall.dimension, overall.prompts, overall.images) == ("all", 3, 6)
    assert overall.rates.counts.length == 78
    assert overall.rates.character_accuracy == float(Fraction(74, 78))
    assert overall.rates.strict_accuracy == float(Fraction(64, 78))
    assert overall.rates.exact_string_rate == float(Fraction(6, 10))
    assert overall.rates.all_exact_image_rate == float(Fraction(2, 6))
    assert overall.intervals["character_accuracy"].estimate == overall.rates.character_accuracy
    by_language = {each.value: each.rates.character_accuracy for each in model.by("language")}
    assert by_language == {"en": float(Fraction(64, 66)), "zh": float(Fraction(10, 12))}
    assert [each.value for each in model.by("suite")] == ["signs", "signs-zh"]
    assert {each.value: each.prompts for each in model.by("length")} == {"short": 2, "long": 1}


def test_intervals_of_three_prompts(noodes):
    found = summary_of(noodes).models[0].overall.intervals
    # Characters right of each prompt, over two seeds: NIGHT NOODLES; GRAND OPENING and Open Daily; the menu.
    expected = stats.ratio_interval([22, 42, 10], [24, 42, 12], bounds=(0.0, 1.0))
    assert found["character_accuracy"] == expected
    assert expected.method == "Bayesian bootstrap"
    assert 0 < expected.low < 74 / 78 < expected.high < 1
    # All images of one prompt right, none of the two others: 1 of 3, with 5/8 and 3/8 of a prompt at the ends.
    images = found["all_exact_image_rate"]
    ends = scipy_stats.beta.ppf(0.025, 1 + 3 / 8, 2 + 5 / 8), scipy_stats.beta.ppf(0.975, 1 + 5 / 8, 2 + 3 / 8)
    assert (images.low, images.high) == pytest.approx(ends, abs=1e-6)
    # Extra text takes the strict accuracy below zero without limit, so there is no worst value to reckon with.
    strict = found["strict_accuracy"]
    assert (strict.low, strict.high, strict.method) == (None, None, "none: too few prompts")


def test_perfect_prompts_have_an_interval_within_one(handmade, tmp_path):
    neon = handmade.PROMPTS[0]
    prompts = tuple(msgspec.structs.replace(neon, id=f"n-{n}", text=f"{n}: {neon.text}") for n in range(6))
    perfect = summary_of(handmade.make_run(tmp_path / "run", prompts=prompts)).models[0].overall
    low = scipy_stats.beta.ppf(0.025, 6 + 3 / 8, 5 / 8)
    for name in ("character_accuracy", "exact_string_rate", "all_exact_image_rate"):
        found = perfect.intervals[name]
        assert (found.estimate, found.high, found.method) == (1.0, 1.0, "Bayesian bootstrap")
        assert found.low == pytest.approx(low, abs=1e-6)


def test_the_ceiling_is_the_same_slice_of_the_clean_reference(handmade, tmp_path):
    def outcome(spec, prompt, seed):
        if spec.role == "reference" and prompt.id == "menu-003":
            return handmade.Outcome(lines=("今日特", "半价"))
        return handmade.noodes(spec, prompt, seed)

    summary = summary_of(handmade.make_run(tmp_path / "run", outcome=outcome))
    assert summary.ceiling_model == "typeset"
    slices = {(each.dimension, each.value): each for each in summary.models[0].slices}
    assert summary.ceiling(slices["language", "zh"]).rates.character_accuracy == float(Fraction(5, 6))
    assert summary.ceiling(slices["language", "en"]).rates.character_accuracy == 1.0


def test_the_ceiling_is_not_measured_without_the_reference_or_where_it_is_incomplete(handmade, tmp_path):
    alone = summary_of(handmade.make_run(tmp_path / "alone", models=handmade.MODELS[:1]))
    assert alone.ceiling_model is None
    assert alone.ceiling(alone.models[0].overall) is None

    planted = handmade.model("typeset:errors=0.05", "reference", errors=0.05)
    other = summary_of(handmade.make_run(tmp_path / "planted", models=(handmade.MODELS[0], planted)))
    assert other.ceiling_model is None  # planted errors are no ceiling

    def outcome(spec, prompt, _seed):
        if spec.role == "reference" and prompt.id == "menu-003":
            return handmade.Outcome(error="no face draws these")
        return handmade.perfect(prompt)

    partial = summary_of(handmade.make_run(tmp_path / "partial", outcome=outcome))
    slices = {(each.dimension, each.value): each for each in partial.models[0].slices}
    assert partial.ceiling(slices["language", "zh"]) is None
    assert partial.ceiling(slices["all", "all"]) is None
    assert partial.ceiling(slices["language", "en"]).rates.character_accuracy == 1.0


def test_missing_and_unreadable_images_are_named_and_count_as_wrong(handmade, tmp_path):
    def outcome(spec, prompt, seed):
        if spec.role == "model" and prompt.id == "neon-001":
            return handmade.Outcome(error="out of memory")
        if spec.role == "model" and prompt.id == "menu-003" and seed == 1:
            return handmade.Outcome(ocr_error="the engine crashed")
        return handmade.perfect(prompt)

    summary = summary_of(handmade.make_run(tmp_path / "run", outcome=outcome, seeds=(0, 1)))
    overall = summary.models[0].overall
    assert summary.incomplete
    assert overall.missing == 3
    assert [each.text for each in open_run(tmp_path / "run").missing] == [
        "neon-001 seed 0: out of memory",
        "neon-001 seed 1: out of memory",
        "menu-003 seed 1: the engine crashed",
    ]
    assert overall.rates.character_accuracy == float(Fraction(78 - 24 - 6, 78))
    assert not summary.models[1].overall.incomplete


def test_one_text_under_two_ids_is_one_prompt_in_every_interval(handmade, tmp_path):
    """The same prompt ten times over is no more evidence than once, whatever case and spaces it is written with."""
    first, second, _ = handmade.PROMPTS
    texts = (first.text, first.text.upper(), first.text.replace(" that", "  that"))
    again = [msgspec.structs.replace(first, id=f"again-{place}", text=text) for place, text in enumerate(texts)]
    run = open_run(handmade.make_run(tmp_path / "run", prompts=(first, second, *again)))
    overall = run.summary.models[0].overall
    assert (overall.prompts, overall.images) == (2, 5)
    assert overall.intervals["character_accuracy"].n == 2
    (notice,) = run.notices
    assert notice == (
        "3 prompts repeat the text of another: again-0 (as neon-001), again-1 (as neon-001), again-2 (as neon-001); "
        "intervals and gates count each text once"
    )


def generation(seconds, *, warmup=False, phases=(), error=None, memory=None, steps=(), batch=1):
    timing = Timing(
        total=seconds,
        phases=tuple(Phase(name=n, seconds=s) for n, s in phases),
        steps=steps,
        warmup=warmup,
        batch=batch,
    )
    return Generation(
        key="0" * 24, model="m", prompt="p", seed=0, timing=timing, error=error, memory=memory, drawn_at=""
    )


def test_timing_is_of_the_warm_images_alone():
    warm = [
        generation(
            seconds,
            phases=(("denoising", seconds * 0.75), ("decoding", seconds * 0.25)),
            steps=(seconds / 4, seconds / 4),
            memory=Memory(process=5),
        )
        for seconds in (1.0, 2.0, 3.0)
    ]
    cold = generation(9.0, warmup=True, memory=Memory(process=7))
    rows = [cold, *warm, generation(100.0, error="failed")]
    timing = time_model(rows)
    assert (timing.warm, timing.warmup) == (3, 1)
    assert timing.total.p50 == 2.0
    assert timing.total.p90 == pytest.approx(2.8)  # linear between 2 and 3
    assert timing.images_per_second == 0.5
    assert [(phase.name, phase.share) for phase in timing.phases] == [("denoising", 0.75), ("decoding", 0.25)]
    assert timing.warmup_seconds.p50 == 9.0
    assert timing.memory == Memory(process=7)
    assert (timing.step_count, timing.steps.p50) == (2, 0.5)


def test_a_phase_that_an_image_lacks_took_no_time_there():
    rows = [
        generation(1.0, phases=(("prompt_enhancement", 0.5), ("denoising", 0.5))),
        generation(0.5, phases=(("denoising", 0.5),)),
    ]
    phases = {phase.name: phase for phase in time_model(rows).phases}
    assert phases["prompt_enhancement"].seconds.mean == 0.25


def test_nothing_timed_is_none_and_warmups_alone_have_no_rate():
    assert time_model([]) is None
    assert time_model([generation(1.0, error="failed")]) is None
    only = time_model([generation(1.0, warmup=True)])
    assert (only.total, only.images_per_second, only.warm) == (None, None, 0)
