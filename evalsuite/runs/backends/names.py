"""What `--devices` names: `all`, `0,1`, `cuda:2`, `cpu,cpu` or `cpu:2`."""

from __future__ import annotations

import re

from evalsuite.errors import EvalsuiteError

MAX_PROCESSES = 64


def parse_devices(text: str) -> tuple[str, ...]:
    """The torch devices that are named, one for each process.

    `all` is every CUDA GPU of this machine; a number is a GPU; `cpu:2` is two processes on the CPU.

    Raises:
        EvalsuiteError: There is no such device, one GPU is named twice, or GPUs and CPUs are mixed.
    """
    there = gpu_count() if not re.fullmatch(r"[\s,]*cpu(:\d+)?([\s,]+cpu(:\d+)?)*[\s,]*", text.lower()) else 0
    if text.strip().lower() == "all":
        if not there:
            raise EvalsuiteError("--devices all: there is no CUDA GPU here; 'cpu:2' draws in two processes on the CPU")
        return tuple(f"cuda:{index}" for index in range(there))
    found: list[str] = []
    for name in filter(None, (part.strip().lower() for part in text.split(","))):
        gpu = re.fullmatch(r"(?:cuda:)?(\d{1,2})", name)
        cpus = re.fullmatch(r"cpu(?::(\d{1,2}))?", name)
        if cpus is not None:
            found += ["cpu"] * int(cpus[1] or 1)
        elif gpu is None:
            raise EvalsuiteError(f"--devices {text}: {name!r} is no device; write all, 0,1, cuda:2 or cpu:2")
        elif int(gpu[1]) >= there:
            raise EvalsuiteError(f"--devices {text}: there is no GPU {gpu[1]} here; PyTorch sees {there} CUDA GPUs")
        else:
            found.append(f"cuda:{int(gpu[1])}")
    if twice := [name for name in found if name != "cpu" and found.count(name) > 1]:
        raise EvalsuiteError(f"--devices {text}: {twice[0]} is named twice")
    if not 1 <= len(found) <= MAX_PROCESSES or len({name.partition(":")[0] for name in found}) != 1:
        raise EvalsuiteError(
            f"--devices {text}: name 1 to {MAX_PROCESSES} devices of one kind, e.g. all, 0,1 or cpu:2: images of GPUs "
            "and CPUs differ in rounding"
        )
    return tuple(found)


def gpu_count() -> int:
    """CUDA GPUs that PyTorch sees here.

    Raises:
        EvalsuiteError: PyTorch is not installed.
    """
    try:
        import torch
    except ImportError:
        raise EvalsuiteError("--devices: PyTorch is not installed; pip install 'evalsuite[models]'") from None
    return int(torch.cuda.device_count()) if torch.cuda.is_available() else 0
