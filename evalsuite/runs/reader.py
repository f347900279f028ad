"""The reading stage: stored images go to the OCR engine, and its readings to their file.

Where the engine has processes of its own, a thread hands them images as they become free and writes what comes back,
while the main thread draws. A reader in this process reads when the main thread asks it to.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from multiprocessing.connection import Pipe
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from evalsuite.records import Reading
from evalsuite.runs.writing import Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from evalsuite.records import Generation
    from evalsuite.runs.reading import OcrPool
    from evalsuite.runs.rows import RowWriter
    from evalsuite.runs.store import RunStore

PATIENCE = 1.0
"""Seconds that a thread which is stopped gets to finish the row that it writes."""


@dataclass(frozen=True, slots=True)
class Read:
    """A reading is on disk."""

    row: Reading


class Reader:
    """Reads stored images in the order in which they come.

    Args:
        store: The run folder; its lock must be held.
        pool: What reads; nobody else uses it before `close`.
        rows: Where readings are appended.
        tell: Called from the reading thread with each reading that is kept, then with the error where it must end.
    """

    def __init__(
        self,
        store: RunStore,
        pool: OcrPool,
        rows: RowWriter[Reading],
        tell: Callable[[Read | Failed], None],
    ) -> None:
        self._store, self._pool, self._rows, self._tell = store, pool, rows, tell
        self._inbox: SimpleQueue[Generation] = SimpleQueue()
        self._bell, self._ring = Pipe(duplex=False)
        self._stopping = False
        self._proven = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_beside(self) -> bool:
        """Whether it reads while the main thread does other things."""
        return self._pool.has_processes

    def start(self, images: int) -> None:
        """Start the processes that so many images need, without waiting for them; or prove the engine of this one.

        Raises:
            EvalsuiteError: The system starts no process, or the engine of this process does not read.
        """
        if not self.is_beside:
            self._pool.prove()
        elif self._thread is None:
            self._pool.start(images)
            self._thread = threading.Thread(target=self._run, name="evalsuite-reader", daemon=True)
            self._thread.start()

    def prove(self) -> None:
        """Wait until the processes that were started have read a page; where they cannot, `tell` has the error."""
        if self._thread is not None:
            self._proven.wait()

    def submit(self, row: Generation) -> None:
        """Queue one image. Any thread may."""
        if self.is_beside:
            self._inbox.put(row)
            self._ring.send_bytes(b"!")
        else:
            self._pool.submit(row.key, self._store.image_path(row))

    def read_here(self) -> Iterator[Reading]:
        """Read in this process what was queued; each reading is on disk when it comes."""
        for reading in self._pool.harvest(block=True):
            self._rows.append(reading)
            yield reading

    def close(self) -> None:
        """End the thread; what is being read is left, and read again by the same command."""
        self._stopping = True
        if self._thread is not None:
            self._ring.send_bytes(b"!")
            self._thread.join(PATIENCE)
        if self._thread is None or not self._thread.is_alive():
            self._ring.close()
            self._bell.close()

    def _run(self) -> None:
        try:
            while not self._stopping and not self._pool.prove(self._bell):
                self._heard()
            self._proven.set()
            while not self._stopping:
                self._heard()
                self._take_in()
                readings = list(self._pool.harvest(block=False))
                if readings:
                    self._rows.extend(readings)
                    for reading in readings:
                        self._tell(Read(reading))
                self._pool.wait(self._bell)
        except Exception as error:  # noqa: BLE001 - raised again by the main thread, where it belongs
            self._tell(Failed(error))
        finally:
            self._proven.set()

    def _heard(self) -> None:
        while self._bell.poll():
            self._bell.recv_bytes()

    def _take_in(self) -> None:
        while True:
            try:
                row = self._inbox.get_nowait()
            except Empty:
                return
            self._pool.submit(row.key, self._store.image_path(row))
