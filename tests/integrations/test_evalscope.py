"""EvalScope's own evaluation with our benchmark and our metric; what is broken ends it and is never a 0."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("evalscope", reason="EvalScope is not installed (pip install evalscope)")

from evalscope.config import TaskConfig
from evalscope.run import run_task

from evalsuite.errors import EvalsuiteError
from evalsuite.integrations import evalscope as ours
from evalsuite.records import Prompt

pytestmark = pytest.mark.usefixtures("by_hand")


def prompt(ident: str, category: str = "road") -> Prompt:
    return Prompt(
        id=ident, suite="s", language="en", category=category, length="short", text=f"{ident}: OPEN DAILY",
        targets=("OPEN DAILY",),
    )  # fmt: skip


def evaluate(tmp_path, images, bench="text_rendering", **arguments):
    prompts = [prompt(name, f"kind-{number}") for number, name in enumerate(images)]
    rows = ours.write_dataset(tmp_path / "rows.jsonl", prompts, images)
    settings = {"dataset_id": str(rows), **arguments}
    config = TaskConfig(
        datasets=[bench], dataset_args={bench: settings}, work_dir=str(tmp_path / "out"), eval_batch_size=1,
        no_timestamp=True,
    )  # fmt: skip
    report = run_task(config)[bench]
    return {
        (metric.identity.name, metric.identity.dimensions.get("category", "all")): metric.score
        for metric in report.metrics
    }


def test_the_rates_are_those_of_the_summed_counts(tmp_path, files):
    found = evaluate(tmp_path, {name: files[name] for name in ("exact", "wrong", "none")})
    # Twenty-seven characters: one is another, nine are missing.
    assert found["character_accuracy", "all"] == pytest.approx(17 / 27, abs=1e-4)
    assert found["exact_string_rate", "all"] == pytest.approx(1 / 3, abs=1e-4)
    assert found["character_accuracy", "kind_1"] == pytest.approx(8 / 9, abs=1e-4)
    assert found["character_accuracy", "kind_2"] == 0


def test_the_metric_s_arguments_are_the_benchmark_s_and_no_other_is_taken(tmp_path, files):
    strict = {"metric_list": [{ours.METRIC: {"profile": "strict"}}]}
    # Under `strict` the space counts too: ten characters, one wrong.
    assert evaluate(tmp_path / "a", {"wrong": files["wrong"]}, **strict)["character_accuracy", "all"] == 0.9
    with pytest.raises(EvalsuiteError, match="unknown argument 'suites'"):
        evaluate(tmp_path / "b", {"wrong": files["wrong"]}, metric_list=[{ours.METRIC: {"suites": ["s"]}}])


@pytest.mark.parametrize("name", ["broken", "blank", "damaged"])
def test_what_is_broken_ends_the_evaluation(tmp_path, files, name):
    with pytest.raises(EvalsuiteError, match=f"{name}.png"):
        evaluate(tmp_path, {"exact": files["exact"], name: files[name]})


def test_in_a_benchmark_that_makes_a_0_of_exceptions_it_ends_it_too(tmp_path, files, monkeypatch):
    monkeypatch.setattr(
        ours, "_targets", lambda suites: {prompt(name).text: ("OPEN DAILY",) for name in files} if suites else {}
    )
    metrics = {"metric_list": [{ours.METRIC: {"suites": ["s"]}}]}
    found = evaluate(tmp_path / "a", {"wrong": files["wrong"]}, "general_t2i", **metrics)
    assert found[ours.METRIC, "all"] == pytest.approx(8 / 9, abs=1e-4)
    with pytest.raises(ours.NoScoreError, match="the engine broke down"):
        evaluate(tmp_path / "b", {"broken": files["broken"]}, "general_t2i", **metrics)
    with pytest.raises(ours.NoScoreError, match="is not in any suite"):
        evaluate(tmp_path / "c", {"wrong": files["wrong"]}, "general_t2i", metric_list=[ours.METRIC])


def test_a_dataset_holds_every_prompt_with_its_image(tmp_path, files):
    rows = ours.write_dataset(tmp_path / "rows.jsonl", [prompt("exact")])
    assert json.loads(rows.read_text())["targets"] == ["OPEN DAILY"]
    with pytest.raises(EvalsuiteError, match="other: no image for this prompt"):
        ours.write_dataset(tmp_path / "rows.jsonl", [prompt("exact"), prompt("other")], {"exact": files["exact"]})
