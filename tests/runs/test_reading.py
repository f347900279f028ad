"""How many processes read, unless told."""

from __future__ import annotations

import os
from types import SimpleNamespace

import psutil
import pytest

from evalsuite.runs import reading


@pytest.mark.parametrize(
    ("cores", "gigabytes", "workers"),
    [(1, 100, 1), (2, 23, 2), (16, 100, 16), (16, 12, 8), (8, 1, 1), (256, 1_000, 64)],
)
def test_one_process_a_core_as_far_as_memory_goes(monkeypatch, cores, gigabytes, workers):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=gigabytes * 10**9))
    assert reading.default_workers() == workers
