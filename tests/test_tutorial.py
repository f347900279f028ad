"""The tutorial and the notebook do what they say: every command is run, with the exit code that the page names."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from installed import skip_without_paddleocr
from typer.testing import CliRunner

from evalsuite.cli.main import app
from evalsuite.errors import EvalsuiteError

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_every_command_of_the_tutorial_runs_and_ends_as_it_says(tmp_path, monkeypatch):
    skip_without_paddleocr()
    monkeypatch.chdir(tmp_path)
    (suite,) = blocks("yaml")
    Path("signs.yaml").write_text(suite, encoding="utf-8")
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("evalsuite ")]
    ran = []
    for line in lines:
        command, _, said = line.partition(" # exit code ")
        words = shlex.split(command)[1:]
        if words == ["doctor"]:
            continue  # it looks at the machine; tests/cli/test_doctor.py runs it
        try:
            done = CliRunner().invoke(app, words)
        except EvalsuiteError as error:
            pytest.fail(f"{line}: {error}")
        assert done.exit_code == int(said or 0), (line, done.output, done.exception)
        ran.append(words[0])
    assert ran == [
        "suites",
        "suites",
        "run",
        "score",
        "verify",
        "run",
        "run",
        "compare",
        "gate",
        "report",
        *["export"] * 2,
    ]
    named = ("reports/first/index.html", "reports/both/index.html", "reports/new/report.html", "new.csv", "new.md")
    assert [name for name in named if not Path(name).is_file()] == []
