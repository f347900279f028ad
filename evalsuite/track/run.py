"""A whole run into a tracker."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from evalsuite.report import build_report, store_summary
from evalsuite.track.base import Tracked, open_tracker, told
from evalsuite.track.figures import figure_table, figures_of_run, settings_of_run, worst_table

if TYPE_CHECKING:
    from evalsuite.runs.opened import OpenRun


def track_run(run: OpenRun, tracker: str) -> Tracked:
    """Send a run's figures with their intervals, the worst images, and its report as one file with `summary.json`.

    Raises:
        TrackError: The tracker refused or could not be reached; the run folder is as it was.
        EvalsuiteError: There is no such tracker, or it is not installed.
    """
    log = open_tracker(tracker, run.manifest.name, settings_of_run(run), run.folder)
    with told(tracker):
        try:
            log.figures(figures_of_run(run))
            log.table("figures", figure_table(run))
            log.table("worst images", worst_table(run))
            with tempfile.TemporaryDirectory(prefix="evalsuite-track-") as name:
                page = build_report(run, single_file=True, out=Path(name))
                log.artefact("report", [page, store_summary(run, Path(name))])
        finally:
            place = log.close()
    return Tracked(tracker, place)
