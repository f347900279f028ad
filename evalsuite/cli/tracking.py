"""What `--track` does after a run: a tracker that fails is one line, and takes nothing from the run."""

from __future__ import annotations

import shlex
from contextlib import contextmanager
from typing import TYPE_CHECKING

from evalsuite.cli import console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from evalsuite.cli.options import TrackerName
    from evalsuite.runs.opened import OpenRun
    from evalsuite.sweep import Sweep
    from evalsuite.track import SweepTracking


def check_asked(trackers: Sequence[TrackerName] | None) -> None:
    """See that all clients are installed, before anything is drawn.

    Raises:
        EvalsuiteError: names those that are not, with the command that installs them.
    """
    if trackers:
        from evalsuite.track import check_trackers

        check_trackers([each.value for each in trackers])


def send(run: OpenRun, trackers: Sequence[TrackerName] | None) -> None:
    """Send a finished run to each tracker, and say where it is."""
    if not trackers:
        return
    from evalsuite.track import TrackError, track_run

    for name in dict.fromkeys(each.value for each in trackers):
        try:
            found = track_run(run, name)
        except TrackError as error:
            again = f"evalsuite score {shlex.quote(str(run.folder))} --track {name}"
            console.error(f"{error}; the run is kept, and '{again}' sends it again")
        else:
            console.notice(f"tracked by {found.tracker}: {found.place}")


@contextmanager
def sweep_tracking(trackers: Sequence[TrackerName] | None, out: Path) -> Iterator[Callable[[Sweep], None]]:
    """What takes each state of a sweep; at the end, also where the sweep is stopped, everything is written out."""
    if not trackers:
        yield lambda _: None
        return
    from evalsuite.track import SweepTracking, TrackError

    going: dict[str, SweepTracking] = {name.value: SweepTracking(name.value, out) for name in trackers}

    def take(found: Sweep) -> None:
        for name, tracking in list(going.items()):
            try:
                tracking.take(found)
            except TrackError as error:
                del going[name]
                console.error(f"{error}; the sweep goes on without it, and its runs are kept")

    try:
        yield take
    finally:
        for tracking in going.values():
            try:
                found = tracking.close()
            except TrackError as error:
                console.error(f"{error}; the sweep's runs are kept")
            else:
                if found is not None:
                    console.notice(f"tracked by {found.tracker}: {found.place}")
