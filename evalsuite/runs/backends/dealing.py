"""Dealing items to workers as they finish, and dealing again what a dead worker had: each is answered once.

No process, no clock: the same rules hold for the devices of a machine and for Ray.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from evalsuite.errors import EvalsuiteError
from evalsuite.records import Generation
from evalsuite.runs.drawn import Drawn, now

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from evalsuite.records import Request

ATTEMPTS = 2
"""How often an item is tried at which a worker dies."""
MOST_DEATHS = 6
"""Deaths without an image between them after which the machine, and no item, is to blame."""


class Keyed(Protocol):
    """What is dealt: a request to draw, an image to read."""

    @property
    def key(self) -> str:
        """Names it."""
        ...


Item = TypeVar("Item", bound=Keyed)


class ProcessDeathError(EvalsuiteError):
    """Processes cannot be kept alive; everything finished is kept."""


class Deal(Generic[Item]):
    """The items that still wait, and those that each worker has.

    A worker gets a batch, and a second one while it draws the first as long as there is plenty, so that it never waits
    for the parent and nobody hoards at the end.

    Args:
        items: What is to be done, in this order.
        batch: How many items are given at a time.
        workers: How many workers there will be at most.
        what: What the workers do, for messages.
    """

    def __init__(self, items: Sequence[Item], *, batch: int, workers: int, what: str = "draw") -> None:
        self._waiting = deque(items)
        self._batch, self._plenty = batch, batch * workers
        self._what = what
        self._held: dict[Hashable, list[list[Item]]] = {}
        self._deaths: Counter[str] = Counter()
        self._in_row = self._failed_starts = 0

    @property
    def finished(self) -> bool:
        """True where every item is answered or given up."""
        return not self._waiting and not any(self._held.values())

    @property
    def waiting(self) -> int:
        """How many items no worker has."""
        return len(self._waiting)

    def add(self, item: Item) -> None:
        """One more item, after those that wait."""
        self._waiting.append(item)

    def take(self, worker: Hashable) -> list[Item]:
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
        """Take note of what a worker has done; False where it was not asked for it, so that it does not count."""
        for batch in self._held.get(worker, []):
            for item in batch:
                if item.key == key:
                    batch.remove(item)
                    self._held[worker] = [each for each in self._held[worker] if each]
                    self._in_row = self._failed_starts = 0
                    return True
        return False

    def lose(self, worker: Hashable, how: str, *, was_ready: bool) -> list[Item]:
        """Deal again what a dead worker had. Returns the items that are given up, since `ATTEMPTS` died at them.

        Args:
            worker: Which.
            how: What ended it, in words.
            was_ready: False where it died before it could do anything.

        Raises:
            ProcessDeathError: Workers do not start, or die one after the other.
        """
        held = self._held.pop(worker, [])
        if not was_ready:
            self._failed_starts += 1
            if self._failed_starts >= ATTEMPTS:
                raise ProcessDeathError(
                    f"processes that {self._what} do not start ({how}); what was finished is kept. In a Python script, "
                    "put the call below if __name__ == '__main__', as every script must that starts processes"
                )
        self._in_row += 1
        if self._in_row >= MOST_DEATHS:
            raise ProcessDeathError(
                f"{MOST_DEATHS} processes that {self._what} died one after the other ({how}), probably out of memory; "
                "what was finished is kept: run the same command again, with fewer processes or a smaller batch"
            )
        for item in held[0] if held else []:  # the first batch was under way; the second only waited there
            self._deaths[item.key] += 1
        lost = [item for batch in held for item in batch]
        self._waiting.extendleft(item for item in reversed(lost) if self._deaths[item.key] < ATTEMPTS)
        return [item for item in lost if self._deaths[item.key] >= ATTEMPTS]


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
