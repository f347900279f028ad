"""Where the data that ships with evalsuite lies (suites, claims, policies), and where what is made once is kept."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import platformdirs

from evalsuite.errors import EvalsuiteError


@cache
def data_dir() -> Path:
    """The folder `data`: inside the installed package, or at the top of a source checkout."""
    package = Path(__file__).parent
    for folder in (package / "data", package.parent / "data"):
        if (folder / "suites").is_dir():
            return folder
    raise EvalsuiteError(f"evalsuite's data folder is missing beside {package}; install evalsuite again")


def cache_root() -> Path:
    """The folder for what is made once and kept: `$EVALSUITE_CACHE`, or the platform's user cache."""
    named = os.environ.get("EVALSUITE_CACHE")
    return Path(named).expanduser() if named else platformdirs.user_cache_path("evalsuite")
