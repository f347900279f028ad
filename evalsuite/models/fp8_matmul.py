"""Linear layers whose matrix products are done in float8: weights and activations, with a scale for each row.

The weights' rows and, at every call, the activations' rows are divided by their largest magnitude so that they fill
float8 (E4M3, up to 448); the product is summed up in float32 and multiplied by both scales. That is what torchao's
dynamic FP8 by rows does, by PyTorch's own product. Compiled, the scaling is part of what computes the activations.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from evalsuite.errors import EvalsuiteError

FP8_CAPABILITY = (8, 9)
"""The compute capability of the first GPUs with float8 matrix products: Ada, then Hopper (9.0)."""

_LARGEST = 448.0
_SMALLEST_SCALE = 1e-12
_MULTIPLE = 16
"""Columns and rows of a float8 product are multiples of this."""


class Fp8Linear(nn.Module):
    """A linear layer of another's weights, in float8."""

    weight: torch.Tensor
    scale: torch.Tensor

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        weight, scale = in_float8(layer.weight.detach())
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("scale", scale.t().contiguous(), persistent=False)
        self.bias = layer.bias

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """The product for inputs (…, K): (…, N). It is rounded to bfloat16, whatever the inputs are."""
        rows, scale = in_float8(inputs.reshape(-1, self.in_features))
        fused = inputs.dtype == torch.bfloat16
        product = torch._scaled_mm(  # noqa: SLF001 - what torchao calls; PyTorch has no public name for it yet
            rows,
            self.weight.t(),
            scale_a=scale,
            scale_b=self.scale,
            bias=self.bias if fused else None,
            out_dtype=torch.bfloat16,
            use_fast_accum=True,
        )
        if not fused:
            product = product.to(inputs.dtype) if self.bias is None else product.to(inputs.dtype) + self.bias
        return product.reshape(*inputs.shape[:-1], self.out_features)


def in_float8(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A matrix (M, K) in float8 and the scale of each row (M, 1) in float32, whose product is the matrix."""
    wide = matrix.to(torch.float32)
    scale = wide.abs().amax(-1, keepdim=True).clamp(min=_SMALLEST_SCALE) / _LARGEST
    return (wide / scale).clamp(-_LARGEST, _LARGEST).to(torch.float8_e4m3fn), scale


def why_no_fp8(device: str) -> str | None:
    """Why a device has no float8 matrix products; None where it has."""
    if not device.startswith("cuda"):
        return f"{device} has no float8 matrix products"
    capability = torch.cuda.get_device_capability(device)
    if capability < FP8_CAPABILITY:
        name = torch.cuda.get_device_name(device)
        return f"{name} has compute capability {capability[0]}.{capability[1]}; float8 matrix products need 8.9"
    return None


def use_fp8_products(module: nn.Module, layers: Iterator[tuple[str, Any]]) -> None:
    """Put float8 products in the place of linear layers, on the device that they are on.

    Args:
        module: The module that the layers are in.
        layers: Its layers by name; those that are not linear stay as they are.

    Raises:
        EvalsuiteError: The device cannot do it, or a layer's sides are no multiples of 16.
    """
    for name, layer in list(layers):
        if not isinstance(layer, nn.Linear):
            continue
        if layer.in_features % _MULTIPLE or layer.out_features % _MULTIPLE:
            raise EvalsuiteError(
                f"quantize=fp8-rows: {name} is {layer.out_features}x{layer.in_features}; multiples of 16 are needed"
            )
        parent, _, own = name.rpartition(".")
        setattr(module.get_submodule(parent), own, Fp8Linear(layer))
    first = next((layer for layer in module.modules() if isinstance(layer, Fp8Linear)), None)
    if first is None:
        raise EvalsuiteError("quantize=fp8-rows: the transformer has no layers for it")
    try:
        first(torch.ones(_MULTIPLE, first.in_features, dtype=torch.bfloat16, device=first.weight.device))
    except (RuntimeError, NotImplementedError) as error:
        raise EvalsuiteError(f"quantize=fp8-rows: this device cannot do it: {error}") from error
