"""The examples for GitHub Actions and Buildkite: they parse, and the commands in them exist."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from evalsuite.cli.main import app

DOCS = Path(__file__).parents[2] / "docs"
WORKFLOWS = [DOCS / "github-actions-gate.yml", DOCS / "ci" / "nightly-serving.github.yml"]
BUILDKITE = DOCS / "ci" / "nightly-serving.buildkite.yml"
GUIDE = DOCS / "gate.md"


def jobs(workflow: Path) -> list[dict]:
    return list(yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"].values())


def commands() -> list[str]:
    lines = [step["run"] for workflow in WORKFLOWS for job in jobs(workflow) for step in job["steps"] if "run" in step]
    steps = yaml.safe_load(BUILDKITE.read_text(encoding="utf-8"))["steps"]
    lines += [line.strip() for step in steps for text in step["commands"] for line in text.splitlines()]
    blocks = re.findall(r"```\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)
    lines += [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line.partition("||")[0].strip() for line in lines if line.startswith("evalsuite ")]


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


def test_all_examples_are_looked_at():
    assert sum("server:" in line for line in commands()) == 4
    assert sum(line.startswith("evalsuite gate") for line in commands()) >= 3


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_no_input_is_pasted_into_a_script(workflow):
    assert not [step for job in jobs(workflow) for step in job["steps"] if "${{" in step.get("run", "")]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit(workflow):
    used = [step["uses"] for job in jobs(workflow) for step in job["steps"] if "uses" in step]
    assert used
    assert [name for name in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", name)] == []


def test_buildkite_leaves_the_shell_s_variables_to_the_shell():
    """Buildkite fills in `$NAME` when the pipeline is uploaded; `$$NAME` is the shell's, when the step runs."""
    steps = yaml.safe_load(BUILDKITE.read_text(encoding="utf-8"))["steps"]
    script = "\n".join(text for step in steps for text in step["commands"])
    assert not re.search(r"(?<!\$)\$(?!\$)", script)
    bash = subprocess.run(["bash", "-n"], input=script.replace("$$", "$"), text=True, capture_output=True, check=False)
    assert (bash.returncode, bash.stderr) == (0, "")
