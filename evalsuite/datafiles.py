"""Where the data that ships with evalsuite lies: suites, claims, gate policies."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from evalsuite.errors import EvalsuiteError


@cache
def data_dir() -> Path:
    """The folder `data`: inside the installed package, or at the top of a source checkout."""
    package = Path(__file__).parent
    for folder in (package / "data", package.parent / "data"):
        if (folder / "suites").is_dir():
            return folder
    raise EvalsuiteError(f"evalsuite's data folder is missing beside {package}; install evalsuite again")
