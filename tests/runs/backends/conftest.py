"""A plan of five prompts, for runs that other processes draw to be held against one in the run's own process."""

from __future__ import annotations

import backends_by_hand
import pytest

import evalsuite
from evalsuite.runs import RunStore, runner
from evalsuite.runs.plan import plan_prompts
from evalsuite.suites import load_all

SUITE = """\
suite: small
language: en
prompts:
  - {id: one, category: neon, length: short, text: 'A neon sign "NIGHT".', targets: [NIGHT]}
  - {id: two, category: door, length: short, text: 'A door sign "OPEN".', targets: [OPEN]}
  - {id: three, category: menu, length: short, text: 'A menu "SOUP 4.50".', targets: [SOUP 4.50]}
  - {id: four, category: neon, length: short, text: 'A sign "NOODLES".', targets: [NOODLES]}
  - {id: five, category: door, length: short, text: 'A sign "SOUP".', targets: [SOUP]}
"""
MODELS = ("typeset:size=256x256", "typeset:errors=0.5,size=256x256")


@pytest.fixture(scope="session")
def suite_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("suite") / "small.yaml"
    path.write_text(SUITE, encoding="utf-8")
    return str(path)


@pytest.fixture(autouse=True)
def _pixel_reader(monkeypatch):
    monkeypatch.setattr("evalsuite.ocr.resolve", backends_by_hand.resolve)


@pytest.fixture
def draw(suite_file, tmp_path):
    """Draws the plan as the options say; the finished run."""

    def run(name, *models, **options):
        return evalsuite.run(
            models or MODELS, [suite_file], out=tmp_path / name, ceiling=False, workers=1, report=False,
            **{"samples": 2, **options},
        ).run  # fmt: skip

    return run


@pytest.fixture
def execute(suite_file, tmp_path):
    """Draws the plan with a model that no name stands for; the finished run."""

    def run(model, backend=None, *, name="run", shard=None):
        (suite,) = load_all([suite_file])
        plan = plan_prompts(
            refs=[suite.ref], prompts=suite.prompts, models=[model], engine=backends_by_hand.PixelReader(),
            profile="standard", samples=1, seed=0, name="by hand", shard=shard,
        )  # fmt: skip
        store, _ = RunStore.create_or_resume(tmp_path / name, plan.manifest)
        return runner.execute(plan, store, workers=1, backend=backend)

    return run
