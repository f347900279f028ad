"""A sweep into a tracker: its figures over the training steps, as checkpoints are done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.sweep import cells, columns
from evalsuite.track.base import Tracked, Tracker, open_tracker, told
from evalsuite.track.figures import Table, figures_of_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

    from evalsuite.sweep import Sweep, SweepRow


class SweepTracking:
    """One sweep in one tracker. A checkpoint's figures are sent once, and again where they changed."""

    def __init__(self, tracker: str, out: Path) -> None:
        self._name = tracker
        self._out = out
        self._log: Tracker | None = None
        self._sent: dict[str, SweepRow] = {}

    def take(self, found: Sweep) -> None:
        """Send what is new of a sweep. A checkpoint without a step takes its place in the order.

        Raises:
            TrackError: The tracker refused or could not be reached.
        """
        if self._log is None:
            settings = {
                "folder": found.folder,
                "model": found.model,
                "samples": found.samples,
                "policy": f"{found.policy} {found.policy_digest[:12]}",
                "baseline": found.baseline,
                "steps": found.unit,
            }
            self._log = open_tracker(self._name, f"sweep of {found.folder}", settings, self._out)
        with told(self._name):
            for place, row in enumerate(found.rows):
                if self._sent.get(row.name) != row and (values := figures_of_checkpoint(row)):
                    self._log.figures(values, row.step if row.step is not None else place)
                    self._sent[row.name] = row
            self._log.table("checkpoints", Table(columns(found), tuple(cells(found, row) for row in found.rows)))

    def close(self) -> Tracked | None:
        """Write everything out, with the sweep's figures as files; None where nothing was sent.

        Raises:
            TrackError: The tracker refused or could not be reached.
        """
        if self._log is None:
            return None
        with told(self._name):
            try:
                self._log.artefact("sweep", [self._out / "sweep.json", self._out / "sweep.md"])
            finally:
                place = self._log.close()
        return Tracked(self._name, place)
