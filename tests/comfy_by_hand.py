"""A loopback server that speaks ComfyUI's protocol: prompts, websocket, history, images, queue and interrupt."""

from __future__ import annotations

import asyncio
import json
import uuid
from contextlib import contextmanager

from comfy_recorded import serving
from servers_by_hand import picture, png


class Comfy:
    """Runs each workflow as `script` says, the last entry from then on.

    Entries: None (draw it), `refuse` (a node error at /prompt), `fail` (a node fails), `interrupt`, `deaf` (the
    websocket closes, the work goes on), `none` and `two` (images), `small` (half the width), `hang` (never ends).
    """

    def __init__(self) -> None:
        self.script: list[str | None] = [None]
        self.graphs: list[dict] = []
        self.history: dict[str, dict] = {}
        self.files: dict[str, bytes] = {}
        self.sockets: dict[str, asyncio.Queue] = {}
        self.running: list[str] = []
        self.deleted: list[str] = []
        self.interrupted: list[str] = []
        self.stats: object = {
            "system": {"comfyui_version": "0.18.1"},
            "devices": [{"name": "cuda:0 NVIDIA H100", "type": "cuda"}],
        }
        self.url = ""

    # --- HTTP

    async def prompt(self, request):
        from starlette.responses import JSONResponse

        body = await request.json()
        entry = self.script[min(len(self.graphs), len(self.script) - 1)]
        self.graphs.append(body["prompt"])
        if entry == "refuse":
            error = {
                "message": "Value not in list",
                "details": "unet_name: 'x' not in ['y']",
                "type": "value_not_in_list",
            }
            return JSONResponse(
                {
                    "error": {
                        "type": "prompt_outputs_failed_validation",
                        "message": "Prompt outputs failed validation",
                    },
                    "node_errors": {"model": {"errors": [error], "class_type": "UNETLoader"}},
                },
                status_code=400,
            )
        prompt_id = str(uuid.uuid4())
        self.running.append(prompt_id)
        self.task = asyncio.create_task(self._work(prompt_id, body["prompt"], self.sockets[body["client_id"]], entry))
        return JSONResponse({"prompt_id": prompt_id, "number": 1, "node_errors": {}})

    async def _work(self, prompt_id, graph, socket, entry) -> None:
        def tell(kind, **data) -> None:
            socket.put_nowait(json.dumps({"type": kind, "data": {"prompt_id": prompt_id, **data}}))

        socket.put_nowait(json.dumps({"type": "status", "data": {"status": {"exec_info": {"queue_remaining": 1}}}}))
        socket.put_nowait(json.dumps({"type": "executing", "data": {"node": None, "prompt_id": "somebody-elses"}}))
        socket.put_nowait(b"\x00\x00\x00\x01" + bytes(200_000))  # a preview, larger than websockets' usual limit
        tell("execution_start")
        if entry == "deaf":
            socket.put_nowait(None)
            await asyncio.sleep(0.01)
        if entry == "hang":
            return
        if entry in ("fail", "interrupt"):
            told = {"node_id": "sample", "node_type": "KSampler"}
            if entry == "fail":
                told |= {
                    "exception_type": "torch.OutOfMemoryError",
                    "exception_message": "Allocation on device\n failed",
                }
            self.running.remove(prompt_id)
            tell("execution_error" if entry == "fail" else "execution_interrupted", **told)
            return
        width, height = graph["latent"]["inputs"]["width"], graph["latent"]["inputs"]["height"]
        seed = next(
            node["inputs"][key] for node in graph.values() for key in ("seed", "noise_seed") if key in node["inputs"]
        )
        size = (width // 2 if entry == "small" else width, height)
        prefix = graph["save"]["inputs"]["filename_prefix"]
        name = f"{prefix.rpartition('/')[2]}_00001_.png"
        self.files[name] = png(picture(seed, size, graph["prompt"]["inputs"]["text"]))
        image = {"filename": name, "subfolder": prefix.rpartition("/")[0], "type": "output"}
        images = {"none": [], "two": [image, image]}.get(entry or "", [image])
        self.history[prompt_id] = {
            "outputs": {"save": {"images": images}},
            "status": {
                "status_str": "success",
                "completed": True,
                "messages": [["execution_start", {"timestamp": 1000}], ["execution_success", {"timestamp": 1001}]],
            },
        }
        self.running.remove(prompt_id)
        tell("executing", node=None)
        tell("execution_success")

    async def socket(self, websocket) -> None:
        await websocket.accept()
        queue = self.sockets[websocket.query_params["clientId"]] = asyncio.Queue()
        gone = asyncio.create_task(websocket.receive())
        while True:
            waiting = asyncio.create_task(queue.get())
            await asyncio.wait({gone, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                waiting.cancel()
                return
            message = waiting.result()
            if message is None:
                gone.cancel()
                await websocket.close()
                return
            await (websocket.send_bytes(message) if isinstance(message, bytes) else websocket.send_text(message))

    async def get(self, request):
        from starlette.responses import JSONResponse, Response

        path = request.url.path
        if path == "/system_stats":
            return JSONResponse(self.stats)
        if path.startswith("/history/"):
            prompt_id = path.rpartition("/")[2]
            return JSONResponse({prompt_id: self.history[prompt_id]} if prompt_id in self.history else {})
        if path == "/view":
            assert request.query_params["subfolder"] == "evalsuite"
            return Response(self.files[request.query_params["filename"]], media_type="image/png")
        return JSONResponse({"queue_running": [[0, each, {}, {}, []] for each in self.running], "queue_pending": []})

    async def post(self, request):
        from starlette.responses import Response

        body = await request.json()
        if request.url.path == "/queue":
            self.deleted += body["delete"]
        else:
            self.interrupted.append(body["prompt_id"])
        return Response()


@contextmanager
def running_comfy():
    """The server at `.url`."""
    from starlette.routing import Route, WebSocketRoute

    comfy = Comfy()
    routes = [
        Route("/prompt", comfy.prompt, methods=["POST"]),
        WebSocketRoute("/ws", comfy.socket),
        *(Route(path, comfy.get) for path in ("/system_stats", "/history/{id}", "/view")),
        Route("/queue", comfy.get, methods=["GET"]),
        *(Route(path, comfy.post, methods=["POST"]) for path in ("/queue", "/interrupt")),
    ]
    with serving(routes) as comfy.url:
        yield comfy
