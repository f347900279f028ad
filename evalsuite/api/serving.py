"""Serve a checkpoint, measure a server under load, and show runs in the browser."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypedDict

from evalsuite.api.arguments import Names, Settings, StrPath, names_of, options_of, path_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from evalsuite.load.api import PageWriter
    from evalsuite.load.records import LoadResult
    from evalsuite.records import ModelSpec


class LoadWriters(TypedDict):
    """What `measure_load` is given to write a page and to accept a server."""

    page: PageWriter
    accept: Callable[[ModelSpec], None]


def load(
    model: str,
    *,
    concurrency: Iterable[int] = (),
    rates: Iterable[float] = (),
    requests: int = 50,
    warm_up: int = 4,
    suites: Names = "all",
    seed: int = 0,
    settings: Settings = (),
    out: StrPath | None = None,
    into: StrPath | None = None,
    watch: Callable[[str, int, int], None] = lambda *_: None,
) -> LoadResult:
    """Measure images per second and latency of a server over levels of load, and write the page.

    Args:
        model: `server:URL` with its options.
        concurrency: Requests under way at all times, a level each; without any level, 1, 2, 4 and 8.
        rates: Requests a second that arrive at random, a level each.
        requests: Measured requests per level.
        warm_up: Requests before them that are left out.
        suites: Where the prompts come from.
        seed: The first seed; also that of the arrivals.
        settings: Sampler settings that are sent.
        out: The folder of `load.json` and the page; by default one under `reports/`.
        into: In place of it, the folder of a run that this server drew; its page shows the curves.
        watch: Called with the level, and how many of how many requests are answered.

    Raises:
        EvalsuiteError: The model is no server, a level is out of range, or the server cannot be used.
    """
    from evalsuite.load.api import LoadOptions, levels_of, measure_load

    asked = tuple(concurrency), tuple(rates)
    options = LoadOptions(
        model=model,
        levels=levels_of(asked[0] if any(asked) else (1, 2, 4, 8), asked[1]),
        requests=requests,
        warm_up=warm_up,
        suites=names_of(suites),
        seed=seed,
        settings=options_of(settings, (), None),
        out=path_of(out),
        into=path_of(into),
    )
    return measure_load(options, watch=watch, **load_writers(path_of(into)))[0]


def load_writers(into: Path | None) -> LoadWriters:
    """How a load test's page is written and its server accepted: on its own, or in the folder of a run."""
    from evalsuite.report import build_report
    from evalsuite.report.load_page import build_load_page
    from evalsuite.report.load_shown import accept_load
    from evalsuite.runs import open_run

    if into is None:
        return {"page": build_load_page, "accept": lambda _: None}
    run = open_run(into)
    return {"page": lambda *_: build_report(run), "accept": partial(accept_load, run)}


def serve(
    model: str,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    queue: int = 64,
    settings: Settings = (),
    lora: Names = (),
    transformer: StrPath | None = None,
    ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve a local checkpoint by the OpenAI-compatible image protocol until the process is interrupted.

    Args:
        model: A preset, a checkpoint folder, a hub id or a TOML file.
        host: The address to listen at; one beyond this machine needs an API key in `EVALSUITE_SERVE_KEY`.
        port: 0 takes a free one.
        queue: Requests that may wait.
        settings: Sampler settings where a request names none.
        lora: Adapters as `PATH[:scale]`.
        transformer: A fine-tuned transformer.
        ready: Called with the server's address once the weights are loaded.

    Raises:
        EvalsuiteError: The model cannot be loaded, or the address not be listened at.
    """
    from evalsuite.errors import EvalsuiteError
    from evalsuite.models import takes_options
    from evalsuite.models.registry import resolve_diffusion
    from evalsuite.serving import serve as listen

    if not takes_options(model) or model.startswith(("server:", "comfyui:")):
        raise EvalsuiteError(f"--model {model}: only checkpoints are served")
    listen(
        resolve_diffusion(model, options_of(settings, lora, transformer)),
        host=host,
        port=port,
        queue=queue,
        ready=ready,
    )


def view(
    folder: StrPath = "reports",
    *,
    port: int = 8001,
    votes: StrPath | None = None,
    seed: int = 0,
    token: bool = True,
    ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Show the runs below a folder in the browser, on this machine alone, until the process is interrupted.

    Args:
        folder: What the runs lie below. Nothing in it is written.
        port: 0 takes a free one.
        votes: The file that blind votes go into; without it there is no voting.
        seed: What the order of the pairs to vote on and their sides are drawn by.
        token: Whether the address holds a token without which nothing is shown; else every account of this machine may
            look.
        ready: Called with the address.

    Raises:
        EvalsuiteError: There is no such folder, the port is taken, or the votes file holds something else.
    """
    from pathlib import Path

    from evalsuite.view import view_runs

    view_runs(Path(folder), port=port, votes=path_of(votes), order_seed=seed, has_token=token, ready=ready)
