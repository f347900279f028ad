"""Intervals, paired bounds and power, all over prompts as the sampling unit.

`intervals` says how sure a figure is, `bounds` how sure a difference between two runs, `power` what a comparison
could have told. Nothing here reads, draws or prints.
"""

from __future__ import annotations

from evalsuite.stats import bounds, power
from evalsuite.stats.intervals import (
    LEVEL,
    MIN_PROMPTS,
    REPLICATES,
    SEED,
    Bounds,
    Floats,
    Interval,
    Method,
    SliceKey,
    mean_interval,
    ratio_interval,
    slices,
)

__all__ = [
    "LEVEL",
    "MIN_PROMPTS",
    "REPLICATES",
    "SEED",
    "Bounds",
    "Floats",
    "Interval",
    "Method",
    "SliceKey",
    "bounds",
    "mean_interval",
    "power",
    "ratio_interval",
    "slices",
]
