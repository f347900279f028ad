from __future__ import annotations

import re

import pytest

from evalsuite.models.training_steps import Trained
from evalsuite.report import cells, charts
from evalsuite.report import figures as views
from evalsuite.report.charts import accuracy, errors, speed
from evalsuite.runs import open_run
from evalsuite.stats import mean_interval


@pytest.fixture(scope="module")
def run(handmade, tmp_path_factory):
    store = handmade.make_run(tmp_path_factory.mktemp("charts") / "run", outcome=handmade.noodes, seeds=(0, 1, 2))
    run = open_run(store)
    return run.summary, run.scores, run.generations


def texts(chart):
    return re.findall(r"<text[^>]*>([^<]*)</text>", chart.svg)


def table(chart):
    return [[cell.text for cell in row] for row in chart.rows]


def estimates(rows):
    """Cells without their intervals."""
    return [[cell.partition(" [")[0] for cell in row] for row in rows]


def test_svg_stands_in_a_page_with_a_strict_policy(run):
    drawn = charts.draw_all(*run)
    assert [chart.name for chart in drawn] == [
        "trade_off",
        "category",
        "length",
        "string_length",
        "phases",
        "confusions",
    ]
    ids = []
    for chart in drawn:
        assert not re.search(r"\sstyle=|<style|<script|xmlns|xlink|<image|#0000[af]\d", chart.svg), chart.name
        assert "var(--s1)" in chart.svg
        ids += re.findall(r'\sid="([^"]+)"', chart.svg)
        targets = set(re.findall(r'(?:href="#|url\(#)([^")]+)', chart.svg))
        assert targets <= set(ids)
    assert len(ids) == len(set(ids))


def test_the_same_run_draws_the_same_bytes(run):
    assert [chart.svg for chart in charts.draw_all(*run)] == [chart.svg for chart in charts.draw_all(*run)]


def test_tables_hold_the_numbers_of_the_summary(run):
    summary, scores, _ = run
    assert estimates(table(accuracy.by_dimension(summary, "category"))) == [
        ["menu", "1", "0.833", "1.000"],
        ["neon", "1", "0.917", "1.000"],
        ["shop", "1", "1.000", "1.000"],
    ]
    # 1–5 characters: 今日特价 and 半价, 6 with 1 error; 6–10: Open Daily; 11–20: the two others, 24 with 1 error.
    assert estimates(table(accuracy.by_string_length(summary, scores))) == [
        ["1–5", "6", "0.833", "1.000"],
        ["6–10", "3", "1.000", "1.000"],
        ["11–20", "6", "0.958", "1.000"],
    ]


def test_the_interval_of_one_prompt_is_wide(run):
    ends = {}
    for category, _, text, _ in table(accuracy.by_dimension(run[0], "category")):
        found = re.fullmatch(r"[\d.]+ \[([\d.]+),\s([\d.]+)\]", text)
        ends[category] = float(found[1]), float(found[2])
    for category, share in (("neon", 11 / 12), ("shop", 1.0), ("menu", 5 / 6)):
        expected = mean_interval([share], bounds=(0.0, 1.0))
        assert ends[category] == pytest.approx((expected.low, expected.high), abs=0.001)
        assert ends[category][1] - ends[category][0] > 0.8


def test_confusions_count_pairs_per_model_and_the_readers_own(run):
    summary, scores, _ = run
    chart = errors.confusions(summary, scores)
    assert [cell.text for cell in chart.columns] == ["Wanted", "Read", "Count", "klein", "on perfect text"]
    assert ["L", "∅", "3", "3", "0"] in table(chart)
    assert ["特", "持", "3", "3", "0"] in table(chart)
    assert {"特", "持", "∅"} <= set(texts(chart))


def test_references_are_no_series_of_the_speed_plots(run):
    summary, _, generations = run
    assert [row[0] for row in table(speed.trade_off(summary))] == ["klein"]
    phases = table(speed.by_phase(summary, generations))
    assert {row[0] for row in phases} == {"klein"}
    assert phases[0][1:3] == ["text encoding", "8"]  # nine images, one of them a warm-up


def test_what_is_no_real_model_says_so_in_legends_and_tables(handmade, tmp_path):
    models = (
        handmade.model("klein-micro", "stand-in"),
        handmade.model("typeset:errors=0.05", "reference", errors=0.05),
    )
    store = handmade.make_run(tmp_path / "run", models=models, outcome=handmade.noodes)
    summary = open_run(store).summary
    chart = accuracy.by_dimension(summary, "category")
    assert {"klein-micro (stand-in)", "typeset:errors=0.05 (reference, not a model)"} <= set(texts(chart))
    assert 'data-i18n="named.stand-in"' in chart.svg
    assert [cell.text for cell in chart.columns][2:4] == [
        "klein-micro (stand-in)",
        "typeset:errors=0.05 (reference, not a model)",
    ]


def test_categories_stand_worst_first_for_the_models_that_are_no_reference(handmade, tmp_path):
    def outcome(spec, prompt, _):
        wrong = {"klein": "menu", "ernie": "neon", "typeset:errors=0.05": "shop"}[spec.name] == prompt.category
        return handmade.Outcome(lines=tuple(text[1 if wrong else 0 :] for text in prompt.targets))

    models = (
        handmade.model("typeset:errors=0.05", "reference", errors=0.05),
        handmade.model("ernie", "stand-in"),
        handmade.model("klein"),
    )
    store = handmade.make_run(tmp_path / "run", models=models, outcome=outcome)
    summary = open_run(store).summary
    # Errors of klein and ernie: menu 2 of 2 × 6 characters, neon 1 of 2 × 12, shop none; the reference's do not count.
    shown, rows = views.slice_table(summary, "category")
    assert [row.value for row in rows] == ["menu", "neon", "shop"]
    assert [model.name for model in shown] == ["klein", "ernie", "typeset:errors=0.05"]
    assert [row[0] for row in table(accuracy.by_dimension(summary, "category"))] == ["menu", "neon", "shop"]
    assert [row.value for row in views.slice_table(summary, "suite")[1]] == ["signs", "signs-zh"]


def test_nothing_to_plot_is_no_plot(handmade, tmp_path):
    models = (handmade.MODELS[1],)
    store = handmade.make_run(tmp_path / "run", models=models, prompts=handmade.PROMPTS[:1])
    run = open_run(store)
    assert charts.draw_all(run.summary, run.scores, run.generations) == []


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("klein-step-2000", ("klein-step-…", Trained("step", 2000))),
        ("runs/ernie_checkpoint-500", ("runs/ernie_checkpoint-…", Trained("step", 500))),
        ("ckpt12+lora", ("ckpt…+lora", Trained("step", 12))),
        ("my-lora-000500", ("my-lora-…", Trained("epoch", 500))),
        ("epoch-3", ("epoch-…", Trained("epoch", 3))),
        ("flux2-klein-4b", None),
        ("stepwise", None),
    ],
)
def test_steps_are_read_from_names(name, found):
    assert charts.series_of(name) == found


def test_three_checkpoints_make_a_curve_in_the_order_of_their_steps(handmade, tmp_path):
    models = tuple(handmade.model(f"klein-step-{step}") for step in (3000, 1000, 2000))

    def outcome(spec, prompt, seed):
        return handmade.perfect(prompt) if spec.name.endswith("3000") else handmade.noodes(spec, prompt, seed)

    store = handmade.make_run(tmp_path / "run", models=models, outcome=outcome)
    summary = open_run(store).summary
    assert estimates(table(accuracy.over_steps(summary))) == [
        ["klein-step-1000", "1,000", "0.949"],
        ["klein-step-2000", "2,000", "0.949"],
        ["klein-step-3000", "3,000", "1.000"],
    ]


def test_hostile_names_are_text(handmade, tmp_path):
    models = (handmade.model("</text><script>alert(1)</script>$x^2$\u202e\x00"),)
    store = handmade.make_run(tmp_path / "run", models=models, outcome=handmade.noodes)
    summary = open_run(store).summary
    chart = accuracy.by_dimension(summary, "category")
    assert "<script>" not in chart.svg
    assert "&lt;script&gt;" in chart.svg
    assert "\u202e" not in chart.svg


def test_labels_are_short_and_on_one_line():
    assert cells.label("a\n b") == "a b"
    assert len(cells.label("x" * 500)) == 40
