"""Another transformer in the place of a checkpoint's own: one file or shards, under diffusers' or the makers' names."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalsuite.errors import EvalsuiteError
from evalsuite.models.accounting import AccountingError, check_values, compare, refuse_quantised
from evalsuite.models.adapters import holds_adapter
from evalsuite.models.checkpoints import Checkpoint
from evalsuite.models.gguf_file import is_gguf, load_gguf_file, read_gguf_file
from evalsuite.models.library_calls import one_line, refusing
from evalsuite.models.parts import empty_model, part_class, read_config, shapes_of
from evalsuite.models.scaled_fp8 import find_scales
from evalsuite.models.weight_sets import WeightSet, find_weights
from evalsuite.models.weights_file import TensorInfo, read_weights_file

_PREFIXES = ("model.diffusion_model.", "diffusion_model.", "transformer.", "module.", "_orig_mod.", "model.")
"""What ComfyUI, trainers, DistributedDataParallel and torch.compile put before a transformer's names."""

_OTHER_PARTS = ("vae.", "text_encoder", "first_stage_model.", "cond_stage_model.", "conditioner.")


def transformer_files(path: Path) -> dict[str, Path]:
    """The files that a `--transformer` reads, by the name that counts for the digest.

    Raises:
        EvalsuiteError: It is no safetensors file and no folder with one model's weights.
    """
    weights = _find(path)
    if not path.is_dir():
        return {f"transformer/(replaced){'.gguf' if is_gguf(path) else '.safetensors'}": path}
    return {f"transformer/(replaced)/{file.path.name}": file.path for file in weights.files}


def load_transformer(checkpoint: Checkpoint, path: Path, dtype: Any) -> Any:
    """The checkpoint's transformer with the weights of `path`, in diffusers' or the makers' own naming.

    Args:
        checkpoint: What the transformer is put into; its config.json says how it is built.
        path: A safetensors or GGUF file, or a folder with one safetensors file or with shards and their index.
        dtype: The torch dtype to compute in.

    Raises:
        EvalsuiteError: The tensors of the file are not exactly those of the transformer.
    """
    option = f"--transformer {path}"
    if "transformer" not in checkpoint.components:
        raise EvalsuiteError(f"{option}: {checkpoint.pipeline} has no transformer to replace")
    weights = _find(path)
    if holds_adapter(weights.tensors):
        raise EvalsuiteError(f"{option}: is an adapter (LoRA or the like); give it with --lora")
    scales = find_scales(option, weights.tensors)
    tensors = {name: info for name, info in weights.tensors.items() if name not in scales.beside}
    refuse_quantised(option, tensors)
    own = checkpoint.folder / "transformer"
    _compare_configs(option, path, own)
    kind = part_class(checkpoint, "transformer")
    module = empty_model(kind, own)
    prefix = _prefix(option, list(tensors))
    converter = _check_names(option, f"{kind.__name__} of {checkpoint.folder}", module, tensors, prefix)
    with refusing(option, kind.__name__):
        state = {name.removeprefix(prefix): tensor for name, tensor in scales.apply(_load(weights, dtype)).items()}
        places = {(tensor.data_ptr(), tensor.numel()) for tensor in state.values()}
        if converter is not None:
            state = converter(checkpoint=state, config=dict(module.config))
        kept = getattr(kind, "_keep_in_fp32_modules", None) or ()
        for name in list(state):
            # One tensor at a time, so that there is never a second copy of the weights.
            tensor = state[name]
            if (tensor.data_ptr(), tensor.numel()) not in places:
                tensor = tensor.clone()  # rows of a fused tensor, which would add up in another order where they lie
            state[name] = _cast(tensor, dtype, keep=any(each in name.split(".") for each in kept))
        module.load_state_dict(state, assign=True, strict=True)
    check_values(option, module, tensors if converter is None and not prefix else _stored(tensors, module))
    return module.eval()


def _find(path: Path) -> WeightSet:
    if not path.is_dir():
        return WeightSet(path.parent, None, (read_gguf_file(path) if is_gguf(path) else read_weights_file(path),))
    files = sorted(path.glob("*.safetensors"))
    if len(files) == 1 and not list(path.glob("*.index*.json")):
        return WeightSet(path, None, (read_weights_file(files[0]),))
    return find_weights(path)


def _compare_configs(option: str, path: Path, own: Path) -> None:
    """Refuse a folder whose config.json describes another transformer than the checkpoint's, which would build it."""
    if not path.is_dir() or not (path / "config.json").is_file():
        return
    theirs, ours = read_config(path), read_config(own)
    for key in sorted(theirs.keys() | ours.keys()):
        if not key.startswith("_") and theirs.get(key) != ours.get(key):
            raise AccountingError(
                f"{option}: its config.json says {key} = {theirs.get(key)!r}, and {own / 'config.json'} says "
                f"{ours.get(key)!r}: it was made from another model"
            )


def _prefix(option: str, names: Sequence[str]) -> str:
    """What stands before every tensor's name and is no part of it."""
    for prefix in _PREFIXES:
        marked = [name for name in names if name.startswith(prefix)]
        others = [name for name in names if not name.startswith(prefix)]
        if marked and not others:
            return prefix
        if marked and all(name.startswith(_OTHER_PARTS) for name in others):
            raise AccountingError(
                f"{option}: holds other parts beside the transformer, e.g. {others[0]}, which would be left out; save "
                "the transformer alone, or give a whole diffusers folder to --model"
            )
    return ""


def _check_names(option: str, model: str, module: Any, tensors: Mapping[str, TensorInfo], prefix: str) -> Any:
    """Check names and shapes, and return the converter from the makers' names; None where they are diffusers'."""
    import torch

    wanted = shapes_of(module)
    held = {name.removeprefix(prefix): info.shape for name, info in tensors.items()}
    converter = _converter(type(module).__name__)
    if converter is None or 2 * len(wanted.keys() & held.keys()) >= len(wanted):
        compare(option, model, wanted, held)
        return None
    try:
        # On tensors without memory: what the converter makes of the names is known before anything is read.
        empty = {name: torch.empty(shape, device="meta") for name, shape in held.items()}
        converted = converter(checkpoint=empty, config=dict(module.config))
        shapes = {name: tuple(tensor.shape) for name, tensor in converted.items()}
    except Exception as error:
        # The converters fail in any way on names that they do not know.
        raise AccountingError(
            f"{option}: its tensors have neither diffusers' names nor those of {model}'s makers, e.g. "
            f"{next(iter(held))} ({type(error).__name__}: {one_line(error, 100)}). It was made from another model, or "
            "is not whole."
        ) from error
    compare(option, model, wanted, shapes)
    counts = [sum(math.prod(shape) for shape in each.values()) for each in (held, shapes)]
    if counts[0] != counts[1]:
        raise AccountingError(f"{option}: holds {counts[0]:,} numbers, of which {counts[1]:,} have a place in {model}")
    return converter


def _converter(name: str) -> Any:
    from diffusers.loaders.single_file_model import SINGLE_FILE_LOADABLE_CLASSES

    return SINGLE_FILE_LOADABLE_CLASSES.get(name, {}).get("checkpoint_mapping_fn")


def _load(weights: WeightSet, dtype: Any) -> dict[str, Any]:
    from safetensors.torch import load_file

    state: dict[str, Any] = {}
    for file in weights.files:
        state |= load_gguf_file(file.path, dtype) if is_gguf(file.path) else load_file(file.path)
    return state


def _cast(tensor: Any, dtype: Any, *, keep: bool) -> Any:
    import torch

    if not tensor.is_floating_point():
        return tensor
    return tensor.to(torch.float32 if keep else dtype)


def _stored(tensors: Mapping[str, TensorInfo], module: Any) -> Mapping[str, TensorInfo]:
    """Under converted names, the one precision that all the file's tensors were stored in, where it is one."""
    matrices = {info.dtype: info for info in tensors.values() if len(info.shape) > 1}
    return dict.fromkeys(module.state_dict(), next(iter(matrices.values()))) if len(matrices) == 1 else {}
