"""Reading images with an OCR engine, in this process or in several."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import time
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from evalsuite.errors import EvalsuiteError
from evalsuite.images import ImageError, decode_image, read_bytes
from evalsuite.ocr.base import OcrEngine, OcrError
from evalsuite.ocr.many import Answer, ManyReader
from evalsuite.records import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from PIL.Image import Image

_engine: OcrEngine | None = None
"""The engine of a worker process; each worker loads its own once."""


def default_workers() -> int:
    """One process a usable core, four at most: more compete for memory bandwidth."""
    return max(1, min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))


def read_image(engine: OcrEngine, key: str, path: Path) -> Reading:
    """Read one stored image. A failure becomes the reading's `error`; it is never an empty text."""
    source = _Source(path)
    started = time.perf_counter()
    try:
        answer = Answer(engine.read(source()))
    except (OcrError, ImageError) as failure:
        answer = Answer(error=str(failure))
    return _reading(engine, key, source.sha256, answer, time.perf_counter() - started)


def read_images(engine: ManyReader, items: Sequence[tuple[str, Path]]) -> Iterator[Reading]:
    """Read stored images (key and path) many at a time, in the order in which they are done."""
    sources = [_Source(path) for _, path in items]
    for index, answer in engine.read_many(sources):
        yield _reading(engine, items[index][0], sources[index].sha256, answer, answer.seconds)


class _Source:
    """Opens an image and says which bytes it decoded: the hash is of what was read, not of what was drawn."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.sha256 = NOTHING_READ

    def __call__(self) -> Image:
        content = read_bytes(self._path)
        self.sha256 = hashlib.sha256(content).hexdigest()
        return decode_image(content, self._path)


NOTHING_READ = hashlib.sha256(b"").hexdigest()
"""The hash of a reading whose image could not be opened."""


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


def _start_worker(engine: OcrEngine) -> None:
    import signal

    # Ctrl-C reaches the whole process group; the parent alone decides, after what is under way is written.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    global _engine  # noqa: PLW0603 - a worker process has one engine for its life
    _engine = engine


def _read_in_worker(key: str, path: Path) -> Reading:
    if _engine is None:
        raise RuntimeError("the OCR worker was not started")
    return read_image(_engine, key, path)


class ReadingPool:
    """Reads images in `workers` processes of one thread each; with one worker, in this process.

    A `ManyReader` (a large model, a server) always reads in this process, many images at a time.
    `submit` images, then take readings from `harvest`; their order is that of completion.
    """

    def __init__(self, engine: OcrEngine, workers: int) -> None:
        self._engine = engine
        self._workers = workers
        self._executor: ProcessPoolExecutor | None = None
        self._pending: set[Future[Reading]] = set()
        self._queue: list[tuple[str, Path]] = []

    def __enter__(self) -> Self:
        if self._workers > 1 and not isinstance(self._engine, ManyReader):
            # A single thread a worker: the networks are small, and threads would fight over the cores.
            os.environ.setdefault("OMP_NUM_THREADS", "1")
            # Spawned, not forked: CUDA and ONNX Runtime do not survive a fork.
            self._executor = ProcessPoolExecutor(
                self._workers,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_start_worker,
                initargs=(self._engine,),
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)

    def submit(self, key: str, path: Path) -> None:
        """Queue one image."""
        if self._executor is None:
            self._queue.append((key, path))
        else:
            self._pending.add(self._executor.submit(_read_in_worker, key, path))

    def harvest(self, *, block: bool) -> Iterator[Reading]:
        """Readings that are done; with `block`, all that were submitted, each as soon as it is.

        Raises:
            EvalsuiteError: when a worker process died (out of memory, most likely).
        """
        if self._executor is None:
            while self._queue and block:
                if isinstance(self._engine, ManyReader):
                    queued, self._queue = self._queue, []
                    yield from read_images(self._engine, queued)
                else:
                    yield read_image(self._engine, *self._queue.pop(0))
            return
        while self._pending:
            done, self._pending = wait(self._pending, timeout=None if block else 0, return_when="FIRST_COMPLETED")
            for future in done:
                try:
                    yield future.result()
                except BrokenProcessPool as error:
                    raise EvalsuiteError(
                        "an OCR process died, probably out of memory; what was read is kept: run the same command "
                        "again, with --ocr-workers 1. In a Python script, also put the call below "
                        "if __name__ == '__main__', as every script must that starts processes"
                    ) from error
            if not block:
                return
