"""Qwen2.5-VL behind an OpenAI-compatible chat server (vLLM, SGLang, …): the same question, many at a time.

What the server runs cannot be checked from here, so its readings carry another engine name, and the weights
digest says that it is none. The generation settings of the published reader (temperature 1e-6, repetition penalty
1.05) are sent with each request, the temperature as 0: vLLM would raise 1e-6 to 0.01.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import importlib.util
import io
import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from evalsuite.errors import EvalsuiteError
from evalsuite.images import ImageError, to_rgb
from evalsuite.ocr.base import OcrError
from evalsuite.ocr.many import Answer, Source, lines_of
from evalsuite.ocr.options import parse_options, whole_number
from evalsuite.ocr.vlm import MAX_NEW_TOKENS, PROMPT
from evalsuite.ocr.vlm_folder import NAME, REPOSITORY
from evalsuite.ocr.weights import OcrUnavailableError
from evalsuite.records import Finding, Json, OcrSpec, TextLine

if TYPE_CHECKING:
    import httpx2
    from PIL.Image import Image
    from tenacity import RetryCallState

SERVED = f"{NAME}-served"
KEY_VARIABLE = "EVALSUITE_OCR_KEY"
"""The environment variable with the server's API key, if it wants one; never an option, since options are kept."""

GENERATION: dict[str, Json] = {"temperature": 0, "repetition_penalty": 1.05}
MAX_ANSWER_BYTES = 4 * 2**20
CONNECT_SECONDS = 10.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds of back-off before the second attempt, and at most; it doubles in between, with jitter."""
GIVE_UP_AFTER = 5
"""Images in a row that the server failed on before the run is stopped: then it is the server, not the images."""

_RETRIED_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_FATAL_STATUS = {
    401: f"wants an API key; put it in {KEY_VARIABLE}",
    403: f"refuses the API key in {KEY_VARIABLE}",
    404: "has no such model, or no chat completions at this address",
}


class OcrServerError(EvalsuiteError):
    """The server cannot be used at all; what was read is kept."""


class _RetryError(Exception):
    """An attempt failed in a way that may pass. `pause` is what the server asked for, in seconds."""

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.pause = pause


@dataclass(frozen=True, slots=True)
class _Options:
    server: str
    model: str
    concurrency: int
    attempts: int
    timeout: float


class ServedReader:
    """Asks a chat server for the text of an image. Safe to use from several threads.

    An attempt that fails in passing (no connection, time-out, HTTP 408, 425, 429 or 5xx, an answer that is no whole
    JSON) is made again after a pause that doubles, or that the server names in `Retry-After`; how often is told in
    the answer's findings. Time-outs are for the whole answer, so a server that drips bytes does not hold a run up.
    """

    def __init__(self, options: _Options) -> None:
        self._options = options
        self._client: httpx2.Client | None = None
        self._lock = threading.Lock()
        self._failures = 0
        self._spec = OcrSpec(
            name=SERVED,
            weights_digest=hashlib.sha256(f"unverified: {options.model}".encode()).hexdigest(),
            settings={
                "model": options.model,
                "weights": "unverified",
                "prompt": PROMPT,
                "max_new_tokens": MAX_NEW_TOKENS,
                "generation": GENERATION,
            },
            versions={"server": options.server, "httpx2": importlib.metadata.version("httpx2")},
        )

    @classmethod
    def parse(cls, arguments: str) -> Self:
        """The reader for `server=URL[,model=NAME][,concurrency=N][,attempts=N][,timeout=SECONDS]`.

        Nothing is asked of the server yet: a plan can be made, and stored readings scored, while it is down.

        Raises:
            OcrUnavailableError: when the libraries are missing.
            EvalsuiteError: for an unknown option or an address that is none.
        """
        for library in ("httpx2", "tenacity"):
            if importlib.util.find_spec(library) is None:
                raise OcrUnavailableError(f"{SERVED} needs {library}; run: pip install 'evalsuite[server]'")
        defaults = {"server": "", "model": REPOSITORY, "concurrency": "8", "attempts": "5", "timeout": "120"}
        options = parse_options(NAME, arguments, defaults)
        server = options["server"].rstrip("/").removesuffix("/v1")
        try:
            parts = urlsplit(server)
            whole = (
                parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
            )
        except ValueError:
            whole = False
        if not whole or parts.username or parts.query or parts.fragment:
            raise EvalsuiteError(f"{NAME}: server={options['server']}: an address such as http://127.0.0.1:8000")
        if not options["model"]:
            raise EvalsuiteError(f"{NAME}: model=: the name under which the server has Qwen2.5-VL")
        return cls(
            _Options(
                server,
                options["model"],
                whole_number(NAME, options, "concurrency", 1, 256),
                whole_number(NAME, options, "attempts", 1, 20),
                float(whole_number(NAME, options, "timeout", 1, 3600)),
            )
        )

    @property
    def spec(self) -> OcrSpec:
        """Model name, prompt and generation settings; the address is told but does not tell readings apart."""
        return self._spec

    def read(self, image: Image) -> tuple[TextLine, ...]:
        """The text lines of an image, without places.

        Raises:
            OcrError: when the server failed on this image at every attempt, or refused it.
            OcrServerError: when it cannot be used at all.
        """
        return self._read(image)[0]

    def read_many(self, sources: Sequence[Source]) -> Iterator[tuple[int, Answer]]:
        """The answers as they come, `concurrency` requests at a time. See `ManyReader`.

        Raises:
            OcrServerError: when the server cannot be used at all, after the answers to requests under way.
        """
        stop: OcrServerError | None = None
        pool = ThreadPoolExecutor(self._options.concurrency, thread_name_prefix="ocr-request")
        try:
            futures: dict[Future[Answer], int] = {
                pool.submit(self._answer, source): index for index, source in enumerate(sources)
            }
            for future in as_completed(futures):
                if future.cancelled():
                    continue
                try:
                    answer = future.result()
                except OcrServerError as error:
                    stop = stop or error
                    for other in futures:
                        other.cancel()
                else:
                    yield futures[future], answer
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        if stop is not None:
            raise stop

    def _answer(self, source: Source) -> Answer:
        started = time.perf_counter()
        try:
            lines, findings = self._read(source())
        except (ImageError, OcrError) as error:
            return Answer(error=str(error), seconds=time.perf_counter() - started)
        return Answer(lines, time.perf_counter() - started, findings)

    def _read(self, image: Image) -> tuple[tuple[TextLine, ...], tuple[Finding, ...]]:
        from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

        body = self._body(image)
        failed: list[str] = []
        retrying = Retrying(
            stop=stop_after_attempt(self._options.attempts),
            wait=_pause,
            retry=retry_if_exception_type(_RetryError),
            after=lambda state: failed.append(str(state.outcome.exception()) if state.outcome else ""),
            reraise=True,
        )
        try:
            text = retrying(self._ask, body)
        except _RetryError as error:
            self._count_failure(str(error))
            reasons = "; ".join(dict.fromkeys(failed))
            raise OcrError(f"{self._options.server} failed all {len(failed)} attempts: {reasons}") from error
        with self._lock:
            self._failures = 0
        findings = (
            (Finding(code="read-retried", message=f"read at attempt {len(failed) + 1}, after: {'; '.join(failed)}"),)
            if failed
            else ()
        )
        return lines_of(text), findings

    def _count_failure(self, reason: str) -> None:
        with self._lock:
            self._failures += 1
            hopeless = self._failures >= GIVE_UP_AFTER
        if hopeless:
            raise OcrServerError(
                f"{self._options.server}: the last {self._failures} images failed at every attempt ({reason}); what "
                "was read is kept: fix the server and run the same command again"
            )

    def _body(self, image: Image) -> bytes:
        try:
            buffer = io.BytesIO()
            to_rgb(image).save(buffer, format="PNG", compress_level=1)
        except ImageError as error:
            raise OcrError(str(error)) from error
        picture = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
        content = [{"type": "image_url", "image_url": {"url": picture}}, {"type": "text", "text": PROMPT}]
        request = {
            "model": self._options.model,
            "messages": [{"role": "user", "content": content}],
            "max_tokens": MAX_NEW_TOKENS,
            **GENERATION,
        }
        return json.dumps(request).encode()

    def _ask(self, body: bytes) -> str:
        import httpx2

        deadline = time.monotonic() + self._options.timeout
        try:
            with self._open().stream("POST", "/v1/chat/completions", content=body) as response:
                status, kind = response.status_code, response.headers.get("content-type", "no content type")
                asked = response.headers.get("retry-after", "")
                content = bytearray()
                for chunk in response.iter_bytes():
                    content += chunk
                    if len(content) > MAX_ANSWER_BYTES:
                        raise OcrError(f"{self._options.server}: an answer of more than {MAX_ANSWER_BYTES:,} bytes")
                    if time.monotonic() > deadline:
                        raise _RetryError(f"no whole answer within {self._options.timeout:g} s")
        except httpx2.TimeoutException as error:
            raise _RetryError(f"no whole answer within {self._options.timeout:g} s") from error
        except httpx2.HTTPError as error:
            raise _RetryError(f"{type(error).__name__}: {error}") from error
        if status in _FATAL_STATUS:
            raise OcrServerError(
                f"{self._options.server} (model {self._options.model!r}): HTTP {status}: {_FATAL_STATUS[status]}: "
                f"{_excerpt(content)}"
            )
        if status in _RETRIED_STATUS:
            raise _RetryError(f"HTTP {status}", float(asked) if asked.isascii() and asked.isdigit() else None)
        if status != 200:
            raise OcrError(f"{self._options.server}: HTTP {status}: {_excerpt(content)}")
        return _text_of(bytes(content), kind)

    def _open(self) -> httpx2.Client:
        import httpx2

        with self._lock:
            if self._client is None:
                headers = {"Content-Type": "application/json"}
                if key := os.environ.get(KEY_VARIABLE):
                    headers["Authorization"] = f"Bearer {key}"
                self._client = httpx2.Client(
                    base_url=self._options.server,
                    headers=headers,
                    timeout=httpx2.Timeout(self._options.timeout, connect=min(CONNECT_SECONDS, self._options.timeout)),
                    limits=httpx2.Limits(max_connections=self._options.concurrency),
                )
            return self._client


def _pause(state: RetryCallState) -> float:
    from tenacity import wait_exponential, wait_random

    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, _RetryError) and error.pause is not None:
        return min(error.pause, LONGEST_PAUSE)
    grows = wait_exponential(multiplier=FIRST_PAUSE, max=LONGEST_PAUSE) + wait_random(0, FIRST_PAUSE)
    return float(grows(state))


def _text_of(content: bytes, kind: str) -> str:
    """The answer's text out of a chat completion; raises `_RetryError` for anything that is not one."""
    try:
        answer: Any = json.loads(content)
        text = answer["choices"][0]["message"]["content"]
    except ValueError as error:
        raise _RetryError(f"not JSON but {kind}: {_excerpt(content)}") from error
    except (KeyError, IndexError, TypeError) as error:
        raise _RetryError(f"JSON, but no chat completion: {_excerpt(content)}") from error
    if not isinstance(text, str):
        raise _RetryError(f"a chat completion without text: {_excerpt(content)}")
    return text


def _excerpt(content: bytes | bytearray) -> str:
    text = " ".join(bytes(content[:400]).decode(errors="replace").split())
    return repr(text[:120] + ("…" if len(text) > 120 else "")) if text else "an empty answer"
