"""Many checkpoints: accuracy, speed and gate verdict over the steps of a training run."""

from __future__ import annotations

from evalsuite.sweep.carry_out import SweepPlan, follow, run_sweep
from evalsuite.sweep.checkpoints import CheckpointError, Found, PassedOver, Survey, find, survey
from evalsuite.sweep.results import FIGURES, Sweep, SweepRow, cells, columns, markdown

__all__ = [
    "FIGURES",
    "CheckpointError",
    "Found",
    "PassedOver",
    "Survey",
    "Sweep",
    "SweepPlan",
    "SweepRow",
    "cells",
    "columns",
    "find",
    "follow",
    "markdown",
    "run_sweep",
    "survey",
]
