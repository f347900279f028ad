"""Mistakes in a command's words: what is wrong on one line, and where to look."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from evalsuite.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from typer.exceptions import TyperException

_REWORDED = (
    (r"Value error, (.*?)\.?", r"\1"),
    (r"Input should be a valid integer.*", "a whole number is wanted"),
    (r"Input should be a valid number.*", "a number is wanted"),
    (r"Input should be less than or equal to (\S+)", r"\1 is the most"),
    (r"Input should be greater than or equal to (\S+)", r"\1 is the least"),
    (r"Option '([^']+)' requires an argument\.?", r"\1 wants a value"),
    (r"Option '([^']+)' does not take a value\.?", r"\1 takes no value"),
    (r"Got unexpected extra argument\(?s?\)? \((.*)\)", r"it does not take \1"),
)


def mistake(error: TyperException, commands: Mapping[str, Any], words: Sequence[str]) -> tuple[str, str]:
    """What is wrong, and a hint, of a usage error.

    Args:
        error: What Typer raised.
        commands: The commands by name; groups have `commands` themselves.
        words: What the command line was given.
    """
    path: list[str] = []
    inner = commands
    for word in words:
        if not word.startswith("-") and word in inner:
            path.append(word)
            inner = getattr(inner[word], "commands", {})
    command = " ".join(path)
    text = _text(error, inner, words)
    return f"{command}: {text}" if command else text, f"'{' '.join(('evalsuite', *path))} --help' shows what it takes"


def _text(error: TyperException, commands: Mapping[str, Any], words: Sequence[str]) -> str:
    unknown = getattr(error, "option_name", None)
    if unknown is not None and error.message.startswith("No such option"):
        context = getattr(error, "ctx", None)
        known = [name for each in context.command.params for name in each.opts] if context is not None else []
        return f"there is no option {unknown}; {did_you_mean(unknown, known, listed=False)}".rstrip("; ")
    lost = re.fullmatch(r"No such command '(.*?)'\..*", error.message, re.DOTALL)
    if lost is not None:
        return f"there is no command {lost[1]!r}; {did_you_mean(lost[1], commands)}"
    param = getattr(error, "param", None)
    if param is None:
        return _reworded(error.format_message())
    options = [name for name in param.opts if name.startswith("-")]
    name = max(options, key=len) if options else (param.metavar or param.name.upper()).strip("{}.")
    if type(error).__name__ == "MissingParameter":
        return f"{name} is missing"
    return f"{name}{_given(options, words)}: {_reworded(error.message)}"


def _given(options: Sequence[str], words: Sequence[str]) -> str:
    """What the option was given, where that can be seen."""
    for place, word in enumerate(words):
        if word in options and place + 1 < len(words):
            return f" {words[place + 1]}"
        if word.partition("=")[0] in options:
            return f" {word.partition('=')[2]}"
    return ""


def _reworded(message: str) -> str:
    for pattern, text in _REWORDED:
        if (found := re.fullmatch(pattern, message, re.DOTALL)) is not None:
            return found.expand(text)
    return message.rstrip(".")
