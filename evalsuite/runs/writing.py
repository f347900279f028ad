"""The writer stage: images are encoded, kept and recorded beside the drawing, in the order drawn.

The drawing thread hands over each drawing and goes on; a few threads encode (zlib lets go of the interpreter), and one
writes: first the image files, durably, then their rows, durably. What is ready together is written together, so that
the disk is waited for once. Between drawn and kept are at most `room` images: where the disk is slower than the GPU,
drawing waits, and memory stays flat.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from evalsuite.runs.drawn import Drawn, encode, now

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalsuite.models.base import Drawing
    from evalsuite.records import Generation, Request
    from evalsuite.runs.rows import RowWriter
    from evalsuite.runs.store import RunStore

ENCODERS = 2
"""Threads that encode: one image of 1024×1024 takes a tenth of a second, and is drawn in a third at best."""
ROOM = 8
"""Images that may be between drawn and kept."""
PATIENCE = 2.5
"""Seconds in which a run that is stopped writes what it has drawn."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An image and its row are on disk; or the row of a drawing that failed is."""

    row: Generation


@dataclass(frozen=True, slots=True)
class Failed:
    """A stage cannot go on."""

    error: Exception


class Writing:
    """Encodes and keeps drawings in threads of its own, from the first `put` to `close`.

    Args:
        store: The run folder; its lock must be held.
        rows: Where rows are appended; nobody else uses it before `close`.
        tell: Called from the writing thread with each row that is kept, then with the error where it must end.
        room: Images that may be between drawn and kept.
    """

    def __init__(
        self,
        store: RunStore,
        rows: RowWriter[Generation],
        tell: Callable[[Kept | Failed], None],
        *,
        room: int = ROOM,
    ) -> None:
        self._store, self._rows, self._tell = store, rows, tell
        self._room = threading.Semaphore(room)
        self._most = room
        self._encoders = ThreadPoolExecutor(ENCODERS, thread_name_prefix="evalsuite-encoder")
        self._waiting: SimpleQueue[Future[Drawn] | None] = SimpleQueue()
        self._given_up = False
        self._thread = threading.Thread(target=self._run, name="evalsuite-writer", daemon=True)
        self._thread.start()

    def put(self, request: Request, drawing: Drawing) -> None:
        """Take a drawing, which will be kept after those before it; waits while there is no room."""
        moment = now()
        self._room.acquire()
        self._waiting.put(self._encoders.submit(encode, request, drawing, drawn_at=moment))

    def put_drawn(self, drawn: Drawn) -> None:
        """Take what is encoded already, in its turn; waits while there is no room."""
        done: Future[Drawn] = Future()
        done.set_result(drawn)
        self._room.acquire()
        self._waiting.put(done)

    def close(self) -> None:
        """Write what was taken, for `PATIENCE` seconds at most, and end the threads."""
        self._waiting.put(None)
        self._thread.join(PATIENCE)
        self._given_up = True
        self._encoders.shutdown(cancel_futures=True)

    def _run(self) -> None:
        ended = False
        while not ended:
            group, ended = self._next_group()
            try:
                self._keep(group)
            except Exception as error:  # noqa: BLE001 - raised again by the drawing thread, where it belongs
                self._given_up = True
                self._tell(Failed(error))
            for _ in group:
                self._room.release()

    def _next_group(self) -> tuple[list[Future[Drawn]], bool]:
        """What waits now, at least one; and whether it was the last. The first may still be being encoded."""
        group: list[Future[Drawn]] = []
        while len(group) < self._most:
            try:
                future = self._waiting.get(block=not group)
            except Empty:
                break
            if future is None:
                return group, True
            group.append(future)
        return group, False

    def _keep(self, group: list[Future[Drawn]]) -> None:
        """Keep what is encoded, up to the first that cannot be; after a failure, nothing any more."""
        drawn: list[Drawn] = []
        try:
            while group[len(drawn) :] and not self._given_up:
                drawn.append(group[len(drawn)].result())
        finally:
            if drawn and not self._given_up:
                kept = self._store.keep_all(drawn)
                self._rows.extend(kept)
                for row in kept:
                    self._tell(Kept(row))
