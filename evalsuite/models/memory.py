"""How much disk, main memory and GPU memory a model takes, estimated from its parameter counts.

The weights are counted exactly. What drawing needs beside them is an allowance for 1024x1024 that grows
with the pixels: most of it is the decoder's. It is what the driver showed at the peak; a GPU with less may do,
since half of it is memory that PyTorch keeps for later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evalsuite.models.presets import Part

_WORKING_BYTES_PER_PIXEL = 5_200
"""Bytes that PyTorch holds beside the weights while one image is decoded, per pixel (bfloat16).

Of ERNIE-Image at 1024x1024 the driver showed 29.9 GB on an H100 (36.8 with the enhancer, 19.5 in FP8, 43.5 in batches
of 4) and PyTorch's allocator had used 26.5 of them; of FLUX.2 klein 4B 20.3 on an H200, 18.6 used. `estimate` says 30.0
(36.8, 19.1, 46.3) and 22.0.
"""

_CONTEXT_BYTES = 600_000_000
"""What a CUDA process takes before any tensor."""

_BYTES = {"bf16": 2, "fp16": 2, "fp32": 4, "fp8": 2, "fp8-transformer": 2}


@dataclass(frozen=True, slots=True)
class Needs:
    """Bytes that a model takes: on disk, in main memory while loading, and on the GPU while drawing."""

    disk: int
    main_memory: int
    gpu: int


def weight_bytes(part: Part, precision: str, *, in_fp8: bool) -> int:
    """Bytes of one part's weights in a precision; `in_fp8` where FP8 storage covers this part."""
    width = _BYTES[precision]
    return part.parameters * width - (part.fp8 * (width - 1) if in_fp8 else 0)


def estimate(
    parts: Mapping[str, Part],
    *,
    precision: str = "bf16",
    offload: str = "none",
    pixels: int = 1024 * 1024,
    batch: int = 1,
) -> Needs:
    """What a model of these parts takes.

    With `offload=model` the largest part is on the GPU at a time; with `group` and `sequential` a few layers,
    reckoned as a thirtieth of it.

    Args:
        parts: The parts that are loaded (without the enhancer where it is off).
        precision: A value of the setting `precision`.
        offload: A value of the setting `offload`.
        pixels: Width times height of the image.
        batch: Images drawn at a time.
    """
    in_fp8 = {
        "fp8": set(parts),
        "fp8-transformer": {"transformer"},
    }.get(precision, set())
    sizes = [weight_bytes(part, precision, in_fp8=name in in_fp8) for name, part in parts.items()]
    resident = {"none": sum(sizes), "model": max(sizes)}.get(offload, max(sizes) // 30)
    return Needs(
        disk=sum(part.parameters for part in parts.values()) * 2,
        main_memory=sum(weight_bytes(part, precision, in_fp8=False) for part in parts.values()),
        gpu=resident + _WORKING_BYTES_PER_PIXEL * pixels * batch + _CONTEXT_BYTES,
    )


def gigabytes(count: int) -> str:
    """Bytes as gigabytes (10^9) with one decimal, e.g. `15.9 GB`."""
    return f"{count / 1e9:.1f} GB"


def describe_needs(parts: Mapping[str, Part]) -> str:
    """A sentence on the GPU memory that a model takes at 1024x1024 in bf16, in FP8, and with offload."""
    whole = estimate(parts)
    return (
        f"Drawing 1024x1024 takes an estimated {gigabytes(whole.gpu)} of GPU memory in bf16, "
        f"{gigabytes(estimate(parts, precision='fp8').gpu)} with precision=fp8, "
        f"{gigabytes(estimate(parts, offload='model').gpu)} with offload=model, "
        f"{gigabytes(estimate(parts, precision='fp8', offload='model').gpu)} with both; "
        f"loading takes {gigabytes(whole.main_memory)} of main memory."
    )
