"""Finding the checkpoints of a training run in a folder, in the order of their steps."""

from __future__ import annotations

import json
import os
import re
import struct
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from evalsuite.errors import EvalsuiteError
from evalsuite.images import SUFFIXES

Kind = Literal["pipeline", "transformer", "lora", "images"]

_STEP_WORDS = (r"(?:step|steps|checkpoint|ckpt|iter|iteration)s?[-_ .]*(\d+)", r"epochs?[-_ .]*(\d+)", r"[-_ .](\d+)$")
_LORA = re.compile(r"(^|[._])lora[._]|\.(hada_w1_a|lokr_w1)$")
"""Tensor names of adapters: LoRA as diffusers, PEFT and kohya write it, LoHa, LoKr."""

_NOT_TEXT = "its name is no UTF-8, in which the results are stored; rename it"

_MAX_HEADER = 100_000_000
"""The longest header that the safetensors format allows, in bytes."""


class CheckpointError(EvalsuiteError):
    """Something in the folder that is a checkpoint but cannot be used; the message says what and why."""


@dataclass(frozen=True, slots=True)
class Found:
    """One checkpoint: what it is called, its training step (None where its name has none), and how to load it.

    `path` is a whole pipeline's folder, the safetensors file of a transformer or an adapter, or a folder of images
    drawn elsewhere. `problem` is set, and nothing can be run, where it cannot be used.
    """

    name: str
    step: int | None
    kind: Kind
    path: Path
    problem: str | None = None


def find(folder: Path) -> list[Found]:
    """The checkpoints directly in `folder`, those with a step first, in its order, then the others by name.

    Found are: safetensors files (adapter or transformer, told by their header), folders with one of either as
    training scripts leave them, whole pipelines (`model_index.json`), and folders of images. Links into the same
    folder (`latest`) and everything else are passed over.

    Raises:
        CheckpointError: There is no such folder, or its path is no UTF-8.
    """
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: there is no such folder of checkpoints")
    if as_text(folder) != str(folder):
        raise CheckpointError(f"{as_text(folder)}: {_NOT_TEXT}")
    found: dict[str, Found] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or (path.is_symlink() and path.resolve().parent == folder.resolve()):
            continue
        name = path.stem if path.suffix == ".safetensors" else path.name
        one = _look(path, path.name if name in found else name)
        if one is not None and as_text(path) != str(path):
            one = replace(one, name=as_text(Path(one.name)), problem=f"{as_text(path)}: {_NOT_TEXT}")
        if one is not None:
            found[one.name] = one
    return sorted(found.values(), key=lambda each: (each.step is None, each.step or 0, each.name))


def as_text(path: Path) -> str:
    r"""A path as text that can be stored: bytes that are no UTF-8, which file names may hold, become `\xff`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def step_of(name: str) -> int | None:
    """The training step that a name tells, e.g. 500 for `checkpoint-500`, `step_000500` or `my-lora-000500`."""
    for pattern in _STEP_WORDS:
        match = re.search(pattern, name, flags=re.IGNORECASE)
        if match:
            return int(match[1])
    return None


def _look(path: Path, name: str) -> Found | None:
    step = step_of(path.stem if path.suffix == ".safetensors" else path.name)
    if path.is_file():
        return _weights(path, name, step) if path.suffix == ".safetensors" else None
    if (path / "model_index.json").is_file():
        return Found(name, step, "pipeline", path)
    for inside in (path, path / "transformer"):
        files = sorted(inside.glob("*.safetensors")) if inside.is_dir() else []
        if len(files) == 1:
            return _weights(files[0], name, step)
        if files:
            problem = f"{inside}: holds {len(files)} safetensors files; a checkpoint is one file, or a whole pipeline"
            return Found(name, step, "transformer", inside, problem)
    if path.is_dir() and any(each.suffix.lower() in SUFFIXES for each in path.iterdir()):
        return Found(name, step, "images", path)
    return None


def _weights(path: Path, name: str, step: int | None) -> Found:
    try:
        header = read_header(path)
    except CheckpointError as error:
        return Found(name, step, "transformer", path, str(error))
    is_lora = any(_LORA.search(key) for key in header)
    return Found(name, step, "lora" if is_lora else "transformer", path)


def read_header(path: Path) -> dict[str, object]:
    """The tensors that a safetensors file declares, by name, without `__metadata__`; nothing is loaded.

    Raises:
        CheckpointError: The file is no safetensors, or shorter or longer than it declares (still being written).
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            if not 2 <= length <= min(_MAX_HEADER, size - 8):
                raise CheckpointError(f"{path}: is cut short or no safetensors file")
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        end = max((int(tensor["data_offsets"][1]) for tensor in header.values()), default=0)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise CheckpointError(f"{path}: its safetensors header cannot be read: {error!r}") from error
    if 8 + length + end != size:
        raise CheckpointError(f"{path}: has {size:,} bytes, its header declares {8 + length + end:,}; cut short?")
    return dict(header)


def last_change(found: Found) -> float:
    """When a file of a checkpoint last changed, in seconds since the epoch; 0 where none is there any more."""
    return max((path.stat().st_mtime for path in _files(found)), default=0.0)


def settled(found: Found, seconds: float) -> bool:
    """Whether a checkpoint is written to its end: no file of it changed for `seconds`, and all weights are whole."""
    try:
        changed = last_change(found)
        for path in _files(found):
            if path.suffix == ".safetensors":
                read_header(path)
    except (CheckpointError, FileNotFoundError):  # still being written, or moved away just now
        return False
    return 0 < changed <= time.time() - seconds


def _files(found: Found) -> list[Path]:
    if found.path.is_dir():
        return [path for path in found.path.rglob("*") if path.is_file()]
    return [found.path] if found.path.is_file() else []
