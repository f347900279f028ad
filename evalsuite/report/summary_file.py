"""`summary.json`: the figures that the page and the terminal show, for scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from evalsuite.errors import EvalsuiteError
from evalsuite.runs.figures import run_figures
from evalsuite.runs.rows import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from evalsuite.runs.opened import OpenRun


def store_summary(run: OpenRun) -> Path:
    """Write a run's figures into its folder and return the file.

    Raises:
        EvalsuiteError: when the folder cannot be written.
    """
    path = run.folder / "summary.json"
    try:
        write_atomically(path, msgspec.json.format(msgspec.json.encode(run_figures(run)), indent=1) + b"\n")
    except OSError as error:
        raise EvalsuiteError(f"{path}: cannot be written: {error.strerror}") from error
    return path
