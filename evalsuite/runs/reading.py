"""Reading images with an OCR engine, in this process or in several."""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, Self

from evalsuite.images import ImageError, decode_image, read_bytes
from evalsuite.ocr.base import GpuEngine, OcrEngine, OcrError
from evalsuite.ocr.many import Answer, ManyReader
from evalsuite.ocr.proof import read_page
from evalsuite.records import MAX_READING_CHARS, Reading
from evalsuite.runs.workers import ATTEMPTS, Died, WorkerPool

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.connection import Connection
    from pathlib import Path
    from types import TracebackType

    from PIL.Image import Image


WORKER_BYTES = 1_500_000_000
"""Main memory that a reading process is reckoned with: 0.5 to 0.8 GB at 1024x1024, 3.3 GB at 4096x4096."""
MOST_WORKERS = 64


def default_workers(engine: OcrEngine) -> int:
    """One process a usable core, but for two of more than four, which draw and encode; as many as memory allows.

    An engine on a GPU says itself how many it can use.
    """
    import psutil

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    spare = cores if cores <= 4 else max(4, cores - 2)
    most = engine.most_processes() if isinstance(engine, GpuEngine) else MOST_WORKERS
    return max(1, min(spare, psutil.virtual_memory().available // WORKER_BYTES, most))


def read_image(engine: OcrEngine, key: str, path: Path, content: bytes | None = None) -> Reading:
    """Read one stored image. A failure becomes the reading's `error`; it is never an empty text.

    `content` is that of the file, where it was read on another machine.
    """
    source = _Source(path, content)
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

    def __init__(self, path: Path, content: bytes | None = None) -> None:
        self._path, self._content = path, content
        self.sha256 = NOTHING_READ

    def __call__(self) -> Image:
        content = read_bytes(self._path) if self._content is None else self._content
        self.sha256 = hashlib.sha256(content).hexdigest()
        return decode_image(content, self._path)


NOTHING_READ = hashlib.sha256(b"").hexdigest()
"""The hash of a reading whose image could not be opened."""


def _cannot_be_written(answer: Answer) -> bool:
    try:
        "".join(line.text for line in answer.lines).encode()
    except UnicodeEncodeError:
        return True
    return False


def _reading(engine: OcrEngine, key: str, sha256: str, answer: Answer, seconds: float | None) -> Reading:
    spec = engine.spec
    length = sum(len(line.text) for line in answer.lines)
    if length > MAX_READING_CHARS:
        answer = Answer(error=f"the OCR answered with {length:,} characters; {MAX_READING_CHARS:,} can be scored")
    elif _cannot_be_written(answer):
        answer = Answer(error="the OCR answered with half of a surrogate pair, which is no character")
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


@dataclass(frozen=True)
class _ReadWith:
    """What a worker process does: read one image with its own copy of the engine."""

    engine: OcrEngine

    def __call__(self, item: tuple[str, Path]) -> Reading:
        return read_image(self.engine, *item)


@dataclass(frozen=True)
class _Proof:
    """What a worker process does first: show that its engine reads."""

    engine: OcrEngine

    def __call__(self) -> str:
        return read_page(self.engine)


class OcrPool(Protocol):
    """What reads stored images for a run, in any processes: see `ReadingPool`, which does on this machine."""

    @property
    def has_processes(self) -> bool:
        """Whether it reads in processes of its own, beside this one."""
        ...

    def start(self, images: int) -> None:
        """Start as many processes as so many images need, without waiting for them."""
        ...

    def prove(self, *others: Connection) -> bool:
        """See that the engine reads there; False where one of `others` has something to say before that is known."""
        ...

    def wait(self, other: Connection) -> None:
        """Wait until a process has something to say, or `other` has."""
        ...

    def submit(self, key: str, path: Path) -> None:
        """Queue one image."""
        ...

    def harvest(self, *, block: bool) -> Iterator[Reading]:
        """Readings that are done; with `block`, all that were submitted, each as soon as it is."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class ReadingPool:
    """Reads images in `workers` processes of one thread each; with one worker, in this process.

    A `ManyReader` (a large model, a server) always reads in this process, many images at a time. `start` and `prove`
    before anything is drawn, `submit` images, then take readings from `harvest`; their order is that of completion.
    """

    def __init__(self, engine: OcrEngine, workers: int) -> None:
        self._engine = engine
        self._workers = workers
        self._pool: WorkerPool[tuple[str, Path], Reading] | None = None
        self._queue: list[tuple[str, Path]] = []

    def __enter__(self) -> Self:
        if self._workers > 1 and not isinstance(self._engine, ManyReader):
            # A single thread a worker: the networks are small, and threads would fight over the cores.
            os.environ.setdefault("OMP_NUM_THREADS", "1")
            self._pool = WorkerPool(_ReadWith(self._engine), self._workers, _Proof(self._engine))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.stop()

    @property
    def has_processes(self) -> bool:
        """Whether it reads in processes of its own, beside this one."""
        return self._pool is not None

    def start(self, images: int) -> None:
        """Start as many processes as so many images need, without waiting for them.

        Raises:
            EvalsuiteError: The system starts no process.
        """
        if self._pool is not None:
            self._pool.start(images)

    def prove(self, *others: Connection) -> bool:
        """See that the engine reads on this machine: wait for the processes that were started, or read a page here.

        A `ManyReader` is not asked: it may need the memory that a model is drawn with.

        Returns:
            False where one of `others` has something to say before that is known.

        Raises:
            EvalsuiteError: It does not read; one line says why.
        """
        if self._pool is not None:
            return self._pool.wait_ready(*others)
        if not isinstance(self._engine, ManyReader):
            prove_here(self._engine)
        return True

    def wait(self, other: Connection) -> None:
        """Wait until a process has something to say, or `other` has."""
        if self._pool is not None:
            self._pool.wait(other)

    def submit(self, key: str, path: Path) -> None:
        """Queue one image."""
        if self._pool is None:
            self._queue.append((key, path))
        else:
            self._pool.submit((key, path))

    def harvest(self, *, block: bool) -> Iterator[Reading]:
        """Readings that are done; with `block`, all that were submitted, each as soon as it is.

        An image at which worker processes died has a reading whose `error` says so.

        Raises:
            EvalsuiteError: when worker processes do not start, or die one after the other.
        """
        if self._pool is not None:
            for answer in self._pool.harvest(block=block):
                yield self._died(answer) if isinstance(answer, Died) else answer
            return
        while self._queue and block:
            if isinstance(self._engine, ManyReader):
                queued, self._queue = self._queue, []
                yield from read_images(self._engine, queued)
            else:
                yield read_image(self._engine, *self._queue.pop(0))

    def _died(self, death: Died[tuple[str, Path]]) -> Reading:
        return died_at(self._engine, *death.item, death.how)


def died_at(engine: OcrEngine, key: str, path: Path, how: str) -> Reading:
    """The reading of an image at which processes died."""
    sha256 = NOTHING_READ
    with suppress(ImageError):
        sha256 = hashlib.sha256(read_bytes(path)).hexdigest()
    why = f"{ATTEMPTS} OCR processes died at this image ({how}), probably out of memory"
    return _reading(engine, key, sha256, Answer(error=why), None)


_proven: set[str] = set()
"""Digests of the engines that have read the page in this process."""


def prove_here(engine: OcrEngine) -> None:
    """See that the engine reads in this process, on a page of its own.

    Raises:
        EvalsuiteError: It does not; one line says why.
    """
    if engine.spec.digest not in _proven:
        read_page(engine)
        _proven.add(engine.spec.digest)
