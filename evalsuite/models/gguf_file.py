"""GGUF files: what one declares, and its tensors as the numbers that its blocks stand for.

The format and its quantisations are read by `gguf`, the package of its makers (llama.cpp). A quantised tensor is
brought back to float32, which is what diffusers computes with too; so everything that is checked of other weights is
checked of these.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from evalsuite.models.library_calls import one_line
from evalsuite.models.weights_file import TensorInfo, WeightsFile, WeightsFileError

SUFFIX = ".gguf"

_STORED = {"F32": "F32", "F16": "F16", "BF16": "BF16"}
_SHAPE = "comfy.gguf.orig_shape."
"""Before a tensor's name: the shape that it had before it was made fit for blocks, in ComfyUI's files."""


def is_gguf(path: Path) -> bool:
    """Whether a file is named as a GGUF file."""
    return path.suffix.lower() == SUFFIX


def read_gguf_file(path: Path) -> WeightsFile:
    """The tensors that a GGUF file declares; quantised ones are `F32`, as which they are loaded.

    Raises:
        WeightsFileError: It is no whole GGUF file, `gguf` is not installed, or it cannot read one of the tensors.
    """
    reader = _open(path)
    tensors: dict[str, TensorInfo] = {}
    for tensor in reader.tensors:
        if tensor.name in tensors:
            raise WeightsFileError(f"{path}: it names {tensor.name!r} twice")
        tensors[tensor.name] = TensorInfo(_STORED.get(tensor.tensor_type.name, "F32"), _shape(path, reader, tensor))
    if not tensors:
        raise WeightsFileError(f"{path}: holds no tensor")
    _check_places(path, reader)
    return WeightsFile(path, tensors, {}, 0)


def load_gguf_file(path: Path, dtype: Any) -> dict[str, Any]:
    """Every tensor of a GGUF file as a torch tensor: quantised ones in `dtype`, others as they are stored.

    Raises:
        WeightsFileError: As `read_gguf_file`; or a tensor's quantisation is one that `gguf` cannot undo.
    """
    import torch
    from gguf import quants

    reader = _open(path)
    state = {}
    for tensor in reader.tensors:
        kind = tensor.tensor_type.name
        try:
            values = torch.from_numpy(quants.dequantize(tensor.data, tensor.tensor_type).copy())
        except Exception as error:
            raise WeightsFileError(
                f"{path}: {tensor.name} is {kind}, which cannot be read ({one_line(error, 100)})"
            ) from error
        stored = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}.get(kind, dtype)
        state[tensor.name] = values.reshape(_shape(path, reader, tensor)).to(stored)
    return state


def _open(path: Path) -> Any:
    try:
        from gguf import GGUFReader
    except ModuleNotFoundError as error:
        raise WeightsFileError(f"{path}: reading GGUF needs the package gguf: pip install gguf") from error
    if not path.is_file():
        raise WeightsFileError(f"{path}: is no regular file")
    try:
        return GGUFReader(path)
    except Exception as error:
        # The reader maps the file and follows its own offsets; what is cut or made up fails in any way.
        raise WeightsFileError(f"{path}: is cut short or no GGUF file ({one_line(error, 100)})") from error


def _check_places(path: Path, reader: Any) -> None:
    """Each tensor begins where another ends, but for the padding to the file's alignment: none shares bytes."""
    end = reader.data_offset
    spans = sorted((int(tensor.data_offset), int(tensor.n_bytes), tensor.name) for tensor in reader.tensors)
    for begin, size, name in (*spans, (path.stat().st_size, 0, "the end of the file")):
        if not 0 <= begin - end < reader.alignment:
            raise WeightsFileError(f"{path}: {name} is at byte {begin:,}, and what stands before it ends at {end:,}")
        end = begin + size


def _shape(path: Path, reader: Any, tensor: Any) -> tuple[int, ...]:
    """The shape as torch has it: the format counts dimensions from the innermost."""
    shape = tuple(int(side) for side in reversed(tensor.shape))
    field = reader.get_field(f"{_SHAPE}{tensor.name}")
    if field is None:
        return shape
    original = tuple(int(field.parts[place][0]) for place in field.data)
    if math.prod(original) != math.prod(shape):
        raise WeightsFileError(f"{path}: {tensor.name} has {list(shape)} and is said to have had {list(original)}")
    return original
