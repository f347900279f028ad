"""evalsuite: does this text-to-image checkpoint still draw text correctly, and how fast?

Every command of the command line is a function here (`evalsuite.api`): `run`, `score`, `rescore`, `report`, `judge`,
`compare`, `glyphs`, `content`, `gate`, `gate_while_drawing`, `plan`, `claims`, `sweep`, `export`, `promote`, `track`,
`verify`, `serve`, `load`, `merge`, `view`;
`open_run` gives a stored run with all its figures.

>>> import evalsuite
>>> callable(evalsuite.gate)
True
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from evalsuite.errors import EvalsuiteError, ExitCode, IncompleteError, NotComparableError
from evalsuite.version import __version__

if TYPE_CHECKING:
    from evalsuite.api import (
        claims,
        compare,
        content,
        export,
        gate,
        gate_while_drawing,
        glyphs,
        judge,
        load,
        merge,
        plan,
        promote,
        report,
        rescore,
        run,
        score,
        serve,
        sweep,
        track,
        verify,
        view,
    )
    from evalsuite.runs.opened import OpenRun, open_run


__all__ = [
    "EvalsuiteError",
    "ExitCode",
    "IncompleteError",
    "NotComparableError",
    "OpenRun",
    "__version__",
    "claims",
    "compare",
    "content",
    "export",
    "gate",
    "gate_while_drawing",
    "glyphs",
    "judge",
    "load",
    "merge",
    "open_run",
    "plan",
    "promote",
    "report",
    "rescore",
    "run",
    "score",
    "serve",
    "sweep",
    "track",
    "verify",
    "view",
]

_HOMES = {
    name: "evalsuite.runs.opened" if name in ("OpenRun", "open_run") else "evalsuite.api"
    for name in __all__
    if name not in globals()
}
"""Where what is not imported above is loaded from, once it is asked for."""


class _Package(ModuleType):
    """The package's own type: some rooms bear the names of functions (`gate`, `report`, …), and the function wins.

    The import system would bind a room to its name here when it is first imported. `from evalsuite.gate import …` still
    reaches the room.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


def __getattr__(name: str) -> object:
    """Load a function of the API when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


sys.modules[__name__].__class__ = _Package
