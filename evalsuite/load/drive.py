"""Keep a server under one level of load, and note when each request was due and when its answer was whole."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import TYPE_CHECKING, Literal

from evalsuite.errors import EvalsuiteError
from evalsuite.http_client import RefusedError, RetryError
from evalsuite.load.records import Level, Sample
from evalsuite.models.servers.answers import image_of
from evalsuite.models.servers.pace import arrivals
from evalsuite.models.settings import size_of

if TYPE_CHECKING:
    from evalsuite.models.servers import ServerModel
    from evalsuite.records import Prompt

Part = Literal["warm-up", "measured", "ending"]
Watch = Callable[[int], None]


class Driver:
    """Sends one level's requests.

    With a concurrency, each of its places sends the next request as soon as its last was answered; the first `warm_up`
    answers are left out, `measured` are counted, and the places go on until the last of these has come, so that the
    server is fully loaded from the first counted answer to the last. With a rate, requests are due at the times of a
    seeded Poisson process whatever the server does, and latency counts from then, so that a server which falls behind
    cannot hide it.

    A request is made once: under load, an error is a finding and is not tried again.
    """

    def __init__(
        self, model: ServerModel, prompts: tuple[Prompt, ...], *, warm_up: int, measured: int, seed: int, watch: Watch
    ) -> None:
        self._model = model
        self._size = size_of(model.settings)
        self._prompts = prompts
        self._warm_up, self._measured = warm_up, measured
        self._seed = seed
        self._watch = watch
        self._requests: Iterator[int] = count()
        self._answered = 0
        self._samples: list[Sample] = []
        self._started = 0.0

    async def run(self, level: Level) -> list[Sample]:
        """All requests of a level in the order of their answers.

        Raises:
            ServerError: The server cannot be used at all.
        """
        self._started = time.perf_counter()
        try:
            async with asyncio.TaskGroup() as tasks:
                if level.concurrency is not None:
                    for _ in range(level.concurrency):
                        tasks.create_task(self._place())
                else:
                    await self._arrivals(tasks, level.rate or 0.0)
        except* EvalsuiteError as group:
            raise group.exceptions[0] from None
        return self._samples

    async def _place(self) -> None:
        while self._answered < self._warm_up + self._measured:
            await self._ask(next(self._requests), self._now(), None)

    async def _arrivals(self, tasks: asyncio.TaskGroup, rate: float) -> None:
        for number, due in zip(range(self._warm_up + self._measured), arrivals(rate, self._seed), strict=False):
            await asyncio.sleep(max(0.0, due - self._now()))
            tasks.create_task(self._ask(number, due, "warm-up" if number < self._warm_up else "measured"))

    async def _ask(self, number: int, due: float, part: Part | None) -> None:
        prompt = self._prompts[number % len(self._prompts)]
        seed = self._seed + number
        body = self._model.body(prompt.text, seed)
        client = self._model.client
        service, error = None, None
        try:
            reply = await client.exchange("POST", "/v1/images/generations", body)
            ended = self._now()
        except (RetryError, RefusedError) as failure:
            ended, error = self._now(), str(failure)
        # The answer's place in the order is that of its last byte, before it is looked at.
        part = part or self._count()
        if error is None:
            try:
                served = await asyncio.to_thread(image_of, client, reply, self._size, json.loads(body))
                service, ended = served.inference, ended + served.fetch
            except (RetryError, RefusedError) as failure:
                error = str(failure)
        self._samples.append(
            Sample(part=part, prompt=prompt.id, seed=seed, due=due, ended=ended, service=service, error=error)
        )
        self._watch(len(self._samples))

    def _count(self) -> Part:
        place = self._answered
        self._answered += 1
        if place < self._warm_up:
            return "warm-up"
        return "measured" if place < self._warm_up + self._measured else "ending"

    def _now(self) -> float:
        return time.perf_counter() - self._started
