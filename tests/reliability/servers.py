"""Hostile answers of servers to every command that asks one: each ends in good order, in time, and on clean lines.

    python servers.py [--part PART] [--every EVERY] [--state STATE.jsonl]

A place is a command and what it asks of a server; there the answer is hostile, and all else is answered well, by the
scripted servers of the tests behind a proxy. `trials.py` says what the options do.
"""

# ruff: noqa: E501 - tables of what is tried
from __future__ import annotations

import base64
import dataclasses
import gzip
import hashlib
import io
import json
import socket
import socketserver
import struct
import sys
import tempfile
import threading
import zlib
from collections import defaultdict
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))
import hostile
import trials
from comfy_by_hand import running_comfy
from servers_by_hand import ScriptedServer, running_server

from evalsuite import http_client

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

SECONDS = 60
PATIENCE = 2.0  # seconds for a whole answer, in the place of minutes
DRAW = [
    "-s",
    "GOOD.yaml",
    "--no-ceiling",
    "--ocr-workers",
    "1",
    "-o",
    "OUT/run",
    "-q",
    "--set",
    "size=64x64 steps=1",
    "--set",
]
READ = [
    "run",
    "-m",
    "folder:IMAGES",
    "-s",
    "GOOD.yaml",
    "--no-ceiling",
    "--ocr-workers",
    "1",
    "-o",
    "OUT/run",
    "-q",
    "--ocr",
]
ASKED = "guidance=1 enhance=off"

PLACES: dict[str, tuple[str, list[str]]] = {
    **{f"drawn by {dialect}": ("/v1/images/generations", ["run", "-m", f"server:URL,dialect={dialect}", *DRAW, ASKED, "--ocr", "spelling"])
       for dialect in ("sglang", "vllm-omni", "openai")},
    "models listed": ("/v1/models", ["run", "-m", "server:URL", *DRAW, ASKED, "--ocr", "spelling"]),
    "doctor": ("/v1/images/generations", ["doctor", "--server", "URL", "--set", "size=64x64 steps=2 guidance=1"]),
    "doctor in JSON": ("/v1/models", ["doctor", "--server", "URL", "--json", "--set", "size=64x64 steps=2 guidance=1"]),
    "load": ("/v1/images/generations", ["load", "-m", "server:URL", "-s", "GOOD.yaml", "--concurrency", "1", "--requests", "10", "--warm-up",
                                        "1", "--out", "OUT/load", "-q", "--set", f"size=64x64 steps=1 {ASKED}"]),
    "enhanced": ("/v1/chat/completions", ["run", "-m", "server:URL", *DRAW, "guidance=1 enhance=image enhancer=URL enhancer_model=m", "--ocr", "spelling"]),
    "read": ("/v1/chat/completions", [*READ, "qwen2.5-vl:server=URL,model=m"]),
    "read by TextPecker": ("/v1/chat/completions", [*READ, "textpecker:server=URL,model=m"]),
    **{f"ComfyUI {path}": (path, ["run", "-m", "comfyui:flux2-klein-4b@URL", "-s", "GOOD.yaml", "--no-ceiling", "--ocr-workers", "1", "-o", "OUT/run", "-q", "--set",
                                  "size=64x64", "--ocr", "spelling"])
       for path in ("/prompt", "/ws", "/history", "/view", "/system_stats", "/queue")},
}  # fmt: skip
"""Commands by name, each with the path whose answer is hostile. `URL` is the server."""


def http(
    body: bytes | str = b"",
    status: str = "200 OK",
    kind: str = "application/json",
    length: object = None,
    **headers: str,
) -> bytes:
    """An answer on the wire; `length` is what is announced where it is not the body's."""
    content = body.encode() if isinstance(body, str) else body
    fields = {"Content-Type": kind, "Content-Length": str(len(content) if length is None else length), **{
        name.replace("_", "-"): value for name, value in headers.items()}}  # fmt: skip
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode("latin-1") + content


def png(size: tuple[int, int] = (64, 64), kind: str = "PNG", mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise(size, 50).convert(mode).save(buffer, kind)
    return buffer.getvalue()


def drawn(content: object, **fields: object) -> bytes:
    """An image server's answer with an image's bytes, or what stands in their place."""
    shown = base64.b64encode(content).decode() if isinstance(content, bytes) else content
    return http(json.dumps({"data": [{"b64_json": shown, **fields}]}))


def written(content: object, reason: object = "stop", **fields: object) -> bytes:
    """A chat server's answer."""
    return http(
        json.dumps(
            {"choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": reason}], **fields}
        )
    )


GOOD = png()
BOMB = GOOD[:16] + struct.pack(">II", 2**31 - 1, 2**31 - 1) + GOOD[24:]
LIE = "\x1b]0;pwn\x07\r\n::error::x\n##[error]y\u202ez"

ANSWERS: dict[str, bytes] = {
    "nothing": b"", "no HTTP": b"hello\r\n\r\n", "a line without end": b"HTTP/1.1 200 " + b"a" * 300_000,
    "headers without end": b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 100_000, "HTTP/9.9": b"HTTP/9.9 200 OK\r\n\r\n{}",
    "an empty body": http(), "null": http("null"), "a list": http("[]"), "an object": http("{}"), "a number": http("1"), "a text": http('"x"'),
    "lists without end": http("[" * 100_000), "objects, 900 deep": http(hostile.nested(900)), "NaN": http('{"data": NaN}'),
    "10,000 digits": http('{"created": ' + "9" * 10_000 + "}"), "1e400": http('{"data": [{"b64_json": 1e400}]}'),
    "half a pair": http('{"data": [{"b64_json": "\\ud800", "revised_prompt": "\\udfff"}], "prompt_id": "\\ud800"}'),
    "no UTF-8": http(b'{"data": "\xff\xfe"}'), "UTF-16": http('{"data": []}'.encode("utf-16")), "NULs": http(b"\0" * 10_000),
    "a field twice": http('{"data": [], "data": 1}'), "HTML": http("<html><script>alert(1)</script>", kind="text/html"),
    "a length too large": http(b"{}", length=10_000), "a length too small": http(b'{"data": []}', length=3), "a length of -1": http(b"{}", length=-1),
    "a length of 10^30": http(b"{}", length=10**30), "a length of text": http(b"{}", length="many"),
    "64 MiB": http(b" " * 2**26), "gzip of 256 MiB": http(gzip.compress(b" " * 2**28), Content_Encoding="gzip"),
    "gzip of gzip": http(gzip.compress(gzip.compress(b" " * 2**26)), Content_Encoding="gzip, gzip"),
    "deflate of 256 MiB": http(zlib.compress(b" " * 2**28), Content_Encoding="deflate"),
    "a broken gzip": http(b"\x1f\x8b\x08junk", Content_Encoding="gzip"), "an encoding of its own": http(b"{}", Content_Encoding="x-own"),
    "broken chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a chunk of 2^60": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000000000000000\r\n{}",
    "to itself": http(status="302 Found", Location="/v1/images/generations"), "to a file": http(status="302 Found", Location="file:///etc/passwd"),
    "elsewhere": http(status="307 Temporary Redirect", Location="http://192.0.2.1/"), "to nowhere": http(status="301 Moved", Location=""),
    **{f"status {status}": http(json.dumps({"error": {"message": LIE}, "detail": LIE, "message": LIE}), status=f"{status} {LIE!a}")
       for status in (100, 101, 204, 206, 304, 400, 401, 404, 413, 418, 422, 429, 500, 503, 599, 999)},
    "an error of 1 MB": http(json.dumps({"error": "x" * 10**6}), status="400 Bad"), "an error that is a list": http('{"error": [[1]]}', status="422 U"),
    **{f"to be tried again after {pause[:20]!r}": http(status="503 Busy", Retry_After=pause) for pause in ("1e9", "-5", "NaN", "Thu, 01 Jan 9999 00:00:00 GMT", "x", "9" * 400)},
}  # fmt: skip
"""What no endpoint should answer, by name, as it is on the wire."""

PICTURES: dict[str, bytes] = {
    "an empty image": b"", "a cut image": GOOD[:100], "a bomb's header": BOMB, "another size": png((32, 32)), "a line of 8,192": png((8192, 1)),
    "no image": b"\0" * 5000, "an SVG": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "a GIF": png(kind="GIF", mode="P"),
    "a BMP": png(kind="BMP"), "a JPEG": png(kind="JPEG"), "a grey one": png(mode="L"), "one of CMYK": png(kind="JPEG", mode="CMYK"),
}  # fmt: skip

IMAGES: dict[str, bytes] = {
    **{name: drawn(content) for name, content in PICTURES.items()},
    "an image": drawn(GOOD), "no base64": drawn("%%%%"), "an image of no text": drawn(5), "none": http('{"data": []}'), "two": http(json.dumps({"data": [{"b64_json": base64.b64encode(GOOD).decode()}] * 2})),
    "20,000": http(json.dumps({"data": [{"b64_json": ""}] * 20_000})),
    **{f"at {address[:30]!r}": http(json.dumps({"data": [{"url": address}]})) for address in (
        "file:///etc/passwd", "http://192.0.2.1/x", "//192.0.2.1/x", "/v1/images/generations", "data:image/png;base64,", "", "\x1b", "http://[", "x" * 100_000, "http://a:b@127.0.0.1/")},
    "a prompt of 1 MB": drawn(GOOD, revised_prompt="x" * 10**6), "a prompt of escapes": drawn(GOOD, revised_prompt=LIE),
    "a prompt of no text": drawn(GOOD, revised_prompt={"a": 1}), "figures of no sense": drawn(GOOD, inference_time_s=-1, peak_memory_mb="NaN", seed=[1]),
    "an infinite time": drawn(GOOD, inference_time_s=1e308, peak_memory_mb=1e308),
}  # fmt: skip

TEXTS: dict[str, bytes] = {
    **{f"writes {str(content)[:20]!r}": written(content) for content in ("", "\0", LIE, None, 5, [], {"a": 1}, [{"type": "text", "text": "x"}], "\ud800", "{" * 5000,
       '{"recognized_text": ' + "[" * 5000, '{"recognized_text": "\\u001b[31m"}', '{"recognized_text": ["a", 1]}', "<#>" * 90_000, "a\n" * 90_000)},
    **{f"ends by {reason!r}"[:40]: written("text", reason) for reason in (None, "length", "content_filter", 5, LIE)},
    "no choices": http('{"choices": []}'), "choices of text": http('{"choices": "x"}'), "a choice of null": http('{"choices": [null]}'),
}  # fmt: skip

LISTS: dict[str, bytes] = {
    "models of no name": http('{"data": [{"id": null}, {"id": 5}, {}]}'), "a model's lie": http(json.dumps({"data": [{"id": LIE, "owned_by": LIE}]})),
    "a model of 1 MB": http(json.dumps({"data": [{"id": "m" * 10**6}]})), "10,000 models": http(json.dumps({"data": [{"id": f"m{n}"} for n in range(10_000)]})),
}  # fmt: skip

JOBS: dict[str, bytes] = {
    "a job of no name": http('{"prompt_id": null}'), "a job of a path": http('{"prompt_id": "../../x"}'), "node errors": http(json.dumps({"error": LIE, "node_errors": {LIE: {"errors": [1, LIE]}}}), status="400 Bad"),
    "a history of lists": http('{"x": []}'), "outputs of no sense": http('{"x": {"outputs": [1], "status": 5}}'),
    "a system of lies": http(json.dumps({"system": {"comfyui_version": LIE}, "devices": [{"name": LIE, "vram_total": 1e308}, None, 5]})),
}  # fmt: skip

OF: dict[str, dict[str, bytes]] = {
    "/v1/images/generations": IMAGES, "/v1/chat/completions": TEXTS, "/v1/models": LISTS,
    "/view": {name: http(content, kind="image/png") for name, content in PICTURES.items()},
}  # fmt: skip
"""What an endpoint may be thought to answer, beside `ANSWERS`; ComfyUI's others have `JOBS`."""

FRAMES: dict[str, bytes] = {
    "no frames": b"", "text of no JSON": b"\x81\x03abc", "deep text": b"\x81\x7e" + struct.pack(">H", 50_000) + b"[" * 50_000,
    "no UTF-8": b"\x81\x02\xff\xfe", "a frame of 2^62": b"\x81\x7f" + struct.pack(">Q", 2**62) + b"x", "a reserved kind": b"\x83\x00", "masked": b"\x81\x83abcdxyz",
    "pings": b"\x89\x01x" * 5000, "a close of junk": b"\x88\x7d" + b"\xff" * 125, "a list": b"\x81\x02[]", "data of text": b'\x81\x1a{"type":"executing","data":1}'[:28],
}  # fmt: skip
"""What a websocket that was rightly opened sends."""


def accepted(key: str, frames: bytes) -> bytes:
    """A websocket's opening (RFC 6455, section 4.2.2) and its frames."""
    proof = base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()
    return (
        f"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {proof}\r\n\r\n".encode()
        + frames
    )


class Proxy(socketserver.ThreadingTCPServer):
    """Answers a path with hostile bytes, slowly or not at all, and hands everything else on to a good server."""

    allow_reuse_address = daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.behind = 0
        self.path = ""
        self.answer: bytes | None = b""  # None: nothing, and the connection stays open
        self.drips = False
        self.frames: bytes | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Connection(socketserver.StreamRequestHandler):
    server: Proxy

    def handle(self) -> None:
        with suppress(OSError):
            self._handle()

    def _handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline(100_000)
            if not line:
                return
            if not line.lower().startswith(b"connection:") or b"upgrade" in line.lower():
                head += line
        fields = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n")[1:] if ": " in line)
        known = {name.lower(): value for name, value in fields.items()}
        body = self.rfile.read(int(known.get("content-length", 0)))
        path = head.split(b" ", 2)[1].decode()
        if path.startswith(self.server.path):
            self._hostile(known)
            return
        if "upgrade" not in known:
            head = head[:-2] + b"Connection: close\r\n\r\n"
        with socket.create_connection(("127.0.0.1", self.server.behind)) as good:
            good.sendall(head + body)
            threading.Thread(target=_pump, args=(self.connection, good), daemon=True).start()
            _pump(good, self.connection)

    def _hostile(self, fields: dict[str, str]) -> None:
        if self.server.frames is not None and "sec-websocket-key" in fields:
            self.connection.sendall(accepted(fields["sec-websocket-key"], self.server.frames))
        elif self.server.answer is None:
            self.connection.settimeout(4 * PATIENCE)
            self.connection.recv(1)
        elif self.server.drips:
            for byte in self.server.answer:
                self.connection.sendall(bytes([byte]))
                if trials_over.wait(0.05):
                    return
        else:
            self.connection.sendall(self.server.answer)


trials_over = threading.Event()


def _pump(source: socket.socket, to: socket.socket) -> None:
    with suppress(OSError):
        while part := source.recv(65536):
            to.sendall(part)
    with suppress(OSError):
        to.shutdown(socket.SHUT_WR)


def behaviours(path: str) -> Iterator[tuple[str, Callable[[Proxy], None]]]:
    """What the proxy does at a path, by name."""
    for name, answer in {**ANSWERS, **OF.get(path, JOBS)}.items():
        yield name, lambda proxy, answer=answer: _set(proxy, answer)
    yield "silence", lambda proxy: _set(proxy, None)
    yield "a byte at a time", lambda proxy: _set(proxy, http(b" " * 10_000), drips=True)
    if path == "/ws":
        for name, frames in FRAMES.items():
            yield f"frames: {name}", lambda proxy, frames=frames: _set(proxy, b"", frames=frames)


def _set(proxy: Proxy, answer: bytes | None, *, drips: bool = False, frames: bytes | None = None) -> None:
    proxy.answer, proxy.drips, proxy.frames = answer, drips, frames


def try_place(name: str, proxy: Proxy, room: hostile.Room, only: Collection[str] = ()) -> trials.Endings:
    """How the command of a place ends with each answer, or with those alone that are named."""
    proxy.path, command = PLACES[name]
    found = {}
    for called, behave in behaviours(proxy.path):
        if only and called not in only:
            continue
        behave(proxy)
        arguments = [word.replace("URL", proxy.url) for word in room.fill(command, lambda _: None)]
        ending = trials.ending_of(arguments, SECONDS)
        found[called] = f"ESCAPE {room.escaped()}" if room.escaped() else ending
    return found


def all_trials(place: Path) -> Iterator[tuple[str, Callable[[], trials.Endings]]]:
    """Every place by name."""
    room = hostile.Room(place)
    for name in PLACES:

        def carry_out(name: str = name) -> trials.Endings:
            with running(name) as proxy:
                return try_place(name, proxy, room)

        yield name, carry_out


@contextmanager
def running(name: str) -> Iterator[Proxy]:
    """The proxy before the server that a place asks."""
    with Proxy() as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()
        if name.startswith("ComfyUI"):
            with running_comfy() as comfy:
                import asyncio

                comfy.sockets = defaultdict(asyncio.Queue)  # one is there, whatever came of its websocket
                proxy.behind = int(comfy.url.rpartition(":")[2])
                yield proxy
        else:
            with running_server(ScriptedServer()) as server:
                proxy.behind = server.server_port
                yield proxy
        proxy.shutdown()


@contextmanager
def hurried(patience: float = PATIENCE) -> Iterator[None]:
    """Two attempts, short pauses and little patience in the place of minutes; the stand-in reads."""
    made = http_client.ServerClient.__init__

    def make(self: http_client.ServerClient, *args: object, **kwargs: object) -> None:
        short = {"attempts": 2, "timeout": patience}
        args = tuple(
            dataclasses.replace(each, **short) if isinstance(each, http_client.Limits) else each for each in args
        )
        kwargs = {key: dataclasses.replace(each, **short) if isinstance(each, http_client.Limits) else each for key, each in kwargs.items()}  # fmt: skip
        made(self, *args, **kwargs)

    with (
        mock.patch.object(http_client.ServerClient, "__init__", make),
        mock.patch.multiple(http_client, FIRST_PAUSE=0.001, LONGEST_PAUSE=0.002),
        mock.patch("evalsuite.ocr._resolve", hostile.resolve),
    ):
        yield


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, hurried():
        trials.main(all_trials, Path(folder))
