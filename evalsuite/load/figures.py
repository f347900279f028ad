"""From the requests of a level to its figures."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from evalsuite.load.records import Level, LevelFigures, Quantiles, Sample

BLOCKS = 10
"""Blocks of consecutive answers that the interval of the throughput rests on."""
LEVEL = 0.95
KEEPS_UP = 0.95
"""Share of the arrivals' rate that images must reach for the server to keep up."""


def level_figures(level: Level, samples: Sequence[Sample]) -> LevelFigures:
    """The figures of one level.

    Under a concurrency the window is from the last warm-up answer to the last measured one; under a rate it is from the
    first measured arrival to the last measured answer.

    The interval of the throughput is by batch means (Law and Kelton, Simulation Modeling and Analysis, 9.5): the
    answers in their order in ten equal blocks, whose durations are taken as independent.
    """
    measured = sorted((each for each in samples if each.part == "measured"), key=lambda each: each.ended)
    warm = [each for each in samples if each.part == "warm-up"]
    images = [each for each in measured if each.error is None]
    if level.concurrency is not None:
        start = max((each.ended for each in warm), default=0.0)
    else:
        start = min((each.due for each in measured), default=0.0)
    window = max((each.ended for each in measured), default=start) - start
    throughput = len(images) / window if window > 0 else 0.0
    low, high = _interval(start, measured) if len(images) == len(measured) else (None, None)
    told = [each for each in images if each.service is not None]
    whole = bool(told) and len(told) == len(images)
    return LevelFigures(
        level=level,
        requests=len(measured),
        images=len(images),
        window=window,
        throughput=throughput,
        low=low,
        high=high,
        latency=_quantiles([each.latency for each in images]),
        service=_quantiles([each.service or 0.0 for each in told]) if whole else None,
        queueing=_quantiles([max(0.0, each.latency - (each.service or 0.0)) for each in told]) if whole else None,
        errors=dict(Counter(_kind(each.error) for each in measured if each.error is not None).most_common()),
        keeps_up=_keeps_up(level, measured, throughput),
    )


def _keeps_up(level: Level, measured: Sequence[Sample], throughput: float) -> bool:
    if level.rate is None or len(measured) < 2:
        return True
    due = sorted(each.due for each in measured)
    span = due[-1] - due[0]
    return span <= 0 or throughput >= KEEPS_UP * (len(due) - 1) / span


def _interval(start: float, measured: Sequence[Sample]) -> tuple[float | None, float | None]:
    from scipy.special import stdtrit  # here, since every report would wait for it

    size = len(measured) // BLOCKS
    if size < 2:
        return None, None
    ends = [start] + [measured[(block + 1) * size - 1].ended for block in range(BLOCKS)]
    seconds = np.diff(ends)
    mean, spread = float(np.mean(seconds)), float(np.std(seconds, ddof=1)) / BLOCKS**0.5
    reach = float(stdtrit(BLOCKS - 1, 0.5 + LEVEL / 2)) * spread
    if mean <= reach:
        return None, None
    return size / (mean + reach), size / (mean - reach)


def _quantiles(seconds: Sequence[float]) -> Quantiles | None:
    if not seconds:
        return None
    p50, p90, p99 = (float(value) for value in np.percentile(seconds, [50, 90, 99]))
    return Quantiles(p50=p50, p90=p90, p99=p99, mean=float(np.mean(seconds)))


def _kind(error: str) -> str:
    """The reason of an error without what differs from answer to answer."""
    return re.sub(r"https?://\S+: ", "", error)[:120]
