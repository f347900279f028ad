"""Loading the parts of a checkpoint, each with its tensors accounted for."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalsuite.chat_templates import check_chat_templates
from evalsuite.errors import EvalsuiteError
from evalsuite.files import read_json_object
from evalsuite.models.accounting import AccountingError, check_values, compare, refuse_quantised
from evalsuite.models.checkpoints import Checkpoint
from evalsuite.models.configurations import check_config, check_scheduler, check_types
from evalsuite.models.library_calls import refusing
from evalsuite.models.weight_sets import WeightSet, find_weights

_SCHEDULER = "scheduler_config.json"

_OLD_ATTENTION = (
    (r"\.query\.", ".to_q."),
    (r"\.key\.", ".to_k."),
    (r"\.value\.", ".to_v."),
    (r"\.proj_attn\.", ".to_out.0."),
)
"""Names of attention layers in autoencoders saved by diffusers before 0.15, which it renames while loading."""


def pipeline_class(checkpoint: Checkpoint) -> Any:
    """The diffusers class that a checkpoint's model_index.json names.

    Raises:
        EvalsuiteError: diffusers has none of that name, or it is no pipeline.
    """
    import diffusers

    where = checkpoint.folder / "model_index.json"
    with refusing(str(where), checkpoint.pipeline):
        kind = getattr(diffusers, checkpoint.pipeline, None)
    if kind is None:
        raise EvalsuiteError(
            f"{checkpoint.folder}: its model_index.json names {checkpoint.pipeline}, which diffusers "
            f"{diffusers.__version__} does not have. Install a newer diffusers."
        )
    base = diffusers.DiffusionPipeline
    if not isinstance(kind, type) or not issubclass(kind, base) or kind is base or not callable(kind):
        raise EvalsuiteError(f"{where}: _class_name is {checkpoint.pipeline!r}, which is no pipeline of diffusers")
    check_types(str(where), kind, checkpoint.index)
    return kind


def load_part(checkpoint: Checkpoint, part: str, dtype: Any) -> Any:
    """Load one part: a model with its weights accounted for, or a tokenizer, scheduler or the like.

    Raises:
        EvalsuiteError: It cannot be loaded, or its files and the model are not the same tensors.
    """
    from torch import nn

    kind = part_class(checkpoint, part)
    folder = checkpoint.folder / part
    _check_class(folder, kind.__name__)
    if not issubclass(kind, nn.Module):
        check_chat_templates(folder)
        if (folder / _SCHEDULER).is_file():
            config = read_config(folder, _SCHEDULER)
            check_scheduler(str(folder / _SCHEDULER), config)
            check_types(str(folder / _SCHEDULER), kind, config)
        with refusing(str(folder), kind.__name__):
            remote = {"trust_remote_code": False} if checkpoint.components[part][0] == "transformers" else {}
            loaded = kind.from_pretrained(folder, local_files_only=True, **remote)
        if isinstance(loaded, nn.Module):
            raise EvalsuiteError(f"{folder}: {kind.__name__} stands for any model; name the model's own class")
        return loaded
    weights = find_weights(folder)
    config = read_config(folder)
    check_config(str(folder), config, len(weights.tensors))
    refuse_quantised(str(folder), weights.tensors)
    load = _from_transformers
    if checkpoint.components[part][0] == "diffusers":
        check_types(str(folder / "config.json"), kind, config)
        load = _from_diffusers
    module = load(kind, weights, dtype)
    check_values(str(folder), module, weights.tensors)
    return module.eval()


def _check_class(folder: Path, name: str) -> None:
    """Refuse a part whose own configuration says that it is another class's, by which its settings would be lost.

    Raises:
        EvalsuiteError: See above.
    """
    for file in ("config.json", _SCHEDULER):
        path = folder / file
        if not path.is_file():
            continue
        own = read_config(folder, file).get("_class_name", name)
        if own != name:
            raise EvalsuiteError(f"{path}: is of {own}, and model_index.json says {name}")


def part_class(checkpoint: Checkpoint, part: str) -> Any:
    """The library's class of a part.

    Raises:
        EvalsuiteError: There is none of that name, or nothing is loaded by it.
    """
    import importlib

    library, name = checkpoint.components[part]
    where = f"{checkpoint.folder / 'model_index.json'}: {part}"
    with refusing(where, f"{library}.{name}"):
        kind = getattr(importlib.import_module(library), name, None)
    if not isinstance(kind, type) or not hasattr(kind, "from_pretrained"):
        raise EvalsuiteError(f"{where} is {library}.{name}, which is no class that loads a part")
    return kind


def read_config(folder: Path, name: str = "config.json") -> Mapping[str, Any]:
    """A model's config.json, or another part's configuration.

    Raises:
        EvalsuiteError: It is missing or no JSON object.
    """
    path = folder / name
    try:
        return read_json_object(path)
    except FileNotFoundError as error:
        raise EvalsuiteError(f"{path}: cannot be read: {error.strerror}") from error


def empty_model(kind: Any, folder: Path) -> Any:
    """A model of diffusers as its folder's config.json describes it, without memory for its weights.

    Raises:
        EvalsuiteError: The class refuses the configuration.
    """
    from accelerate import init_empty_weights

    with refusing(str(folder / "config.json"), kind.__name__), init_empty_weights():
        return kind.from_config(kind.load_config(folder, local_files_only=True))


def shapes_of(module: Any) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all tensors that a model saves."""
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def _from_diffusers(kind: Any, weights: WeightSet, dtype: Any) -> Any:
    where, name = str(weights.folder), kind.__name__
    wanted = shapes_of(empty_model(kind, weights.folder))
    held = weights.shapes
    ignored = getattr(kind, "_keys_to_ignore_on_load_unexpected", None) or ()
    held = {key: shape for key, shape in held.items() if not any(re.search(each, key) for each in ignored)}
    if wanted.keys() != held.keys():
        renamed = {_renamed(key): shape for key, shape in held.items()}
        held = renamed if renamed.keys() == wanted.keys() else held
    # Linear layers of attention were 1×1 convolutions once; diffusers takes those.
    compare(where, f"{name} by its config.json", wanted, held)
    with refusing(where, name):
        module, told = kind.from_pretrained(
            weights.folder,
            dtype=dtype,
            variant=weights.variant,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    _check_told(where, name, told)
    return module


def _renamed(key: str) -> str:
    for pattern, name in _OLD_ATTENTION:
        key = re.sub(pattern, name, key)
    return key


def _from_transformers(kind: Any, weights: WeightSet, dtype: Any) -> Any:
    import torch

    where, name = str(weights.folder), kind.__name__
    own = read_config(weights.folder).get("model_type")
    wanted = getattr(kind.config_class, "model_type", own)
    if own is not None and own != wanted:
        raise AccountingError(f"{where}/config.json: describes a model of type {own!r}, and {name} is {wanted!r}")
    with refusing(f"{where}/config.json", name), torch.device("meta"):
        empty = kind(kind.config_class.from_pretrained(weights.folder, local_files_only=True))
    _check_size(where, name, empty, weights)
    with refusing(where, name):
        module, told = kind.from_pretrained(
            weights.folder,
            dtype=dtype,
            variant=weights.variant,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
        _check_told(where, name, told)
    return module


def _check_size(where: str, name: str, empty: Any, weights: WeightSet) -> None:
    """Refuse what transformers would fill with random numbers for minutes before it told that tensors are missing.

    Where the files have other names than the model, which transformers renames, only what is far too little is seen.

    Raises:
        AccountingError: The model by its config.json has tensors that its files do not hold.
    """
    empty.tie_weights()  # so that shared weights count once
    tied = set(getattr(empty, "all_tied_weights_keys", None) or ())
    shapes = shapes_of(empty)
    wanted = {key: shape for key, shape in shapes.items() if key not in tied}
    if weights.shapes.keys() <= shapes.keys():  # nothing is renamed
        held = {key: shape for key, shape in weights.shapes.items() if key in wanted}
        compare(where, f"{name} by its config.json", wanted, held)
        return
    counts = [sum(math.prod(shape) for shape in each.values()) for each in (wanted, weights.shapes)]
    if counts[0] > 1.5 * counts[1]:
        raise AccountingError(
            f"{where}: {name} by its config.json has {counts[0]:,} numbers, and its files hold {counts[1]:,}: tensors "
            "are missing"
        )


def _check_told(where: str, name: str, told: Mapping[str, Any]) -> None:
    """Check what the library itself says of a model's loading.

    Raises:
        AccountingError: Tensors were missing, left over, of another shape, or failed.
    """
    said = {
        "missing_keys": "tensors are in no file and would be random",
        "unexpected_keys": "tensors of its files have no place in it",
        "mismatched_keys": "tensors have another shape than it takes",
        "error_msgs": "tensors could not be read",
    }
    for field, what in said.items():
        found = sorted(str(each) for each in told.get(field) or ())
        if found:
            raise AccountingError(f"{where}: {name}: {len(found)} {what}, e.g. {found[0]}")
