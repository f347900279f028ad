from __future__ import annotations

import json
import re
from fractions import Fraction

import pytest

from evalsuite.errors import EvalsuiteError, ExitCode, NotComparableError
from evalsuite.report import build_comparison, comparison, stored
from evalsuite.report.charts.scatter import scatter
from evalsuite.report.text import signed
from evalsuite.stats import mean_interval


def data_of(page):
    content = page.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="gallery-data">(.*?)</script>', content, re.DOTALL)[1])


def words_of(page):
    content = re.sub(r"<script.*?</script>|<svg.*?</svg>", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", content).split())


@pytest.fixture
def two(handmade, tmp_path):
    """Run a is perfect, run b loses the L and writes 持 for 特."""
    handmade.make_run(tmp_path / "a", environment={"cpu": "x"})
    handmade.make_run(tmp_path / "b", outcome=handmade.noodes, environment={"cpu": "x"})
    return tmp_path / "a", tmp_path / "b"


def test_differences_are_paired_by_prompt_and_worked_by_hand(two):
    runs = [stored.load(folder) for folder in two]
    called = comparison.contestants(runs)
    assert [each.name for each in called] == ["klein · a", "klein · b"]
    everything, english, chinese = comparison.compare_all(runs, called)
    # NIGHT NOODLES −1/12, the shop 0, the menu −1/6; one mean over three prompts.
    assert everything.interval.estimate == pytest.approx(float(-(Fraction(1, 12) + Fraction(1, 6)) / 3))
    assert (everything.better, everything.worse, everything.same) == (0, 2, 1)
    assert (english.language, english.interval.estimate) == ("en", pytest.approx(-1 / 24))
    assert (chinese.language, chinese.interval.estimate) == ("zh", pytest.approx(-1 / 6))
    # One Chinese prompt, between -1 and 1: next to nothing is known.
    expected = mean_interval([-1 / 6], bounds=(-1.0, 1.0))
    assert (chinese.interval.low, chinese.interval.high) == pytest.approx((expected.low, expected.high), abs=1e-6)
    assert chinese.interval.low < -0.85


def test_the_page_holds_both_sides_and_its_images(two, tmp_path):
    page = build_comparison(two, tmp_path / "out")
    data = data_of(page)
    assert [model["name"] for model in data["models"]] == ["klein · a", "klein · b"]
    assert len(data["rows"]) == 6
    for row in data["rows"]:
        for address in (row[5], row[6]):
            assert (page.parent / address).is_file()
    words = words_of(page)
    assert "klein · b" in words
    assert re.search("\u22120\\.083 \u22120\\.\\d{3}&thinsp;–&thinsp;\\+0\\.\\d{3} 0 2 1", words)
    assert "This is no verdict" in words


def test_models_of_one_run_can_be_compared(handmade, tmp_path):
    models = (handmade.model("one"), handmade.model("two"), handmade.MODELS[1])
    handmade.make_run(tmp_path / "run", models=models)
    data = data_of(build_comparison([tmp_path / "run"], tmp_path / "out"))
    assert [model["name"] for model in data["models"]] == ["one", "two"]  # the reference does not compete


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seeds": (0, 1)}, r"seeds \[0\] and \[0, 1\]"),
        ({"profile": "strict"}, "scorer profile standard and strict"),
        ({"prompts": 2}, r"1 prompts are not the same \(menu-003\)"),
    ],
)
def test_runs_that_differ_are_refused_with_the_difference(handmade, tmp_path, changes, named):
    if "prompts" in changes:
        changes = {"prompts": handmade.PROMPTS[: changes["prompts"]]}
    handmade.make_run(tmp_path / "a")
    handmade.make_run(tmp_path / "b", **changes)
    with pytest.raises(NotComparableError, match=named) as caught:
        build_comparison([tmp_path / "a", tmp_path / "b"], tmp_path / "out")
    assert caught.value.exit_code is ExitCode.INCOMPLETE
    assert not (tmp_path / "out").exists()


def test_a_prompt_with_another_text_is_another_prompt(handmade, tmp_path):
    changed = (handmade.prompt("neon-001", "signs", "neon", 'Other words, "NIGHT NOODLES".', ("NIGHT NOODLES",)),)
    handmade.make_run(tmp_path / "a", prompts=handmade.PROMPTS[:1])
    handmade.make_run(tmp_path / "b", prompts=changed)
    with pytest.raises(NotComparableError, match="neon-001"):
        build_comparison([tmp_path / "a", tmp_path / "b"], tmp_path / "out")


def test_one_model_alone_and_a_run_folder_as_target_are_refused(handmade, tmp_path):
    handmade.make_run(tmp_path / "a", models=handmade.MODELS[:1])
    with pytest.raises(EvalsuiteError, match="nothing to compare"):
        build_comparison([tmp_path / "a"], tmp_path / "out")
    with pytest.raises(EvalsuiteError, match="nothing to compare"):
        build_comparison([], tmp_path / "out")
    with pytest.raises(EvalsuiteError, match="name another folder"):
        build_comparison([tmp_path / "a", tmp_path / "a"], tmp_path / "a")


def test_the_same_run_twice_is_told_apart_and_differs_in_nothing(handmade, tmp_path):
    handmade.make_run(tmp_path / "a", outcome=handmade.noodes)
    page = build_comparison([tmp_path / "a", tmp_path / "a"], tmp_path / "out")
    assert [model["name"] for model in data_of(page)["models"]] == ["klein · a (1)", "klein · a (2)"]
    assert "0.000" in words_of(page)


def test_timings_of_other_or_unknown_machines_are_not_compared(handmade, two, tmp_path):
    assert "5 warm" not in words_of(build_comparison(two, tmp_path / "same"))
    assert "Median" in words_of(tmp_path / "same" / "index.html")
    handmade.make_run(tmp_path / "c", environment={"cpu": "y"})
    words = words_of(build_comparison([two[0], tmp_path / "c"], tmp_path / "other"))
    assert "Median" not in words
    assert "were not made on the same machine" in words
    handmade.make_run(tmp_path / "d")
    handmade.make_run(tmp_path / "e")
    assert "Median" not in words_of(build_comparison([tmp_path / "d", tmp_path / "e"], tmp_path / "unknown"))


def test_an_incomplete_side_says_so(handmade, two, tmp_path):
    def outcome(spec, prompt, _seed):
        failed = spec.role == "model" and prompt.id == "neon-001"
        return handmade.Outcome(error="boom") if failed else handmade.perfect(prompt)

    handmade.make_run(tmp_path / "c", outcome=outcome)
    words = words_of(build_comparison([two[0], tmp_path / "c"], tmp_path / "out"))
    assert "Incomplete: 1 of 12 images are missing or unread" in words
    assert "c: klein" in words


def test_scatter_points_and_table_lead_to_the_prompt(handmade):
    pairs = {"p-1": (1.0, 0.5), "p-2": (1.0, 1.0), "p-3": (0.5, 0.75)}
    one, two = handmade.model("one"), handmade.model("two", "stand-in")
    chart = scatter("scatter-1", one, two, pairs)
    assert set(re.findall(r'<a href="([^"]+)" tabindex="-1">', chart.svg)) == {"#q=p-1", "#q=p-2", "#q=p-3"}
    assert [[cell.text for cell in row] for row in chart.rows] == [
        ["p-1", "1.000", "0.500", "\u22120.500"],
        ["p-3", "0.500", "0.750", "+0.250"],
    ]
    assert chart.rows[0][0].link == "#q=p-1"
    assert "two (stand-in)" in chart.svg


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0.000"), (0.0123, "+0.012"), (-0.5, "\u22120.500"), (-0.00004, "\u22120.00004"), (None, "–")],
)
def test_signed(value, shown):
    assert signed(value) == shown
