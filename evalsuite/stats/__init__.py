"""Intervals, paired bounds and power, all over prompts as the sampling unit.

`intervals` says how sure a figure is, `bounds` how sure a difference between two runs, `sign` whether more prompts won
than lost, `power` what a comparison could have told; `prediction_powered` corrects a reader by a person's sample. They
rest on `dirichlet` (exact quantiles of randomly weighted means), `gaffke` (bounds from a known range) and `resampling`
(the bootstrap).
Nothing here reads, draws or prints.
"""

from __future__ import annotations

from evalsuite.stats.bounds import Comparison, compare
from evalsuite.stats.gaffke import Gaffke, gaffke_bounds
from evalsuite.stats.intervals import LEVEL, MIN_PROMPTS, Bounds, Interval, Method, mean_interval, ratio_interval
from evalsuite.stats.power import (
    minimum_detectable_effect,
    needs,
    prompts_for_margin,
    prompts_for_width,
    resolution_floor,
)
from evalsuite.stats.prediction_powered import MIN_JUDGED, Corrected, Judged, corrected_ratio
from evalsuite.stats.resampling import REPLICATES, SEED, Floats
from evalsuite.stats.sign import sign_test

__all__ = [
    "LEVEL",
    "MIN_JUDGED",
    "MIN_PROMPTS",
    "REPLICATES",
    "SEED",
    "Bounds",
    "Comparison",
    "Corrected",
    "Floats",
    "Gaffke",
    "Interval",
    "Judged",
    "Method",
    "compare",
    "corrected_ratio",
    "gaffke_bounds",
    "mean_interval",
    "minimum_detectable_effect",
    "needs",
    "prompts_for_margin",
    "prompts_for_width",
    "ratio_interval",
    "resolution_floor",
    "sign_test",
]
