"""The charts over training steps, from points made by hand."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations

import pytest

from evalsuite.report.charts import steps
from evalsuite.report.charts.steps import Point
from evalsuite.stats import Interval


def interval(estimate, low=None, high=None):
    method = "none: too few prompts" if low is None else "studentised bootstrap"
    return Interval(estimate=estimate, low=low, high=high, level=0.95, n=20, method=method)


def point(step, mark, pooled, en, zh, **more):
    name = more.pop("name", f"step-{step}")
    return Point(name, "model", step, mark, {None: pooled, "en": en, "zh": zh}, **more)


POINTS = [
    point(500, "baseline", interval(0.8, 0.75, 0.85), interval(0.9, 0.85, 0.93), interval(0.7, 0.6, 0.8)),
    point(1000, "PASS", interval(0.85, 0.8, 0.9), interval(0.95, 0.9, 0.98), interval(0.75)),
    Point("step-1500", "model", 1500, "failed", {}),
    point(4000, "FAIL", interval(0.3, 0.2, 0.4), interval(0.2, 0.1, 0.3), interval(0.4, 0.3, 0.5)),
]
CEILINGS = {None: interval(0.99, 0.98, 0.995), "en": interval(0.9996, 0.99, 1.0), "zh": interval(0.98, 0.96, 0.99)}


def texts(chart):
    return re.findall(r"<text[^>]*>([^<]*)</text>", chart.svg)


def table(chart):
    return [[" ".join(cell.text.split()) for cell in row] for row in chart.rows]


def test_the_table_holds_every_figure_of_the_chart_and_the_ceiling():
    chart = steps.accuracy(POINTS, CEILINGS)
    assert [cell.text for cell in chart.columns] == [
        "Checkpoint", "Training step", "All languages, pooled", "en", "zh", "Verdict",
    ]  # fmt: skip
    assert table(chart) == [
        ["step-500", "500", "0.800 [0.750, 0.850]", "0.900 [0.850, 0.930]", "0.700 [0.600, 0.800]", "Baseline"],
        ["step-1000", "1,000", "0.850 [0.800, 0.900]", "0.950 [0.900, 0.980]", "0.750", "Pass"],
        ["step-1500", "1,500", "–", "–", "–", "Could not be run"],
        ["step-4000", "4,000", "0.300 [0.200, 0.400]", "0.200 [0.100, 0.300]", "0.400 [0.300, 0.500]", "Fail"],
        ["OCR ceiling", "–", "0.990 [0.980, 0.995]", "0.9996 [0.990, 1.000]", "0.980 [0.960, 0.990]", "–"],
    ]


def test_epochs_are_called_so_on_the_axis_and_in_the_table():
    timed = [replace(each, p50=1.0, p90=1.2, warm=3) for each in POINTS]
    for chart in (steps.accuracy(POINTS, CEILINGS, "epoch"), steps.latency(timed, "epoch")):
        assert chart.columns[1].text == "Training epoch"
        assert "Training epoch" in texts(chart)
        assert "Training step" not in texts(chart)


def test_the_chart_names_its_panels_and_the_verdicts_that_occur():
    found = texts(steps.accuracy(POINTS, CEILINGS))
    for expected in (
        "All languages, pooled",
        "en",
        "zh",
        "Baseline",
        "Pass",
        "Fail",
        "Could not be run",
        "OCR ceiling",
    ):
        assert expected in found
    assert "Inconclusive" not in found
    assert {"500", "1,000", "1,500", "4,000", "Training step"} <= set(found)


def test_no_ceiling_no_line():
    chart = steps.accuracy(POINTS, {})
    assert "OCR ceiling" not in texts(chart)
    assert len(chart.rows) == len(POINTS)


def test_one_language_is_one_panel():
    points = [replace(each, intervals={None: each.intervals[None]} if each.intervals else {}) for each in POINTS]
    chart = steps.accuracy(points, {})
    assert [cell.text for cell in chart.columns] == ["Checkpoint", "Training step", "Character accuracy", "Verdict"]
    assert "All languages, pooled" not in texts(chart)


@pytest.mark.parametrize("steps_", [(None, None), (100, None), (100, 100)])
def test_without_a_step_of_each_the_axis_keeps_the_order(steps_):
    points = [
        replace(POINTS[0], name="zeta<b>", step=steps_[0]),
        replace(POINTS[1], name="alpha and a very long name", step=steps_[1]),
    ]
    chart = steps.accuracy(points, {})
    found = texts(chart)
    assert found.index("zeta&lt;b&gt;") < found.index("alpha and a very …")
    assert {"Checkpoint", "zeta&lt;b&gt;"} <= set(found)
    assert "Training step" not in found
    assert [row[0] for row in table(chart)] == ["zeta<b>", "alpha and a very long name"]


def test_ticks_stand_at_checkpoints_and_apart():
    points = [replace(POINTS[0], name=f"step-{step}", step=step) for step in (100, 110, 120, 5000, 10_000)]
    found = texts(steps.accuracy(points, {}))
    assert {"100", "5,000", "10,000"} <= set(found)
    assert not {"110", "120"} & set(found)


def test_every_verdict_has_a_shape_of_its_own():
    looks = {mark: (style.marker, style.face == style.colour) for mark, style in steps.STYLES.items()}
    assert set(looks) == set(steps.WORDS)
    assert all(one != other for one, other in combinations(looks.values(), 2))


def test_nothing_measured_is_no_chart():
    assert steps.accuracy([POINTS[2]], CEILINGS) is None


def test_latency_wants_two_timed_checkpoints():
    timed = [replace(POINTS[0], p50=1.5, p90=1.75, warm=5), *POINTS[1:]]
    assert steps.latency(timed) is None
    timed[3] = replace(POINTS[3], p50=0.05, p90=None, warm=1)
    chart = steps.latency(timed)
    assert table(chart) == [["step-500", "500", "1.5 s", "1.75 s", "5"], ["step-4000", "4,000", "50 ms", "–", "1"]]
    assert {"Seconds per image", "Training step"} <= set(texts(chart))


def test_the_charts_stand_in_a_page_with_a_strict_policy():
    timed = [replace(each, p50=1.0, p90=2.0) for each in POINTS]
    ids = []
    for chart in (steps.accuracy(POINTS, CEILINGS), steps.latency(timed)):
        assert not re.search(r"\sstyle=|<style|<script|xmlns|xlink|<image|#0000[af]\d", chart.svg)
        ids += re.findall(r'\sid="([^"]+)"', chart.svg)
    assert len(ids) == len(set(ids))
    svg = steps.accuracy(POINTS, CEILINGS).svg
    assert all(f"var(--{name})" in svg for name in ("good", "bad", "s1", "s2", "s3"))
    assert svg == steps.accuracy(POINTS, CEILINGS).svg
