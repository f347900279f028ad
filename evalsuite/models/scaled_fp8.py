"""Scaled FP8: float8 weights that are stored with the factor which makes them what they were.

ComfyUI's files hold, beside each float8 `LAYER.weight`, a `LAYER.weight_scale` (or `scale_weight`), one number or one
for each row; `input_scale` (or `scale_input`) and the mark `scaled_fp8` are for computing in float8, which is not done
here. A weight is float8 times scale, in float32: exact, whatever it is computed in afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evalsuite.models.accounting import AccountingError
from evalsuite.models.weights_file import TensorInfo

_SCALES = ("weight_scale", "scale_weight")
_FOR_COMPUTING = ("input_scale", "scale_input")
_FLOAT8 = ("F8_E4M3", "F8_E5M2")
_NUMBERS = ("F64", "F32", "F16", "BF16")


@dataclass(frozen=True, slots=True)
class Scales:
    """The scale's name of each weight that has one, and all tensors of a file that are no weights themselves."""

    of: Mapping[str, str] = field(default_factory=dict)
    beside: frozenset[str] = frozenset()

    def apply(self, state: dict[str, Any]) -> dict[str, Any]:
        """Weights times their scales, in float32, without what stood beside them. Changes `state`."""
        for name, scale in self.of.items():
            factor = state[scale].float()
            weight = state[name].float()
            state[name] = weight * (factor if factor.numel() == 1 else factor.reshape(-1, *(1,) * (weight.ndim - 1)))
        return {name: tensor for name, tensor in state.items() if name not in self.beside}


def find_scales(where: str, tensors: Mapping[str, TensorInfo]) -> Scales:
    """The scales of a file's float8 weights; none where it has none, or is quantised in another way.

    Args:
        where: The folder or file, for messages.
        tensors: What its header declares.

    Raises:
        AccountingError: A scale is of no float8 weight, or of another form than one number or one for each row.
    """
    found: dict[str, str] = {}
    for name, info in tensors.items():
        layer, _, last = name.rpartition(".")
        weight = tensors.get(f"{layer}.weight")
        if last not in _SCALES or (weight is not None and weight.dtype not in _FLOAT8):
            continue
        if weight is None:
            raise AccountingError(f"{where}: {name} is the scale of no weight: {layer}.weight is missing")
        if info.dtype not in _NUMBERS or info.shape not in ((), (1,), (1, 1), weight.shape[:1], (weight.shape[0], 1)):
            raise AccountingError(
                f"{where}: {name} is {info.dtype} {list(info.shape)} for weights of {list(weight.shape)}: scales of "
                "one number, or of one for each row, are applied. Use the weights in bf16."
            )
        if f"{layer}.weight" in found:
            raise AccountingError(f"{where}: {layer}.weight has two scales, {found[f'{layer}.weight']} and {name}")
        found[f"{layer}.weight"] = name
    if not found:
        return Scales()
    layers = {name.removesuffix(".weight") for name in found}
    beside = {name for name in tensors if name.rpartition(".")[2] == "scaled_fp8"}
    beside |= {f"{layer}.{last}" for layer in layers for last in _FOR_COMPUTING} & tensors.keys()
    return Scales(found, frozenset({*found.values(), *beside}))
