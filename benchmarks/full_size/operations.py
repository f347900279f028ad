"""What drawing costs in floating-point operations, and the rate at which this machine could do them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from evalsuite.models.drawing import call_arguments
from evalsuite.models.pipeline_setup import compute_dtype, resolve_device
from evalsuite.records import ModelSpec


def count_operations(pipeline: Any, spec: ModelSpec, prompts: Sequence[str]) -> dict[str, float]:
    """Floating-point operations of one image by phase, a multiplication and an addition counting as two.

    Counted from the shapes of matrix products, convolutions and attention (torch's flop counter); what
    normalisation, activations and the like cost is left out, as is usual. One step of each prompt is counted,
    since its length in tokens decides, and one decoding; the steps of an image are all alike.

    Args:
        pipeline: A pipeline that is neither compiled nor changed otherwise.
        spec: How it draws.
        prompts: What it draws; the counts are means over them.
    """
    call = {**call_arguments(pipeline, spec), "num_inference_steps": 1}
    encoding = denoising = 0.0
    for prompt in prompts:
        totals = _count(pipeline, prompt, {**call, "output_type": "latent"})
        encoding += totals["text_encoder"]
        denoising += totals["transformer"]
    whole = _count(pipeline, prompts[0], call)
    return {
        "text_encoding": encoding / len(prompts),
        "denoising": denoising / len(prompts) * int(spec.settings["steps"]),
        # The decoder is called by its method, not as a module, so it is what remains.
        "decoding": whole["all"] - whole["text_encoder"] - whole["transformer"],
    }


def _count(pipeline: Any, prompt: str, call: dict[str, Any]) -> dict[str, float]:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False, custom_mapping=_attention_operations())
    with counter:
        pipeline(prompt=prompt, generator=torch.Generator("cpu").manual_seed(0), **call)
    totals = counter.get_flop_counts()
    names = {"all": "Global"} | {
        part: type(getattr(pipeline, part)).__name__ for part in ("text_encoder", "transformer")
    }
    return {part: float(sum(totals[name].values())) for part, name in names.items()}


def _attention_operations() -> dict[Any, Callable[..., int]]:
    """Formulas for fused attention in which several query heads share one of keys; torch's own refuse those."""
    import torch

    def operations(query: tuple[int, ...], key: tuple[int, ...], value: tuple[int, ...], *_: Any, **__: Any) -> int:
        images, heads, length, width = query
        return int(2 * images * heads * length * key[-2] * (width + value[-1]))

    kernels = ("flash_attention", "efficient_attention", "cudnn_attention", "flash_attention_for_cpu")
    named = (getattr(torch.ops.aten, f"_scaled_dot_product_{kernel}", None) for kernel in kernels)
    return {kernel: operations for kernel in named if kernel is not None}


def matmul_rate(side: int, precision: str = "bf16", *, rounds: int = 10, repeats: int = 5) -> float:
    """Operations a second of a square matrix product of random values in a precision: the rate to compare with.

    The best of `repeats` times `rounds` products, since nothing but disturbance makes one slower.
    """
    import torch

    device = resolve_device("auto")
    left, right = (torch.randn(side, side, device=device, dtype=compute_dtype(precision)) for _ in range(2))
    wait: Callable[[], None] = torch.cuda.synchronize if device.startswith("cuda") else lambda: None
    best = float("inf")
    for _ in range(1 + repeats):  # the first is slow and so never the best
        wait()
        started = time.perf_counter()
        for _ in range(rounds):
            left @ right
        wait()
        best = min(best, time.perf_counter() - started)
    return float(2 * side**3 * rounds / best)
