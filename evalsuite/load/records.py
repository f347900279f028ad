"""What a load test is made of: levels, samples, and the figures of each level. Seconds and images."""

from __future__ import annotations

from typing import Literal

from evalsuite.records import ModelSpec, Record

FORMAT = 1


class Level(Record, frozen=True, kw_only=True):
    """One load: `concurrency` requests under way at all times, or arrivals at `rate` a second on average.

    Exactly one of the two is set.
    """

    concurrency: int | None = None
    rate: float | None = None

    @property
    def name(self) -> str:
        """What it is called, such as `8 at a time` or `2/s`."""
        return f"{self.concurrency} at a time" if self.concurrency is not None else f"{self.rate:g}/s"


class Sample(Record, frozen=True, kw_only=True):
    """One request. `due` and `ended` are seconds from the level's start; `ended` is the last byte of its answer.

    `part` says whether it counts: `measured`, or not since the server was warming up or the level was ending.
    `service` is the inference time that the server told. `error` is set where no whole image came.
    """

    part: Literal["warm-up", "measured", "ending"]
    prompt: str
    seed: int
    due: float
    ended: float
    service: float | None = None
    error: str | None = None

    @property
    def latency(self) -> float:
        """Seconds from when the request was due to its whole answer, waiting in the client included."""
        return self.ended - self.due


class Quantiles(Record, frozen=True, kw_only=True):
    """Median, 90th and 99th percentile (linear) and mean, in seconds."""

    p50: float
    p90: float
    p99: float
    mean: float


class LevelFigures(Record, frozen=True, kw_only=True):
    """The figures of one level over its measured requests.

    `throughput` is images per second, with the ends of its 95 % interval where there are enough images. `service` is
    what the server told of inference, and `queueing` the rest of the latency; both are None where it told nothing.
    `errors` counts measured requests without an image, by reason. `keeps_up` is False where arrivals came faster than
    images.
    """

    level: Level
    requests: int
    images: int
    window: float
    throughput: float
    low: float | None
    high: float | None
    latency: Quantiles | None
    service: Quantiles | None
    queueing: Quantiles | None
    errors: dict[str, int]
    keeps_up: bool


class LoadResult(Record, frozen=True, kw_only=True):
    """A whole load test: the model as it was served, the figures by level, and every request."""

    format: int
    created_at: str
    model: ModelSpec
    suites: tuple[str, ...]
    seed: int
    figures: tuple[LevelFigures, ...]
    samples: tuple[tuple[Sample, ...], ...]


def other_server(tested: ModelSpec, drawn: ModelSpec) -> str | None:
    """In what the server of a load test is another than that of a run's model; None where they are the same."""
    if drawn.kind != "server":
        return f"{drawn.name} is no model of a server"
    mine, theirs = ({"server": each.runtime.get("server"), "model": each.source} for each in (tested, drawn))
    for name, one, other in ((name, mine[name], theirs[name]) for name in mine):
        if one != other:
            return f"{name} {one}, but {drawn.name} was drawn by {other}"
    for name in sorted({*tested.settings, *drawn.settings}):
        one, other = tested.settings.get(name), drawn.settings.get(name)
        if one != other:
            return f"{name} {one}, but {drawn.name} was drawn with {other}"
    return None if tested.weights_digest == drawn.weights_digest else f"says other weights than those of {drawn.name}"


def seconds_of(quantiles: Quantiles | None, name: str) -> str:
    """One of the quantiles (`p50`, `p90`, `p99`, `mean`) in seconds as text; a dash where there are none."""
    return "–" if quantiles is None else f"{getattr(quantiles, name):.3g}"
