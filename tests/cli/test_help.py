"""Every command's help has examples that the command line takes, and names what an option takes."""

from __future__ import annotations

import re
import shlex

import pytest
import typer
from typer.testing import CliRunner

from evalsuite.cli import options
from evalsuite.cli.main import app, spread_settings
from evalsuite.export import FORMATS
from evalsuite.scoring import PROFILES
from evalsuite.scoring.protocols import PROTOCOLS


def commands(command, path=()):
    """Every command that does something, with its path."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
        return
    for name, each in inner.items():
        yield from commands(each, (*path, name))


ALL = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_a_command_has_examples_that_it_takes(path):
    heading, *lines = ALL[path].epilog.split("\n\n")
    assert heading == ("Examples:" if len(lines) > 1 else "Example:")
    for line in lines:
        assert len(line) <= 78, "a line of the help at 80 columns"
        words = shlex.split(line.partition(" > ")[0])
        assert words[: len(path) + 1] == ["evalsuite", *path]
        # Takes the arguments apart as the command would, and does nothing.
        ALL[path].make_context(" ".join(path), spread_settings(words[len(path) + 1 :]))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_an_option_says_what_it_takes_in_words(path):
    told = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "200"}).stdout
    assert re.findall(r"--[a-z-]+ .*<(?:list\[)?(?:str|int|float|path)\b", told) == []


def test_the_choices_are_those_that_there_are():
    assert tuple(options.Protocol) == tuple(PROTOCOLS)
    assert options.Profile.__args__ == PROFILES
    told = CliRunner().invoke(app, ["export", "--help"], env={"COLUMNS": "200"}).stdout
    assert f"<{'|'.join(FORMATS)}>" in told
    done = CliRunner().invoke(app, ["run", "--profile", "loose"])
    assert done.exit_code == 2
    assert "'loose' is not one of 'strict', 'standard', 'lenient'" in " ".join(done.stderr.replace("│", " ").split())
