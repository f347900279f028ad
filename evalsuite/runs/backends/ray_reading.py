"""Reading on Ray: actors of one core each, to which the driver sends the bytes of stored images."""

from __future__ import annotations

from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.connection import Pipe
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Self

from evalsuite.images import read_bytes
from evalsuite.runs.backends.actors import ReadingActor, how_lost
from evalsuite.runs.backends.dealing import Deal
from evalsuite.runs.reading import died_at
from evalsuite.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from types import TracebackType

    from evalsuite.ocr.base import OcrEngine
    from evalsuite.records import Reading


@dataclass(frozen=True, slots=True)
class _Image:
    key: str
    path: Path


class _Actor:
    """An actor that reads, as the driver knows it."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.ready = False


class RayPool:
    """Up to `count` actors that read; see `OcrPool`. One thread uses it."""

    def __init__(self, engine: OcrEngine, find_engine: Callable[[], OcrEngine], count: int) -> None:
        self._engine, self._find_engine, self._count = engine, find_engine, count
        self._deal: Deal[_Image] = Deal((), batch=1, workers=count, what="read")
        self._crew: list[_Actor] = []
        self._pending: dict[Any, _Actor] = {}
        self._done: SimpleQueue[Any] = SimpleQueue()
        self._bell, self._ring = Pipe(duplex=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import ray

        self._pending.clear()
        for actor in self._crew:
            ray.kill(actor.handle)
        self._crew.clear()

    @property
    def has_processes(self) -> bool:
        """True: actors read beside this process."""
        return True

    def start(self, images: int) -> None:
        """Start as many actors as so many images need, without waiting for them."""
        import ray

        for _ in range(min(self._count, images) - len(self._crew)):
            remote = ray.remote(num_cpus=1)(ReadingActor)
            actor = _Actor(remote.remote(self._find_engine, self._engine.spec.digest, __version__))
            self._crew.append(actor)
            self._await(actor.handle.prove.remote(), actor)

    def prove(self, *others: Connection) -> bool:
        """Wait until every actor that was started has read a page; see `OcrPool.prove`.

        Raises:
            EvalsuiteError: One cannot read, or they do not start.
        """
        while not all(actor.ready for actor in self._crew):
            for _ in self._take():
                pass  # an actor that is not ready has no reading
            self.start(1)
            if all(actor.ready for actor in self._crew):
                break
            ready = connection.wait([self._bell, *others])
            if any(other in ready for other in others):
                return False
        return True

    def wait(self, other: Connection) -> None:
        """Wait until an actor has something to say, or `other` has."""
        connection.wait([self._bell, other])

    def submit(self, key: str, path: Path) -> None:
        """Queue one image."""
        self._deal.add(_Image(key, path))
        self._hand_out()

    def harvest(self, *, block: bool) -> Iterator[Reading]:
        """Readings that are done; with `block`, all that were submitted, each as soon as it is.

        Raises:
            EvalsuiteError: Actors do not start, or are lost one after the other.
        """
        while not self._deal.finished:
            self._hand_out()
            if block and self._done.empty():
                connection.wait([self._bell])
            found = False
            for reading in self._take():
                found = True
                yield reading
            self._hand_out()  # to an actor that has just become ready, or to the one in place of a lost one
            if not block and not found:
                return

    def _hand_out(self) -> None:
        self.start(self._deal.waiting + sum(actor.ready for actor in self._crew))
        for actor in self._crew:
            while actor.ready and (batch := self._deal.take(actor)):
                for image in batch:
                    content = read_bytes(image.path)
                    self._await(actor.handle.read.remote(image.key, str(image.path), content), actor)

    def _await(self, ref: Any, actor: _Actor) -> None:
        """Have the bell rung when a call is done. Ray answers in a thread of its own."""
        self._pending[ref] = actor

        def ring(_: Any) -> None:
            self._done.put(ref)
            self._ring.send_bytes(b"!")

        ref.future().add_done_callback(ring)

    def _take(self) -> Iterator[Reading]:
        """The readings of the calls that are done; what a lost actor had is dealt again."""
        import ray

        while self._bell.poll():
            self._bell.recv_bytes()
        while True:
            try:
                ref = self._done.get_nowait()
            except Empty:
                return
            actor = self._pending.pop(ref, None)
            if actor is None:
                continue
            try:
                answer = ray.get(ref)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from None
            except ray.exceptions.RayError as error:
                yield from self._bury(actor, how_lost(error))
                continue
            if not actor.ready:
                actor.ready = True
            elif self._deal.answer(actor, answer.key):
                yield answer

    def _bury(self, actor: _Actor, how: str) -> Iterator[Reading]:
        self._crew.remove(actor)
        self._pending = {ref: owner for ref, owner in self._pending.items() if owner is not actor}
        for image in self._deal.lose(actor, how, was_ready=actor.ready):
            yield died_at(self._engine, image.key, image.path, how)
