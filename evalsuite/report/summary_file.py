"""`summary.json`: the figures that the page and the terminal show, for scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from evalsuite.content import measured
from evalsuite.content.figures import ContentReport
from evalsuite.edits import figures_with_edits
from evalsuite.files import make_folder, write_atomically
from evalsuite.records import encode
from evalsuite.runs.figures import RunFigures

if TYPE_CHECKING:
    from pathlib import Path

    from evalsuite.runs.opened import OpenRun


class RunSummary(RunFigures, frozen=True, kw_only=True):
    """The figures of a run, and what `evalsuite content` measured of its pictures; None where nobody did."""

    content: ContentReport | None = None


def run_summary(run: OpenRun) -> RunSummary:
    """All that scripts need of a run, in one record.

    Raises:
        DamagedRunError: A file of what was measured beside the text is damaged.
    """
    found = figures_with_edits(run)
    fields = {name: getattr(found, name) for name in RunFigures.__struct_fields__}
    return RunSummary(**fields, content=measured(run))


def store_summary(run: OpenRun, out: Path | None = None) -> Path:
    """Write a run's figures into its folder, or into `out`, and return the file.

    Raises:
        EvalsuiteError: when the folder cannot be written.
    """
    path = (out or run.folder) / "summary.json"
    make_folder(path.parent)
    write_atomically(path, msgspec.json.format(encode(run_summary(run)), indent=1) + b"\n")
    return path
