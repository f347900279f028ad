"""What a safetensors file declares, read from its header alone: tensors with dtype and shape, and its metadata.

The format (https://huggingface.co/docs/safetensors): eight bytes of length, a JSON header, then the tensors' bytes.
"""

from __future__ import annotations

import math
import stat
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalsuite.errors import EvalsuiteError
from evalsuite.files import FileError, parse_json

_MAX_HEADER = 100_000_000
"""The longest header that the safetensors format allows, in bytes."""

_MAX_SIDES = 64
_MAX_SIZE = 2**63
"""Of a shape: how many sides it has at most, and what they and all offsets stay below."""

_BITS = {
    "F64": 64, "I64": 64, "U64": 64, "C64": 64, "F32": 32, "I32": 32, "U32": 32, "F16": 16, "BF16": 16, "I16": 16,
    "U16": 16, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I8": 8, "U8": 8,
    "BOOL": 8, "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4,
}  # fmt: skip


class WeightsFileError(EvalsuiteError):
    """A file is no safetensors file, or not whole."""


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """What a header says of one tensor; `dtype` by its name in the format, e.g. `BF16`."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """The header of one safetensors file. `start` is where the tensors' bytes begin."""

    path: Path
    tensors: Mapping[str, TensorInfo]
    metadata: Mapping[str, str]
    start: int

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every tensor by name."""
        return {name: info.shape for name, info in self.tensors.items()}


def read_weights_file(path: Path) -> WeightsFile:
    """Read the header of a safetensors file; no tensor is loaded.

    Raises:
        WeightsFileError: It is no regular file or no safetensors file, or shorter or longer than it declares (still
            being written, or cut).
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise WeightsFileError(f"{path}: is no regular file")
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            if start == b"version ":
                raise WeightsFileError(
                    f"{path}: is a git-lfs pointer, not the weights; fetch them with `git lfs pull` or `hf download`"
                )
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            if not 2 <= length <= min(_MAX_HEADER, size - 8):
                raise WeightsFileError(f"{path}: is cut short or no safetensors file ({size:,} bytes)")
            header = parse_json(file.read(length), "JSON")
        metadata = {str(key): str(value) for key, value in (header.pop("__metadata__", None) or {}).items()}
        tensors = {name: _tensor(entry) for name, entry in header.items()}
        end = _end(header)
    except OSError as error:
        raise WeightsFileError(f"{path}: cannot be read: {error.strerror}") from error
    except FileError as error:
        raise WeightsFileError(f"{path}: its safetensors header cannot be read: {error}") from error
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise WeightsFileError(f"{path}: its safetensors header cannot be read: {error!r}") from error
    if 8 + length + end != size:
        raise WeightsFileError(f"{path}: has {size:,} bytes, its header declares {8 + length + end:,}; cut short?")
    return WeightsFile(path, tensors, metadata, 8 + length)


def _end(header: Mapping[str, Any]) -> int:
    """Where the last tensor ends; each begins where another ends, so that none shares bytes with another."""
    end = 0
    spans = []
    for name, entry in header.items():
        begin, stop = _whole(entry["data_offsets"], 2)
        spans.append((begin, stop, name))
    for begin, stop, name in sorted(spans):
        if begin != end:
            raise ValueError(f"{name} begins at byte {begin:,}, and the tensor before it ends at {end:,}")
        end = stop
    return end


def _tensor(entry: Mapping[str, Any]) -> TensorInfo:
    info = TensorInfo(str(entry["dtype"]), _whole(entry["shape"]))
    begin, end = _whole(entry["data_offsets"], 2)
    bits = math.prod(info.shape) * _BITS[info.dtype]
    if (end - begin) * 8 != bits:
        raise ValueError(f"{info.dtype} {list(info.shape)} takes {bits // 8:,} bytes, not {end - begin:,}")
    return info


def _whole(listed: Any, count: int | None = None) -> tuple[int, ...]:
    """Whole numbers from 0, as the format has them: so many, or a shape's."""
    if not isinstance(listed, list) or len(listed) > _MAX_SIDES or (count is not None and len(listed) != count):
        raise ValueError(f"{str(listed)[:40]} is no list of {count or f'at most {_MAX_SIDES}'} numbers")
    for each in listed:
        if not isinstance(each, int) or isinstance(each, bool) or not 0 <= each < _MAX_SIZE:
            raise ValueError(f"{str(each)[:40]} is no size")
    return tuple(listed)
