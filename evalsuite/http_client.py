"""One client for all servers that the suite asks: image servers, ComfyUI, the served reader.

An attempt that fails in passing is made again with the same body, up to a stated number; what stays wrong is a failure
with its reasons and never an empty answer. The API key comes from the environment, is sent to the server's own address
alone, and is taken out of all text that the server sends back.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
import time
from collections.abc import Callable, Container, Coroutine, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import urlsplit

from evalsuite.errors import EvalsuiteError
from evalsuite.extras import require
from evalsuite.files import FileError, parse_json
from evalsuite.records import Json

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    import httpx2
    from httpx2.websockets import AsyncWebSocketSession
    from tenacity import RetryCallState

T = TypeVar("T")

CONNECT_SECONDS = 10.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds of back-off before the second attempt, and at most; it doubles in between, with jitter."""
LEAST_KEY = 6
"""What is shorter is a placeholder such as `EMPTY`, which vLLM's users send, and no secret to look for in answers."""
HIDDEN = "[API key]"

_RETRIED_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_CREDENTIALS = re.compile(r"://[^/?#]*@")


class ServerError(EvalsuiteError):
    """The server cannot be used at all; what was done is kept."""


class RefusedError(EvalsuiteError):
    """The server refused this one request, or answered it with what no further attempt would change."""


class FailedError(EvalsuiteError):
    """All attempts at one request failed; `attempts` is how many there were."""

    def __init__(self, message: str, attempts: int, reason: str) -> None:
        super().__init__(message)
        self.attempts = attempts
        self.reason = reason


class RetryError(Exception):
    """An attempt failed in a way that may pass. `pause` is what the server asked for, in seconds."""

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.pause = pause


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer: its bytes, its content type, the seconds until its last byte, and its status."""

    content: bytes
    kind: str
    seconds: float
    status: int = 200


@dataclass(frozen=True, slots=True)
class Asked(Generic[T]):
    """What was made of the answer, what failed before it, and the seconds that the attempt which succeeded took."""

    value: T
    failed: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may take: attempts, seconds for a whole answer, bytes of it, connections at a time."""

    attempts: int = 5
    timeout: float = 120.0
    max_bytes: int = 4 * 2**20
    connections: int = 8


def need_libraries(what: str) -> None:
    """Raise an `EvalsuiteError` that says what to install where the client's libraries are missing."""
    require(["server"], what)


def parse_address(text: str, where: str) -> str:
    """The server's address without a slash at its end and without `/v1`.

    Args:
        text: Such as `http://127.0.0.1:8000` or `https://host/prefix/v1`.
        where: What the user wrote it for; stands first in messages.

    Raises:
        EvalsuiteError: It is none, or holds a password or a query, which are not shown.
    """
    if hides_credentials(text):
        raise EvalsuiteError(
            f"{where}: an address with a user or password in it is not used, since addresses are kept with the run; "
            "put the API key into the environment"
        )
    if "?" in text or "#" in text:
        raise EvalsuiteError(f"{where}: an address without ? and # is needed, since addresses are kept with the run")
    address = text.rstrip("/").removesuffix("/v1").rstrip("/")
    try:
        parts = urlsplit(address)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        whole = False
    if not whole or not address.isascii() or not address.isprintable() or " " in address:
        raise EvalsuiteError(f"{where}: {text!r}: an address such as http://127.0.0.1:8000")
    return address


def hides_credentials(text: str) -> bool:
    """Whether text holds an address with a user or a password, so that it must not be shown."""
    return _CREDENTIALS.search(text) is not None


def api_key(variable: str) -> str | None:
    """The API key in an environment variable, or None where it has none.

    Raises:
        ServerError: It holds what no HTTP header may; the key is not shown.
    """
    key = os.environ.get(variable, "").strip()
    if not key.isascii() or not key.isprintable():
        raise ServerError(f"{variable}: holds characters that no API key has, such as a line feed")
    return key or None


class ServerClient:
    """Asks one server. Safe to use from several threads.

    An attempt that fails in passing (no connection, time-out, HTTP 408, 425, 429 or 5xx, an answer that is not whole)
    is made again after a pause that doubles, or that the server names in `Retry-After`. Time-outs are for the whole
    answer, headers and all, so a server that drips bytes does not hold a run up.

    Args:
        address: From `parse_address`.
        key_variable: The environment variable with the API key.
        limits: What a request may take.
        fatal: HTTP statuses after which no request can succeed, with what to do about each.
    """

    def __init__(self, address: str, *, key_variable: str, limits: Limits, fatal: Mapping[int, str]) -> None:
        self.address = address
        self.limits = limits
        self._key_variable = key_variable
        self.fatal = fatal
        self._client: httpx2.AsyncClient | None = None
        self._lock = threading.Lock()
        self._running: set[Future[Any]] = set()

    def ask(
        self,
        method: str,
        path: str,
        parse: Callable[[Reply], T],
        *,
        body: bytes | None = None,
        attempts: int | None = None,
        fatal: Mapping[int, str] | None = None,
    ) -> Asked[T]:
        """One request, tried until `parse` has made something of its answer.

        Args:
            method: The HTTP method.
            path: From the address on, such as `/v1/models`, or an address of the same origin.
            parse: Makes the value out of a whole answer, or raises `RetryError` or `RefusedError`.
            body: JSON, sent the same at each attempt.
            attempts: Instead of `limits.attempts`.
            fatal: Instead of the client's.

        Raises:
            ServerError: The server cannot be used at all.
            RefusedError: It refused this request.
            FailedError: It failed at every attempt.
        """

        def attempt() -> tuple[T, float]:
            reply = run_async(self.exchange(method, path, body, fatal=fatal), self._running)
            return parse(reply), reply.seconds

        (value, seconds), failed = self.persist(attempt, attempts)
        return Asked(value, failed, seconds)

    def persist(self, attempt: Callable[[], T], attempts: int | None = None) -> tuple[T, tuple[str, ...]]:
        """What `attempt` gives once it no longer raises `RetryError`, and the reasons for which it did before.

        Raises:
            FailedError: It did at every attempt.
        """
        from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

        failed: list[str] = []
        retrying = Retrying(
            stop=stop_after_attempt(attempts or self.limits.attempts),
            wait=_pause,
            retry=retry_if_exception_type(RetryError),
            after=lambda state: failed.append(str(state.outcome.exception()) if state.outcome else ""),
            reraise=True,
        )
        try:
            return retrying(attempt), tuple(failed)
        except RetryError as error:
            raise FailedError(
                f"{self.address} failed all {len(failed)} attempts: {'; '.join(dict.fromkeys(failed))}",
                len(failed),
                str(error),
            ) from error

    def run(self, what: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine of several exchanges, which `cancel` can give up."""
        return run_async(what, self._running)

    async def exchange(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        fatal: Mapping[int, str] | None = None,
        accept: Container[int] = (200,),
    ) -> Reply:
        """One attempt at one request, on the loop of `run_async`; statuses in `accept` are answers.

        Raises:
            RetryError: It failed in a way that may pass.
            ServerError, RefusedError: See `ask`.
        """
        import httpx2

        started = time.perf_counter()
        late = f"no whole answer within {self.limits.timeout:g} s"
        content = bytearray()
        try:
            async with (
                asyncio.timeout(self.limits.timeout),
                self._open().stream(method, path, content=body) as response,
            ):
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > self.limits.max_bytes:
                        raise RefusedError(f"{self.address}: an answer of more than {self.limits.max_bytes:,} bytes")
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise RetryError(late) from error
        except httpx2.HTTPError as error:
            raise RetryError(self.redact(f"{type(error).__name__}: {error}")) from error
        except httpx2.InvalidURL as error:  # what an answer named, since our own addresses are checked
            raise RetryError(f"an address that cannot be asked, {self.excerpt(path.encode())}: {error}") from error
        seconds = time.perf_counter() - started
        if response.status_code not in accept:
            self._check_status(response, bytes(content), self.fatal if fatal is None else fatal)
        kind = self.redact(response.headers.get("content-type", "no content type"))[:80]
        return Reply(bytes(content), kind, seconds, response.status_code)

    def _check_status(self, response: httpx2.Response, content: bytes, fatal: Mapping[int, str]) -> None:
        status = response.status_code
        told = f"HTTP {status}"
        if status in fatal:
            raise ServerError(f"{self.address}: {told}: {fatal[status]}: {self.excerpt(content)}")
        if status in _RETRIED_STATUS:
            asked = response.headers.get("retry-after", "")
            raise RetryError(told, float(asked) if asked.isascii() and asked.isdigit() else None)
        raise RefusedError(f"{self.address}: {told}: {self.excerpt(content)}")

    def websocket(self, path: str) -> AbstractAsyncContextManager[AsyncWebSocketSession]:
        """A websocket of the server, with messages of up to 32 MiB: previews come in them."""
        session: AbstractAsyncContextManager[AsyncWebSocketSession] = self._open().websocket(
            path, max_message_size_bytes=32 * 2**20
        )
        return session

    def redact(self, text: str) -> str:
        """Text from the server without the API key, should it have sent that back."""
        key = api_key(self._key_variable)
        return text.replace(key, HIDDEN) if key is not None and len(key) >= LEAST_KEY else text

    def excerpt(self, content: bytes) -> str:
        """The first 120 characters of an answer, for messages."""
        text = " ".join(self.redact(content[:4096].decode(errors="replace")).split())
        return repr(text[:120] + ("…" if len(text) > 120 else "")) if text else "an empty answer"

    def json_of(self, reply: Reply) -> Json:
        """The JSON of an answer.

        Raises:
            RetryError: It is none.
        """
        try:
            return parse_json(reply.content, "answer")
        except FileError as error:
            raise RetryError(f"not JSON but {reply.kind}: {self.excerpt(reply.content)}") from error

    def is_own(self, url: str) -> bool:
        """Whether an absolute address has the server's origin, so that the key may be sent there."""
        try:
            own, other = ((p.scheme, p.hostname, p.port) for p in map(urlsplit, (self.address, url)))
        except ValueError:
            return False
        return own == other and not hides_credentials(url)

    def headers(self) -> dict[str, str]:
        """What goes with each request: the kind of its body, and the key."""
        key = api_key(self._key_variable)
        return {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}

    def _open(self) -> httpx2.AsyncClient:
        import httpx2

        with self._lock:
            if self._client is None:
                self._client = httpx2.AsyncClient(
                    base_url=self.address,
                    headers=self.headers(),
                    timeout=httpx2.Timeout(self.limits.timeout, connect=min(CONNECT_SECONDS, self.limits.timeout)),
                    limits=httpx2.Limits(
                        max_connections=self.limits.connections, max_keepalive_connections=self.limits.connections
                    ),
                )
            return self._client

    def cancel(self) -> None:
        """Give up the requests of `ask` that are under way; who waits for them gets a `CancelledError`."""
        for future in list(self._running):
            future.cancel()

    def close(self) -> None:
        """Close the connections; a later request opens new ones."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            run_async(client.aclose())


def _pause(state: RetryCallState) -> float:
    from tenacity import wait_exponential, wait_random

    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, RetryError) and error.pause is not None:
        return min(error.pause, LONGEST_PAUSE)
    grows = wait_exponential(multiplier=FIRST_PAUSE, max=LONGEST_PAUSE) + wait_random(0, FIRST_PAUSE)
    return float(grows(state))


# --- The loop that all requests run on ---------------------------------------------------------------

_loops: dict[int, asyncio.AbstractEventLoop] = {}
"""One loop a process, by its id: a fork inherits the entry, but not the thread that runs it."""
_loops_lock = threading.Lock()


def run_async(what: Coroutine[Any, Any, T], running: set[Future[Any]] | None = None) -> T:
    """Run a coroutine on the process's own loop, in a thread of its own, and wait for what it gives.

    While it runs, its future is in `running`, so that another thread can cancel it.
    """
    future = asyncio.run_coroutine_threadsafe(what, _loop())
    running = set() if running is None else running
    running.add(future)
    try:
        return future.result()
    finally:
        future.cancel()  # does nothing once it is done
        running.discard(future)


def _loop() -> asyncio.AbstractEventLoop:
    with _loops_lock:
        loop = _loops.get(os.getpid())
        if loop is None:
            loop = _loops[os.getpid()] = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="server-requests", daemon=True).start()
        return loop
