"""The GitHub Actions example: it parses, and the commands in it exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from evalsuite.cli.main import app

WORKFLOW = Path(__file__).parents[2] / "docs" / "github-actions-gate.yml"
GUIDE = Path(__file__).parents[2] / "docs" / "gate.md"


def commands() -> list[str]:
    jobs = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]
    lines = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    blocks = re.findall(r"```\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)
    lines += [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line.strip() for line in lines if line.startswith("evalsuite ")]


@pytest.mark.parametrize("line", commands())
def test_every_command_is_one_that_the_command_line_takes(line):
    words = shlex.split(line)[1:]
    command = get_command(app)
    context = command.make_context("evalsuite", list(words), resilient_parsing=True)
    name, command, rest = command.resolve_command(context, words)
    while hasattr(command, "resolve_command"):
        name, command, rest = command.resolve_command(context, rest)
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in rest if word.startswith("--")} <= known, name


def test_no_input_is_pasted_into_a_script():
    jobs = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]
    assert not [step for job in jobs.values() for step in job["steps"] if "${{" in step.get("run", "")]


def test_actions_are_pinned_by_commit():
    jobs = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]
    used = [step["uses"] for job in jobs.values() for step in job["steps"] if "uses" in step]
    assert used
    assert [name for name in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", name)] == []
