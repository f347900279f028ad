"""Mistakes in the words of a command: one line and a hint on the error stream, exit code 2."""

from __future__ import annotations

import sys

import pytest

from evalsuite.cli.main import main

RUN = "'evalsuite run --help' shows what it takes"


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        ("run --modl x", "run: there is no option --modl; did you mean '--model'?", RUN),
        ("gate --zzz", "gate: there is no option --zzz", "'evalsuite gate --help' shows what it takes"),
        ("run --samples four", "run: --samples four: a whole number is wanted", RUN),
        ("run -n=four", "run: --samples four: a whole number is wanted", RUN),
        ("view --port 99999", "view: --port 99999: 65535 is the most", "'evalsuite view --help' shows what it takes"),
        ("run --ocr", "run: --ocr wants a value", RUN),
        ("run --json=3", "run: --json takes no value", RUN),
        (
            "run --profile loose",
            "run: --profile loose: 'loose' is not one of 'strict', 'standard', 'lenient'",
            RUN,
        ),
        ("export", "export: RUN is missing", "'evalsuite export --help' shows what it takes"),
        ("export run", "export: --to is missing", "'evalsuite export --help' shows what it takes"),
        ("models lst", "models: there is no command 'lst'; did you mean 'list'? known: list", None),
        (
            "suites list extra",
            "suites list: it does not take extra",
            "'evalsuite suites list --help' shows what it takes",
        ),
    ],
)
def test_a_mistake_is_one_line_and_a_hint(words, error, hint, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["evalsuite", *words.split()])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == f"error: {error}\nhint: {hint or shown.err.partition('hint: ')[2].strip()}\n"


def test_control_characters_in_a_mistake_do_not_reach_the_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["evalsuite", "run", "--samples", "\x1b[31m4\n::error::x"])
    with pytest.raises(SystemExit):
        main()
    shown = capsys.readouterr().err
    assert shown.startswith("error: run: --samples ‹U+001B›[31m4 ::error::x: a whole number")
    assert shown.count("\n") == 2


def test_no_words_at_all_are_answered_with_the_help(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["evalsuite"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert "Usage: evalsuite [OPTIONS] COMMAND" in capsys.readouterr().out
