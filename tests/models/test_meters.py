"""Peak memory of the process, and of the GPU where there is one."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from evalsuite.models import meters
from evalsuite.models.meters import MemoryMeter


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process its peak")
def test_the_peak_of_the_process_is_of_this_image_alone():
    meter = MemoryMeter("cpu")

    def peak(megabytes: int) -> int:
        meter.start()
        block = np.ones(megabytes * 2**20, dtype=np.uint8)
        del block
        return meter.read().process

    resident = psutil.Process().memory_info().rss
    high = peak(300)
    low = peak(1)
    meter.close()
    assert high - resident == pytest.approx(300 * 2**20, rel=0.1)
    assert low < high - 200 * 2**20


def test_without_a_gpu_only_the_process_is_told(monkeypatch):
    monkeypatch.setattr(meters, "_peak_resident", lambda: None)  # as on other systems
    memory = MemoryMeter("cpu").read()
    assert (memory.allocated, memory.reserved, memory.driver) == (None, None, None)
    assert memory.process == pytest.approx(psutil.Process().memory_info().rss, rel=0.1)


class _Library:
    """NVML that tells processes apart, or not."""

    class NVMLError(Exception):
        pass

    def __init__(self, processes):
        self.processes = processes

    def nvmlDeviceGetComputeRunningProcesses(self, _handle):  # noqa: N802 - the library's name
        return self.processes

    def nvmlDeviceGetMemoryInfo(self, _handle):  # noqa: N802 - the library's name
        return SimpleNamespace(used=900)


@pytest.mark.parametrize(
    ("processes", "used"),
    [
        ([(1, 300), ("me", 500)], 500),
        ([(1, 300)], 900),  # another process space: ours is not listed
        ([("me", None)], 900),  # listed, but not told
    ],
)
def test_the_driver_counts_this_process_where_it_can(monkeypatch, processes, used):
    monkeypatch.setattr(meters.os, "getpid", lambda: 42)
    listed = [SimpleNamespace(pid=42 if pid == "me" else pid, usedGpuMemory=size) for pid, size in processes]
    assert meters._Driver(_Library(listed), "handle").used() == used


def test_a_driver_that_does_not_answer_is_none():
    class Silent(_Library):
        def nvmlDeviceGetComputeRunningProcesses(self, _handle):  # noqa: N802 - the library's name
            raise self.NVMLError("not supported")

    assert meters._Driver(Silent([]), "handle").used() is None


def test_every_image_carries_its_memory(open_model, prompt):
    with open_model("klein") as model:
        (drawing,) = model.draw([(prompt(), 1)])
    assert drawing.memory.process > 50 * 2**20
