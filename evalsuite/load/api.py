"""A load test from start to end: the model, its levels one after the other, the file and the page."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from evalsuite.errors import EvalsuiteError
from evalsuite.files import FileError, make_folder, read_file, write_atomically
from evalsuite.load.figures import level_figures
from evalsuite.load.records import FORMAT, Level, LoadResult, Sample
from evalsuite.records import encode
from evalsuite.suites import load_all

if TYPE_CHECKING:
    from evalsuite.models import ModelOptions
    from evalsuite.models.servers import ServerModel
    from evalsuite.records import ModelSpec

MAX_BYTES = 256 * 2**20
"""Bytes of a stored result: ten levels of the most requests."""
FILE = "load.json"
MAX_CONCURRENCY = 1024
MAX_REQUESTS = 100_000
Watch = Callable[[str, int, int], None]
PageWriter = Callable[[LoadResult, Path], object]


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """What is asked for: levels of load on a server, each with as many measured requests after its warm-up.

    At a concurrency, `requests` and `warm_up` are rounded up to whole multiples of it, so that each place of a server
    which draws in batches counts alike.
    """

    model: str
    levels: tuple[Level, ...]
    requests: int = 50
    warm_up: int = 4
    suites: tuple[str, ...] = ("all",)
    seed: int = 0
    settings: ModelOptions | None = None
    out: Path | None = None
    into: Path | None = None


def measure_load(
    options: LoadOptions,
    *,
    watch: Watch = lambda *_: None,
    page: PageWriter | None = None,
    accept: Callable[[ModelSpec], None] = lambda _: None,
) -> tuple[LoadResult, Path]:
    """Put a server under each level of load in turn, and write `load.json`, and the page where `page` writes one.

    Args:
        options: What is asked for. `into` is the run folder that the result goes into, in place of a folder of its own.
        watch: Called with the level, and how many of how many requests are answered.
        page: Writes the page of a result into a folder.
        accept: Raises where the server is not the one that is meant; called before anything is sent to be drawn.

    Returns:
        The result, and the folder that holds both.

    Raises:
        EvalsuiteError: The model is no server, a level is out of range, or the server cannot be used.
    """
    # Here, and not above: whoever only reads a result, as every report does, needs no client.
    from evalsuite.http_client import run_async
    from evalsuite.load.drive import Driver

    _check(options)
    prompts = tuple(prompt for suite in load_all(options.suites) for prompt in suite.prompts)
    widest = max(level.concurrency or MAX_CONCURRENCY for level in options.levels)
    figures, samples = [], []
    with _model(options, widest) as model:
        accept(model.spec)
        for level in options.levels:
            own = level.concurrency or 1
            # Under a concurrency the window begins with an answer, so that one at least is left out.
            least = options.warm_up if level.concurrency is None else max(options.warm_up, 1)
            warm_up, measured = (own * -(-number // own) for number in (least, options.requests))
            total = warm_up + measured
            driver = Driver(
                model,
                prompts,
                warm_up=warm_up,
                measured=measured,
                seed=options.seed,
                watch=partial(_tell, watch, level.name, total),
            )
            found = run_async(driver.run(level))
            samples.append(tuple(found))
            figures.append(level_figures(level, found))
        result = LoadResult(
            format=FORMAT,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            model=model.spec,
            suites=options.suites,
            seed=options.seed,
            figures=tuple(figures),
            samples=tuple(samples),
        )
    folder = keep(result, options.out) if options.into is None else _write(result, options.into)
    if page is not None:
        page(result, folder)
    return result, folder


def _tell(watch: Watch, level: str, total: int, done: int) -> None:
    """Tell the progress, but for the requests with which a level ends."""
    if done <= total:
        watch(level, done, total)


def keep(result: LoadResult, out: Path | None) -> Path:
    """Write a result into a folder, by default one in `reports/` named by model and moment."""
    name = re.sub(r"[^A-Za-z0-9.]+", "-", f"load-{result.model.name}-{result.created_at[:19]}").strip("-.")
    folder = out or Path("reports") / name
    if (folder / "manifest.json").exists():
        raise EvalsuiteError(f"{folder}: a run folder; name another folder with --out")
    make_folder(folder)
    return _write(result, folder)


def _write(result: LoadResult, folder: Path) -> Path:
    write_atomically(folder / FILE, msgspec.json.format(encode(result), indent=1))
    return folder


def load_result(folder: Path) -> LoadResult:
    """A stored result.

    Raises:
        FileNotFoundError: There is none.
        EvalsuiteError: This version cannot read it.
    """
    path = folder / FILE
    try:
        return msgspec.json.decode(read_file(path, limit=MAX_BYTES, follow=False), type=LoadResult)
    except FileError as error:
        raise EvalsuiteError(f"{error}; delete it, or measure again") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EvalsuiteError(f"{path}: not a load test's result: {error}; delete it, or measure again") from error


def _check(options: LoadOptions) -> None:
    if not options.model.startswith("server:"):
        raise EvalsuiteError(f"--model {options.model}: load is put on a server, e.g. server:http://127.0.0.1:8000")
    if not options.levels:
        raise EvalsuiteError("no level of load: name at least one with --concurrency or --rate")
    for level in options.levels:
        if level.concurrency is not None and not 1 <= level.concurrency <= MAX_CONCURRENCY:
            raise EvalsuiteError(f"--concurrency {level.concurrency}: from 1 to {MAX_CONCURRENCY}")
        if level.rate is not None and not 0.001 <= level.rate <= 10_000:
            raise EvalsuiteError(f"--rate {level.rate:g}: from 0.001 to 10000 requests a second")
    for name, number, least in (("requests", options.requests, 1), ("warm-up", options.warm_up, 0)):
        if not least <= number <= MAX_REQUESTS:
            raise EvalsuiteError(f"--{name} {number}: from {least} to {MAX_REQUESTS}")
    if not 0 <= options.seed < 2**31:
        raise EvalsuiteError(f"--seed {options.seed}: from 0 to {2**31 - 1}")


def _model(options: LoadOptions, connections: int) -> ServerModel:
    from evalsuite.models.servers import ServerModel

    model = ServerModel.parse(options.model.removeprefix("server:"), options.settings)
    # The levels say how many are under way at a time, not the model's own option.
    model.client.close()
    model.client.limits = replace(model.client.limits, connections=connections)
    return model


def levels_of(concurrency: Sequence[int], rates: Sequence[float]) -> tuple[Level, ...]:
    """The levels of the command line, in rising order, each once."""
    return (
        *(Level(concurrency=number) for number in sorted(set(concurrency))),
        *(Level(rate=rate) for rate in sorted(set(rates))),
    )


__all__ = ["LoadOptions", "Sample", "keep", "levels_of", "load_result", "measure_load"]
