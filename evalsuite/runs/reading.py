"""Reading images with an OCR engine, in this process or in several."""

from __future__ import annotations

import multiprocessing
import os
import time
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Self

from evalsuite import ocr
from evalsuite.errors import EvalsuiteError
from evalsuite.images import ImageError, load_image
from evalsuite.ocr.base import OcrEngine, OcrError
from evalsuite.ocr.many import Answer, ManyReader
from evalsuite.records import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

_engine: OcrEngine | None = None
"""The engine of a worker process; each worker loads its own once."""


def default_workers() -> int:
    """One process a usable core, four at most: more compete for memory bandwidth."""
    return max(1, min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))


def read_image(engine: OcrEngine, key: str, path: Path, sha256: str) -> Reading:
    """Read one stored image. A failure becomes the reading's `error`; it is never an empty text."""
    started = time.perf_counter()
    try:
        answer = Answer(engine.read(load_image(path)))
    except (OcrError, ImageError) as failure:
        answer = Answer(error=str(failure))
    return _reading(engine, key, sha256, answer, time.perf_counter() - started)


def read_images(engine: ManyReader, items: Sequence[tuple[str, Path, str]]) -> Iterator[Reading]:
    """Read stored images (key, path, hash) many at a time, in the order in which they are done."""
    sources = [partial(load_image, path) for _, path, _ in items]
    for index, answer in engine.read_many(sources):
        key, _, sha256 = items[index]
        yield _reading(engine, key, sha256, answer, answer.seconds)


def _reading(engine: OcrEngine, key: str, sha256: str, answer: Answer, seconds: float | None) -> Reading:
    spec = engine.spec
    return Reading(
        key=key,
        image_sha256=sha256,
        engine=spec.name,
        engine_digest=spec.digest,
        lines=answer.lines,
        seconds=seconds,
        findings=answer.findings,
        error=answer.error,
        read_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _start_worker(engine_name: str) -> None:
    import signal

    # Ctrl-C reaches the whole process group; the parent alone decides, after what is under way is written.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    global _engine  # noqa: PLW0603 - a worker process has one engine for its life
    _engine = ocr.resolve(engine_name)


def _read_in_worker(key: str, path: Path, sha256: str) -> Reading:
    if _engine is None:
        raise RuntimeError("the OCR worker was not started")
    return read_image(_engine, key, path, sha256)


class ReadingPool:
    """Reads images in `workers` processes of one thread each; with one worker, in this process.

    A `ManyReader` (a large model, a server) always reads in this process, many images at a time.
    `submit` images, then take readings from `harvest`; their order is that of completion.
    """

    def __init__(self, engine_name: str, workers: int) -> None:
        self._engine_name = engine_name
        self._workers = workers
        self._local: OcrEngine | None = None
        self._executor: ProcessPoolExecutor | None = None
        self._pending: set[Future[Reading]] = set()
        self._queue: list[tuple[str, Path, str]] = []

    def __enter__(self) -> Self:
        engine = ocr.resolve(self._engine_name)
        if self._workers > 1 and not isinstance(engine, ManyReader):
            # A single thread a worker: the networks are small, and threads would fight over the cores.
            os.environ.setdefault("OMP_NUM_THREADS", "1")
            # Spawned, not forked: CUDA and ONNX Runtime do not survive a fork.
            self._executor = ProcessPoolExecutor(
                self._workers,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_start_worker,
                initargs=(self._engine_name,),
            )
        else:
            self._local = engine
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)

    def submit(self, key: str, path: Path, sha256: str) -> None:
        """Queue one image."""
        if self._executor is None:
            self._queue.append((key, path, sha256))
        else:
            self._pending.add(self._executor.submit(_read_in_worker, key, path, sha256))

    def harvest(self, *, block: bool) -> Iterator[Reading]:
        """Readings that are done; with `block`, all that were submitted, each as soon as it is.

        Raises:
            EvalsuiteError: when a worker process died (out of memory, most likely).
        """
        if self._executor is None:
            while self._queue and block:
                if self._local is None:
                    raise RuntimeError("the pool is used outside its context")
                if isinstance(self._local, ManyReader):
                    queued, self._queue = self._queue, []
                    yield from read_images(self._local, queued)
                else:
                    yield read_image(self._local, *self._queue.pop(0))
            return
        while self._pending:
            done, self._pending = wait(self._pending, timeout=None if block else 0, return_when="FIRST_COMPLETED")
            for future in done:
                try:
                    yield future.result()
                except BrokenProcessPool as error:
                    raise EvalsuiteError(
                        "an OCR process died, perhaps for want of memory; what was read is kept: run the same command "
                        "again, with --ocr-workers 1"
                    ) from error
            if not block:
                return
