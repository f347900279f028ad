"""`evalsuite serve` as a real server: both stand-ins draw the same through it as directly; its queue and its errors."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager

import pytest
from servers_by_hand import picture

from evalsuite.errors import EvalsuiteError
from evalsuite.models import Drawing, ModelOptions, parse_settings, resolve
from evalsuite.records import ModelSpec, Prompt, Timing

pytest.importorskip("tenacity", reason="tenacity is not installed (evalsuite[server])")
pytest.importorskip("httpx2", reason="httpx2 is not installed (evalsuite[server])")
pytest.importorskip("starlette", reason="starlette is not installed (evalsuite[serve])")
pytest.importorskip("uvicorn", reason="uvicorn is not installed (evalsuite[serve])")

import httpx2
import uvicorn

from evalsuite import serving
from evalsuite.serving.app import make_app
from evalsuite.serving.listen import listen_at
from evalsuite.serving.worker import DrawingWorker

PROMPT = Prompt(
    id="one", suite="s", language="en", category="sign", length="short", text='A sign "OPEN".', targets=("OPEN",)
)


class Sketcher:
    """Draws the tests' pictures, each as soon as `gate` lets it; `broken` is raised in the place of one."""

    def __init__(self) -> None:
        self.gate = threading.Semaphore(10_000)
        self.broken: Exception | None = None
        self.drawn: list[int] = []
        self.spec = ModelSpec(
            name="sketcher", kind="diffusion", role="stand-in", source="x", weights_digest="d",
            settings={"size": "64x64", "steps": 2, "guidance": 1.0, "precision": "fp32"},
        )  # fmt: skip

    def retune(self, settings) -> None:
        if settings.get("steps") == 999:
            raise EvalsuiteError("sketcher takes no 999 steps")
        self.size = tuple(map(int, settings.get("size", "64x64").split("x")))

    def draw(self, requests):
        for prompt, seed in requests:
            self.gate.acquire()
            if self.broken is not None:
                raise self.broken
            self.drawn.append(seed)
            if seed == 13:
                yield Drawing(prompt, seed, error="out of memory")
            else:
                yield Drawing(prompt, seed, image=picture(seed, self.size, prompt.text), timing=Timing(total=0.01))

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        pass


@contextmanager
def serving_at(model, *, queue: int = 8, key: str | None = None):
    with listen_at("127.0.0.1", 0) as listening, DrawingWorker(model, queue) as worker:
        worker.wait_until_loaded()
        server = uvicorn.Server(uvicorn.Config(make_app(worker, key=key), log_level="error", access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}", worker
        finally:
            server.should_exit = True
            thread.join()


def post(url: str, **fields):
    return httpx2.post(f"{url}/v1/images/generations", json={"prompt": "p", **fields})


@pytest.fixture
def sketcher():
    model = Sketcher()
    yield model
    model.gate.release(10_000)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("flux2-klein-micro", ("steps=2", "size=128x96")),
        ("ernie-image-micro", ("steps=2", "size=96x96", "enhance=off")),
    ],
)
def test_a_stand_in_draws_the_same_pixels_through_the_server(name, settings):
    """The scores are derived from the pixels, and so are equal too."""
    pytest.importorskip("diffusers", reason="diffusers is not installed (evalsuite[models])")
    options = ModelOptions(parse_settings(settings))
    requests = [(PROMPT, seed) for seed in (0, 1)]
    with resolve(name, options=options) as model:
        direct = list(model.draw(requests))
    # The server is started at its own settings: the client's go with each request.
    with serving_at(resolve(name)) as (url, _), resolve(f"server:{url}", options=options) as served:
        assert (served.spec.role, served.spec.source) == ("stand-in", name)
        assert served.spec.settings["server precision"] == "fp32"
        assert served.uses_cpu
        through = list(served.draw(requests))
    assert [each.error for each in through] == [None, None]
    assert [each.image.tobytes() for each in through] == [each.image.tobytes() for each in direct]
    assert [[each.code for each in one.findings] for one in through] == [
        [each.code for each in one.findings] for one in direct
    ]
    assert through[0].timing.phases[0].name == "drawing"


def test_health_and_models(sketcher):
    with serving_at(sketcher) as (url, _):
        health = httpx2.get(f"{url}/health")
        assert (health.status_code, health.json()) == (200, {"status": "ok", "model": "sketcher", "waiting": 0})
        (entry,) = httpx2.get(f"{url}/v1/models").json()["data"]
        assert (entry["id"], entry["role"], entry["settings"]["steps"]) == ("sketcher", "stand-in", 2)


def test_errors_are_as_openais_servers_send_them(sketcher):
    with serving_at(sketcher) as (url, _):
        assert post(url, seed=3).json()["seed"] == 3
        for fields, status, message in (
            ({"model": "other"}, 404, "no model is called 'other' here"),
            ({"steps": 3}, 400, "unknown fields steps"),
            ({"num_inference_steps": 999}, 400, "sketcher takes no 999 steps"),
            ({"seed": 13}, 500, "out of memory"),
        ):
            answer = post(url, **fields)
            assert answer.status_code == status
            assert message in answer.json()["error"]["message"]
        text = httpx2.post(f"{url}/v1/images/generations", content=b"{}", headers={"Content-Type": "text/plain"})
        assert text.status_code == 415
        large = httpx2.post(f"{url}/v1/images/generations", json={"prompt": "x" * 2**20})
        assert large.status_code == 413
        assert post(url).status_code == 200


def test_a_full_queue_turns_away_and_says_when_to_come_back(sketcher):
    sketcher.gate = threading.Semaphore(0)
    with serving_at(sketcher, queue=1) as (url, worker):
        answers: list[int] = []
        threads = [
            threading.Thread(target=lambda seed=seed: answers.append(post(url, seed=seed).status_code))
            for seed in (1, 2)
        ]
        threads[0].start()
        _until(lambda: worker._queue.qsize() == 0 and worker._queue.unfinished_tasks == 1)
        threads[1].start()
        _until(lambda: worker.waiting == 1)
        full = post(url, seed=3)
        assert (full.status_code, full.headers["retry-after"]) == (503, "1")
        assert "1 requests wait already" in full.json()["error"]["message"]
        sketcher.gate.release(10)
        for thread in threads:
            thread.join()
        assert answers == [200, 200]
        assert sketcher.drawn == [1, 2]


def test_who_has_gone_is_not_drawn_for(sketcher):
    sketcher.gate = threading.Semaphore(0)
    with serving_at(sketcher) as (url, worker):
        first = threading.Thread(target=lambda: post(url, seed=1))
        first.start()
        _until(lambda: worker._queue.unfinished_tasks == 1 and worker.waiting == 0)
        with pytest.raises(httpx2.ReadTimeout):
            httpx2.post(f"{url}/v1/images/generations", json={"prompt": "p", "seed": 2}, timeout=0.2)
        (job,) = worker._queue.queue
        _until(job.future.cancelled)
        sketcher.gate.release(10)
        first.join()
        assert post(url, seed=3).status_code == 200
        assert sketcher.drawn == [1, 3]


def test_a_gpu_that_failed_is_told_by_health_and_nobody_waits(sketcher):
    sketcher.broken = EvalsuiteError("the GPU failed, start again")
    with serving_at(sketcher) as (url, worker):
        assert "the GPU failed" in post(url).json()["error"]["message"]
        _until(lambda: worker.state != "ok")
        assert httpx2.get(f"{url}/health").status_code == 503
        assert post(url).status_code == 503


def test_a_key_is_wanted_where_one_is_set(sketcher):
    with serving_at(sketcher, key="sk-1") as (url, _):
        assert post(url).status_code == 401
        assert httpx2.get(f"{url}/v1/models").status_code == 401
        assert httpx2.get(f"{url}/health").status_code == 200
        headers = {"Authorization": "Bearer sk-1"}
        assert httpx2.get(f"{url}/v1/models", headers=headers).status_code == 200


def test_nobody_beyond_this_machine_may_draw_without_a_key(sketcher, monkeypatch):
    monkeypatch.delenv(serving.SERVE_KEY_VARIABLE, raising=False)
    with pytest.raises(EvalsuiteError, match=f"put an API key into {serving.SERVE_KEY_VARIABLE} first"):
        serving.serve(sketcher, host="0.0.0.0", port=0, queue=1, ready=print)
    with listen_at("127.0.0.1", 0) as taken, pytest.raises(EvalsuiteError, match="cannot be listened at"):
        serving.serve(sketcher, host="127.0.0.1", port=taken.getsockname()[1], queue=1, ready=print)


def _until(true, patience: float = 20.0) -> None:
    end = time.monotonic() + patience
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_answers_are_json(sketcher):
    with serving_at(sketcher) as (url, _):
        answer = json.loads(post(url, seed=1, size="96x64").content)
    assert (answer["size"], answer["output_format"], len(answer["data"])) == ("96x64", "png", 1)
    assert answer["inference_time_s"] == 0.01
    assert answer["queue_time_s"] >= 0
