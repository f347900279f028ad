"""Dealing requests to workers as they finish, and dealing again what a dead worker had: each is answered once.

No process, no clock: the same rules hold for the devices of a machine and for Ray.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

from evalsuite.errors import EvalsuiteError
from evalsuite.records import Generation
from evalsuite.runs.drawn import Drawn, now

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from evalsuite.records import Request

ATTEMPTS = 2
"""How often a request is tried at which a worker dies."""
MOST_DEATHS = 6
"""Deaths without an image between them after which the machine, and no request, is to blame."""


class DrawingProcessError(EvalsuiteError):
    """The processes that draw cannot be kept alive; everything finished is kept."""


class Deal:
    """The requests that still wait, and those that each worker has.

    A worker gets a batch, and a second one while it draws the first as long as there is plenty, so that it never waits
    for the parent and nobody hoards at the end.

    Args:
        requests: What is to be drawn, in this order.
        batch: How many requests are given at a time.
        workers: How many workers there will be at most.
    """

    def __init__(self, requests: Sequence[Request], *, batch: int, workers: int) -> None:
        self._waiting = deque(requests)
        self._batch, self._plenty = batch, batch * workers
        self._held: dict[Hashable, list[list[Request]]] = {}
        self._deaths: Counter[str] = Counter()
        self._in_row = self._failed_starts = 0

    @property
    def finished(self) -> bool:
        """True where every request is answered or given up."""
        return not self._waiting and not any(self._held.values())

    @property
    def waiting(self) -> int:
        """How many requests no worker has."""
        return len(self._waiting)

    def take(self, worker: Hashable) -> list[Request]:
        """The next batch for a worker that is ready; empty where it has enough, or nothing waits.

        What a worker has died at is given alone.
        """
        held = self._held.setdefault(worker, [])
        if not self._waiting or len(held) > 1 or (held and len(self._waiting) <= self._plenty):
            return []
        batch = [self._waiting.popleft()]
        while not self._deaths[batch[0].key] and self._waiting and len(batch) < self._batch:
            if self._deaths[self._waiting[0].key]:
                break
            batch.append(self._waiting.popleft())
        held.append(batch)
        return list(batch)

    def answer(self, worker: Hashable, key: str) -> bool:
        """Take note of an image that a worker has drawn; False where it was not asked for it, so that it counts not."""
        for batch in self._held.get(worker, []):
            for request in batch:
                if request.key == key:
                    batch.remove(request)
                    self._held[worker] = [each for each in self._held[worker] if each]
                    self._in_row = self._failed_starts = 0
                    return True
        return False

    def lose(self, worker: Hashable, how: str, *, was_ready: bool) -> list[Request]:
        """Deal again what a dead worker had. Returns the requests that are given up, since `ATTEMPTS` died at them.

        Args:
            worker: Which.
            how: What ended it, in words.
            was_ready: False where it died before it could draw.

        Raises:
            DrawingProcessError: Workers do not start, or die one after the other.
        """
        held = self._held.pop(worker, [])
        if not was_ready:
            self._failed_starts += 1
            if self._failed_starts >= ATTEMPTS:
                raise DrawingProcessError(
                    f"processes that draw do not start ({how}); what was drawn is kept. In a Python script, put the "
                    "call below if __name__ == '__main__', as every script must that starts processes"
                )
        self._in_row += 1
        if self._in_row >= MOST_DEATHS:
            raise DrawingProcessError(
                f"{MOST_DEATHS} processes that draw died one after the other ({how}), probably out of memory; what was "
                "drawn is kept: run the same command again, with fewer devices or a smaller batch"
            )
        for request in held[0] if held else []:  # it was drawing the first batch; the second only waited there
            self._deaths[request.key] += 1
        lost = [request for batch in held for request in batch]
        self._waiting.extendleft(request for request in reversed(lost) if self._deaths[request.key] < ATTEMPTS)
        return [request for request in lost if self._deaths[request.key] >= ATTEMPTS]


def given_up(request: Request, how: str) -> Drawn:
    """The row of a request at which workers died."""
    row = Generation(
        key=request.key,
        model=request.model,
        prompt=request.prompt,
        seed=request.seed,
        error=f"{ATTEMPTS} processes died while they drew it ({how}), probably out of memory",
        drawn_at=now(),
    )
    return Drawn(row, None)
