"""Several devices of one machine: one process each, which take requests as they finish.

Each process loads the model on its device and draws; a thread beside it encodes and sends, so that the device does not
wait. Processes end with the one that started them, however that ends. One that dies is replaced, and what it had is
drawn again (`dealing`).
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection
from typing import TYPE_CHECKING, Any, Self

from evalsuite.errors import EvalsuiteError
from evalsuite.hardware import usable_threads
from evalsuite.models.base import Drawing, PlaceableModel
from evalsuite.runs.backends.dealing import Deal, given_up
from evalsuite.runs.drawn import Drawn, drawings_of, encode, now
from evalsuite.runs.machines import placed
from evalsuite.runs.reading import ReadingPool, default_workers
from evalsuite.runs.workers import end_all, end_with_parent, how_it_ended

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess
    from types import TracebackType

    from evalsuite.models.base import ImageModel
    from evalsuite.ocr.base import OcrEngine
    from evalsuite.records import Prompt, Request
    from evalsuite.runs.reading import OcrPool
    from evalsuite.runs.store import RunStore


@dataclass(frozen=True)
class _Ready:
    """A process has loaded its model."""


@dataclass(frozen=True)
class _Ended:
    """A process cannot draw any more, since its device has failed; `how` says why."""

    how: str


@dataclass(eq=False, slots=True)
class _Worker:
    device: str
    process: BaseProcess
    channel: Connection
    ready: bool = False
    how: str | None = None


class Devices:
    """Draws in one process for each of `names`, which are torch devices of this machine."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []

    @property
    def process_ids(self) -> tuple[int, ...]:
        """The processes that are alive now."""
        return tuple(worker.process.pid for worker in self._workers if worker.process.pid is not None)

    def takes(self, model: ImageModel) -> bool:
        """Whether the model draws on devices of this kind."""
        return isinstance(model, PlaceableModel) and model.placed(self.names[0]) is not None

    def uses_cpu(self, model: ImageModel) -> bool:
        """True for CPU devices."""
        del model
        return self.names[0] == "cpu"

    def pool(self, engine: OcrEngine, workers: int | None) -> OcrPool:
        """The usual OCR processes of this machine."""
        return ReadingPool(engine, default_workers(engine) if workers is None else workers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def draw(self, model: ImageModel, requests: Sequence[Request], store: RunStore) -> Iterator[Drawn]:
        """Draw the requests; see `Backend.draw`."""
        deal = Deal(requests, batch=int(model.spec.runtime.get("batch", 1)), workers=len(self.names))
        try:
            while not deal.finished:
                self._fill(model, store.prompts, deal)
                for worker in list(self._workers):
                    self._give(worker, deal)
                ready = set(connection.wait([worker.channel for worker in self._workers]))
                for worker in [each for each in self._workers if each.channel in ready]:
                    yield from self._receive(worker, deal)
        finally:
            self.stop()

    def stop(self) -> None:
        """End all processes, at once: what they have not sent is drawn again some day."""
        end_all(self._workers)

    def _fill(self, model: ImageModel, prompts: Mapping[str, Prompt], deal: Deal[Request]) -> None:
        """Start a process on each device that has none, as long as requests wait for it."""
        busy = [worker.device for worker in self._workers]
        starting = sum(not worker.ready for worker in self._workers)
        for index, name in enumerate(self.names):
            device = f"{name}:{index}" if name == "cpu" else name
            if device not in busy and deal.waiting > starting:
                self._start(device, model, prompts)
                starting += 1

    def _start(self, device: str, model: ImageModel, prompts: Mapping[str, Prompt]) -> None:
        ours, theirs = self._context.Pipe()
        arguments = theirs, model, device, len(self.names), dict(prompts)
        process = self._context.Process(target=_serve, args=arguments, daemon=True, name=f"evalsuite-{device}")
        process.start()
        theirs.close()  # so that the death of the process closes the last end of its channel
        self._workers.append(_Worker(device, process, ours))

    def _give(self, worker: _Worker, deal: Deal[Request]) -> None:
        while worker.ready and (batch := deal.take(worker)):
            with suppress(OSError):  # it died; what it was given is dealt again when its channel says so
                worker.channel.send(batch)

    def _receive(self, worker: _Worker, deal: Deal[Request]) -> Iterator[Drawn]:
        try:
            answer: Any = worker.channel.recv()
        except (EOFError, OSError):
            yield from self._bury(worker, deal)
            return
        if isinstance(answer, _Ready):
            worker.ready = True
        elif isinstance(answer, _Ended):
            worker.how = answer.how
        elif isinstance(answer, BaseException):
            raise answer
        elif deal.answer(worker, answer.row.key):
            yield answer

    def _bury(self, worker: _Worker, deal: Deal[Request]) -> Iterator[Drawn]:
        """Take a dead process out; what died twice becomes a row that says so."""
        self._workers.remove(worker)
        ended = how_it_ended(worker)
        how = worker.how or ended
        for request in deal.lose(worker, f"{worker.device}: {how}", was_ready=worker.ready):
            yield given_up(request, how)


def _serve(channel: Connection, model: PlaceableModel, device: str, count: int, prompts: Mapping[str, Prompt]) -> None:
    """The life of a process: load the model, say so, then draw what comes until the channel closes."""
    # Ctrl-C reaches the whole process group; the parent alone decides, after what is under way is written.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()
    _use_no_semaphores()
    try:
        _settle(device, count)
        here = model.placed("cpu" if device.startswith("cpu") else device)
        assert here is not None  # noqa: S101 - `takes` has said so
        with here:
            channel.send(_Ready())
            _draw_what_comes(channel, here, device, prompts)
    except (EOFError, OSError):
        return
    except Exception as error:  # noqa: BLE001 - raised again in the parent, which is where it belongs
        _send_error(channel, error)


def _use_no_semaphores() -> None:
    """Let progress bars be guarded by a lock of this process alone.

    tqdm takes a semaphore of the system too, which a process that is ended leaves to Python's tracker, with a warning.
    """
    with suppress(ImportError):
        from tqdm import tqdm

        tqdm.set_lock(threading.RLock())


def _settle(device: str, count: int) -> None:
    """Keep to the device, and to a fair share of the cores where they draw. Before the model is loaded."""
    if device.startswith("cpu"):
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (usable_threads() or 1) // count)))
        if "torch" in sys.modules:
            import torch

            torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    else:
        import torch

        torch.cuda.set_device(device)


def _draw_what_comes(channel: Connection, model: ImageModel, device: str, prompts: Mapping[str, Prompt]) -> None:
    size = int(model.spec.runtime.get("batch", 1))
    # What is drawn and not yet sent is bounded: where the parent cannot keep up, drawing waits.
    outbox: queue.Queue[tuple[Request, Drawing, str] | None] = queue.Queue(2 * size)
    sender = threading.Thread(target=_send_all, args=(channel, outbox, device), daemon=True)
    sender.start()
    try:
        while True:
            batch = channel.recv()
            for request, drawing in drawings_of(model, batch, prompts):
                outbox.put((request, drawing, now()))
    except EvalsuiteError as error:  # nothing can be drawn here any more: another process goes on
        outbox.put(None)
        sender.join()
        channel.send(_Ended(str(error)))


def _send_all(channel: Connection, outbox: queue.Queue[tuple[Request, Drawing, str] | None], device: str) -> None:
    """Encode and send what is drawn, until None comes."""
    try:
        while (answer := outbox.get()) is not None:
            request, drawing, moment = answer
            drawn = encode(request, drawing, drawn_at=moment)
            channel.send(Drawn(placed(drawn.row, device=device), drawn.content))
    except OSError:
        os._exit(1)  # the parent is gone
    except Exception as error:  # noqa: BLE001 - raised again in the parent, which is where it belongs
        _send_error(channel, error)


def _send_error(channel: Connection, error: Exception) -> None:
    try:
        channel.send(error)
    except OSError:
        return
    except Exception:  # noqa: BLE001 - an exception that cannot be pickled is told in words
        channel.send(RuntimeError(f"{type(error).__name__}: {error}"))
