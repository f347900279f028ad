"""Record what a running ComfyUI says to evalsuite's client: `python record_comfyui.py http://127.0.0.1:8188`.

Started on a CPU (`--cpu --disable-all-custom-nodes --disable-api-nodes`), it needs no weights. The client talks to a
proxy, which passes everything on and writes it down in the order in which it came.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import threading
import time
from concurrent.futures import CancelledError
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from comfy_recorded import PROMPT, RECORDING, SIZE, Neutral, serving, workflow

from evalsuite.models import ModelOptions, parse_settings, resolve


class Recorder:
    """Passes on to a ComfyUI and keeps what was said."""

    def __init__(self, upstream: str) -> None:
        self.events: list[dict] = []
        self.neutral = Neutral()
        self.url = ""
        self._upstream = upstream

    def _client(self):
        import httpx2

        return httpx2.AsyncClient(base_url=self._upstream, timeout=120, trust_env=False)

    async def exchange(self, request):
        from starlette.responses import Response

        body, path = await request.body(), str(request.url).removeprefix(self.url)
        event = {"request": f"{request.method} {self.neutral.text(path)}", "body": self.neutral.text(body.decode())}
        self.events.append(event)
        async with self._client() as client:
            headers = {"Content-Type": request.headers.get("content-type", "application/json")}
            answer = await client.request(request.method, path, content=body, headers=headers)
        kind = answer.headers.get("content-type", "")
        event |= {"status": answer.status_code, "type": kind, "answer": self.neutral.body(answer.content)}
        return Response(answer.content, answer.status_code, media_type=kind)

    async def socket(self, websocket) -> None:
        self.neutral.text(websocket.url.query)
        async with (
            self._client() as client,
            client.websocket(f"/ws?{websocket.url.query}", max_message_size_bytes=2**25) as above,
        ):
            await websocket.accept()
            gone = asyncio.create_task(websocket.receive())
            while True:
                coming = asyncio.create_task(above.receive())
                await asyncio.wait({gone, coming}, return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    coming.cancel()
                    return
                data = coming.result().data
                text = isinstance(data, str)
                self.events.append({"message": self.neutral.body(data.encode() if text else bytes(data))})
                await (websocket.send_text(data) if text else websocket.send_bytes(bytes(data)))


def record(upstream: str, name: str, seeds: tuple[int, ...], *, stop: bool = False) -> list[dict]:
    """The traffic of one scenario."""
    from starlette.routing import Route, WebSocketRoute

    recorder = Recorder(upstream)
    routes = [
        WebSocketRoute("/ws", recorder.socket),
        Route("/{path:path}", recorder.exchange, methods=["GET", "POST"]),
    ]
    with tempfile.TemporaryDirectory() as folder, serving(routes) as recorder.url:
        path = Path(folder) / f"{name}.json"
        path.write_text(json.dumps(workflow(name)))
        source = "flux2-klein-4b" if name == "refused" else path
        settings = ModelOptions(parse_settings([f"size={SIZE[0]}x{SIZE[1]}"] if not stop else ["size=512x512"]))
        with resolve(f"comfyui:{source}@{recorder.url},attempts=1", options=settings) as model:
            if stop:
                threading.Timer(2, model._client.cancel).start()
            try:
                for drawing in model.draw([(PROMPT, seed) for seed in seeds]):
                    sys.stdout.write(f"{name}: {drawing.error or drawing.timing}\n")
            except CancelledError:
                sys.stdout.write(f"{name}: stopped\n")
                time.sleep(2)
    return recorder.events


if __name__ == "__main__":
    address = sys.argv[1]
    scenarios = {
        "drawn": record(address, "drawn", (0x102030, 0xA0B0C0)),
        "refused": record(address, "refused", (7,)),
        "failing": record(address, "failing", (7,)),
        "slow": record(address, "slow", (7,), stop=True),
    }
    stats = json.loads(scenarios["drawn"][0]["answer"])
    RECORDING.parent.mkdir(exist_ok=True)
    found = {"comfyui": stats["system"]["comfyui_version"], "scenarios": scenarios}
    RECORDING.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
