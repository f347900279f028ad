"""Every tensor accounted for: what a model has against what its files hold, by name, shape and value.

Nothing is loaded twice: names and shapes come from headers and from a model without memory, and values are looked at
where they already are. One pass for the largest value of each tensor finds NaN and infinity as well; it reads 6.5 GB a
second on one core in bfloat16, so 16 GB cost under 3 seconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from evalsuite.errors import EvalsuiteError
from evalsuite.models.weights_file import TensorInfo

_SCALE_NAMES = (
    "weight_scale", "scale_weight", "input_scale", "scale_input", "weight_scale_2", "scaled_fp8", "comfy_quant",
    "absmax", "quant_map", "nested_absmax", "bitsandbytes__nf4", "bitsandbytes__fp4", "qweight", "qzeros", "scales",
    "wscales", "smooth_factor",
)  # fmt: skip
"""Last parts of the names under which quantisers keep what the weights have to be multiplied with."""

_FLOATS = ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2")
"""Types in the safetensors format that weights are loaded from."""

_FP8_LIMIT = 224.0
"""Weights cast to float8 are small; scaled ones are stretched to its range, whose end is 448 (E4M3) or 57,344."""

_LARGE_ROOT_MEAN_SQUARE = 30.0
"""No layer of a trained network has weights of such size; scaled float8 without its scale and junk do."""


class AccountingError(EvalsuiteError):
    """A tensor of a file has no place in the model, or a weight of the model is in no file, or its values cannot be."""


Shapes = Mapping[str, tuple[int, ...]]


def compare(where: str, model: str, wanted: Shapes, held: Shapes) -> None:
    """Check that files hold exactly what a model has.

    Args:
        where: The folder or file, for messages.
        model: What the model is called.
        wanted: Names and shapes of all tensors of the model.
        held: Those of the files.

    Raises:
        AccountingError: A tensor is missing, left over or of another shape; the first of each is named.
    """
    missing = [name for name in wanted if name not in held]
    left = [name for name in held if name not in wanted]
    shaped = [name for name in wanted if name in held and wanted[name] != held[name]]
    problems = []
    if missing:
        problems.append(f"{len(missing)} of {len(wanted)} tensors of {model} are missing, e.g. {missing[0]}")
    if left:
        problems.append(f"{len(left)} of {len(held)} tensors have no place in {model}, e.g. {left[0]}")
    if shaped:
        name = shaped[0]
        problems.append(
            f"{len(shaped)} tensors have another shape than in {model}, e.g. {name}: {list(held[name])} for "
            f"{list(wanted[name])}"
        )
    if problems:
        raise AccountingError(
            f"{where}: {'; '.join(problems)}. The weights and the config.json do not belong together, or the files "
            "are not whole."
        )


def refuse_quantised(where: str, tensors: Mapping[str, TensorInfo]) -> None:
    """Refuse weights that mean nothing without scales, which the libraries' loaders do not apply.

    Raises:
        AccountingError: Scaled FP8, NVFP4, NF4, GPTQ, AWQ or SVDQuant tensors, or weights in whole numbers.
    """
    for name, info in tensors.items():
        last = name.rsplit(".", 1)[-1]
        if last in _SCALE_NAMES or info.dtype in ("F4", "F8_E8M0", "F6_E2M3", "F6_E3M2"):
            raise AccountingError(
                f"{where}: {name} belongs to quantised weights (scaled FP8, NVFP4, NF4 or the like), whose scales are "
                "not applied here. Use the weights in bf16, and precision=fp8 or quantize=… to draw with less memory."
            )
        if last in ("weight", "bias") and info.dtype not in _FLOATS:
            raise AccountingError(
                f"{where}: {name} is {info.dtype}, which are no floating-point numbers: quantised weights without "
                "their scales, or damage. Use the weights in bf16."
            )


def check_values(where: str, module: Any, tensors: Mapping[str, TensorInfo]) -> None:
    """Check that a loaded model's weights can be a trained network's.

    Args:
        where: The folder or file, for messages.
        module: The model, in memory.
        tensors: What its files declare, for the precision that they were stored in.

    Raises:
        AccountingError: A value is NaN or infinite, a layer's weights are absurdly large, or all layers' are zero.
    """
    import torch
    from torch import nn

    layers = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
    matrices = {f"{name}.weight" for name, layer in module.named_modules() if isinstance(layer, layers)}
    is_zero = bool(matrices)
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if tensor.is_meta:
            raise AccountingError(f"{where}: {name} was not loaded from any file")
        if not tensor.is_floating_point() or tensor.numel() == 0:
            continue
        low, high = (float(value) for value in torch.aminmax(tensor.detach()))
        if not (math.isfinite(low) and math.isfinite(high)):
            raise AccountingError(f"{where}: {name} holds NaN or infinite values")
        stored = tensors[name].dtype if name in tensors else ""
        largest = max(-low, high)
        is_zero = is_zero and not (name in matrices and largest > 0)
        if name in matrices and stored.startswith("F8") and largest >= _FP8_LIMIT:
            raise AccountingError(
                f"{where}: {name} is float8 with values up to {largest:g}: scaled FP8 whose scale is missing"
            )
        if name in matrices and largest > _LARGE_ROOT_MEAN_SQUARE:
            size = _root_mean_square(tensor.detach())
            if size > _LARGE_ROOT_MEAN_SQUARE:
                raise AccountingError(
                    f"{where}: {name} has weights of {size:.3g} (root mean square), which no trained layer has: "
                    "scaled weights without their scale, or not this model's"
                )
    if is_zero:
        raise AccountingError(f"{where}: the weights of all its {len(matrices)} layers are zero")


def _root_mean_square(tensor: Any) -> float:
    """In pieces, since a copy in float32 of a large layer would double its memory."""
    total = sum(float(piece.double().square().sum()) for piece in tensor.reshape(-1).split(1 << 20))
    return math.sqrt(total / tensor.numel())
