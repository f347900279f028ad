"""Is `evalsuite load` exact, and does it lose nothing? Against a server of known service time.

    nox -s bench -- load

The server draws in places of a fixed number of seconds each, so that images per second, latency and queueing follow by
arithmetic: with c places of s seconds and N >= c requests at a time, c/s images per second, N*s/c seconds latency.
At a rate r below 1/s with one place, the mean time in the queue is that of an M/D/1 queue, r*s^2 / (2*(1 - r*s)).
"""

from __future__ import annotations

import asyncio
import base64
import io
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn
from PIL import Image, ImageDraw
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from evalsuite.load import Level, LevelFigures, LoadOptions, LoadResult, measure_load
from evalsuite.models import ModelOptions, parse_settings
from evalsuite.serving.listen import listen_at

TOLERANCE = 0.03


def make_app(places: int, seconds: float) -> Starlette:
    """A server with so many places, each of which takes so long for an image; first come, first served."""
    image = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(image).rectangle((8, 8, 40, 40), fill="red")
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    item = {"b64_json": base64.b64encode(buffer.getvalue()).decode()}
    free = asyncio.Semaphore(places)

    async def images(request: Request) -> JSONResponse:
        await request.body()
        async with free:
            started = time.perf_counter()
            if seconds:
                # A sleep of the loop ends late; the rest is made up, so that the place takes what it says.
                await asyncio.sleep(max(0.0, seconds - 0.002))
                while time.perf_counter() - started < seconds:
                    await asyncio.sleep(0)
        return JSONResponse({"data": [item], "inference_time_s": seconds})

    async def models(request: Request) -> JSONResponse:  # noqa: ARG001
        return JSONResponse({"data": [{"id": "clockwork"}]})

    return Starlette(routes=[Route("/v1/models", models), Route("/v1/images/generations", images, methods=["POST"])])


@contextmanager
def running(places: int, seconds: float) -> Iterator[str]:
    """The server in a thread; its address."""
    with listen_at("127.0.0.1", 0) as listening:
        server = uvicorn.Server(uvicorn.Config(make_app(places, seconds), log_level="error", access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def measure(url: str, *levels: Level, requests: int, warm_up: int = 8) -> LoadResult:
    """A load test of these levels."""
    with TemporaryDirectory() as folder:
        options = LoadOptions(
            model=f"server:{url}",
            levels=levels,
            requests=requests,
            warm_up=warm_up,
            suites=("signage-en",),
            settings=ModelOptions(parse_settings(["steps=1", "guidance=1", "size=64x64"])),
            out=Path(folder) / "load",
        )
        return measure_load(options)[0]


def compare(what: str, measured: float, known: float) -> bool:
    """Print a figure beside what it must be; whether they agree within the tolerance."""
    off = measured / known - 1
    print(f"{what:<58} {measured:10.4f} {known:10.4f} {off:+8.2%}")
    return abs(off) <= TOLERANCE


def closed(figures: LevelFigures, places: int, seconds: float) -> bool:
    """A concurrency against arithmetic."""
    n = figures.level.concurrency or 0
    name = f"{places} places of {seconds:g} s, {figures.level.name}"
    agree = compare(f"{name}: images/s", figures.throughput, min(n, places) / seconds)
    wanted = max(n, places) / places * seconds
    return agree & compare(f"{name}: latency, mean s", figures.latency.mean if figures.latency else 0.0, wanted)


def main() -> int:
    """Run the checks; exit code 1 where a figure is off by more than the tolerance or a request was lost."""
    print(f"{'':<58} {'measured':>10} {'known':>10} {'off':>8}")
    agree = True
    with running(4, 0.5) as url:
        result = measure(url, *(Level(concurrency=n) for n in (1, 2, 4, 8, 16)), requests=40)
    for figures in result.figures:
        agree &= closed(figures, 4, 0.5)
    with running(1, 0.1) as url:
        (figures,) = measure(url, Level(rate=5.0), requests=300).figures
    dues = figures.requests / figures.window
    print(f"1 place of 0.1 s, 5/s at random: images/s {figures.throughput:.3f}, arrivals {dues:.3f}")
    queueing = figures.queueing.mean if figures.queueing else 0.0
    print(f"  queueing, mean s: {queueing:.4f}; an M/D/1 queue in the long run: {5 * 0.1**2 / (2 * (1 - 0.5)):.4f}")
    with running(1000, 0.0) as url:
        started = time.perf_counter()
        result = measure(url, Level(concurrency=32), requests=1000, warm_up=32)
        seconds = time.perf_counter() - started
    (figures,), (samples,) = result.figures, result.samples
    seeds = {each.seed for each in samples}
    lost = figures.images < 1000 or len(seeds) != len(samples)
    print(
        f"1,000 requests at 32 a time, no service time: {figures.images} images of {figures.requests} requests, "
        f"{len(samples)} in all, errors {figures.errors}, {figures.throughput:.0f} images/s, {seconds:.1f} s"
    )
    return 0 if agree and not lost else 1


if __name__ == "__main__":
    sys.exit(main())
