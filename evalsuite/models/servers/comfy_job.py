"""One workflow through a ComfyUI server: queued over HTTP, followed over its websocket, its image fetched.

ComfyUI's official Python SDK speaks API v2, which a self-hosted ComfyUI has only behind a proxy; this is the API that
every ComfyUI has.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from evalsuite.http_client import RefusedError, RetryError, ServerClient
from evalsuite.models.servers.workflow import Graph
from evalsuite.records import Json

POLL_SECONDS = 1.0
"""How often the history is asked where the websocket is lost."""
MAX_RUNNING_SECONDS = 1e7
"""Of a workflow by ComfyUI's own times; what they say beyond that, or below 0, is no time."""


@dataclass(frozen=True, slots=True)
class Made:
    """The bytes of an image, the seconds from queueing to having it, and those that the workflow itself ran."""

    content: bytes
    total: float
    running: float | None


@dataclass(slots=True)
class ComfyJob:
    """One run of a graph. `prompt_id` is set once ComfyUI has taken it, and None again once it is over."""

    client: ServerClient
    save: str
    client_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    prompt_id: str | None = None
    _running: float | None = None

    async def run(self, graph: Graph) -> Made:
        """The image of a graph. Where it raises, call `cancel`.

        Raises:
            RetryError: The server failed in a way that may pass.
            RefusedError: ComfyUI refused the graph, or a node failed; in its own words.
        """
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self.client.limits.timeout):
                await self._follow(graph)
                content = await self._fetch()
        except TimeoutError as error:
            raise RetryError(f"no image within {self.client.limits.timeout:g} s") from error
        return Made(content, time.perf_counter() - started, self._running)

    async def cancel(self) -> None:
        """Take the job out of the queue, and interrupt it where it is the one that runs."""
        prompt_id, self.prompt_id = self.prompt_id, None
        if prompt_id is None:
            return
        with suppress(RetryError, RefusedError):
            await self._post("/queue", {"delete": [prompt_id]})
            queue = self.client.json_of(await self.client.exchange("GET", "/queue"))
            running = queue.get("queue_running") if isinstance(queue, dict) else None
            if any(isinstance(each, list) and prompt_id in each for each in running or []):
                await self._post("/interrupt", {"prompt_id": prompt_id})

    async def _post(self, path: str, value: Json) -> None:
        await self.client.exchange("POST", path, json.dumps(value).encode())

    async def _follow(self, graph: Graph) -> None:
        """Queue the graph and wait for its end."""
        import httpx2
        from httpx2.websockets import HTTPXWSException

        try:
            async with self.client.websocket(f"/ws?clientId={self.client_id}") as socket:
                await self._queue(graph)
                while not self._look_at(await socket.receive()):
                    pass
        except (HTTPXWSException, httpx2.HTTPError, ExceptionGroup) as error:
            # What is raised while the websocket is open comes out of its task group.
            cause: Exception = error
            while isinstance(cause, ExceptionGroup):
                cause = cause.exceptions[0]
            if not isinstance(cause, HTTPXWSException | httpx2.HTTPError):
                raise cause from None
            if self.prompt_id is None:
                raise RetryError(f"websocket: {type(cause).__name__}") from error
            # The job goes on without us listening; the history knows when it is over.

    async def _queue(self, graph: Graph) -> None:
        body = json.dumps({"prompt": graph, "client_id": self.client_id}).encode()
        reply = await self.client.exchange("POST", "/prompt", body, accept=(200, 400))
        answer = self.client.json_of(reply)
        if not isinstance(answer, dict):
            raise RetryError(f"JSON, but not ComfyUI's: {self.client.excerpt(reply.content)}")
        if reply.status == 400 or answer.get("node_errors"):
            raise RefusedError(f"{self.client.address}: ComfyUI refused the workflow: {self._node_errors(answer)}")
        prompt_id = answer.get("prompt_id")
        if not isinstance(prompt_id, str) or not prompt_id.isprintable() or not 0 < len(prompt_id) <= 100:
            raise RetryError(f"JSON, but no prompt_id: {self.client.excerpt(reply.content)}")
        self.prompt_id = prompt_id

    def _node_errors(self, answer: dict[str, Json]) -> str:
        """What ComfyUI says is wrong, and at which nodes."""
        error = answer.get("error")
        told = [str(error.get("message")) if isinstance(error, dict) else str(error or "")]
        nodes = answer.get("node_errors")
        for key, found in (nodes if isinstance(nodes, dict) else {}).items():
            errors = found.get("errors") if isinstance(found, dict) else None
            told += [
                f"{key} ({found.get('class_type')}): {each.get('message')}: {each.get('details')}"
                for each in (errors if isinstance(errors, list) else [])
                if isinstance(each, dict)
            ]
        return self.client.redact("; ".join(filter(None, told)))[:1000]

    def _look_at(self, event: object) -> bool:
        """Whether a message tells that our job is over; previews are binary and say nothing."""
        data = getattr(event, "data", None)
        if not isinstance(data, str):
            return False
        try:
            message = json.loads(data)
            kind, said = message["type"], message["data"]
            if said.get("prompt_id") != self.prompt_id:
                return False
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return False
        if kind == "execution_error":
            self._fail(said)
        if kind == "execution_interrupted":
            self.prompt_id = None
            raise RefusedError(f"{self.client.address}: somebody interrupted the workflow")
        return kind == "execution_success" or (kind == "executing" and said.get("node") is None)

    def _fail(self, said: dict[str, Json]) -> None:
        self.prompt_id = None
        text = f"{said.get('node_id')} ({said.get('node_type')}): {said.get('exception_type')}: "
        text += " ".join(str(said.get("exception_message")).split())
        raise RefusedError(f"{self.client.address}: ComfyUI: {self.client.redact(text)[:1000]}")

    async def _fetch(self) -> bytes:
        """The one image of the node that saves, by the history."""
        path = f"/history/{quote(self.prompt_id or '', safe='')}"
        while True:
            reply = await self.client.exchange("GET", path)
            answer = self.client.json_of(reply)
            entry = answer.get(self.prompt_id) if isinstance(answer, dict) else None
            if isinstance(entry, dict):
                break
            await asyncio.sleep(POLL_SECONDS)
        self._look_at_status(entry)
        self.prompt_id = None
        try:
            images = entry["outputs"][self.save]["images"]
            (image,) = images
            names = {key: str(image.get(key, "")) for key in ("filename", "subfolder", "type")}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RetryError(f"not one image of node {self.save}: {self.client.excerpt(reply.content)}") from error
        return (await self.client.exchange("GET", f"/view?{urlencode(names)}")).content

    def _look_at_status(self, entry: dict[str, Json]) -> None:
        """Raise what the history says went wrong, where the websocket could not, and note how long the workflow ran.

        The times are ComfyUI's own: its messages can lie unread while an answer is awaited.
        """
        status = entry.get("status")
        messages = status.get("messages") if isinstance(status, dict) else None
        milliseconds: dict[str, int] = {}
        for each in messages if isinstance(messages, list) else []:
            if not (isinstance(each, list) and len(each) == 2 and isinstance(each[1], dict)):
                continue
            kind, said = each
            if kind == "execution_error":
                self._fail(said)
            stamp = said.get("timestamp")
            if isinstance(kind, str) and isinstance(stamp, int) and 0 <= stamp < 2**53:
                milliseconds[kind] = stamp
        if "execution_start" in milliseconds and "execution_success" in milliseconds:
            running = (milliseconds["execution_success"] - milliseconds["execution_start"]) / 1000
            self._running = running if 0 <= running <= MAX_RUNNING_SECONDS else None
