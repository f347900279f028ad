"""A vision-language model behind an OpenAI-compatible chat server (vLLM, SGLang, …): one question, many at a time.

What the server runs cannot be checked from here, so its readings carry another engine name, and the weights
digest says that it is none. The generation settings of the published reader (temperature 1e-6, repetition penalty
1.05) are sent with each request, the temperature as 0: vLLM would raise 1e-6 to 0.01.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import io
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

from evalsuite.chat_completion import CHAT_PATH, completion_text
from evalsuite.errors import EvalsuiteError
from evalsuite.http_client import (
    FailedError,
    Limits,
    RefusedError,
    Reply,
    ServerClient,
    ServerError,
    hides_credentials,
    need_libraries,
    parse_address,
)
from evalsuite.images import ImageError, to_rgb
from evalsuite.ocr.base import OcrError
from evalsuite.ocr.many import Answer, Source, lines_of
from evalsuite.ocr.options import parse_options, whole_number
from evalsuite.ocr.vlm import MAX_NEW_TOKENS, PROMPT, cut_reason
from evalsuite.ocr.vlm_folder import NAME, REPOSITORY
from evalsuite.ocr.weights import OcrUnavailableError
from evalsuite.records import Finding, Json, OcrSpec, TextLine

if TYPE_CHECKING:
    from PIL.Image import Image

SERVED = f"{NAME}-served"
KEY_VARIABLE = "EVALSUITE_OCR_KEY"
"""The environment variable with the server's API key, if it wants one; never an option, since options are kept."""

GENERATION: dict[str, Json] = {"temperature": 0, "repetition_penalty": 1.05}
_SAVED: dict[str, dict[str, Any]] = {"PNG": {"compress_level": 1}, "JPEG": {}}
"""How an image is encoded; as JPEG with Pillow's own settings (quality 75)."""

MAX_ANSWER_BYTES = 4 * 2**20
GIVE_UP_AFTER = 5
"""Images in a row that the server failed on before the run is stopped: then it is the server, not the images."""

_ENDS = {
    "length": "{cut} (finish_reason length)",
    "content_filter": "the server's filter withheld the answer (finish_reason content_filter)",
}
_FATAL_STATUS = {
    401: f"wants an API key; put it in {KEY_VARIABLE}",
    403: f"refuses the API key in {KEY_VARIABLE}",
    404: "has no such model, or no chat completions at this address",
}


@dataclass(frozen=True, slots=True)
class Manner:
    """How a model wants to be asked, and how its answers are read.

    `option` is the engine's name on the command line, `engine` that in plans and rows, `model` the name under which
    servers usually have it. `lines` gives an answer's lines, or raises `OcrError` where it is no reading.
    """

    option: str
    engine: str
    model: str
    prompt: str
    max_tokens: int
    generation: Mapping[str, Json]
    image: Literal["PNG", "JPEG"]
    lines: Callable[[str], tuple[TextLine, ...]]


QWEN = Manner(NAME, SERVED, REPOSITORY, PROMPT, MAX_NEW_TOKENS, GENERATION, "PNG", lines_of)


class ServedReader:
    """Asks a chat server for the text of an image, by `http_client`. Safe to use from several threads.

    How often an attempt was made again is told in the answer's findings. An answer that is cut, filtered, one of
    several or holds the API key is a failed reading.
    """

    def __init__(self, server: str, model: str, limits: Limits, manner: Manner = QWEN) -> None:
        self._manner = manner
        self._client = ServerClient(server, key_variable=KEY_VARIABLE, limits=limits, fatal=_FATAL_STATUS)
        self._model = model
        self._lock = threading.Lock()
        self._failures = 0
        self._spec = OcrSpec(
            name=manner.engine,
            weights_digest=hashlib.sha256(f"unverified: {model}".encode()).hexdigest(),
            settings={
                "model": model,
                "weights": "unverified",
                "prompt": manner.prompt,
                "max_new_tokens": manner.max_tokens,
                "generation": dict(manner.generation),
                **({} if manner.image == "PNG" else {"image": manner.image}),
            },
            versions={"server": server, "httpx2": importlib.metadata.version("httpx2")},
        )

    @classmethod
    def parse(cls, arguments: str, manner: Manner = QWEN) -> Self:
        """The reader for `server=URL[,model=NAME][,concurrency=N][,attempts=N][,timeout=SECONDS]`.

        Nothing is asked of the server yet: a plan can be made, and stored readings scored, while it is down.

        Raises:
            OcrUnavailableError: when the libraries are missing.
            EvalsuiteError: for an unknown option or an address that is none.
        """
        name = manner.option
        try:
            need_libraries(manner.engine)
        except EvalsuiteError as error:
            raise OcrUnavailableError(str(error)) from None
        if hides_credentials(arguments):
            parse_address(arguments, f"{name}:server=")
        defaults = {"server": "", "model": manner.model, "concurrency": "8", "attempts": "5", "timeout": "120"}
        options = parse_options(name, arguments, defaults)
        server = parse_address(options["server"], f"{name}: server=")
        if not options["model"]:
            raise EvalsuiteError(f"{name}: model=: the name under which the server has it")
        limits = Limits(
            attempts=whole_number(name, options, "attempts", 1, 20),
            timeout=float(whole_number(name, options, "timeout", 1, 3600)),
            max_bytes=MAX_ANSWER_BYTES,
            connections=whole_number(name, options, "concurrency", 1, 256),
        )
        return cls(server, options["model"], limits, manner)

    @property
    def spec(self) -> OcrSpec:
        """Model name, prompt and generation settings; the address is told but does not tell readings apart."""
        return self._spec

    def read(self, image: Image) -> tuple[TextLine, ...]:
        """The text lines of an image, without places.

        Raises:
            OcrError: when the server failed on this image at every attempt, or refused it.
            ServerError: when it cannot be used at all.
        """
        return self._read(image)[0]

    def read_many(self, sources: Sequence[Source]) -> Iterator[tuple[int, Answer]]:
        """The answers as they come, `concurrency` requests at a time. See `ManyReader`.

        Raises:
            ServerError: when the server cannot be used at all, after the answers to requests under way.
        """
        stop: ServerError | None = None
        pool = ThreadPoolExecutor(self._client.limits.connections, thread_name_prefix="ocr-request")
        try:
            futures: dict[Future[Answer], int] = {
                pool.submit(self._answer, source): index for index, source in enumerate(sources)
            }
            for future in as_completed(futures):
                if future.cancelled():
                    continue
                try:
                    answer = future.result()
                except ServerError as error:
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
        try:
            asked = self._client.ask("POST", CHAT_PATH, self._text_of, body=self._body(image))
        except FailedError as error:
            self._count_failure(error.reason)
            raise OcrError(str(error)) from error
        except RefusedError as error:
            raise OcrError(str(error)) from error
        except ServerError as error:
            raise ServerError(f"model {self._model!r} at {error}") from error
        with self._lock:
            self._failures = 0
        told = f"read at attempt {len(asked.failed) + 1}, after: {'; '.join(asked.failed)}"
        return self._manner.lines(asked.value), (Finding(code="read-retried", message=told),) if asked.failed else ()

    def _count_failure(self, reason: str) -> None:
        with self._lock:
            self._failures += 1
            hopeless = self._failures >= GIVE_UP_AFTER
        if hopeless:
            raise ServerError(
                f"{self._client.address}: the last {self._failures} images failed at every attempt ({reason}); what "
                "was read is kept: fix the server and run the same command again"
            )

    def _body(self, image: Image) -> bytes:
        try:
            buffer = io.BytesIO()
            to_rgb(image).save(buffer, format=self._manner.image, **_SAVED[self._manner.image])
        except ImageError as error:
            raise OcrError(str(error)) from error
        picture = f"data:image/{self._manner.image.lower()};base64," + base64.b64encode(buffer.getvalue()).decode()
        content = [{"type": "image_url", "image_url": {"url": picture}}, {"type": "text", "text": self._manner.prompt}]
        request = {
            "model": self._model,
            "messages": [{"role": "user", "content": content}],
            "max_tokens": self._manner.max_tokens,
            **self._manner.generation,
        }
        return json.dumps(request).encode()

    def _text_of(self, reply: Reply) -> str:
        """The answer's text out of a chat completion.

        Raises:
            RetryError: It is no whole completion.
            RefusedError: It is one that is no reading, and would not be at another attempt.
        """
        endings = {name: told.format(cut=cut_reason(self._manner.max_tokens)) for name, told in _ENDS.items()}
        return completion_text(self._client, reply, endings)
