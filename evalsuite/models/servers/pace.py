"""When requests are sent: at once, or at the moments of a seeded Poisson process."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator


def arrivals(rate: float, seed: int) -> Iterator[float]:
    """The moments of a Poisson process in seconds from its start, `rate` a second on average, without end."""
    gaps = random.Random(seed)  # noqa: S311 - arrivals, no secrets
    due = 0.0
    while True:
        due += gaps.expovariate(rate)
        yield due


class Pace:
    """The moment at which each request is due, in seconds from now, without end; all at once where there is no rate."""

    def __init__(self, rate: float | None, *, seed: int) -> None:
        self._moments = arrivals(rate, seed) if rate is not None else None
        self._started = time.perf_counter()
        self._stopped = threading.Event()

    def __iter__(self) -> Iterator[float]:
        return self

    def __next__(self) -> float:
        return next(self._moments) if self._moments is not None else 0.0

    def wait(self, due: float) -> None:
        """Until a moment has come, or `stop` was called from another thread."""
        left = due - (time.perf_counter() - self._started)
        if left > 0:
            self._stopped.wait(left)

    def stop(self) -> None:
        """Nobody waits any longer."""
        self._stopped.set()
