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

from evalsuite.records import Environment, Gpu

if TYPE_CHECKING:
    from collections.abc import Iterator

_PACKAGES = ("torch", "diffusers", "transformers", "accelerate", "peft", "torchao", "onnxruntime", "paddleocr")


def describe(*, accelerator: bool = False) -> Environment:
    """Where this process runs: processor, memory, GPUs with driver and power limit, and versions.

    Values that cannot be read are None or left out; nothing is guessed. GPUs are read from the driver
    (NVML), which needs no torch.

    Args:
        accelerator: Ask torch for its CUDA and cuDNN versions, which imports it (about two seconds). Without
            it they are told only where torch is imported already.
    """
    driver, gpus = _nvidia()
    cuda = cudnn = None
    if _version("torch") and (accelerator or "torch" in sys.modules):
        import torch

        cuda = torch.version.cuda
        cudnn = torch.backends.cudnn.version() if torch.cuda.is_available() else None
        if not gpus and torch.backends.mps.is_available():
            gpus = (Gpu(name="Apple Metal", memory=torch.mps.recommended_max_memory()),)
    return Environment(
        platform=platform.platform(),
        python=platform.python_version(),
        cpu=_cpu_name(),
        cpu_cores=psutil.cpu_count(logical=False),
        cpu_threads=usable_threads(),
        memory=psutil.virtual_memory().total,
        gpus=gpus,
        driver=driver,
        versions={name: version for name in _PACKAGES if (version := _version(name))},
        cuda=cuda,
        cudnn=cudnn,
    )


def line(environment: Environment) -> str | None:
    """An environment on one line for people, e.g. `NVIDIA H200 (700 W), driver 580.65, …`; None where it is empty."""
    if environment == Environment():
        return None
    gpus = [gpu.name + (f" ({gpu.power_limit:g} W)" if gpu.power_limit is not None else "") for gpu in environment.gpus]
    parts = [", ".join(gpus) or "no GPU"]
    if environment.driver:
        parts.append(f"driver {environment.driver}")
    processor = [environment.cpu or "unknown processor"]
    if environment.cpu_threads is not None:
        processor.append(f"{environment.cpu_threads} threads")
    if environment.memory is not None:
        processor.append(f"{environment.memory / 2**30:.0f} GiB")
    parts.append(", ".join(processor))
    parts += [f"{name} {version}" for name, version in environment.versions.items()]
    if environment.cuda:
        parts.append(f"CUDA {environment.cuda}, cuDNN {environment.cudnn}")
    if environment.python:
        parts.append(f"Python {environment.python}")
    return " · ".join([*parts, *([environment.platform] if environment.platform else [])])


DECIDES_SPEED = ("gpus", "driver", "cpu", "cpu_threads", "memory", "platform", "cuda", "cudnn", "versions")
"""The fields of an environment that decide how fast a model draws."""


def differences(one: Environment, other: Environment) -> list[str]:
    """What keeps timings of two environments from being compared, in words; empty where they may be.

    This is the one rule for the gate and the pages: all of `DECIDES_SPEED` agree, and the processor is known.
    """
    if one.cpu is None or other.cpu is None:
        return ["the hardware is not known"]
    return [
        f"{name} {_told(getattr(one, name))} → {_told(getattr(other, name))}"
        for name in DECIDES_SPEED
        if getattr(one, name) != getattr(other, name)
    ]


def _told(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(gpu.name + (f" {gpu.power_limit:g} W" if gpu.power_limit else "") for gpu in value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name} {version}" for name, version in value.items()) or "none"
    return "none" if value is None else str(value)


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


def usable_threads() -> int | None:
    """Processor threads that this process may use; None where the system does not tell."""
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


def _nvidia() -> tuple[str | None, tuple[Gpu, ...]]:
    with nvml() as library:
        if library is None:
            return None, ()
        gpus = []
        for index in range(library.nvmlDeviceGetCount()):
            handle = library.nvmlDeviceGetHandleByIndex(index)
            gpus.append(
                Gpu(
                    name=_text(library.nvmlDeviceGetName(handle)),
                    memory=library.nvmlDeviceGetMemoryInfo(handle).total,
                    power_limit=_power_limit(library, handle),
                )
            )
        return _text(library.nvmlSystemGetDriverVersion()), tuple(gpus)


def _power_limit(library: Any, handle: Any) -> float | None:
    """The enforced power limit in watts, None where the driver does not tell it (in some containers)."""
    try:
        return float(library.nvmlDeviceGetEnforcedPowerLimit(handle)) / 1000.0
    except library.NVMLError:
        return None


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
