"""Any OpenAI-compatible image endpoint as an `ImageModel`: SGLang, vLLM-Omni, OpenAI, `evalsuite serve`.

What the server runs cannot be checked from here, so the weights count as unverified: the digest is that of the model's
name and of what the server says of itself.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from evalsuite.http_client import Asked, FailedError, RefusedError, ServerClient, need_libraries
from evalsuite.models.base import Drawing
from evalsuite.models.findings import enhancement_findings
from evalsuite.models.servers.answers import ServedImage, image_of
from evalsuite.models.servers.options import KEY_VARIABLE, ServerOptions, parse_name, sent_settings, shown_name
from evalsuite.models.servers.pace import Pace
from evalsuite.models.servers.requests import image_request
from evalsuite.models.servers.told import ask_server
from evalsuite.models.settings import ModelOptions, size_of
from evalsuite.records import Finding, Json, Memory, ModelSpec, Phase, Prompt, Timing, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    from evalsuite.models.servers.told import Told

FATAL_STATUS = {
    401: f"wants an API key; put it in {KEY_VARIABLE}",
    403: f"refuses the API key in {KEY_VARIABLE}",
    404: "has no such model, or no /v1/images/generations at this address",
}
GIVE_UP_AFTER = 5
"""Images in a row that the server failed on before the others are no longer asked for: then it is the server."""


class ServerModel:
    """Draws by `POST /v1/images/generations`, `concurrency` requests at a time.

    An image that the server fails on at every attempt, each with the same seed, is a failed drawing with the reasons.
    Its time is that from the request to the whole answer; what the server names as its inference time is the phase
    `drawing` of it.
    """

    def __init__(self, options: ServerOptions, asked: ModelOptions, client: ServerClient, told: Told) -> None:
        settings, preset = sent_settings(options, told.model, told.settings, asked)
        self._options, self._client, self._model = options, client, told.model
        self._settings = settings
        self._lock = threading.Lock()
        self._failures = 0
        self._answered = False
        self._spec = ModelSpec(
            name=shown_name(told.model, options.address),
            kind="server",
            role=told.role,
            source=told.model,
            pipeline=told.pipeline,
            weights_digest=digest(["unverified", told.model, told.weights_digest]),
            settings={
                **settings,
                "dialect": options.dialect,
                "weights": "unverified",
                **({"seed": "not taken"} if options.dialect == "openai" else {}),
                **({"server precision": told.precision} if told.precision else {}),
            },
            runtime={
                "server": options.address,
                "model": told.model,
                **({"like": preset} if preset else {}),
                "concurrency": options.limits.connections,
                **({"rate": options.rate} if options.rate is not None else {}),
                "attempts": options.limits.attempts,
                "timeout": options.limits.timeout,
                **told.hardware,
            },
        )

    @classmethod
    def parse(cls, argument: str, asked: ModelOptions | None = None) -> Self:
        """The model for `server:URL[,OPTION=VALUE…]` (see `parse_name`); the server is asked what it is.

        Raises:
            EvalsuiteError: An option is wrong, nobody answers, or the settings to send are not known.
        """
        need_libraries("server:")
        options = parse_name(argument)
        client = ServerClient(options.address, key_variable=KEY_VARIABLE, limits=options.limits, fatal=FATAL_STATUS)
        return cls(options, asked or ModelOptions(), client, ask_server(client, options.model))

    @property
    def spec(self) -> ModelSpec:
        """The model's name at the server and all that is sent with each request; the weights are unverified."""
        return self._spec

    @property
    def uses_cpu(self) -> bool:
        """True where the server is on this machine, so that reading while it draws would falsify its times."""
        return urlsplit(self._options.address).hostname in ("localhost", "127.0.0.1", "::1")

    @property
    def client(self) -> ServerClient:
        """What asks the server."""
        return self._client

    def notices(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> tuple[str, ...]:  # noqa: ARG002
        """That an endpoint takes no seed, so that no image can be drawn again."""
        if self._options.dialect != "openai":
            return ()
        return ("the endpoint takes neither seed nor steps: the same request draws another picture each time",)

    @property
    def dialect(self) -> str:
        """Which fields the server takes: `sglang`, `vllm-omni` or `openai`."""
        return self._options.dialect

    @property
    def settings(self) -> dict[str, Json]:
        """What is sent with each request."""
        return dict(self._settings)

    def body(self, prompt: str, seed: int, **changes: Json) -> bytes:
        """The request for one image as it is sent, with other settings where they are named."""
        return image_request(self.dialect, self._model, {**self._settings, **changes}, prompt, seed)

    def ask_image(self, prompt: str, seed: int, **changes: Json) -> Asked[ServedImage]:
        """One image, tried as often as the options say, each time by the same request.

        Raises:
            FailedError, RefusedError, ServerError: See `ServerClient.ask`.
        """
        body = self.body(prompt, seed, **changes)
        sent, size = json.loads(body), size_of({**self._settings, **changes})
        return self._client.ask(
            "POST", "/v1/images/generations", lambda reply: image_of(self._client, reply, size, sent), body=body
        )

    def draw(self, requests: Sequence[tuple[Prompt, int]]) -> Iterator[Drawing]:
        """One `Drawing` a request, in order; `concurrency` of them are under way at a time.

        With a rate, they are sent at the moments of a Poisson process whose seed is the first request's, and each waits
        for a free place among those.

        Raises:
            ServerError: The server wants another key, or has no such model.
        """
        workers = self._options.limits.connections
        pool = ThreadPoolExecutor(workers, thread_name_prefix="image-request")
        waiting: deque[Future[Drawing]] = deque()
        pace = Pace(self._options.rate, seed=requests[0][1] if requests else 0)
        try:
            for place, ((prompt, seed), due) in enumerate(zip(requests, pace, strict=False)):
                waiting.append(pool.submit(self._draw, prompt, seed, place, partial(pace.wait, due)))
                if len(waiting) >= 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pace.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            self._client.cancel()

    def _draw(self, prompt: Prompt, seed: int, place: int, wait: Callable[[], None]) -> Drawing:
        wait()
        with self._lock:
            if self._failures >= GIVE_UP_AFTER:
                text = f"not asked for: {self._client.address} failed on the {self._failures} images before"
                return Drawing(prompt, seed, error=text)
            warmup = place < self._options.limits.connections if self._options.rate is None else not self._answered
        try:
            asked = self.ask_image(prompt.text, seed)
        except (FailedError, RefusedError) as error:
            with self._lock:
                self._failures += isinstance(error, FailedError)
            return Drawing(prompt, seed, error=str(error))
        with self._lock:
            self._failures, self._answered = 0, True
        return self._drawing(prompt, seed, asked, warmup=warmup)

    def _drawing(self, prompt: Prompt, seed: int, asked: Asked[ServedImage], *, warmup: bool) -> Drawing:
        served = asked.value
        total = asked.seconds + served.fetch
        known = served.inference is not None and 0 < served.inference <= total
        drawing = served.inference if known and served.inference is not None else total
        phases = (
            Phase(name="drawing", seconds=drawing),
            *([Phase(name="other", seconds=total - drawing)] if known else []),
        )
        return Drawing(
            prompt,
            seed,
            image=served.image,
            timing=Timing(total=total, phases=phases, warmup=warmup or served.warmup),
            memory=Memory(reserved=served.peak) if served.peak is not None else None,
            revised_prompt=served.revised_prompt,
            findings=(*served.findings, *self._findings(prompt, asked)),
        )

    def _findings(self, prompt: Prompt, asked: Asked[ServedImage]) -> Iterator[Finding]:
        if asked.failed:
            told = f"drawn at attempt {len(asked.failed) + 1}, after: {'; '.join(asked.failed)}"
            yield Finding(code="draw-retried", message=told)
        revised = asked.value.revised_prompt
        if revised is not None and revised != prompt.text:
            yield from enhancement_findings(prompt.targets, revised)
            if self._settings.get("enhance") == "off":
                yield Finding(
                    code="enhancer-not-off", message="the server rewrote the prompt, though it was told not to"
                )

    def __enter__(self) -> Self:
        self._failures = 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()
