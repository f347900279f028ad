"""How fast a model drew: latency, throughput, phases and peak memory of its warm images."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from evalsuite.records import Memory, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evalsuite.records import Generation, Timing


class Spread(Record, frozen=True, kw_only=True):
    """The distribution of a time in seconds over images: median, 90th percentile (both linear), and mean."""

    p50: float
    p90: float
    mean: float


class PhaseSummary(Record, frozen=True, kw_only=True):
    """One phase over the warm images: its time, and its share of the summed total in [0, 1]."""

    name: str
    seconds: Spread
    share: float


class TimingSummary(Record, frozen=True, kw_only=True):
    """The warm images' times; warm-up images are counted and timed apart, never mixed in.

    `images_per_second` is warm images over their summed seconds. `steps` is the spread of single denoising
    steps, None where none were timed. `memory` holds the largest of each peak over all images, warm-up included.
    `batches` are the batch sizes that occur.
    """

    warm: int
    warmup: int
    total: Spread | None
    images_per_second: float | None
    phases: tuple[PhaseSummary, ...]
    steps: Spread | None
    step_count: int
    warmup_seconds: Spread | None
    memory: Memory
    batches: tuple[int, ...]


def time_model(generations: Sequence[Generation]) -> TimingSummary | None:
    """Sum up one model's drawn images; None where nothing was timed (folders, failed drawings)."""
    drawn = [(row, row.timing) for row in generations if row.error is None and row.timing is not None]
    if not drawn:
        return None
    warm = [timing for _, timing in drawn if not timing.warmup]
    cold = [timing for _, timing in drawn if timing.warmup]
    steps = [step for timing in warm for step in timing.steps]
    total = sum(timing.total for timing in warm)
    return TimingSummary(
        warm=len(warm),
        warmup=len(cold),
        total=spread([timing.total for timing in warm]),
        images_per_second=len(warm) / total if total > 0 else None,
        phases=tuple(_phases(warm)),
        steps=spread(steps),
        step_count=max((len(timing.steps) for timing in warm), default=0),
        warmup_seconds=spread([timing.total for timing in cold]),
        memory=_peaks(row.memory for row, _ in drawn if row.memory is not None),
        batches=tuple(sorted({timing.batch for _, timing in drawn})),
    )


def spread(seconds: Sequence[float]) -> Spread | None:
    """Median, 90th percentile and mean; None without a value."""
    if not seconds:
        return None
    p50, p90 = np.percentile(seconds, [50, 90])
    return Spread(p50=float(p50), p90=float(p90), mean=float(np.mean(seconds)))


def _phases(warm: Sequence[Timing]) -> Iterable[PhaseSummary]:
    seconds: dict[str, list[float]] = defaultdict(lambda: [0.0] * len(warm))
    for place, timing in enumerate(warm):
        for phase in timing.phases:
            seconds[phase.name][place] += phase.seconds
    total = sum(timing.total for timing in warm)
    for name, times in seconds.items():
        each = spread(times)
        if each is not None:
            yield PhaseSummary(name=name, seconds=each, share=sum(times) / total if total > 0 else 0.0)


def _peaks(memories: Iterable[Memory]) -> Memory:
    peaks: dict[str, int] = {}
    for memory in memories:
        for field in Memory.__struct_fields__:
            value = getattr(memory, field)
            if value is not None:
                peaks[field] = max(value, peaks.get(field, value))
    return Memory(**peaks)
