"""The options after an engine's name: `KEY=VALUE,…`, text only, so that another process can be told the same."""

from __future__ import annotations

from collections.abc import Mapping

from evalsuite.errors import EvalsuiteError


def parse_options(engine: str, text: str, defaults: Mapping[str, str]) -> dict[str, str]:
    """The options of `KEY=VALUE,…` over their defaults.

    Raises:
        EvalsuiteError: for a piece without `=`, an unknown key, or one given twice.
    """
    found: dict[str, str] = {}
    for piece in filter(None, text.split(",")):
        key, equals, value = piece.partition("=")
        if not equals or key not in defaults:
            raise EvalsuiteError(f"{engine}: option {piece!r}: known: {', '.join(f'{name}=…' for name in defaults)}")
        if key in found:
            raise EvalsuiteError(f"{engine}: option {key!r} is given twice")
        found[key] = value
    return {**defaults, **found}


def whole_number(engine: str, options: Mapping[str, str], key: str, low: int, high: int) -> int:
    """The whole number that an option holds; raises `EvalsuiteError` for anything else or beyond [low, high]."""
    text = options[key]
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise EvalsuiteError(f"{engine}: {key}={text}: a whole number from {low} to {high}")
    return int(text)
