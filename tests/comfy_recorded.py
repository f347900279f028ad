"""What ComfyUI itself said, played back: its recorded traffic as a loopback server, and the workflows it was asked for.

`tests/models/servers/record_comfyui.py` makes the recording. What differs from day to day (ids, names, times, memory)
is neutralised, in the recording and in what the player is asked, so that requests can be compared whole.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

from evalsuite.records import Prompt

RECORDING = Path(__file__).parent / "models" / "servers" / "recorded" / "comfyui.json"
PROMPT = Prompt(id="one", suite="s", language="en", category="sign", length="short", text="OPEN", targets=("OPEN",))
SIZE = (64, 48)


def node(kind: str, title: str | None = None, **inputs) -> dict:
    return {"class_type": kind, "inputs": inputs, **({"_meta": {"title": title}} if title else {})}


def workflow(kind: str) -> dict:
    """A workflow of nodes that need no weights: on a ground in the seed's colour, a red square, its column the prompt's
    length. `failing` has a node that raises; `slow` blurs for long enough to be stopped.
    """
    graph = {
        "prompt": node("PrimitiveStringMultiline", "evalsuite: prompt", value=""),
        "seed": node("PrimitiveInt", "evalsuite: seed", value=0),
        "text": node(
            "RegexReplace", string=["prompt", 0], regex_pattern="(" if kind == "failing" else "^$", replace="",
            case_insensitive=True, multiline=False, dotall=False, count=0,
        ),
        "length": node("StringLength", string=["text", 0]),
        "ground": node("EmptyImage", "evalsuite: size", width=512, height=512, batch_size=1, color=["seed", 0]),
        "square": node("EmptyImage", width=8, height=8, batch_size=1, color=0xFF0000),
        "placed": node(
            "ImageCompositeMasked", destination=["ground", 0], source=["square", 0], x=["length", 0], y=2,
            resize_source=False,
        ),
        "first": node("ImageFromBatch", image=["placed", 0], batch_index=0, length=1),
        "save": node("SaveImage", images=["first", 0], filename_prefix="evalsuite"),
    }  # fmt: skip
    last = "first"
    for blur in range(40 if kind == "slow" else 0):
        graph[f"blur {blur}"] = node("ImageBlur", image=[last, 0], blur_radius=31, sigma=1.0 + blur / 10)
        last = f"blur {blur}"
    graph["save"]["inputs"]["images"] = [last, 0]
    return graph


# --- What differs from day to day --------------------------------------------------------------------

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_HEX = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
_MEMORY = ("ram_total", "ram_free", "vram_total", "vram_free", "torch_vram_total", "torch_vram_free")
_FIXED = {"python_version": "3", "argv": ["main.py"], "traceback": [], **dict.fromkeys(_MEMORY, 0)}
_TIMES = ("timestamp", "create_time")


class Neutral:
    """Names ids in the order of their appearance: `id-1` for ComfyUI's, `name-1` for the client's own.

    Milliseconds count from the first, and nothing is told of the machine.
    """

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._first: int | None = None

    def text(self, text: str) -> str:
        """Text, which may be JSON, with its ids named."""
        with suppress(ValueError):
            text = json.dumps(json.loads(text, object_hook=self._object), ensure_ascii=False) if text else text
        for pattern, word in ((_UUID, "id"), (_HEX, "name")):
            text = pattern.sub(lambda match, word=word: self._name(match[0], word), text)
        return text

    def body(self, content: bytes) -> str | dict[str, str]:
        """A body or message: text, or base64 of what is none."""
        try:
            return self.text(content.decode())
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(content).decode()}

    def _object(self, found: dict) -> dict:
        for key in _TIMES:
            if isinstance(found.get(key), int):
                self._first = found[key] if self._first is None else self._first
                found[key] -= self._first
        return found | {key: value for key, value in _FIXED.items() if key in found}

    def _name(self, found: str, word: str) -> str:
        taken = sum(name.startswith(word) for name in self._names.values())
        return self._names.setdefault(found, f"{word}-{taken + 1}")


def unpacked(found: str | dict[str, str]) -> bytes:
    return found.encode() if isinstance(found, str) else base64.b64decode(found["base64"])


def recording() -> dict:
    """ComfyUI's version, and by scenario its exchanges and messages in the order in which they came."""
    return json.loads(RECORDING.read_bytes())


# --- Playing it back ---------------------------------------------------------------------------------


class Player:
    """Answers as ComfyUI did. A request must be the one recorded at its place; `strange` has those that were not.

    A message goes out over the websocket once all requests before it in the recording were made.
    """

    def __init__(self, scenario: str) -> None:
        self.events = recording()["scenarios"][scenario]
        self.strange: list[str] = []
        self.played = 0
        self.seconds = 0.0  # before the history is told
        self.url = ""
        self._neutral = Neutral()
        self._moved = asyncio.Event()

    @property
    def next(self) -> dict:
        """The event that comes next, empty at the end."""
        return self.events[self.played] if self.played < len(self.events) else {}

    @property
    def left(self) -> list[str]:
        """The recorded requests that were not made."""
        return [each["request"] for each in self.events[self.played :] if "request" in each]

    async def exchange(self, request):
        from starlette.responses import Response

        body = self._neutral.text((await request.body()).decode())
        asked = f"{request.method} {self._neutral.text(str(request.url).removeprefix(self.url))}"
        if "/history/" in asked:
            await asyncio.sleep(self.seconds)
        self._skip_messages()
        at = self.next
        if (at.get("request"), at.get("body")) != (asked, body):
            self.strange.append(f"{asked} {body}, not {at.get('request')} {at.get('body')}")
            return Response(status_code=500)
        self._move()
        return Response(unpacked(at["answer"]), at["status"], media_type=at["type"])

    async def socket(self, websocket) -> None:
        self._neutral.text(websocket.url.query)
        await websocket.accept()
        gone = asyncio.create_task(websocket.receive())
        while not gone.done():
            if "message" in self.next:
                content, text = unpacked(self.next["message"]), isinstance(self.next["message"], str)
                self._move()
                await (websocket.send_text(content.decode()) if text else websocket.send_bytes(content))
                continue
            self._moved.clear()
            waiting = asyncio.create_task(self._moved.wait())
            await asyncio.wait({gone, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()

    def _skip_messages(self) -> None:
        """Messages that nobody listens for are lost, as ComfyUI's are."""
        while "message" in self.next:
            self._move()

    def _move(self) -> None:
        self.played += 1
        self._moved.set()


@contextmanager
def playing(scenario: str):
    """A `Player` at `.url`."""
    from starlette.routing import Route, WebSocketRoute

    player = Player(scenario)
    routes = [
        WebSocketRoute("/ws", player.socket),
        Route("/{path:path}", player.exchange, methods=["GET", "POST"]),
    ]
    with serving(routes) as player.url:
        yield player


@contextmanager
def serving(routes):
    """A Starlette server of these routes on a free port of this machine, in a thread; gives its address."""
    import uvicorn
    from starlette.applications import Starlette

    from evalsuite.serving.listen import listen_at

    with listen_at("127.0.0.1", 0) as listening:
        config = uvicorn.Config(
            Starlette(routes=routes), log_level="error", access_log=False, ws="wsproto", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()
