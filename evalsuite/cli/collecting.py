"""Python's garbage collector beside runs of ten thousands of images."""

from __future__ import annotations

import atexit
import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SELDOM = (50_000, 20, 20)
"""Objects made and not freed between two looks, and looks at the young between those at the older (`gc`)."""


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """Have the collector look for cycles seldom, and not at all when the process ends.

    For commands on stored runs, which make objects by the hundred thousand, keep them to the end, and tie none of them
    into a cycle: looking again and again took an eighth of their time. Not for drawing, where a cycle may hold a
    model's memory.
    """
    before = gc.get_threshold()
    gc.set_threshold(*_SELDOM)
    atexit.register(gc.freeze)
    try:
        yield
    finally:
        gc.set_threshold(*before)
