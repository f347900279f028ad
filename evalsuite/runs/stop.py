"""Where a run that is drawn until a gate's verdict stopped: `stop.json` in its folder, for whoever shows the run.

It is derived: the gate computes its verdict from the readings each time. It holds only as long as the images and
readings are those that it rests on (`OpenRun.stop`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from evalsuite.errors import EvalsuiteError
from evalsuite.files import FileError, read_file, write_atomically
from evalsuite.records import Record

if TYPE_CHECKING:
    from evalsuite.runs.store import RunStore

FILE = "stop.json"

MOST = 100.0
"""Logarithms of wealth are kept up to this, and down to minus this: JSON has no infinity, and e^100 is sure enough."""

StopOutcome = Literal["PASS", "FAIL", "INCONCLUSIVE", "INCOMPLETE", "NOT COMPARABLE"]


class WealthPoint(Record, frozen=True, kw_only=True):
    """A wager after so many images of the run: the natural logarithms of both wealths, cut off at ±`MOST`."""

    images: int
    log_pass: float
    log_fail: float


class WealthPath(Record, frozen=True, kw_only=True):
    """One wager of the gate over the images.

    The logarithms reach `need_pass` or `need_fail` where it is decided, at the latest; what is certain needs no wealth.
    """

    name: str
    decision: Literal["PASS", "FAIL"] | None
    images_to_decision: int | None
    need_pass: float
    need_fail: float
    points: tuple[WealthPoint, ...]


class Stop(Record, frozen=True, kw_only=True):
    """What the gate said after `images` of the `planned`. `basis` is the digest of the rows that it rests on."""

    outcome: StopOutcome
    claim: Literal["this suite", "prompts like these"]
    policy: str
    images: int
    planned: int
    basis: str
    wagers: tuple[WealthPath, ...]

    @property
    def text(self) -> str:
        """`PASS after 64 of 640 images`."""
        return f"{self.outcome} after {self.images} of {self.planned} images"


def clamped(value: float) -> float:
    """A logarithm of wealth as it is kept."""
    return max(-MOST, min(MOST, value))


def store_stop(store: RunStore, stop: Stop) -> None:
    """Keep what the gate said. The folder's lock must be held.

    Raises:
        EvalsuiteError: The folder cannot be written.
    """
    write_atomically(store.folder / FILE, msgspec.json.encode(stop) + b"\n")


def read_stop(store: RunStore) -> Stop | None:
    """What is kept; None where the gate has not spoken yet.

    Raises:
        EvalsuiteError: The file is there and cannot be read.
    """
    path = store.folder / FILE
    try:
        return msgspec.json.decode(read_file(path, follow=False), type=Stop)
    except FileNotFoundError:
        return None
    except (FileError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EvalsuiteError(f"{path}: cannot be read ({error}); delete it, then run the gate again") from error
