"""`log.jsonl`: what happened in a run folder, one JSON object per line, for whoever looks into a run that went wrong.

Each line has `at` (UTC, milliseconds), `process` (its id), `event`, and the event's own fields. The log is no evidence:
nothing is computed from it, it is not waited for, and where it cannot be written the run goes on without it. The same
lines go to Python's logger `evalsuite.runs` (`evalsuite --verbose`).
"""

from __future__ import annotations

import logging
import os
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from evalsuite.files import NO_LINK, write_all
from evalsuite.records import encode

if TYPE_CHECKING:
    from pathlib import Path

    from evalsuite.records import Json

logger = logging.getLogger("evalsuite.runs")

FILE = "log.jsonl"


class Journal:
    """The log of one run folder; events are written between `open` and `close`, while the folder is locked."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._handle: int | None = None

    def open(self) -> None:
        """Append from now on; does nothing where the file cannot be written, or is no regular file."""
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | NO_LINK | getattr(os, "O_NONBLOCK", 0)
            handle = os.open(self._path, flags, 0o666)
        except OSError as error:
            logger.warning("%s: no log is kept: %s", self._path, error.strerror)
            return
        if stat.S_ISREG(os.fstat(handle).st_mode):
            self._handle = handle
        else:
            os.close(handle)

    def close(self) -> None:
        """Write no more."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def event(self, event: str, **fields: Json) -> None:
        """Write one line. Fields that are None are left out."""
        told = {name: value for name, value in fields.items() if value is not None}
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = encode({"at": at, "process": os.getpid(), "event": event, **told})
        logger.info("%s", line.decode())
        if self._handle is not None:
            try:
                write_all(self._handle, line + b"\n")
            except OSError as error:
                logger.warning("%s: no log is kept any more: %s", self._path, error.strerror)
                self.close()
