"""A prompt enhancer behind an OpenAI-compatible chat server, before any model that draws.

The server is asked as ErnieImagePipeline asks its own enhancer: the prompt and the size as JSON, temperature 0.6 and
top_p 0.95; the seed goes with the request, for servers that take one. What it runs cannot be checked from here, so its
weights count as unverified. An answer that is cut, withheld or empty is a failed image and never a prompt.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import msgspec

from evalsuite.chat_completion import CHAT_PATH, completion_text
from evalsuite.errors import EvalsuiteError
from evalsuite.http_client import (
    Asked,
    FailedError,
    Limits,
    RefusedError,
    Reply,
    ServerClient,
    ServerError,
    need_libraries,
    parse_address,
)
from evalsuite.models.base import Drawing, ImageModel
from evalsuite.models.findings import enhancement_findings
from evalsuite.models.phases import with_enhancement
from evalsuite.models.settings import ModelOptions, SettingError, check_settings
from evalsuite.records import Finding, Json, ModelSpec, Prompt

if TYPE_CHECKING:
    from types import TracebackType

KEY_VARIABLE = "EVALSUITE_ENHANCER_KEY"
"""The environment variable with the server's API key, if it wants one; never a setting, since settings are kept."""

SAMPLING: dict[str, Json] = {"temperature": 0.6, "top_p": 0.95}
MAX_TOKENS = 2048
MAX_CHARACTERS = 20_000
AHEAD = 64
"""Requests whose prompts are asked for together, while those before are drawn."""
GIVE_UP_AFTER = 5
"""Prompts in a row that the server failed on before the others are no longer asked for: then it is the server."""

_LIMITS = Limits(attempts=5, timeout=300.0, max_bytes=4 * 2**20, connections=16)
_ENDS = {
    "length": f"the rewritten prompt is cut at {MAX_TOKENS} tokens (finish_reason length)",
    "content_filter": "the server's filter withheld the rewritten prompt (finish_reason content_filter)",
}
_FATAL_STATUS = {
    401: f"wants an API key; put it in {KEY_VARIABLE}",
    403: f"refuses the API key in {KEY_VARIABLE}",
    404: "has no such model, or no chat completions at this address",
}


@dataclass(frozen=True, slots=True)
class _Failed:
    """Why there is no rewritten prompt."""

    reason: str


class ServedEnhancer:
    """A model whose prompts a chat server rewrites first: once an image, or once a prompt.

    An image bears the seconds of its prompt's own request; images that share a prompt share them.

    Args:
        model: What draws; its own enhancer is off.
        address: From `parse_address`.
        name: The enhancer's name at the server.
        mode: `image` or `prompt`.
    """

    def __init__(self, model: ImageModel, address: str, name: str, mode: str) -> None:
        spec = model.spec
        if spec.size is None:
            raise EvalsuiteError(f"{spec.name}: --set enhancer=… needs a model whose size is known")
        self._model, self._name, self._mode = model, name, mode
        self._width, self._height = spec.size
        self._client = ServerClient(address, key_variable=KEY_VARIABLE, limits=_LIMITS, fatal=_FATAL_STATUS)
        self._lock = threading.Lock()
        self._failures = 0
        self._spec = msgspec.structs.replace(
            spec,
            settings={
                **spec.settings,
                "enhance": mode,
                "enhancer_model": name,
                "enhancer_sampling": {**SAMPLING, "max_tokens": MAX_TOKENS},
                "enhancer_weights": "unverified",
            },
            runtime={**spec.runtime, "enhancer": address},
        )

    @property
    def spec(self) -> ModelSpec:
        """The model's, with the enhancer's name and how it is asked; its address is told but decides no image."""
        return self._spec

    @property
    def uses_cpu(self) -> bool:
        """Whether the model that draws does."""
        return self._model.uses_cpu

    def notices(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> Sequence[str]:
        """Those of the model that draws."""
        return self._model.notices(prompts, seeds)

    def draw(self, requests: Sequence[tuple[Prompt, int]]) -> Iterator[Drawing]:
        """One `Drawing` a request, in order, with its rewritten prompt; see `ImageModel`.

        Raises:
            ServerError: The enhancer's server wants another key, or has no such model.
        """
        parts = [requests[start : start + AHEAD] for start in range(0, len(requests), AHEAD)]
        images: dict[tuple[str, int], int] = {}
        for prompt, seed in requests:
            key = self._key(prompt, seed)
            images[key] = images.get(key, 0) + 1
        texts: dict[tuple[str, int], Future[Asked[str] | _Failed]] = {}
        pool = ThreadPoolExecutor(_LIMITS.connections, thread_name_prefix="enhancer-request")

        def ask(part: Sequence[tuple[Prompt, int]]) -> None:
            for prompt, seed in part:
                key = self._key(prompt, seed)
                if key not in texts:
                    texts[key] = pool.submit(self._rewrite, *key)

        try:
            for number, part in enumerate(parts):
                for one in parts[number : number + 2]:
                    ask(one)
                found = [texts[self._key(*request)].result() for request in part]
                shared = [images[self._key(*request)] for request in part]
                yield from self._drawn(part, found, shared)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            self._client.cancel()

    def _drawn(
        self, part: Sequence[tuple[Prompt, int]], texts: Sequence[Asked[str] | _Failed], shared: Sequence[int]
    ) -> Iterator[Drawing]:
        """The drawings of a part, in order; those without a rewritten prompt are not drawn."""
        rewritten = [
            (msgspec.structs.replace(prompt, text=text.value), seed)
            for (prompt, seed), text in zip(part, texts, strict=True)
            if not isinstance(text, _Failed)
        ]
        drawings = iter(self._model.draw(rewritten))
        for (prompt, seed), text, images in zip(part, texts, shared, strict=True):
            if isinstance(text, _Failed):
                yield Drawing(prompt, seed, error=text.reason)
                continue
            drawing = next(drawings)
            if drawing.error is not None:
                yield replace(drawing, prompt=prompt, revised_prompt=text.value)
                continue
            timing = drawing.timing
            yield replace(
                drawing,
                prompt=prompt,
                revised_prompt=text.value,
                timing=with_enhancement(timing, text.seconds / images) if timing is not None else None,
                findings=(*drawing.findings, *_findings(prompt, text)),
            )

    def _key(self, prompt: Prompt, seed: int) -> tuple[str, int]:
        """What decides a rewritten prompt: the prompt, and the image's seed or one made from the prompt."""
        if self._mode == "prompt":
            seed = int.from_bytes(hashlib.sha256(prompt.text.encode()).digest()[:4], "big")
        return prompt.text, seed

    def _rewrite(self, prompt: str, seed: int) -> Asked[str] | _Failed:
        with self._lock:
            if self._failures >= GIVE_UP_AFTER:
                return _Failed(f"not enhanced: {self._client.address} failed on the {self._failures} prompts before")
        try:
            asked = self._client.ask("POST", CHAT_PATH, self._text_of, body=self.body(prompt, seed))
        except ServerError as error:
            raise ServerError(f"the prompt enhancer {self._name!r} at {error}") from error
        except (FailedError, RefusedError) as error:
            with self._lock:
                self._failures += isinstance(error, FailedError)
            return _Failed(f"the prompt enhancer at {error}")
        with self._lock:
            self._failures = 0
        return asked

    def body(self, prompt: str, seed: int) -> bytes:
        """The request for one rewritten prompt, as it is sent."""
        content = json.dumps({"prompt": prompt, "width": self._width, "height": self._height}, ensure_ascii=False)
        request = {
            "model": self._name,
            "messages": [{"role": "user", "content": content}],
            "max_tokens": MAX_TOKENS,
            "seed": seed,
            **SAMPLING,
        }
        return json.dumps(request).encode()

    def _text_of(self, reply: Reply) -> str:
        text = completion_text(self._client, reply, _ENDS).strip()
        if not text or len(text) > MAX_CHARACTERS:
            what = f"{len(text):,} characters; {MAX_CHARACTERS:,} are taken" if text else "an empty text"
            raise RefusedError(f"{self._client.address}: the rewritten prompt is {what}")
        return text

    def __enter__(self) -> Self:
        self._failures = 0
        self._model.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()
        self._model.__exit__(kind, error, trace)


def _findings(prompt: Prompt, text: Asked[str]) -> Iterator[Finding]:
    yield from enhancement_findings(prompt.targets, text.value)
    if text.failed:
        told = f"rewritten at attempt {len(text.failed) + 1}, after: {'; '.join(text.failed)}"
        yield Finding(code="enhance-retried", message=told)


def enhancer_options(options: ModelOptions, where: str) -> tuple[str, str, str] | None:
    """Address, name and mode of the enhancer's server that options name; None where they name none.

    Raises:
        EvalsuiteError: The address is none, the name is missing, or the libraries are.
    """
    settings = check_settings(options.settings, where=where)
    if "enhancer" not in settings:
        if "enhancer_model" in settings:
            raise SettingError(f"{where}: enhancer_model={settings['enhancer_model']}, but no enhancer=http://…")
        return None
    address = parse_address(str(settings["enhancer"]), f"{where}: enhancer")
    if not settings.get("enhancer_model"):
        raise SettingError(f"{where}: add enhancer_model=NAME, the name under which {address} has the enhancer")
    mode = str(settings.get("enhance", "image"))
    if mode == "off":
        raise SettingError(f"{where}: enhance=off, and enhancer={address} to rewrite prompts; leave one out")
    if "enhance_batch" in settings:
        raise SettingError(f"{where}: enhance_batch is for an enhancer in this process; the server batches")
    need_libraries(f"{where}: enhancer=…")
    return address, str(settings["enhancer_model"]), mode
