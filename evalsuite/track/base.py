"""What every tracker can do, and how one is opened by its name."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from evalsuite.errors import EvalsuiteError
from evalsuite.extras import require
from evalsuite.wording import clipped, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from evalsuite.records import Json
    from evalsuite.track.figures import Table

PROJECT = "evalsuite"
"""The project or experiment where the client's own environment variable names none."""

_HOMES = {"wandb": "weights_and_biases", "mlflow": "mlflow_runs", "tensorboard": "event_files"}
"""The module of each tracker, loaded when it is asked for; the extra bears the tracker's name."""


class TrackError(EvalsuiteError):
    """A tracker refused or could not be reached. The run itself is whole and stays where it is."""


@dataclass(frozen=True, slots=True)
class Tracked:
    """Where a tracker keeps what it was given: an address or a folder, in the client's own words."""

    tracker: str
    place: str


class Tracker(Protocol):
    """One run in one tracker, from opening to `close`."""

    def figures(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Keep figures under their names, at a training step or, with None, of the whole."""
        ...

    def table(self, name: str, table: Table) -> None:
        """Keep a table, with the images of its rows where it has any."""
        ...

    def artefact(self, name: str, files: Sequence[Path]) -> None:
        """Keep files, where the tracker keeps any."""
        ...

    def close(self) -> str:
        """Write everything out; returns where it is."""
        ...


def known_trackers() -> tuple[str, ...]:
    """The names that `--track` takes."""
    return tuple(_HOMES)


def check_trackers(names: Sequence[str]) -> None:
    """See, before anything is drawn, that every tracker is known and its client installed.

    Raises:
        EvalsuiteError: names what is unknown, or all that is missing with the command that installs it.
    """
    for name in names:
        if name not in _HOMES:
            raise EvalsuiteError(f"--track {name}: no such tracker; {did_you_mean(name, known_trackers())}")
    require(names, "--track")


@contextmanager
def told(name: str) -> Iterator[None]:
    """Whatever a client raises becomes one line that names the tracker.

    Raises:
        TrackError: for any failure of the client.
    """
    try:
        yield
    except EvalsuiteError:
        raise
    except Exception as error:  # a client fails by its own kinds of error, over network and disk
        why = " ".join(str(error).split()) or "no reason given"
        raise TrackError(f"--track {name}: {type(error).__name__}: {clipped(why, 600)}") from error


def open_tracker(name: str, title: str, settings: Mapping[str, Json], folder: Path) -> Tracker:
    """Begin a run in a tracker.

    Args:
        name: One of `known_trackers`.
        title: What the run is called there.
        settings: What it was made with: suites, seeds, models, OCR, scorer.
        folder: The run folder or the sweep's; TensorBoard's events go beside it.

    Raises:
        EvalsuiteError: for an unknown tracker, one that is not installed, or one that fails.
    """
    check_trackers([name])
    with told(name):
        tracker: Tracker = import_module(f"evalsuite.track.{_HOMES[name]}").begin(title, settings, folder)
    return tracker
