"""Sweeps over real checkpoints: folders of images drawn at several steps, and small pipelines of the real kind."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import command_line
import msgspec
import pytest
from installed import skip_without_paddleocr

from evalsuite import suites
from evalsuite.errors import EvalsuiteError
from evalsuite.gate import load_policy
from evalsuite.models.typeset.model import TypesetModel
from evalsuite.sweep import Sweep, SweepPlan, follow, run_sweep

skip_without_paddleocr()

POLICY = 'format = 1\nname = "wide"\nsamples = 1\n[[gates]]\nmargin = 0.3\n'


@pytest.fixture(scope="module")
def suite(tmp_path_factory) -> str:
    words = ["NOODLES", "OPEN", "SOUP 4.50", "BAKERY", "EXIT", "TICKETS", "PLATFORM 9", "SALE", "COFFEE", "MUSEUM",
             "HOTEL", "LIBRARY"]  # fmt: skip
    lines = [
        f"  - {{id: s{i:02d}, category: sign, length: short, text: 'A sign \"{word}\".', targets: [{word}]}}"
        for i, word in enumerate(words)
    ]
    path = tmp_path_factory.mktemp("suite") / "signs.yaml"
    path.write_text("suite: signs\nlanguage: en\nprompts:\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def draw(folder: Path, suite: str, errors: float) -> None:
    folder.mkdir(parents=True)
    prompts = [prompt for loaded in suites.load(suite) for prompt in loaded.prompts]
    with TypesetModel(errors=errors, width=640, height=256) as model:
        for drawing in model.draw([(prompt, 0) for prompt in prompts]):
            assert drawing.image is not None
            drawing.image.save(folder / f"{drawing.prompt.id}_0.png")


@pytest.fixture(scope="module")
def images(tmp_path_factory, suite) -> Path:
    """Images at three steps of a training that first learns and then breaks, and a folder that has no place here."""
    folder = tmp_path_factory.mktemp("training")
    for step, errors in ((100, 0.1), (200, 0.0), (1000, 0.9)):
        draw(folder / f"step-{step}", suite, errors)
    (folder / "step-500.safetensors").write_bytes(b"still being written")
    (folder / "samples").mkdir()
    return folder


@pytest.fixture(scope="module")
def policy_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("policy") / "wide.toml"
    path.write_text(POLICY)
    return path


@pytest.fixture(scope="module")
def finished(images, suite, policy_file, tmp_path_factory) -> tuple[SweepPlan, Sweep]:
    """A finished sweep; tests that go on from it take a copy of its folder."""
    out = tmp_path_factory.mktemp("finished") / "out"
    plan = SweepPlan(
        folder=images, out=out, policy=load_policy(policy_file), suites=(suite,), ceiling=False, workers=1
    )  # fmt: skip
    return plan, run_sweep(plan)


@pytest.fixture
def plan(finished, tmp_path) -> SweepPlan:
    """The finished sweep again, in a folder of its own where nothing is left to draw."""
    shutil.copytree(finished[0].out, tmp_path / "out")
    return replace(finished[0], out=tmp_path / "out")


def test_a_sweep_runs_and_gates_in_step_order(finished):
    plan, found = finished
    assert [(row.step, row.status) for row in found.rows] == [
        (100, "done"), (200, "done"), (500, "failed"), (1000, "done"),
    ]  # fmt: skip
    assert "safetensors" in found.rows[2].error
    accuracy = [row.character_accuracy.estimate for row in found.rows if row.status == "done"]
    assert accuracy[1] > accuracy[0] > accuracy[2]
    assert found.baseline == "runs/step-100"
    assert found.rows[0].outcome is None
    assert [row.outcome for row in found.rows[1:]] == ["PASS", None, "FAIL"]
    assert found.rows[3].upper < -0.3
    assert found.incomplete
    assert msgspec.json.decode((plan.out / "sweep.json").read_bytes(), type=Sweep) == found
    text = (plan.out / "sweep.md").read_text(encoding="utf-8")
    assert [each.name for each in found.passed_over] == ["samples"]
    assert "- samples: a trainer’s folder of samples, logs or states" in text
    assert [line.split(" | ")[0] for line in text.splitlines() if line.startswith(("| 1", "| 2", "| 5"))] == [
        "| 100", "| 200", "| 500", "| 1000",
    ]  # fmt: skip


def words_of(page: Path) -> str:
    content = re.sub(r"<script.*?</script>|<svg.*?</svg>", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", content).split())


def test_a_sweep_is_a_page_whose_links_lead_to_reports_with_the_verdicts(finished):
    plan, found = finished
    content = (plan.out / "index.html").read_text(encoding="utf-8")
    links = re.findall(r'<th scope="row"><a href="([^"]+)">', content)
    assert links == [f"runs/step-{step}/index.html" for step in (100, 200, 1000)]
    assert "step-500.safetensors: is cut short" in words_of(plan.out / "index.html")
    assert f"{found.rows[3].character_accuracy.estimate:.3f}" in words_of(plan.out / "index.html")
    for link, verdict in zip(links, (None, "Pass", "Fail"), strict=True):
        # On the first screen, and where the verdict is told in full.
        assert re.findall(r"(Pass|Fail) folder:", words_of(plan.out / link)) == ([verdict] * 2 if verdict else [])


def test_a_run_folder_is_no_place_for_a_sweep(plan):
    with pytest.raises(EvalsuiteError, match="is a run folder; name another"):
        run_sweep(replace(plan, out=plan.out / "runs" / "step-100"))


def test_a_sweep_resumes_and_draws_and_reads_nothing_twice(plan, finished):
    rows = {path: path.read_bytes() for path in plan.out.rglob("[gr]e*.jsonl")}
    assert len(rows) == 6
    assert run_sweep(plan) == finished[1]
    assert {path: path.read_bytes() for path in plan.out.rglob("[gr]e*.jsonl")} == rows


def test_a_given_baseline_and_the_ceiling(plan, images, tmp_path):
    few = tmp_path / "few"
    shutil.copytree(images / "step-200", few / "step-200")
    baseline = plan.out / "runs" / "step-100"
    found = run_sweep(replace(plan, folder=few, baseline=baseline, ceiling=True, limit=None))
    assert [(row.name, row.outcome) for row in found.rows] == [("step-200", "PASS")]
    assert found.baseline == "runs/step-100"
    assert (plan.out / "ceiling" / "manifest.json").is_file()
    assert 'href="ceiling/index.html"' in (plan.out / "index.html").read_text(encoding="utf-8")
    assert (plan.out / "ceiling" / "index.html").is_file()
    with pytest.raises(EvalsuiteError, match="no run here"):
        run_sweep(replace(plan, baseline=tmp_path / "nowhere", out=tmp_path / "three"))
    assert not (tmp_path / "three").exists()


def test_new_checkpoints_are_taken_once_they_are_written(plan, images, tmp_path):
    training = tmp_path / "training"
    shutil.copytree(images / "step-100", training / "step-100")
    for path in training.rglob("*.png"):
        os.utime(path, (1e9, 1e9))
    shutil.copytree(images / "step-200", training / "step-200", copy_function=shutil.copy)
    states = follow(replace(plan, folder=training), every=0.01)
    first = next(states)
    assert ([row.step for row in first.rows], first.waiting) == ([100], ("step-200",))
    assert "Not written to the end yet, and not run: step-200." in words_of(plan.out / "index.html")
    for path in training.rglob("*.png"):
        os.utime(path, (1e9, 1e9))
    second = next(states)
    assert ([row.step for row in second.rows], second.waiting) == ([100, 200], ())
    assert second.rows[0] == first.rows[0]
    assert "Not written to the end yet" not in words_of(plan.out / "index.html")
    assert "runs/step-200/index.html" in (plan.out / "index.html").read_text(encoding="utf-8")


def test_an_empty_folder_is_one_clear_error(plan, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(EvalsuiteError, match="holds no checkpoint"):
        run_sweep(replace(plan, folder=tmp_path / "empty"))


def test_an_adapter_needs_its_model(plan, tmp_path):
    from evalsuite.sweep.carry_out import _resolve
    from evalsuite.sweep.checkpoints import Found

    lora = Found("step-1", 1, "lora", tmp_path / "a.safetensors")
    with pytest.raises(EvalsuiteError, match="name what it was trained on with --model"):
        _resolve(plan, lora)
    with_model = replace(plan, model="flux2-klein-4b", settings={"steps": 2})
    name, options = _resolve(with_model, lora)
    assert (name, options.lora, options.settings) == ("flux2-klein-4b", (str(lora.path),), {"steps": 2})
    _, options = _resolve(with_model, Found("step-1", 1, "transformer", lora.path))
    assert (options.lora, options.transformer) == ((), str(lora.path))
    with pytest.raises(EvalsuiteError, match="--set cannot change"):
        _resolve(with_model, Found("step-1", 1, "images", tmp_path))


def test_the_command_prints_the_table_and_exits_with_12_where_something_failed(plan, suite, policy_file):
    done = command_line.evalsuite(
        "sweep", plan.folder, "--suite", suite, "--policy", policy_file, "--out", plan.out, "--no-ceiling",
        "--ocr-workers", "1", "--quiet",
    )  # fmt: skip
    assert done.returncode == 12, done.stderr
    for part in (
        "step-200",
        "baseline",
        "PASS",
        "FAIL",
        "failed: ",
        "Passed over: samples: a trainer’s",
        "sweep.json",
        "index.html",
    ):
        assert part in done.stdout


@pytest.mark.slow
def test_transformers_and_adapters_over_a_real_pipeline(suite, policy_file, tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    safetensors = pytest.importorskip("safetensors.torch")
    pytest.importorskip("diffusers")
    from training.random_checkpoints import build_random_checkpoint

    monkeypatch.setenv("EVALSUITE_CACHE", str(tmp_path / "cache"))
    torch.set_num_threads(1)
    base = build_random_checkpoint(tmp_path / "klein", "flux2-klein")
    (weights,) = (base / "transformer").glob("*.safetensors")
    state = safetensors.load_file(weights)
    training = tmp_path / "training"
    for step in (100, 200):
        (training / f"checkpoint-{step}" / "transformer").mkdir(parents=True)
        changed = {name: tensor * (1 + step / 400) for name, tensor in state.items()}
        target = training / f"checkpoint-{step}" / "transformer" / "diffusion_pytorch_model.safetensors"
        safetensors.save_file(changed, target)
    generator = torch.Generator().manual_seed(0)
    layer = "transformer.transformer_blocks.0.attn.to_q"
    lora = {
        f"{layer}.lora_A.weight": torch.randn(2, 32, generator=generator),
        f"{layer}.lora_B.weight": torch.randn(32, 2, generator=generator),
    }
    safetensors.save_file(lora, training / "step-300.safetensors")
    plan = SweepPlan(
        folder=training, out=tmp_path / "out", policy=load_policy(policy_file), model=str(base),
        suites=(suite,), limit=3, settings={"size": "64x64", "precision": "fp32", "steps": 1}, ceiling=False, workers=1,
    )  # fmt: skip
    found = run_sweep(plan)
    assert [(row.step, row.kind, row.status, row.error) for row in found.rows] == [
        (100, "transformer", "done", None), (200, "transformer", "done", None), (300, "lora", "done", None),
    ]  # fmt: skip
    assert all(row.p50 is not None and row.p50 > 0 for row in found.rows)
    drawn = [
        {path.read_bytes() for path in (plan.out / row.run / "images").glob("*.png")} for row in found.rows
    ]  # fmt: skip
    assert not set.intersection(*drawn)
    assert found.rows[1].outcome == "INCONCLUSIVE"  # three prompts decide nothing
