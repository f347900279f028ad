"""Peak memory while an image is drawn: by torch's allocator, by the driver, and of the process."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from evalsuite.records import Memory


class MemoryMeter:
    """Reads peaks between `start` and `read`. All values are bytes; what cannot be had is None.

    `allocated` and `reserved` are exact peaks of torch's CUDA allocator. `driver` is what the driver (NVML)
    says at the end: the allocator keeps what it reserved, so it is the peak but for offload that gives memory
    back. It counts this process where the driver tells processes apart, else the whole device. `process` is
    the peak of resident main memory on Linux, elsewhere its value at the end.
    """

    def __init__(self, device: str) -> None:
        self._cuda: Any = None
        self._process = psutil.Process()
        self._driver: _Driver | None = None
        if device.startswith("cuda"):
            import torch

            self._cuda = torch.device(device)
            self._driver = _Driver.open(self._cuda)

    def start(self) -> None:
        """Begin anew."""
        if self._cuda is not None:
            import torch

            torch.cuda.reset_peak_memory_stats(self._cuda)
        with suppress(OSError):  # not Linux, or not allowed: `read` then tells the present value
            Path("/proc/self/clear_refs").write_text("5")

    def read(self) -> Memory:
        """The peaks since `start`."""
        allocated = reserved = None
        if self._cuda is not None:
            import torch

            allocated = torch.cuda.max_memory_allocated(self._cuda)
            reserved = torch.cuda.max_memory_reserved(self._cuda)
        return Memory(
            allocated=allocated,
            reserved=reserved,
            driver=self._driver.used() if self._driver else None,
            process=_peak_resident() or self._process.memory_info().rss,
        )

    def close(self) -> None:
        """Let go of the driver's library."""
        if self._driver is not None:
            self._driver.close()
            self._driver = None


def _peak_resident() -> int | None:
    """The high-water mark of resident memory since it was last cleared, on Linux."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    for text in status.splitlines():
        if text.startswith("VmHWM:"):
            return int(text.split()[1]) * 1024
    return None


class _Driver:
    """One GPU as the driver sees it."""

    def __init__(self, library: Any, handle: Any) -> None:
        self._library, self._handle = library, handle

    @staticmethod
    def open(device: Any) -> _Driver | None:
        """The GPU of a torch device, found by its UUID; None where NVML or the GPU does not answer."""
        import torch

        try:
            import pynvml
        except ImportError:
            return None
        try:
            pynvml.nvmlInit()
            uuid = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
            return _Driver(pynvml, pynvml.nvmlDeviceGetHandleByUUID(uuid))
        except (pynvml.NVMLError, AttributeError):
            return None

    def used(self) -> int | None:
        """Bytes in use, of this process where the driver tells processes apart, else of the whole device."""
        try:
            for process in self._library.nvmlDeviceGetComputeRunningProcesses(self._handle):
                if process.pid == os.getpid() and process.usedGpuMemory:
                    return int(process.usedGpuMemory)
            return int(self._library.nvmlDeviceGetMemoryInfo(self._handle).used)
        except self._library.NVMLError:
            return None

    def close(self) -> None:
        """Let go of the library."""
        with suppress(self._library.NVMLError):
            self._library.nvmlShutdown()
