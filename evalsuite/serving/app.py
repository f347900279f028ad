"""The web application: images, models and health, with errors as OpenAI's servers send them."""

from __future__ import annotations

import asyncio
import base64
import hmac
import io
import math
import time
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from evalsuite import hardware
from evalsuite.errors import EvalsuiteError
from evalsuite.serving.requests import MAX_BODY_BYTES, BadRequestError, parse_request
from evalsuite.serving.worker import OutOfOrderError, QueueFullError

if TYPE_CHECKING:
    from PIL.Image import Image
    from starlette.requests import Request

    from evalsuite.records import Json
    from evalsuite.serving.requests import ImageRequest
    from evalsuite.serving.worker import DrawingWorker, Drawn

_LOOK_FOR_CLIENT = 0.5
"""Seconds between looks whether the client is still there."""


def make_app(worker: DrawingWorker, *, key: str | None = None) -> Starlette:
    """The application around a worker; with `key`, requests must carry it as a bearer token."""
    served = _Served(worker, key)
    return Starlette(
        routes=[
            Route("/health", served.health),
            Route("/v1/models", served.models),
            Route("/v1/images/generations", served.images, methods=["POST"]),
        ]
    )


class _Served:
    """The endpoints of one worker."""

    def __init__(self, worker: DrawingWorker, key: str | None) -> None:
        self._worker, self._key = worker, key
        self._spec = worker.model.spec
        self._hardware = (hardware.line(hardware.describe()) or "")[:200] or None

    def _may(self, request: Request) -> bool:
        sent = request.headers.get("authorization", "")
        return self._key is None or hmac.compare_digest(sent.encode(), f"Bearer {self._key}".encode())

    async def health(self, request: Request) -> JSONResponse:  # noqa: ARG002
        """Whether images are drawn, and how many requests wait."""
        state = self._worker.state
        told = {"status": state, "model": self._spec.name, "waiting": self._worker.waiting}
        return JSONResponse(told, status_code=200 if state == "ok" else 503)

    async def models(self, request: Request) -> JSONResponse:
        """The one model, with what decides its images."""
        if not self._may(request):
            return _key_needed()
        spec = self._spec
        entry = {
            "id": spec.name,
            "object": "model",
            "owned_by": "evalsuite",
            "role": spec.role,
            "pipeline_class": spec.pipeline,
            "dit_precision": spec.settings.get("precision"),
            "weights_digest": spec.weights_digest,
            "settings": spec.settings,
            "licence": spec.licence,
            "hardware": self._hardware,
        }
        return JSONResponse({"object": "list", "data": [entry]})

    async def images(self, request: Request) -> JSONResponse:
        """One image."""
        if not self._may(request):
            return _key_needed()
        if not request.headers.get("content-type", "").startswith("application/json"):
            return _error(415, "Content-Type: application/json is needed")
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                return _error(413, f"a body of at most {MAX_BODY_BYTES:,} bytes is read")
        try:
            asked = parse_request(bytes(body), str(self._spec.settings.get("enhance", "off")))
            if asked.model not in (None, self._spec.name):
                return _error(404, f"no model is called {asked.model!r} here; it is {self._spec.name!r}")
            drawn = await _draw(self._worker, asked, request)
        except (BadRequestError, EvalsuiteError) as error:
            return _error(400, str(error))
        except QueueFullError as error:
            pause = {"Retry-After": str(max(1, math.ceil(self._worker.seconds)))}
            return _error(503, str(error), "overloaded", pause)
        except OutOfOrderError as error:
            return _error(503, str(error), "server_error")
        if drawn is None or drawn.drawing.image is None:
            text = "the client has gone" if drawn is None else str(drawn.drawing.error)
            return _error(500, text, "server_error")
        settings = {**self._spec.settings, **asked.settings}
        return JSONResponse(await asyncio.to_thread(_answer, drawn, drawn.drawing.image, asked, settings))


async def _draw(worker: DrawingWorker, asked: ImageRequest, request: Request) -> Drawn | None:
    """The drawing, or None where the client has gone before it began."""
    future = worker.submit(asked)
    waiting = asyncio.wrap_future(future)
    while not (await asyncio.wait({waiting}, timeout=_LOOK_FOR_CLIENT))[0]:
        if await request.is_disconnected() and future.cancel():
            return None
    return waiting.result()


def _answer(drawn: Drawn, image: Image, asked: ImageRequest, settings: dict[str, Json]) -> dict[str, Json]:
    drawing = drawn.drawing
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=1)
    item: dict[str, Json] = {"b64_json": base64.b64encode(buffer.getvalue()).decode()}
    if drawing.revised_prompt is not None:
        item["revised_prompt"] = drawing.revised_prompt
    if drawing.findings:
        item["findings"] = [{"code": each.code, "message": each.message} for each in drawing.findings]
    answer: dict[str, Json] = {
        "created": int(time.time()),
        "data": [item],
        "output_format": "png",
        "size": settings["size"],
        "seed": asked.seed,
        "queue_time_s": drawn.waited,
    }
    if drawing.timing is not None:
        answer |= {"inference_time_s": drawing.timing.total, "warmup": drawing.timing.warmup}
    if drawing.memory is not None and drawing.memory.reserved is not None:
        answer["peak_memory_mb"] = drawing.memory.reserved / 2**20
    return answer


def _error(
    status: int, message: str, kind: str = "invalid_request_error", headers: dict[str, str] | None = None
) -> JSONResponse:
    return JSONResponse({"error": {"message": message, "type": kind}}, status_code=status, headers=headers)


def _key_needed() -> JSONResponse:
    return _error(401, "an API key is needed: Authorization: Bearer KEY", "authentication_error")
