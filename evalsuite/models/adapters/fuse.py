"""Adding an adapter onto a pipeline's weights, all of it or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalsuite.models.accounting import refuse_quantised
from evalsuite.models.adapters.contents import AdapterError, AdapterLayer, read_layers
from evalsuite.models.adapters.names import LayerNames, Piece, Target
from evalsuite.models.adapters.products import decompose, product, rank_of, shape_of
from evalsuite.models.adapters.strength import Strength, read_strength
from evalsuite.models.weights_file import WeightsFile, WeightsFileError, read_weights_file

_KEPT = 0.5
"""The least share of an adapter that has to survive rounding to the weights' precision."""


_ROWS = 32
"""Rows of a layer that are changed at a time: half a megabyte in float32 where a row has 4,096 values."""


@dataclass(frozen=True, slots=True)
class _Job:
    """A layer with what it is laid over: its tensors by slot, the factor of its product, and its modules."""

    layer: AdapterLayer
    tensors: Mapping[str, Any]
    factor: float
    target: Target
    modules: Mapping[str, Any]


@dataclass(slots=True)
class _Tally:
    """What was to be added and what the weights show: the dot products of both over all layers."""

    wanted: float = 0.0
    kept: float = 0.0
    rounded_away: list[str] = field(default_factory=list)


def fuse_adapter(pipeline: Any, path: Path, scale: float) -> None:
    """Add an adapter times `scale` onto the weights of a pipeline.

    Every tensor of the file is used, and after adding, the weights are compared with what they were: each layer that
    the file names has changed by its product, to the rounding of its precision. A scale other than 1 moves the weights
    that part of the way from the model's to the adapter's.

    Raises:
        AdapterError: A tensor of the file is unknown, unpaired, misshapen, not finite or for a layer that the model
            does not have; or the adapter changes nothing. The weights may then be changed in part: drop the pipeline.
    """
    import torch

    try:
        file = read_weights_file(path)
    except WeightsFileError as error:
        raise AdapterError(f"--lora {error}") from error
    if scale == 0:
        raise AdapterError(f"--lora {path}:0: an adapter at scale 0 changes nothing; leave it out")
    refuse_quantised(f"--lora {path}", file.tensors)
    layers = read_layers(file)
    targets = _targets(pipeline, file, layers)
    decomposed = any("magnitude" in layer.tensors for layer in layers)
    strength = read_strength(file, {layer.kind for layer in layers}, decomposed=decomposed)
    tally = _Tally()
    with torch.no_grad():
        for job in [_prepare(pipeline, file, strength, *pair) for pair in zip(layers, targets, strict=True)]:
            _lay(file, job, scale, tally)
    if tally.wanted == 0:
        raise AdapterError(f"--lora {path}: changes nothing: all of its {len(layers)} products are zero (not trained?)")
    share = tally.kept / tally.wanted
    if tally.rounded_away or not share >= _KEPT:
        lost = f"e.g. all of {tally.rounded_away[0]}; " if tally.rounded_away else ""
        raise AdapterError(
            f"--lora {path}: is so weak that rounding to the weights' precision loses it ({lost}{share:.0%} is left): "
            "draw it with --set precision=fp32, or raise its scale"
        )


def _targets(pipeline: Any, file: WeightsFile, layers: Sequence[AdapterLayer]) -> list[Target]:
    names = LayerNames(pipeline)
    found = [names.find(layer.name) for layer in layers]
    unknown = [layer.name for layer, target in zip(layers, found, strict=True) if target is None]
    model = type(getattr(pipeline, names.trunk, pipeline)).__name__
    if len(unknown) == len(layers):
        raise AdapterError(
            f"--lora {file.path}: none of its {len(layers)} layers is one of {model}'s, e.g. {unknown[0]}: it was made "
            "for another model, or its trainer names layers in a way that evalsuite does not know"
        )
    if unknown:
        raise AdapterError(
            f"--lora {file.path}: {len(unknown)} of its {len(layers)} layers are none of {model}'s, e.g. {unknown[0]}; "
            "an adapter is laid whole or not at all"
        )
    targets = [target for target in found if target is not None]
    taken: dict[tuple[str, str, int], str] = {}
    for layer, target in zip(layers, targets, strict=True):
        for piece in target.pieces:
            place = (target.part, piece.module, piece.start)
            if place in taken:
                raise AdapterError(
                    f"--lora {file.path}: layers {taken[place]} and {layer.name} are for the same weights "
                    f"({target.part}.{piece.module})"
                )
            taken[place] = layer.name
    return targets


def _prepare(pipeline: Any, file: WeightsFile, strength: Strength, layer: AdapterLayer, target: Target) -> _Job:
    """Load a layer's tensors and check that they are finite and fit the weights."""
    import torch
    from safetensors import safe_open

    with safe_open(file.path, framework="pt") as opened:
        tensors = {slot: opened.get_tensor(key) for slot, key in layer.tensors.items()}
    for slot, key in layer.tensors.items():
        if not tensors[slot].is_floating_point():
            raise AdapterError(f"--lora {file.path}: {key} is {file.tensors[key].dtype}, no floating point numbers")
        if not bool(torch.isfinite(tensors[slot].float()).all()):
            raise AdapterError(f"--lora {file.path}: {key} holds NaN or infinite values")
    part = getattr(pipeline, target.part)
    modules = {piece.module: part.get_submodule(piece.module) for piece in target.pieces}
    weight = modules[target.pieces[0].module].weight
    shape = shape_of(layer.kind, tensors)
    if shape is None and layer.kind != "difference":
        told = ", ".join(f"{key} {list(file.tensors[key].shape)}" for key in layer.tensors.values())
        raise AdapterError(f"--lora {file.path}: {layer.name}: its matrices cannot be multiplied: {told}")
    wanted = (target.rows, int(weight[0].numel()))
    if shape != wanted and not (shape is None and layer.kind == "difference"):
        raise AdapterError(
            f"--lora {file.path}: {layer.name} gives a matrix of {list(shape or ())}, and "
            f"{target.part}.{target.pieces[0].module} takes {list(wanted)}: it was made for a model of another size"
        )
    _check_vectors(file, layer, tensors, target, modules, weight)
    alpha = float(tensors["alpha"]) if "alpha" in tensors and tensors["alpha"].numel() == 1 else None
    factor = 1.0 if layer.kind == "difference" else strength.of(layer.name, rank_of(tensors), alpha)
    return _Job(layer, tensors, factor, target, modules)


def _check_vectors(
    file: WeightsFile,
    layer: AdapterLayer,
    tensors: Mapping[str, Any],
    target: Target,
    modules: Mapping[str, Any],
    weight: Any,
) -> None:
    """Check the shapes of what is no matrix: alpha, magnitude, and what is added to the bias."""
    sizes = {"alpha": {1}, "magnitude": {target.rows, int(weight[0].numel())}}
    sizes |= {slot: {target.rows} for slot in ("up_bias", "diff_bias")}
    for slot, key in layer.tensors.items():
        if slot in sizes and tensors[slot].numel() not in sizes[slot]:
            raise AdapterError(
                f"--lora {file.path}: {key} has {tensors[slot].numel()} values, which does not fit {target.rows} rows"
            )
        if slot in ("up_bias", "diff_bias") and any(module.bias is None for module in modules.values()):
            raise AdapterError(f"--lora {file.path}: {key} changes the bias of a layer that has none")
        if slot == "magnitude" and weight.ndim != 2:
            raise AdapterError(f"--lora {file.path}: {key} is DoRA of a convolution, which evalsuite does not lay")


def _lay(file: WeightsFile, job: _Job, scale: float, tally: _Tally) -> None:
    """Change the weights of a layer, and compare them with what they were."""
    import torch

    whole = _decomposed(job) if "magnitude" in job.tensors else None
    wanted = kept = 0.0
    for piece in job.target.pieces:
        for slot in ("up_bias", "diff_bias"):
            if slot in job.tensors:
                factor = job.factor if slot == "up_bias" else 1.0
                rows = job.tensors[slot].float().flatten()[piece.source : piece.source + piece.rows]
                added = _change(file, job, _rows(job.modules[piece.module].bias, piece), rows * (factor * scale))
                wanted, kept = wanted + added[0], kept + added[1]
        if job.layer.tensors.keys() == {"diff_bias"}:
            continue
        weight = _rows(job.modules[piece.module].weight, piece)
        if whole is not None:
            delta = (whole[piece.source : piece.source + piece.rows] - weight.float()) * scale
        else:
            delta = product(job.layer.kind, job.tensors, piece.source, piece.rows) * (job.factor * scale)
        added = _change(file, job, weight, delta.reshape(weight.shape))
        wanted, kept = wanted + added[0], kept + added[1]
    if not torch.isfinite(torch.tensor(wanted)):
        raise AdapterError(f"--lora {file.path}: the product of layer {job.layer.name} is infinite")
    if wanted and not kept:
        tally.rounded_away.append(job.layer.name)
    tally.wanted += wanted
    tally.kept += kept


def _decomposed(job: _Job) -> Any:
    """The weights of a DoRA layer as its file has them: all of the modules' rows together, in the file's order."""
    import torch

    pieces = sorted(job.target.pieces, key=lambda piece: piece.source)
    merged = torch.cat([_rows(job.modules[piece.module].weight, piece).float() for piece in pieces])
    merged += product(job.layer.kind, job.tensors, 0, job.target.rows) * job.factor
    return decompose(merged, job.tensors["magnitude"].float())


def _rows(parameter: Any, piece: Piece) -> Any:
    return parameter.data[piece.start : piece.start + piece.rows]


def _change(file: WeightsFile, job: _Job, weight: Any, delta: Any) -> tuple[float, float]:
    """Add `delta` to some weights in place; its dot product with itself, and with the change that the weights show.

    Raises:
        AdapterError: The sum is too large for the weights' precision, or they did not change by `delta`.
    """
    import torch

    wanted = kept = 0.0
    # By some rows at a time, which stay in the processor's cache through all of the steps.
    for part, added in zip(weight.split(_ROWS), delta.split(_ROWS), strict=True):
        before = part.to(torch.float32, copy=True)
        after = before + added
        largest = float(after.abs().max())
        part.copy_(after)
        change = torch.sub(part.float(), before, out=after)
        error = float(torch.sub(change, added, out=before).abs_().max())
        # Half a unit in the last place of the largest value, and as much for the sum in float32.
        allowed = largest * (torch.finfo(weight.dtype).eps + 2 * torch.finfo(torch.float32).eps)
        if not error <= allowed + torch.finfo(weight.dtype).tiny:
            raise AdapterError(
                f"--lora {file.path}: {job.target.part}.{job.target.pieces[0].module} did not change by the product of "
                f"layer {job.layer.name} (off by {error:.3g})"
            )
        flat = added.flatten()
        wanted += float(torch.dot(flat, flat))
        kept += float(torch.dot(flat, change.flatten()))
    return wanted, kept
