"""Verdicts on published scores: reproduced, not, undecided, not to be compared."""

from __future__ import annotations

import math
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from claims_by_hand import GOOD, HEAD, PADDLE, QWEN, SCORE, TOKENS, Plan, check, one, rows, standings_of

from evalsuite.claims import exit_code, load, published
from evalsuite.claims.published import Figure
from evalsuite.claims.verdict import Gap
from evalsuite.errors import ExitCode
from evalsuite.ocr.vlm import PROMPT
from evalsuite.records import OcrSpec
from evalsuite.suites import longtext_bench

QWEN_IMAGE = {"steps": 50, "true_cfg": 4.0, "negative_prompt": " "}


def test_reproduced(write):
    close = {"en": rows(0.9804, 40), "zh": rows(0.9661, 40, seed=1)}
    share = np.mean([close["en"].mean(), close["zh"].mean()]) / TOKENS
    assert abs(share - 0.9733) < 0.002  # as constructed
    verdict = one(write(Plan(close)))
    assert verdict.outcome == "reproduced", verdict.text
    average = verdict.average
    assert average.measured.estimate == pytest.approx(share)
    assert average.measured.low < 0.9733 < average.measured.high
    assert (verdict.images_per_prompt, verdict.engine, verdict.differences, verdict.more) == (4, "qwen2.5-vl", (), None)
    # ours stands beside: corrected score and character accuracy, each with its ceiling
    assert average.fixed.estimate == pytest.approx(share)
    assert average.ceiling.estimate == pytest.approx(1 - 1 / (40 * TOKENS))
    assert [figure.of for figure in verdict.figures] == ["en", "zh", "average"]
    assert verdict.gap.value == pytest.approx(average.difference)
    assert f"{verdict.gap.value:+.4f} ± 0.0102".replace("-", "\u2212") in verdict.text
    assert "over the same prompts with other seeds, surely within the tolerance of 0.0160" in verdict.text
    assert "It would take place" in verdict.text
    assert exit_code([verdict], named=True) == ExitCode.OK


def test_the_suites_own_accuracy_stands_beside_it(write):
    average = one(write(Plan(GOOD))).average
    assert 0.9 < average.accuracy.low < average.accuracy.high < 1
    assert average.accuracy_ceiling.estimate > 0.999


def test_not_reproduced_with_the_difference_and_its_interval_per_language(write):
    verdict = one(write(Plan({"en": rows(0.98, 40), "zh": rows(0.90, 40, seed=1)})))
    assert verdict.outcome == "not reproduced"
    english, chinese, average = verdict.figures
    assert chinese.difference == pytest.approx(chinese.measured.estimate - 0.9661)
    low, high = chinese.difference_interval
    assert low < chinese.difference < high < -0.05
    assert abs(english.difference) < 0.01
    assert average.difference_interval[1] < 0
    assert "surely more than the 0.0080 by which labs differ on one model" in verdict.text
    assert f"Chinese {chinese.difference:+.4f} [{low:+.4f}, {high:+.4f}]".replace("-", "\u2212") in verdict.text
    assert exit_code([verdict], named=True) == ExitCode.FAIL


def seed_variance(matched: dict[str, np.ndarray]) -> float:
    """By hand: the variance over seeds, averaged over prompts, with half an unseen image; both languages together."""
    total = 0.0
    for tokens in matched.values():
        scores = tokens / TOKENS
        n, k = scores.shape
        free = n * (k - 1) if k > 1 else n - 1
        spread = scores.var(axis=1, ddof=1).mean() if k > 1 else scores[:, 0].var(ddof=1)
        total += (free * spread + 0.5) / (free + 0.5) / n / 4
    return total


def test_the_gap_is_that_of_other_seeds_over_the_same_prompts(write):
    for seeds in (4, 1):
        close = {"en": rows(0.9804, 40, seeds), "zh": rows(0.9661, 40, seeds, seed=1)}
        gap = one(write(Plan(close))).gap
        assert gap.standard_error == pytest.approx(math.sqrt(seed_variance(close) * (1 / seeds + 1 / 4)))
        assert gap.reach == pytest.approx(1.96 * gap.standard_error)


def test_prompts_that_differ_among_themselves_do_not_matter(write):
    """Prompts from 0 to 1, the same in every image: both sides have the same prompts, so the gap is known well."""
    spread = {key: np.repeat(np.arange(51)[:, None], 4, axis=1) for key in ("en", "zh")}
    for key, offset in (("en", 24), ("zh", 24)):
        spread[key] = np.clip(spread[key] + offset, 0, TOKENS)
    verdict = one(write(Plan(spread, settings=QWEN_IMAGE)), "qwen-image-longtext", trust_settings=True)
    assert verdict.average.measured.high - verdict.average.measured.low > 0.03
    assert verdict.gap.reach < 0.011
    assert verdict.outcome == "not reproduced"


def test_inconclusive_says_how_many_more_images_would_settle_it(write):
    """Seeds vary much and prompts little: the chance in the gap narrows with the images, down to the published part."""
    # 22 of 320 images per language lost 40 of their 50 tokens: 0.945 in all, wherever they fall.
    lost = np.repeat([TOKENS - 40, TOKENS], [22, 298])
    noisy = {key: np.random.default_rng(n).permutation(lost).reshape(80, 4) for n, key in enumerate(("en", "zh"))}
    verdict = one(write(Plan(noisy, settings=QWEN_IMAGE)), "qwen-image-longtext", trust_settings=True)
    gap, within = verdict.gap, seed_variance(noisy)
    assert gap.value == pytest.approx(0.945 - 0.9445)
    assert verdict.outcome == "inconclusive"
    assert "neither surely within the tolerance of 0.0160 nor surely more than the 0.0080" in verdict.text
    needed = next(
        k
        for k in range(5, 1001)
        if abs(gap.value) + 0.00005 + 1.645 * math.sqrt(within * (1 / k + 1 / 4)) < 0.016
    )  # fmt: skip
    assert verdict.more.images == needed
    assert f"{needed} images per prompt in all ({needed - 4} more) would settle it, if the gap stays" in verdict.text
    assert exit_code([verdict], named=True) == ExitCode.INCONCLUSIVE


def test_inconclusive_for_ever_where_the_published_seeds_leave_too_much(write):
    lost = np.repeat([TOKENS - 40, TOKENS], [11, 149])
    noisy = {key: np.random.default_rng(n).permutation(lost).reshape(40, 4) for n, key in enumerate(("en", "zh"))}
    verdict = one(write(Plan(noisy, settings=QWEN_IMAGE)), "qwen-image-longtext", trust_settings=True)
    assert verdict.outcome == "inconclusive", verdict.text
    assert verdict.more.images is None
    assert "no number of images would settle it: the 4 images per prompt of the published figure alone leave" in (
        verdict.more.text
    )


def test_one_image_a_prompt_takes_all_variance_for_that_of_seeds(write):
    noisy = {key: rows(0.945, 160, 1, between=4.0, seed=n) for n, key in enumerate(("en", "zh"))}
    verdict = one(write(Plan(noisy, settings=QWEN_IMAGE)), "qwen-image-longtext", trust_settings=True)
    assert verdict.outcome == "inconclusive"
    assert verdict.gap.standard_error == pytest.approx(math.sqrt(seed_variance(noisy) * 1.25))
    assert verdict.more.text.startswith("at most ")
    assert "The benchmark draws 4 images per prompt, this run 1" in verdict.text


def test_images_that_all_agree_are_not_beyond_doubt(write):
    """Six prompts per language, all at 0.97: half an unseen image leaves a standard error of 0.034."""
    few = {"en": np.full((6, 4), 49), "zh": np.full((6, 4), 48)}
    verdict = one(write(Plan(few)))
    assert verdict.gap.standard_error == pytest.approx(math.sqrt(0.5 / 18.5 / 6 / 2 * 0.5))
    assert verdict.outcome == "inconclusive"
    # All 160 a language and the published average: 0.0013, and reproduced.
    many = {"en": np.full((160, 4), 49), "zh": np.full((160, 4), 48)}
    verdict = one(write(Plan(many)))
    assert verdict.gap.standard_error == pytest.approx(math.sqrt(0.5 / 480.5 / 160 / 2 * 0.5))
    assert verdict.outcome == "reproduced"


def test_without_an_average_nothing_is_concluded(write):
    verdict = one(write(Plan({"en": rows(0.98, 40)}, ceiling=False)))
    assert (verdict.outcome, verdict.gap, verdict.rank) == ("not comparable", None, None)


def test_a_published_figure_stands_for_all_that_rounds_to_it(write, tmp_path):
    """A run of 0.984 is 0.014 above 0.9700; a claim of 0.97, to two digits, could be up to 0.975, which is nearer."""
    path = tmp_path / "claims.toml"
    path.write_text(HEAD + SCORE.replace("en = 0.5", "en = 0.98").replace("zh = 0.7", "zh = 0.96"), encoding="utf-8")
    tight = {key: rows(0.984, 160, between=0.2, within=0.2, seed=n) for n, key in enumerate(("en", "zh"))}
    folder = write(Plan(tight))
    assert one(folder, "a", figures=load(path)).outcome == "inconclusive"
    path.write_text(path.read_text().replace("0.98", "0.9800"), encoding="utf-8")
    verdict = one(folder, "a", figures=load(path))
    assert verdict.gap.value - verdict.gap.reach > 0.008
    assert verdict.outcome == "not reproduced"
    assert Figure.of(Decimal("0.9430")) == Figure(text="0.9430", value=0.943, rounding=0.00005)


def test_error_rates_over_fresh_seeds(write):
    """The rule itself on normal gaps: a true figure is hardly ever refuted, one that is 0.02 off hardly ever kept."""
    from evalsuite.claims.scores import _outcome

    claim, error = one(write(Plan(GOOD))).claim, 0.0027
    rng = np.random.default_rng(1)
    for off, wrong in ((0.0, "not reproduced"), (0.02, "reproduced")):
        found = [_outcome(claim, Gap(value=off + error * z, standard_error=error)) for z in rng.standard_normal(2_000)]
        assert found.count(wrong) / 2_000 < 0.005


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        ({"settings": {"steps": 8, "guidance": 4.0, "enhance": "image"}}, "settings", "steps is 8, published with 50"),
        ({"settings": {"guidance": 4.0, "enhance": "image"}}, "settings", "steps is not known, published with 50"),
        (
            {"settings": {"steps": 50, "guidance": 4.0, "enhance": "off"}},
            "settings",
            "published with the prompt enhancer, drawn without it",
        ),
        ({"kind": "folder"}, "settings", "is not known; --trust-settings takes your word for it"),
        ({"role": "stand-in"}, "model", "stand-in checkpoint"),
        ({"reader": PADDLE}, "reader", "read by paddle, published figures by Qwen2.5-VL-7B-Instruct"),
        ({"missing": 3}, "completeness", "3 images are missing or unread"),
    ],
)
def test_not_comparable_says_which_thing_differs(write, change, kind, text):
    verdict = one(write(Plan(GOOD, **change)))
    assert verdict.outcome == "not comparable"
    assert [each.kind for each in verdict.differences] == [kind]
    assert text in verdict.differences[0].text
    assert verdict.text == f"{kind}: {verdict.differences[0].text}"
    assert verdict.average.measured.estimate is not None  # the figures are shown all the same
    assert exit_code([verdict], named=True) == ExitCode.INCOMPLETE


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"precision": "fp32"}, "ran in fp32, published in bf16"),
        ({"prompt": "Read this."}, "another question"),
        ({"max_new_tokens": 128}, "another question, or for another number of tokens"),
        ({"generation": {"do_sample": False}}, "generation settings"),
        ({"generation": {"do_sample": True, "temperature": 0.7, "repetition_penalty": 1.05}}, "generation settings"),
        ({"model": "folder tiny", "hidden_size": 32, "layers": 2}, "not of the size of Qwen/Qwen2.5-VL-7B-Instruct"),
    ],
)
def test_a_reader_that_is_not_the_published_one_is_not_passed_off_as_it(write, settings, text):
    reader = OcrSpec(name="qwen2.5-vl", weights_digest="q", settings={**QWEN, **settings})
    verdict = one(write(Plan(GOOD, reader=reader)))
    assert [(each.kind, text in each.text) for each in verdict.differences] == [("reader", True)]


@pytest.mark.parametrize(
    ("settings", "comparable"),
    [
        ({"model": "folder copy", "hidden_size": 3584, "layers": 28}, True),
        ({"generation": {"do_sample": False, "repetition_penalty": 1.05}}, True),
    ],
)
def test_readers_that_amount_to_the_published_one(write, settings, comparable):
    reader = OcrSpec(name="qwen2.5-vl", weights_digest="q", settings={**QWEN, **settings})
    assert (one(write(Plan(GOOD, reader=reader))).outcome != "not comparable") == comparable


@pytest.mark.parametrize(
    ("model", "comparable"),
    [
        ("Qwen/Qwen2.5-VL-7B-Instruct", True),
        ("qwen2.5-vl-7b-instruct", True),
        ("Qwen/Qwen2.5-VL-7B-Instruct-AWQ", False),
        ("Qwen/Qwen2.5-VL-3B-Instruct", False),
    ],
)
def test_a_served_reader_is_known_by_the_name_that_it_was_asked_under(write, model, comparable):
    settings = {
        "model": model, "weights": "unverified", "prompt": PROMPT, "max_new_tokens": 1024,
        "generation": {"temperature": 0, "repetition_penalty": 1.05},
    }  # fmt: skip
    reader = OcrSpec(name="qwen2.5-vl-served", weights_digest="u", settings=settings)
    assert (one(write(Plan(GOOD, reader=reader))).outcome != "not comparable") == comparable


def test_a_part_of_the_benchmark_is_not_comparable(write):
    verdict = one(write(Plan(GOOD), published_prompts=False))
    assert [each.kind for each in verdict.differences] == ["prompts", "prompts"]
    assert verdict.differences[0].text == "the run has 40 of its 160 prompts for longtext-bench-en"


def test_one_language_alone_gives_its_figure_but_no_verdict(write, monkeypatch):
    folder = write(Plan({"en": GOOD["en"]}))
    monkeypatch.setattr(longtext_bench, "DIGESTS", {**longtext_bench.DIGESTS, "longtext-bench-zh": "x"})
    verdict = one(folder)
    assert verdict.outcome == "not comparable"
    assert [figure.of for figure in verdict.figures] == ["en"]
    assert "no prompts of longtext-bench-zh" in verdict.text
    assert standings_of(folder) == tuple(row for row in standings_of(folder) if row.role is None)


def test_a_run_over_other_prompts_has_no_place_among_the_scores_of_the_benchmark():
    own_suites = Path(__file__).parents[2] / "reports" / "sample"
    assert [row.role for row in standings_of(own_suites)] == [None] * len(published().scores)


def test_images_drawn_elsewhere_are_compared_on_the_users_word(write):
    close = {"en": rows(0.9804, 40), "zh": rows(0.9661, 40, seed=1)}
    folder = write(Plan(close, kind="folder", source="/images"))
    assert check(folder) == ()  # nothing speaks of a folder by itself
    verdict = one(folder, trust_settings=True)
    assert (verdict.outcome, verdict.settings_vouched) == ("reproduced", True)


def test_a_model_is_held_against_the_claims_about_it_and_its_variant(write):
    ids = [verdict.claim.id for verdict in check(write(Plan(GOOD)))]
    assert ids == ["ernie-image-longtext", "ernie-image-rtx-4090", "ernie-image-memory", "ernie-image-fp8-memory"]


def test_the_variant_without_enhancer_speaks_to_its_own_claim(write):
    plan = Plan(GOOD, settings={"steps": 50, "guidance": 4.0, "enhance": "off"})
    assert "ernie-image-no-pe-longtext" in [verdict.claim.id for verdict in check(write(plan))]


def test_the_run_stands_among_the_published_scores(write):
    folder = write(Plan(GOOD))
    standings = standings_of(folder)
    assert len(standings) == len(published().scores) + 2  # the candidate and the ceiling
    averages = [row.average for row in standings]
    assert averages == sorted(averages, reverse=True)
    (own,) = [row for row in standings if row.model == "candidate"]
    above = sum(claim.average.value > own.average for claim in published().scores)
    assert own.rank == one(folder).rank == above + 1
    assert own.interval.low < own.average < own.interval.high
    assert own.differences == ()
    (ceiling,) = [row for row in standings if row.model == "typeset"]
    assert (ceiling.rank, ceiling.role) == (1, "reference")
