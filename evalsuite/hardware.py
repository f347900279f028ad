"""The hardware and software that a run was made on, for its manifest: timings mean nothing without it."""

from __future__ import annotations

import os
import platform
import sys
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalsuite.records import Json

_PACKAGES = ("torch", "diffusers", "transformers", "accelerate", "peft", "torchao", "onnxruntime", "paddleocr")


def describe(*, accelerator: bool = False) -> dict[str, Json]:
    """Where this process runs: processor, memory, GPUs with driver and power limit, and versions.

    Values that cannot be read are None or left out; nothing is guessed. GPUs are read from the driver
    (NVML), which needs no torch.

    Args:
        accelerator: Ask torch for its CUDA and cuDNN versions, which imports it (about two seconds). Without
            it they are told only where torch is imported already.

    Returns:
        JSON values: `platform`, `python`, `cpu`, `cpu_cores` (physical), `cpu_threads` (that this process may
        use), `memory` (bytes), `gpus`, `driver`, `versions`, `cuda`, `cudnn`.
    """
    driver, gpus = _nvidia()
    found: dict[str, Json] = {
        "platform": platform.platform(),
        "python": platform.python_version(),
        "cpu": _cpu_name(),
        "cpu_cores": psutil.cpu_count(logical=False),
        "cpu_threads": _usable_threads(),
        "memory": psutil.virtual_memory().total,
        "gpus": gpus,
        "driver": driver,
        "versions": {name: version for name in _PACKAGES if (version := _version(name))},
        "cuda": None,
        "cudnn": None,
    }
    if _version("torch") and (accelerator or "torch" in sys.modules):
        import torch

        found["cuda"] = torch.version.cuda
        found["cudnn"] = torch.backends.cudnn.version() if torch.cuda.is_available() else None
        if not gpus and torch.backends.mps.is_available():
            found["gpus"] = [{"name": "Apple Metal", "memory": torch.mps.recommended_max_memory()}]
    return found


def line(hardware: dict[str, Json]) -> str:
    """A description as one line for people, e.g. `NVIDIA H200 (700 W), driver 580.65, …`."""
    gpus = hardware.get("gpus") or []
    names = [
        gpu["name"] + (f" ({gpu['power_limit']:g} W)" if gpu.get("power_limit") is not None else "") for gpu in gpus
    ]
    parts = [", ".join(names) or "no GPU"]
    if hardware.get("driver"):
        parts.append(f"driver {hardware['driver']}")
    memory = hardware["memory"] / 2**30
    parts.append(f"{hardware['cpu'] or 'unknown processor'}, {hardware['cpu_threads']} threads, {memory:.0f} GiB")
    parts += [f"{name} {version}" for name, version in hardware["versions"].items()]
    if hardware.get("cuda"):
        parts.append(f"CUDA {hardware['cuda']}, cuDNN {hardware['cudnn']}")
    return " · ".join([*parts, f"Python {hardware['python']}", hardware["platform"]])


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cpu_name() -> str | None:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for text in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if text.startswith(("model name", "Hardware")):
                return text.partition(":")[2].strip()
    return platform.processor() or platform.machine() or None


def _usable_threads() -> int | None:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


@contextmanager
def nvml() -> Iterator[Any]:
    """NVIDIA's management library, or None where it is not installed or there is no driver."""
    try:
        import pynvml
    except ImportError:
        yield None
        return
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield None
        return
    try:
        yield pynvml
    finally:
        pynvml.nvmlShutdown()


def _nvidia() -> tuple[str | None, list[dict[str, Json]]]:
    with nvml() as library:
        if library is None:
            return None, []
        gpus = []
        for index in range(library.nvmlDeviceGetCount()):
            handle = library.nvmlDeviceGetHandleByIndex(index)
            gpus.append(
                {
                    "name": _text(library.nvmlDeviceGetName(handle)),
                    "memory": library.nvmlDeviceGetMemoryInfo(handle).total,
                    "power_limit": _power_limit(library, handle),
                }
            )
        return _text(library.nvmlSystemGetDriverVersion()), gpus


def _power_limit(library: Any, handle: Any) -> float | None:
    """The enforced power limit in watts, None where the driver does not tell it (in some containers)."""
    try:
        return float(library.nvmlDeviceGetEnforcedPowerLimit(handle)) / 1000.0
    except library.NVMLError:
        return None


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
