"""Loopback servers that answer as a script says, for the tests of everything that asks a server."""

from __future__ import annotations

import base64
import http.server
import io
import json
import threading
import time
from contextlib import contextmanager

import pytest
from PIL import Image, ImageDraw

PATIENCE = 60
"""Seconds after which what never comes is given up."""


def picture(seed: int = 0, size: tuple[int, int] = (64, 64), text: str = "") -> Image.Image:
    """A picture that depends on its seed and text, and is not of one colour."""
    image = Image.new("RGB", size, "white")
    tone = (sum(map(ord, text)) * 7 + seed * 53) % 200
    ImageDraw.Draw(image).rectangle((4, 4, size[0] // 2, size[1] // 2), fill=(tone, 90, 60))
    return image


def png(image: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind)
    return buffer.getvalue()


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


class ScriptedServer(http.server.ThreadingHTTPServer):
    """Answers `POST` with the entries of `script` in turn, and with the last one from then on; `GET` from `pages`.

    An entry is None (the picture of the request's prompt, seed and size), a dict (fields laid over that good answer), a
    number (an HTTP status), bytes (a body with status 200), or a function of the handler that does as it likes.
    """

    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[object] = [None]
        self.pages: dict[str, object] = {"/v1/models": {"data": [{"id": "tiny"}]}}
        self.requests: list[dict] = []
        self.headers: list[dict] = []
        self.headers_out: dict[str, str] = {}
        self.seconds = 0.0
        self.lock = threading.Lock()
        self.gate: threading.Semaphore | None = None  # how many requests are served at a time
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: ScriptedServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        page = self.server.pages.get(self.path, 404)
        with self.server.lock:
            self.server.headers.append(dict(self.headers))
        if callable(page):
            page(self)
        elif isinstance(page, int):
            self.answer(page, b"<html>not here</html>", "text/html")
        elif isinstance(page, bytes):
            self.answer(200, page, "image/png")
        else:
            self.answer(200, json.dumps(page).encode())

    def do_POST(self) -> None:
        self.body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            entry = self.server.script[min(len(self.server.requests), len(self.server.script) - 1)]
            self.server.requests.append(self.body | {"path": self.path})
            self.server.headers.append(dict(self.headers))
        if self.server.gate is not None:
            with self.server.gate:
                time.sleep(self.server.seconds)
        elif self.server.seconds:
            time.sleep(self.server.seconds)
        if callable(entry):
            entry(self)
        elif isinstance(entry, int):
            self.answer(entry, b"<html>sorry</html>", "text/html", **self.server.headers_out)
        elif isinstance(entry, bytes):
            self.answer(200, entry)
        else:
            self.answer(200, json.dumps(self.good(entry or {})).encode())

    def good(self, fields: dict) -> dict:
        """The whole answer to this request, with fields of its item (or `top`, its own) laid over it."""
        size = tuple(map(int, self.body.get("size", "64x64").split("x")))
        item = {"b64_json": b64(png(picture(self.body.get("seed", 0), size, self.body["prompt"])))}
        fields = dict(fields)
        top = fields.pop("top", {})
        merged = {key: value for key, value in (item | fields).items() if value is not None}
        return {"created": 1, "data": [merged], **top}

    def answer(self, status: int, body: bytes, kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        for key, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)


def half(handler: Handler) -> None:
    """Half of the announced bytes, then the end."""
    body = json.dumps(handler.good({})).encode()
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])
    handler.close_connection = True


def drip(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    while not handler.server.released.wait(0.1):
        handler.wfile.write(b" ")


@contextmanager
def running_server(server: http.server.ThreadingHTTPServer):
    with server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.released.set()
        server.shutdown()


@pytest.fixture
def server(monkeypatch):
    """A scripted server; pauses between attempts are as short as can be."""
    from evalsuite import http_client

    monkeypatch.setattr(http_client, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(http_client, "LONGEST_PAUSE", 0.002)
    with running_server(ScriptedServer()) as running:
        yield running
