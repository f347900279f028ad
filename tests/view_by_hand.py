"""The real server of `evalsuite view` over a folder of runs made by hand."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest
import runs_by_hand as handmade

pytest.importorskip("starlette", reason="starlette is not installed (evalsuite[serve])")
pytest.importorskip("uvicorn", reason="uvicorn is not installed (evalsuite[serve])")
pytest.importorskip("httpx2", reason="httpx2 is not installed (evalsuite[server])")

import httpx2
import uvicorn

from evalsuite.report import store_summary
from evalsuite.runs import open_run
from evalsuite.serving.listen import listen_at
from evalsuite.view.app import make_app
from evalsuite.view.library import Library


@contextmanager
def serving(root, ballot=None, token=None):
    """A client of a server over a folder, which ends with it."""
    with listen_at("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        app = make_app(Library(root), port=port, ballot=ballot, order_seed=0, token=token)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()


def summed(store):
    """A run with its `summary.json`."""
    store_summary(open_run(store))
    return store


def beige(spec, prompt, _seed):
    """All is right, on another ground: other bytes than those of `handmade.noodes`."""
    return handmade.Outcome(lines=prompt.targets, colour="white" if spec.role == "reference" else "beige")
