"""Many checkpoints: accuracy, speed and gate verdict over the steps of a training run."""

from __future__ import annotations

from evalsuite.sweep.carry_out import SweepPlan, follow, run_sweep
from evalsuite.sweep.checkpoints import CheckpointError, Found, PassedOver, Survey, find, survey
from evalsuite.sweep.results import COLUMNS, FIGURES, Sweep, SweepRow, cells, markdown

__all__ = [
    "COLUMNS",
    "FIGURES",
    "CheckpointError",
    "Found",
    "PassedOver",
    "Survey",
    "Sweep",
    "SweepPlan",
    "SweepRow",
    "cells",
    "find",
    "follow",
    "markdown",
    "run_sweep",
    "survey",
]
