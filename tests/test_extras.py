"""Which parts are missing is said at once, with one command that fits how evalsuite was installed."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import tomllib
from pathlib import Path

import pytest

from evalsuite import extras
from evalsuite.errors import EvalsuiteError
from evalsuite.runs.api import RunOptions, plan_run

ROOT = Path(__file__).parents[1]
WEIGHTS = "pip install --no-deps 'rapidocr>=3.10,<4'"


@pytest.fixture
def without(monkeypatch):
    """Pretend that some modules are not installed."""
    there = importlib.util.find_spec

    def hide(*names: str) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in names else there(name))

    return hide


def test_the_extras_are_those_of_the_package():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert {name for name in declared if name != "all"} == set(extras.EXTRAS)


def test_a_checkout_is_installed_from_where_it_lies(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    assert extras.install_command("serve", "fonts") == "pip install -e '.[fonts,serve]'"
    monkeypatch.chdir(tmp_path)
    assert extras.install_command("models") == f"pip install -e '{ROOT}[models]'"


class _Distribution:
    def __init__(self, told: str | None) -> None:
        self.told = told

    def read_text(self, _: str) -> str | None:
        return self.told


@pytest.mark.parametrize(
    ("told", "command"),
    [
        (None, "pip install 'evalsuite[fonts]'"),
        (
            '{"url": "file:///w/evalsuite-1-py3-none-any.whl", "archive_info": {}}',
            "pip install 'evalsuite[fonts] @ file:///w/evalsuite-1-py3-none-any.whl'",
        ),
    ],
)
def test_what_was_installed_from_an_index_or_a_wheel_is_asked_for_there(monkeypatch, tmp_path, told, command):
    monkeypatch.setattr(extras, "__file__", str(tmp_path / "evalsuite" / "extras.py"))
    monkeypatch.setattr(importlib.metadata, "distribution", lambda _: _Distribution(told))
    assert extras.install_command("fonts") == command


@pytest.mark.parametrize(
    ("models", "ocr", "references", "wanted"),
    [
        (("typeset",), "paddle", True, ["ocr", "fonts"]),
        (("flux2-klein-micro", "folder:x"), "tesseract:lang=eng", False, ["tesseract", "models"]),
        (("server:http://x",), "qwen2.5-vl:server=http://y,model=z", False, ["server"]),
        (("comfyui:w@http://x",), "qwen2.5-vl", True, ["fonts", "models", "server"]),
    ],
)
def test_what_a_run_needs_follows_from_its_models_and_its_reader(models, ocr, references, wanted):
    assert extras.extras_of_run(models, ocr, references=references) == wanted


def test_a_run_tells_all_that_is_missing_at_once(without, monkeypatch):
    without("paddleocr", "font_intuitive", "torch")
    monkeypatch.chdir(ROOT)
    with pytest.raises(EvalsuiteError) as caught:
        plan_run(RunOptions(models=("flux2-klein-micro",)))
    assert str(caught.value) == (
        "this run needs what is not installed: ocr (paddleocr); fonts (font_intuitive); models (torch); "
        f"run: pip install -e '.[ocr,fonts,models]' && {WEIGHTS}"
    )
