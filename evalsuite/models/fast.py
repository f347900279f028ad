"""`fast=true`: the options that pay together, by name, and those of them that cannot be had here.

Each part becomes a setting of its own and is recorded as such; a part that was set by the user stays as it was set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalsuite.models.fp8_matmul import why_no_fp8
from evalsuite.models.pipeline_setup import resolve_device
from evalsuite.records import Json

FAST: dict[str, Json] = {
    "batch": 4,
    "encode_once": True,
    "compile": True,
    "compile_decoder": True,
    "drop_mask": True,
    "quantize": "fp8-rows",
}
"""What `fast=true` stands for, with everything to be had."""

_ON_A_GPU = ("compile", "compile_decoder", "drop_mask")
"""What a CPU gains nothing from: its products take the time."""


def with_fast_parts(
    settings: Mapping[str, Json], asked: Mapping[str, Json], pipeline: type[Any]
) -> tuple[dict[str, Json], str | None, str]:
    """The settings with the parts of `fast=true`, those left out with why, and a sentence on what it stands for here.

    Args:
        settings: All settings, `fast` among them.
        asked: Those that are no defaults.
        pipeline: The class of the pipeline.

    Raises:
        EvalsuiteError: The device that was named is not here, so that it cannot be asked what it can do.
    """
    device = resolve_device(str(settings.get("device", "auto")))
    merged = dict(settings)
    left: dict[str, str] = {}
    for name, value in FAST.items():
        if name in asked:
            continue
        reason = _why_not(name, merged, pipeline, device)
        if reason is None:
            merged[name] = value
        else:
            left[name] = reason
    without = "; ".join(f"{name}: {reason}" for name, reason in left.items()) or None
    told = " ".join(f"{name}={_told(merged[name])}" for name in FAST if name in merged)
    return merged, without, f"fast=true stands for {told}" + (f", without {without}" if without else "")


def _why_not(name: str, settings: Mapping[str, Json], pipeline: type[Any], device: str) -> str | None:
    if name in _ON_A_GPU and not device.startswith("cuda"):
        return f"of use on a GPU of NVIDIA's, not on {device}"
    if name in ("compile", "compile_decoder") and settings.get("offload", "none") != "none":
        return f"not with offload={settings['offload']}"
    if name == "encode_once" and not hasattr(pipeline, "encode_prompt"):
        return f"{pipeline.__name__} has no encode_prompt"
    if name == "drop_mask" and pipeline.__name__ != "ErnieImagePipeline":
        return f"{pipeline.__name__} masks no texts"
    if name == "quantize":
        if settings["precision"] != "bf16":
            return f"not with precision={settings['precision']}"
        return why_no_fp8(device)
    return None


def _told(value: Json) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
