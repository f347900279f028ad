"""A run's life: the plan, the folder that keeps it, the pipeline that fills it, and the run opened again.

Everything outside takes a run as `open_run` gives it.
"""

from __future__ import annotations

from evalsuite.runs.evidence import Missing
from evalsuite.runs.opened import OpenRun, open_run
from evalsuite.runs.rows import DamagedRunError, NotFiniteError
from evalsuite.runs.store import RunStore

__all__ = ["DamagedRunError", "Missing", "NotFiniteError", "OpenRun", "RunStore", "open_run"]
