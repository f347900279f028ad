"""`evalsuite doctor` names every part, whether it works here, and what to do where it does not."""

from __future__ import annotations

import importlib.util

import pytest
from installed import skip_without_paddleocr
from typer.testing import CliRunner

from evalsuite.cli import doctor
from evalsuite.cli.main import app
from evalsuite.errors import EvalsuiteError, ExitCode
from evalsuite.extras import install_command


@pytest.fixture
def examine(monkeypatch):
    """`doctor.examine` without reading an image, which a slow test does for real."""
    monkeypatch.setattr(doctor, "_read_something", lambda: "reads correctly")

    def find() -> dict[str, doctor.Check]:
        return {check.part: check for check in doctor.examine()}

    return find


def test_every_part_is_named_with_its_state(examine):
    found = examine()
    assert {"suites", "OCR", "fonts", "cache", "hardware", "torch", "datasets", "flux2-klein-4b"} <= found.keys()
    assert {check.state for check in found.values()} <= {"ok", "missing", "optional"}
    assert found["suites"].detail.startswith("14 suites in ")
    assert "GB free" in found["cache"].detail


def test_a_package_that_only_some_models_need_is_optional_and_says_how_to_get_it(examine, monkeypatch):
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "peft" else there(name))
    assert examine()["peft"] == doctor.Check(
        "peft", "optional", f"needed for diffusers models: {install_command('models')}"
    )


def test_a_reader_that_misreads_is_missing_and_the_command_says_so(monkeypatch):
    def misreads() -> str:
        raise EvalsuiteError("the OCR read 'eva1suite' where 'evalsuite 2026' stands")

    monkeypatch.setattr(doctor, "_read_something", misreads)
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == ExitCode.USAGE
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("OCR")]
    assert line.split()[:2] == ["OCR", "missing"]
    assert "the OCR read 'eva1suite'" in line


@pytest.mark.slow
def test_the_reader_here_reads_what_doctor_draws():
    skip_without_paddleocr()
    assert doctor._read_something().startswith("reads correctly; ")
