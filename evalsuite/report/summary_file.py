"""`summary.json`: the figures that the page and the terminal show, for scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from evalsuite.files import make_folder, write_atomically
from evalsuite.runs.figures import run_figures

if TYPE_CHECKING:
    from pathlib import Path

    from evalsuite.runs.opened import OpenRun


def store_summary(run: OpenRun, out: Path | None = None) -> Path:
    """Write a run's figures into its folder, or into `out`, and return the file.

    Raises:
        EvalsuiteError: when the folder cannot be written.
    """
    path = (out or run.folder) / "summary.json"
    make_folder(path.parent)
    write_atomically(path, msgspec.json.format(msgspec.json.encode(run_figures(run)), indent=1) + b"\n")
    return path
