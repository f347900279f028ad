"""Pipelines of the full-size architectures with random weights, and what their drawing costs in operations."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from evalsuite.models.architectures import build_component
from evalsuite.models.options import resolve_device
from evalsuite.models.session import call_arguments
from evalsuite.models.stand_in import ENHANCER_TEMPLATE, KLEIN_TEMPLATE, offline_tokenizer
from evalsuite.records import ModelSpec

_SMALL_TEXT = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 32,
    "vocab_size": 1024,
}
_SMALL_VISION = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
_SMALL_VAE = {"block_out_channels": (32, 32, 32, 32), "layers_per_block": 1}


@dataclass(frozen=True, slots=True)
class Family:
    """An architecture, its parts, its presets (few steps, base), and the changes that make a small copy of it."""

    name: str
    parts: tuple[str, ...]
    presets: tuple[str, str]
    assemble: Callable[[dict[str, Any]], Any]
    small: dict[str, dict[str, Any]] = field(default_factory=dict)


def _klein(parts: dict[str, Any]) -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, Flux2KleinPipeline

    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True)
    tokenizer = offline_tokenizer(chat_template=KLEIN_TEMPLATE)
    return Flux2KleinPipeline(scheduler=scheduler, tokenizer=tokenizer, is_distilled=True, **parts)


def _ernie(parts: dict[str, Any]) -> Any:
    from diffusers import ErnieImagePipeline, FlowMatchEulerDiscreteScheduler

    return ErnieImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        tokenizer=offline_tokenizer(),
        pe_tokenizer=offline_tokenizer(chat_template=ENHANCER_TEMPLATE),
        **parts,
    )


FAMILIES = {
    "flux2-klein-4b": Family(
        "flux2-klein-4b",
        ("transformer", "text_encoder", "vae"),
        ("flux2-klein-4b", "flux2-klein-base-4b"),
        _klein,
        {
            "transformer": {
                "num_layers": 1,
                "num_single_layers": 1,
                "num_attention_heads": 2,
                "joint_attention_dim": 192,
            },
            # The pipeline reads hidden states 9, 18 and 27.
            "text_encoder": {**_SMALL_TEXT, "num_hidden_layers": 28},
            "vae": _SMALL_VAE,
        },
    ),
    "ernie-image": Family(
        "ernie-image",
        ("transformer", "text_encoder", "vae", "pe"),
        ("ernie-image-turbo-no-pe", "ernie-image-no-pe"),
        _ernie,
        {
            "transformer": {
                "num_layers": 1,
                "num_attention_heads": 2,
                "hidden_size": 256,
                "ffn_hidden_size": 512,
                "text_in_dim": 64,
            },
            "text_encoder": {
                "text_config": {**_SMALL_TEXT, "num_hidden_layers": 2},
                "vision_config": {**_SMALL_VISION, "image_size": 64, "patch_size": 16},
            },
            "vae": _SMALL_VAE,
            "pe": {**_SMALL_TEXT, "num_hidden_layers": 2},
        },
    ),
}
"""What is timed, by name."""


def build_pipeline(family: Family, *, shallow: bool) -> Any:
    """A pipeline of a family on the best device here, with random bfloat16 weights that are made on it."""
    import torch

    device = resolve_device("auto")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        parts = {
            part: build_component(
                family.name,
                part,
                device=device,
                dtype=torch.bfloat16,
                **(family.small[part] if shallow else {}),
            )
            for part in family.parts
        }
    pipeline = family.assemble(parts).to(device)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def count_operations(pipeline: Any, spec: ModelSpec, prompt: str) -> dict[str, float]:
    """Floating-point operations of one image by phase, a multiplication and an addition counting as two.

    Counted from the shapes of matrix products, convolutions and attention (torch's flop counter) in a drawing
    of two steps, and scaled to the steps of `spec`.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    counted = 2
    call = {**call_arguments(pipeline, spec), "num_inference_steps": counted}
    counter = FlopCounterMode(display=False, custom_mapping=_attention_operations())
    with counter:
        pipeline(prompt=prompt, generator=torch.Generator("cpu").manual_seed(0), **call)
    totals = counter.get_flop_counts()
    steps = int(spec.settings["steps"])
    by_part = {
        part: float(sum(totals.get(type(getattr(pipeline, part)).__name__, {}).values()))
        for part in ("text_encoder", "transformer")
    }
    everything = float(sum(totals.get("Global", {}).values()))
    return {
        "text_encoding": by_part["text_encoder"],
        "denoising": by_part["transformer"] / counted * steps,
        # The decoder is called by its method, not as a module, so it is what remains.
        "decoding": everything - by_part["text_encoder"] - by_part["transformer"],
    }


def _attention_operations() -> dict[Any, Callable[..., int]]:
    """Formulas for fused attention in which several query heads share one of keys; torch's own refuse those."""
    import torch

    def operations(query: tuple[int, ...], key: tuple[int, ...], value: tuple[int, ...], *_: Any, **__: Any) -> int:
        images, heads, length, width = query
        return int(2 * images * heads * length * key[-2] * (width + value[-1]))

    kernels = ("flash_attention", "efficient_attention", "cudnn_attention", "flash_attention_for_cpu")
    named = (getattr(torch.ops.aten, f"_scaled_dot_product_{kernel}", None) for kernel in kernels)
    return {kernel: operations for kernel in named if kernel is not None}


def matmul_rate(side: int) -> float:
    """Operations a second of a square bfloat16 matrix product of random values: the rate to compare with."""
    import torch

    device = resolve_device("auto")
    left, right = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    wait: Callable[[], None] = torch.cuda.synchronize if device.startswith("cuda") else lambda: None
    rounds = 10
    for _ in range(3):
        left @ right
    wait()
    started = time.perf_counter()
    for _ in range(rounds):
        left @ right
    wait()
    return float(2 * side**3 * rounds / (time.perf_counter() - started))
