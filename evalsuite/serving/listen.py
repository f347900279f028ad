"""Listening: an address, a loaded model, and the web server around them."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from evalsuite.errors import EvalsuiteError
from evalsuite.extras import require
from evalsuite.http_client import api_key

if TYPE_CHECKING:
    from evalsuite.models.diffusion import DiffusionModel

SERVE_KEY_VARIABLE = "EVALSUITE_SERVE_KEY"
"""The environment variable with the API key that clients must send; without it, none is needed."""


def serve(model: DiffusionModel, *, host: str, port: int, queue: int, ready: Callable[[str], None]) -> None:
    """Serve a model until the process is interrupted.

    Args:
        model: What draws; its weights are loaded here.
        host: The address to listen at. One beyond this machine needs an API key.
        port: 0 takes a free one.
        queue: Requests that may wait.
        ready: Called with the server's address once the weights are loaded.

    Raises:
        EvalsuiteError: The address cannot be listened at, or the model cannot be loaded.
    """
    require(["serve"], "serve")
    import uvicorn

    from evalsuite.serving.app import make_app
    from evalsuite.serving.worker import DrawingWorker

    key = api_key(SERVE_KEY_VARIABLE)
    if key is None and not _is_loopback(host):
        raise EvalsuiteError(
            f"--host {host}: anybody on the network could draw here; put an API key into {SERVE_KEY_VARIABLE} first"
        )
    with listen_at(host, port) as listening, DrawingWorker(model, queue) as worker:
        worker.wait_until_loaded()
        name = f"[{host}]" if ":" in host else host
        ready(f"http://{name}:{listening.getsockname()[1]}")
        config = uvicorn.Config(make_app(worker, key=key), log_level="warning", access_log=False)
        uvicorn.Server(config).run(sockets=[listening])


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen_at(host: str, port: int) -> socket.socket:
    """A socket that listens at an address, port 0 being a free one; raises `EvalsuiteError` where it cannot."""
    try:
        family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, number)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except OSError as error:
        raise EvalsuiteError(f"--host {host} --port {port}: cannot be listened at: {error.strerror}") from error
    return listening
