"""What an adapter's layer adds to the weights: the product of its matrices, in float32.

* LoRA: B·A (https://arxiv.org/abs/2106.09685); a convolution's k×k factor is flattened, which gives the same weights.
* LoHa and LoKr: (W1a·W1b) ∘ (W2a·W2b), and the Kronecker product of W1 and W2, as LyCORIS defines them
  (https://arxiv.org/abs/2309.14859).
* DoRA: the sum W + product with each row (PEFT, LyCORIS) or column (OneTrainer's default) brought to a magnitude
  (https://arxiv.org/abs/2402.09353).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def rank_of(tensors: Mapping[str, Any]) -> int | None:
    """The rank of a layer's matrices; None where none of them is decomposed (a whole LoKr, a difference)."""
    for slot in ("down", "hada_w1_b", "lokr_w2_b", "lokr_w1_b"):
        if slot in tensors:
            return int(tensors[slot].shape[0])
    return None


def shape_of(kind: str, tensors: Mapping[str, Any]) -> tuple[int, int] | None:
    """Rows and columns of a layer's product; None where its matrices do not fit each other or a layer has none."""
    if kind == "difference":
        return _flat(tensors["diff"]) if "diff" in tensors else None
    if kind == "LoKr":
        (rows, columns), (inner_rows, inner_columns) = (_factor_shape(tensors, side) or (0, 0) for side in ("w1", "w2"))
        return rows * inner_rows, columns * inner_columns
    pairs = [("up", "down")] if kind == "LoRA" else [("hada_w1_a", "hada_w1_b"), ("hada_w2_a", "hada_w2_b")]
    shapes = {_product_shape(tensors[left], tensors[right]) for left, right in pairs}
    return shapes.pop() if len(shapes) == 1 else None


def product(kind: str, tensors: Mapping[str, Any], start: int, rows: int) -> Any:
    """Some rows of what a layer adds, before its factor, as a matrix in float32."""
    t = {slot: tensor.float() for slot, tensor in tensors.items()}
    some = slice(start, start + rows)
    if kind == "difference":
        return t["diff"].flatten(1)[some]
    if kind == "LoRA":
        # The rows are taken before multiplying: so each module's numbers are those of a file that splits them.
        return t["up"].flatten(1)[some].contiguous() @ t["down"].flatten(1)
    if kind == "LoHa":
        return (t["hada_w1_a"][some] @ t["hada_w1_b"]) * (t["hada_w2_a"][some] @ t["hada_w2_b"])
    import torch

    return torch.kron(_factor(t, "w1"), _factor(t, "w2"))[some]


def decompose(merged: Any, magnitude: Any) -> Any:
    """DoRA: `merged` (weights and product) with its rows, or its columns, at the length that `magnitude` says."""
    if magnitude.ndim == 2 and magnitude.shape[0] == 1 and magnitude.shape[1] == merged.shape[1] > 1:
        return merged * (magnitude / merged.norm(dim=0, keepdim=True))
    return merged * (magnitude.reshape(-1, 1) / merged.norm(dim=1, keepdim=True))


def _flat(tensor: Any) -> tuple[int, int]:
    return int(tensor.shape[0]), int(tensor[0].numel())


def _product_shape(left: Any, right: Any) -> tuple[int, int] | None:
    if left.ndim < 2 or right.ndim < 2 or not left.numel() or not right.numel():
        return None
    if left[0].numel() != right.shape[0]:
        return None
    return int(left.shape[0]), int(right[0].numel())


def _factor_shape(tensors: Mapping[str, Any], side: str) -> tuple[int, int] | None:
    if f"lokr_{side}" in tensors:
        whole = tensors[f"lokr_{side}"]
        return (int(whole.shape[0]), int(whole.shape[1])) if whole.ndim == 2 else None
    pair = tensors[f"lokr_{side}_a"], tensors[f"lokr_{side}_b"]
    return _product_shape(*pair) if pair[0].ndim == pair[1].ndim == 2 else None


def _factor(tensors: Mapping[str, Any], side: str) -> Any:
    if f"lokr_{side}" in tensors:
        return tensors[f"lokr_{side}"]
    return tensors[f"lokr_{side}_a"] @ tensors[f"lokr_{side}_b"]
