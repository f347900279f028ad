"""The whole way on real images: pages drawn with planted errors, read by PaddleOCR, scored, gated."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from installed import skip_without_paddleocr
from runs_by_hand import check

import evalsuite
from evalsuite import suites

skip_without_paddleocr()
pytestmark = pytest.mark.slow

PROMPTS = 20
"""In each language."""

POLICY = """\
format = 1
name = "planted"
samples = 1
[[gates]]
slice = "all"
margin = 0.13
[[gates]]
slice = "language=*"
margin = 0.25
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory) -> str:
    """One line of about 24 characters per page, in English and Chinese, from the project's own suites."""
    prompts = []
    for name in ("longtext-style-en", "longtext-style-zh"):
        for prompt in suites.load(name)[0].prompts[:PROMPTS]:
            target = min(prompt.targets, key=lambda text: abs(len(text) - 24))
            prompts.append({
                "id": prompt.id, "language": prompt.language, "category": prompt.category, "length": "short",
                "text": f'A sign that says "{target}".', "targets": [target],
            })  # fmt: skip
    path = tmp_path_factory.mktemp("suite") / "signs.yaml"
    path.write_text(yaml.safe_dump({"suite": "signs", "language": "en", "prompts": prompts}, allow_unicode=True))
    return str(path)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, suite) -> dict[str, Path]:
    """Clean pages of two sizes, and pages with 3 and 40 % of their characters planted wrong."""
    root = tmp_path_factory.mktemp("runs")
    folders = {}
    for name, model in {
        "clean": "typeset:size=704x256",
        "other size": "typeset:size=768x256",
        "3 %": "typeset:size=704x256,errors=0.03",
        "40 %": "typeset:size=704x256,errors=0.4",
    }.items():
        folders[name] = root / name.replace(" ", "")
        evalsuite.run([model], [suite], out=folders[name], ceiling=False, workers=1, report=False)
    return folders


@pytest.fixture(scope="module")
def policy(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("policy") / "planted.toml"
    path.write_text(POLICY)
    return path


@pytest.mark.parametrize(
    ("candidate", "outcome", "loss"),
    [("other size", "PASS", 0.0), ("3 %", "PASS", 0.03), ("40 %", "FAIL", 0.4)],
)
def test_planted_errors_get_the_verdict_that_they_deserve(runs, policy, candidate, outcome, loss):
    verdict = check(runs["clean"], runs[candidate], policy=policy)
    first = verdict.gates[0]
    assert first.decision == outcome, first
    assert verdict.outcome == outcome
    assert first.lower <= -loss <= first.upper, first


def test_equal_pages_are_never_failed_by_the_shipped_policies(runs):
    for policy in ("quick", "default"):
        verdict = check(runs["clean"], runs["other size"], policy=policy)
        assert verdict.outcome == ("PASS" if policy == "quick" else "INCOMPLETE")
    strict = check(runs["clean"], runs["other size"], policy="quick")
    assert {gate.decision for gate in strict.gates} == {"PASS"}


def test_equal_pages_are_undecided_where_prompts_are_wanting(runs, tmp_path):
    path = tmp_path / "fine.toml"
    path.write_text('format = 1\nname = "fine"\nsamples = 1\n[[gates]]\nmargin = 0.01\n')
    verdict = check(runs["clean"], runs["other size"], policy=path)
    assert verdict.outcome == "INCONCLUSIVE"
    assert "40 prompts are too few" in verdict.gates[0].note


def test_the_gate_loads_no_model_and_rests_on_the_images(runs, policy):
    """Neither torch nor an OCR engine nor Pillow is imported; without the images of a run nothing is concluded."""
    code = (
        "import sys, evalsuite; v = evalsuite.gate(sys.argv[2], sys.argv[1], policy=sys.argv[3], report=False); "
        "print(v.outcome, [n for n in ('torch', 'paddleocr', 'onnxruntime', 'PIL', 'scipy.stats') if n in sys.modules])"
    )
    arguments = [sys.executable, "-c", code, str(runs["clean"]), str(runs["40 %"]), str(policy)]
    done = subprocess.run(arguments, check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "FAIL []"
    images = runs["40 %"] / "images"
    away = images.rename(images.with_name("away"))
    try:
        done = subprocess.run(arguments, check=True, capture_output=True, text=True, timeout=60)
    finally:
        away.rename(images)
    assert done.stdout.strip() == "INCOMPLETE []"
