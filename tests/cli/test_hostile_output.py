"""What comes from data is text: in a terminal, in a CI log, in CSV, and in every encoding that a stream may have."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

HOSTILE = "\x1b[31m[red]m[/red] :x: ::error::a ##[error]b ##vso[task.complete]c \u202e é 今 \ud800"


def hostile(encoding: str) -> subprocess.CompletedProcess[bytes]:
    program = (
        "import sys\n"
        "from evalsuite.cli import console, main\n"
        "from evalsuite.errors import IncompleteError\n"
        f"text = {HOSTILE!a}\n"
        "@main.app.command()\n"
        "def hostile() -> None:\n"
        "    console.say('\\n' + text + '\\n::warning::x')\n"
        "    console.notice(text + '\\n::notice::x')\n"
        "    console.table(text, ('a',), [(text,), ('::error::cell',)])\n"
        "    raise IncompleteError('::error::' + text)\n"
        "sys.argv = ['evalsuite', 'hostile']\n"
        "main.main()\n"
    )
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    return subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, env=environment)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1", "cp1252", "gbk"])
def test_hostile_text_is_shown_as_text_whatever_the_stream_can_hold(encoding):
    done = hostile(encoding)
    assert done.returncode == 12, done.stderr
    for shown in (done.stdout, done.stderr):
        lines = shown.decode(encoding).splitlines()
        assert not [line for line in lines if line.lstrip().startswith("::")]
        text = "\n".join(lines)
        assert not set(text) & set("\x1b\x07\u202e")
        assert "##[" not in text
        assert "##vso[" not in text
        assert "[red]m[/red] :x:" in text
        assert "Traceback" not in text


def test_a_program_that_fails_shows_one_line_and_the_traceback_only_when_asked():
    program = (
        "import sys\n"
        "from evalsuite.cli import main\n"
        "@main.app.command()\n"
        "def broken() -> None:\n"
        "    raise ZeroDivisionError('by nothing')\n"
        "sys.argv = ['evalsuite', *sys.argv[1:]]\n"
        "main.main()\n"
    )
    command = [sys.executable, "-c", program]
    plain = subprocess.run([*command, "broken"], check=False, capture_output=True, text=True)
    assert plain.returncode == 1
    assert plain.stderr.startswith("error: evalsuite itself failed: ZeroDivisionError: by nothing (<string>:5); ")
    assert plain.stderr.count("\n") == 1
    told = subprocess.run([*command, "--verbose", "broken"], check=False, capture_output=True, text=True)
    assert told.returncode == 1
    assert told.stderr.startswith("Traceback (most recent call last):\n")
