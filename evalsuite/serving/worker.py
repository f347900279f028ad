"""The one thread that draws, and the bounded queue before it."""

from __future__ import annotations

import queue
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from evalsuite.errors import EvalsuiteError
from evalsuite.records import Prompt

if TYPE_CHECKING:
    from types import TracebackType

    from evalsuite.models.base import Drawing
    from evalsuite.models.diffusion import DiffusionModel
    from evalsuite.serving.requests import ImageRequest


class QueueFullError(Exception):
    """As many requests wait as may."""


class OutOfOrderError(Exception):
    """Nothing can be drawn any more; the message says why."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A drawing, and the seconds that its request waited for it to begin."""

    drawing: Drawing
    waited: float


@dataclass(frozen=True, slots=True)
class _Job:
    request: ImageRequest
    future: Future[Drawn]
    since: float = field(default_factory=time.perf_counter)


class DrawingWorker:
    """Loads a model in its thread and draws one request after the other, in the order of their arrival.

    Args:
        model: What draws.
        places: Requests that may wait beside the one that is drawn.
    """

    def __init__(self, model: DiffusionModel, places: int) -> None:
        self.model = model
        self.seconds = 1.0
        """Of the last image: what a client that is turned away may wait."""
        self._queue: queue.Queue[_Job | None] = queue.Queue(maxsize=places)
        self._ready: Future[None] = Future()
        self._broken: str | None = None
        self._thread = threading.Thread(target=self._work, name="drawing", daemon=True)
        self._closed = threading.Event()

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return self._queue.qsize()

    @property
    def state(self) -> str:
        """`loading`, `ok`, or why nothing is drawn any more."""
        return self._broken or ("ok" if self._ready.done() else "loading")

    def wait_until_loaded(self) -> None:
        """Wait for the weights; raises what loading them raised."""
        self._ready.result()

    def submit(self, request: ImageRequest) -> Future[Drawn]:
        """Queue a request; cancelling the future takes it out again, unless it is being drawn.

        Raises:
            QueueFullError: As many wait as may.
            OutOfOrderError: The model has failed, or the server is closing.
        """
        if self._broken is not None or self._closed.is_set():
            raise OutOfOrderError(self._broken or "the server is closing")
        job = _Job(request, Future())
        try:
            self._queue.put_nowait(job)
        except queue.Full:
            raise QueueFullError(f"{self._queue.maxsize} requests wait already") from None
        return job.future

    def _work(self) -> None:
        try:
            with self.model:
                self._ready.set_result(None)
                while not self._closed.is_set():
                    job = self._queue.get()
                    if job is not None and job.future.set_running_or_notify_cancel():
                        self._draw(job)
        except BaseException as error:  # noqa: BLE001 - the thread has nobody else to tell
            self._broken = f"{type(error).__name__}: {error}"
            if not self._ready.done():
                self._ready.set_exception(error)
        self._turn_away()

    def _draw(self, job: _Job) -> None:
        waited = time.perf_counter() - job.since
        request = job.request
        prompt = Prompt(
            id="request", suite="serve", language="", category="", length="short", text=request.prompt, targets=()
        )
        try:
            self.model.retune(request.settings)
        except EvalsuiteError as error:
            job.future.set_exception(error)
            return
        try:
            (drawing,) = self.model.draw([(prompt, request.seed)])
        except BaseException as error:
            job.future.set_exception(OutOfOrderError(str(error)))
            raise
        if drawing.timing is not None:
            self.seconds = drawing.timing.total
        job.future.set_result(Drawn(drawing, waited))

    def _turn_away(self) -> None:
        while True:
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                return
            if job is not None and job.future.set_running_or_notify_cancel():
                job.future.set_exception(OutOfOrderError(self._broken or "the server is closing"))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        try:
            self._queue.put_nowait(None)
        except queue.Full:
            self._turn_away()
            self._queue.put(None)
        self._thread.join()
