"""One go at a run folder: drawings are written and read beside the drawing, and what became of them is told in order.

    drawing thread → encoders → writer (file, then row) → OCR processes → readings

Everything is told to the thread that draws, so that progress, log and gates see one thing after the other. Where
drawing and reading would share the CPU they take turns, since that would falsify the timings: then each drawing is
encoded and kept at once, in the same thread, and read only by `settle`. What reads on a GPU reads only by `settle` too.
"""

from __future__ import annotations

from contextlib import ExitStack
from copy import copy
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Self

from evalsuite.ocr.base import GpuEngine
from evalsuite.records import Reading
from evalsuite.runs.drawn import encode
from evalsuite.runs.reader import Read, Reader
from evalsuite.runs.reading import ReadingPool, default_workers, prove_here
from evalsuite.runs.writing import Failed, Kept, Writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from evalsuite.models.base import Drawing
    from evalsuite.ocr.base import OcrEngine
    from evalsuite.records import Generation, Request
    from evalsuite.runs.drawn import Drawn
    from evalsuite.runs.reading import OcrPool
    from evalsuite.runs.rows import RowWriter
    from evalsuite.runs.store import RunStore


class Pipeline:
    """Writes and reads what is drawn; a context, under the folder's lock.

    Args:
        store: The run folder.
        engine: What reads.
        workers: Processes that read; None for what suits the machine.
        pool: What reads in their place.
        on_kept: Told of each row of an image that is on disk, or of a failure to draw it.
        on_read: Told of each reading that is on disk.
    """

    def __init__(
        self,
        store: RunStore,
        engine: OcrEngine,
        *,
        workers: int | None = None,
        pool: OcrPool | None = None,
        on_kept: Callable[[Generation], None],
        on_read: Callable[[Reading], None],
    ) -> None:
        self._store, self._engine = store, engine
        self._pool = pool or ReadingPool(engine, default_workers(engine) if workers is None else workers)
        self._on_kept, self._on_read = on_kept, on_read
        self._events: SimpleQueue[Kept | Read | Failed] = SimpleQueue()
        self._holds = isinstance(engine, GpuEngine)
        self._held: list[Generation] = []
        self._unkept = self._unread = 0
        self._stack = ExitStack()
        self._writing: Writing | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(self._log_the_rest)
            readings = stack.enter_context(self._store.readings(self._engine.spec).writer())
            self._rows: RowWriter[Generation] = stack.enter_context(self._store.generations.writer())
            pool = stack.enter_context(self._pool)
            self._reader = Reader(self._store, pool, readings, self._events.put)
            stack.callback(self._reader.close)
            stack.callback(self._close_writing)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def under_way(self) -> int:
        """Images that were handed over and are not read yet."""
        return self._unkept + self._unread + len(self._held)

    def start_reading(self, images: int) -> None:
        """Start the OCR processes that so many images need, without waiting for them.

        Raises:
            EvalsuiteError: The system starts no process.
        """
        if not self._holds:
            self._reader.start(images)

    def prove_reading(self) -> None:
        """Wait until OCR is proven to work here, on a page of its own.

        Raises:
            EvalsuiteError: It does not; one line says why.
        """
        if self._holds:
            prove_here(copy(self._engine))  # what the copy has loaded goes with it
        else:
            self._reader.prove()
        self.turn()

    def read(self, rows: Iterable[Generation]) -> None:
        """Queue stored images for reading."""
        self._held += rows
        if self._held and not self._holds:
            self._read_held()

    def _read_held(self) -> None:
        held, self._held = self._held, []
        self._reader.start(len(held))
        for row in held:
            self._unread += 1
            self._reader.submit(row)

    def put(self, request: Request, drawing: Drawing, *, beside: bool) -> None:
        """Keep a drawing, and have it read; with `beside`, while the next is drawn.

        Raises:
            EvalsuiteError: An earlier or, without `beside`, this image cannot be kept; what is kept stays.
        """
        if beside:
            self._beside().put(request, drawing)
            self.turn()
        else:
            self._keep(encode(request, drawing))

    def put_drawn(self, drawn: Drawn, *, beside: bool) -> None:
        """Keep what another process has drawn and encoded, as `put` does."""
        if beside:
            self._beside().put_drawn(drawn)
            self.turn()
        else:
            self._keep(drawn)

    def _beside(self) -> Writing:
        """The writing thread, for one more image."""
        if self._writing is None:
            self._writing = Writing(self._store, self._rows, self._kept_beside)
        self.start_reading(1)
        self._unkept += 1
        return self._writing

    def _keep(self, drawn: Drawn) -> None:
        row = self._store.keep(drawn)
        self._rows.append(row)
        if row.error is None:
            self._held.append(row)
        self._log(row)
        self._on_kept(row)

    def turn(self) -> None:
        """Tell what has happened since, without waiting.

        Raises:
            EvalsuiteError: A stage has failed; what is kept stays.
        """
        while True:
            try:
                event = self._events.get_nowait()
            except Empty:
                return
            self._handle(event)

    def wait_written(self) -> None:
        """Wait until every drawing that was handed over is on disk with its row.

        Raises:
            EvalsuiteError: A stage has failed; what is kept stays.
        """
        while self._unkept:
            self._handle(self._events.get())

    def settle(self, at_most: int = 0) -> None:
        """Wait until no more than `at_most` images are under way; what was held back is read.

        Raises:
            EvalsuiteError: A stage has failed; what is kept stays.
        """
        self.turn()
        while self.under_way > at_most:
            if self._held and self._unkept == 0:
                self._read_held()
            elif self._unkept == 0 and not self._reader.is_beside:
                for reading in self._reader.read_here():
                    self._handle(Read(reading))
            else:
                self._handle(self._events.get())

    def _handle(self, event: Kept | Read | Failed) -> None:
        if isinstance(event, Failed):
            raise event.error
        self._log(event.row)
        if isinstance(event, Kept):
            self._unkept -= 1
            if event.row.error is None and self._holds:
                self._held.append(event.row)
            else:
                self._unread += event.row.error is None
            self._on_kept(event.row)
        else:
            self._unread -= 1
            self._on_read(event.row)

    def _kept_beside(self, event: Kept | Failed) -> None:
        """In the writing thread: tell of a row, and only then have its image read."""
        self._events.put(event)
        if isinstance(event, Kept) and event.row.error is None and not self._holds:
            self._reader.submit(event.row)

    def _log(self, row: Generation | Reading) -> None:
        log = self._store.log
        if isinstance(row, Reading):
            log.event(
                "read", key=row.key, engine=row.engine, lines=len(row.lines), seconds=row.seconds, error=row.error
            )
        else:
            total = row.timing.total if row.timing is not None else None
            told = {"model": row.model, "prompt": row.prompt, "seed": row.seed, "seconds": total, "error": row.error}
            log.event("drawn", key=row.key, **told)

    def _log_the_rest(self) -> None:
        """After the threads have ended: what they still did when the run was stopped."""
        while not self._events.empty():
            event = self._events.get()
            if not isinstance(event, Failed):
                self._log(event.row)

    def _close_writing(self) -> None:
        if self._writing is not None:
            self._writing.close()
