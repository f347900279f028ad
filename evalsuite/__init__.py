"""evalsuite: does this text-to-image checkpoint still draw text correctly, and how fast?

The public Python API does what the command line does. Heavy libraries load only when a function needs them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from evalsuite.errors import EvalsuiteError, ExitCode, IncompleteError, NotComparableError

if TYPE_CHECKING:
    from evalsuite.report import build_report
    from evalsuite.runs.api import rescore, run, score

__version__ = "0.1.0"
__all__ = [
    "EvalsuiteError",
    "ExitCode",
    "IncompleteError",
    "NotComparableError",
    "build_report",
    "rescore",
    "run",
    "score",
]


_HOMES = {
    "build_report": ("evalsuite.report", "build_report"),
    "rescore": ("evalsuite.runs.api", "rescore"),
    "run": ("evalsuite.runs.api", "run"),
    "score": ("evalsuite.runs.api", "score"),
}


def __getattr__(name: str) -> object:
    """Load a function of the API when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
