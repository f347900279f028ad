"""OCR in several processes: each holds an engine and reads one image at a time.

Workers end with the process that started them, however that ends: a thread of each waits for it. A worker that dies
(killed by the system for its memory, mostly) is replaced, and its image is read once more; an image at which two
workers died is marked unread and the others go on.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from dataclasses import dataclass
from multiprocessing import connection
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from evalsuite.errors import EvalsuiteError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

Item = TypeVar("Item")
Result = TypeVar("Result")

ATTEMPTS = 2
"""How often an item is tried at which a worker dies."""
MOST_DEATHS = 6
"""Deaths without a result between them after which the machine, and no item, is to blame."""
GRACE = 2.0
"""Seconds that a worker gets to end before it is killed."""


class WorkerDeathError(EvalsuiteError):
    """The workers cannot be kept alive; everything finished is kept."""


@dataclass(frozen=True, slots=True)
class Died(Generic[Item]):
    """An item at which `ATTEMPTS` workers died; `how` says what ended the last."""

    item: Item
    how: str


class Worker(Protocol):
    """A process and this side of its channel."""

    @property
    def process(self) -> BaseProcess:
        """The process, which was started."""

    @property
    def channel(self) -> Connection:
        """Closed when the process is done with."""


AnyWorker = TypeVar("AnyWorker", bound=Worker)


def end_all(workers: list[AnyWorker]) -> None:
    """End all processes at once, kill those that do not end within `GRACE`, and empty the list."""
    for worker in workers:
        worker.process.terminate()
    for worker in workers:
        worker.process.join(GRACE)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        worker.channel.close()
    workers.clear()


def how_it_ended(worker: Worker) -> str:
    """Close the channel of a process that has died; how it ended, in words."""
    worker.channel.close()
    worker.process.join(GRACE)
    code = worker.process.exitcode
    return f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"


@dataclass(slots=True)
class _Worker(Generic[Item]):
    process: BaseProcess
    channel: Connection
    ready: bool = False
    item: Item | None = None


class WorkerPool(Generic[Item, Result]):
    """Up to `count` processes that answer `work(item)`; started by `start` or as items come, ended by `stop`.

    A worker calls `prepare` before its first item; what that raises is raised in the parent, as from the work itself.
    `work`, `prepare` and the items must be picklable. Processes are spawned and not forked: CUDA and ONNX Runtime do
    not survive a fork. One thread uses a pool.
    """

    def __init__(self, work: Callable[[Item], Result], count: int, prepare: Callable[[], object] | None = None) -> None:
        self._work, self._count, self._prepare = work, count, prepare
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker[Item]] = []
        self._queue: deque[Item] = deque()
        self._lost: list[Died[Item]] = []
        self._deaths_at: list[Item] = []
        self._deaths_in_row = self._failed_starts = 0

    @property
    def process_ids(self) -> tuple[int, ...]:
        """The processes that are alive now."""
        return tuple(worker.process.pid for worker in self._workers if worker.process.pid is not None)

    def start(self, count: int) -> None:
        """Start as many workers as `count` items need, without waiting for them.

        Raises:
            WorkerDeathError: The system starts no process.
        """
        for _ in range(min(self._count, count) - len(self._workers)):
            self._start()

    def wait_ready(self, *others: Connection) -> bool:
        """Wait until every worker that was started is prepared; False where one of `others` has something before.

        Raises:
            WorkerDeathError: Workers do not start.
        """
        wanted = len(self._workers)
        while waiting := [worker for worker in self._workers if not worker.ready]:
            said = set(connection.wait([*(worker.channel for worker in waiting), *others]))
            for worker in waiting:
                if worker.channel in said:
                    for _ in self._receive(worker):
                        pass  # a worker that is not ready has no answer
            if not said.isdisjoint(others):
                return False
            self.start(wanted)
        return True

    def wait(self, *others: Connection) -> None:
        """Wait until a worker has something to say, or one of `others` has."""
        connection.wait([*(worker.channel for worker in self._workers), *others])

    def submit(self, item: Item) -> None:
        """Queue one item.

        Raises:
            WorkerDeathError: The system starts no process.
        """
        self._queue.append(item)
        self._hand_out()

    def harvest(self, *, block: bool) -> Iterator[Result | Died[Item]]:
        """Answers that are there, in the order of completion; with `block`, all that are still to come.

        Raises:
            WorkerDeathError: Workers do not start, or die one after the other.
        """
        while self._queue or any(worker.item is not None for worker in self._workers):
            self._hand_out()
            channels = [worker.channel for worker in self._workers]
            ready = set(connection.wait(channels, timeout=None if block else 0))
            for worker in [worker for worker in self._workers if worker.channel in ready]:
                yield from self._receive(worker)
            while self._lost:
                yield self._lost.pop(0)
            if not block and not ready:
                return

    def stop(self) -> None:
        """End all workers, at once: they hold nothing that could be lost."""
        end_all(self._workers)
        self._queue.clear()

    def _hand_out(self) -> None:
        """Give waiting items to idle workers, after starting as many as there is work for."""
        self.start(sum(worker.item is not None for worker in self._workers) + len(self._queue))
        for worker in list(self._workers):
            if worker.ready and worker.item is None and self._queue:
                worker.item = self._queue.popleft()
                try:
                    worker.channel.send(worker.item)
                except OSError:  # it died idle; what it was given goes to another
                    self._queue.appendleft(worker.item)
                    worker.item = None
                    self._remove(worker)

    def _start(self) -> None:
        ours, theirs = self._context.Pipe()
        arguments = theirs, self._work, self._prepare
        process = self._context.Process(target=_serve, args=arguments, daemon=True, name="evalsuite-worker")
        try:
            process.start()
        except OSError as error:
            ours.close()
            raise WorkerDeathError(
                f"an OCR process cannot be started ({error.strerror}); what was finished is kept: run the same command "
                "again, with --ocr-workers 1"
            ) from error
        finally:
            theirs.close()  # so that the death of the worker closes the last end of its channel
        self._workers.append(_Worker(process, ours))

    def _receive(self, worker: _Worker[Item]) -> Iterator[Result]:
        try:
            answer: Result | None = worker.channel.recv()
        except (EOFError, OSError):
            self._bury(worker)
            return
        if not worker.ready:
            if isinstance(answer, BaseException):
                raise answer
            worker.ready = True
            self._failed_starts = 0
            return
        worker.item = None
        self._deaths_in_row = 0
        if isinstance(answer, BaseException):
            raise answer
        yield answer  # type: ignore[misc] # None is only the sign of readiness

    def _bury(self, worker: _Worker[Item]) -> None:
        """Take a dead worker out, and queue its item again unless it has killed its share."""
        how = self._remove(worker)
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= ATTEMPTS:
                raise WorkerDeathError(
                    f"OCR processes do not start ({how}); what was finished is kept: run the same command again, with "
                    "--ocr-workers 1. In a Python script, also put the call below if __name__ == '__main__', as every "
                    "script must that starts processes"
                )
            return
        self._deaths_in_row += 1
        if self._deaths_in_row >= MOST_DEATHS:
            raise WorkerDeathError(
                f"{MOST_DEATHS} OCR processes died one after the other ({how}), probably out of memory; what was "
                "finished is kept: run the same command again, with --ocr-workers 1"
            )
        if worker.item is None:
            return
        self._deaths_at.append(worker.item)
        if self._deaths_at.count(worker.item) < ATTEMPTS:
            self._queue.append(worker.item)
        else:
            self._lost.append(Died(worker.item, how))

    def _remove(self, worker: _Worker[Item]) -> str:
        """Forget a dead worker; how it ended, in words."""
        self._workers.remove(worker)
        return how_it_ended(worker)


def _serve(channel: Connection, work: Callable[[Item], Result], prepare: Callable[[], object] | None) -> None:
    """The life of a worker: prepare, say so, then answer items until the channel closes."""
    # Ctrl-C reaches the whole process group; the parent alone decides, after what is under way is written.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        try:
            if prepare is not None:
                prepare()
        except Exception as error:  # noqa: BLE001 - raised again in the parent, which is where it belongs
            channel.send(error)
            return
        channel.send(None)
        while True:
            item = channel.recv()
            try:
                answer: object = work(item)
            except Exception as error:  # noqa: BLE001 - raised again in the parent, which is where it belongs
                answer = error
            channel.send(answer)
    except (EOFError, OSError):
        return


def end_with_parent() -> None:
    """Wait for the process that started this one, and end at once when it has ended; for a thread."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
