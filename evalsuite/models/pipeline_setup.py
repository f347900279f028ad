"""How a loaded pipeline is run: device, precision, quantisation, back-ends, offload, compilation."""

from __future__ import annotations

import gc
import importlib
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from evalsuite.errors import EvalsuiteError
from evalsuite.models.attention_masks import drop_idle_masks
from evalsuite.records import Json

FP8_KEEPS = (
    r"norm",
    r"embed",
    r"modulation",
    r"lm_head",
    r"text_proj",
    r"final_linear",
    r"proj_out",
    r"vision_tower",
    r"multi_modal_projector",
)
"""Layers that stay in full precision under FP8: small, sensitive, or tied to an embedding table.

Embedding tables are no linear layers and are never cast; casting `lm_head` where it is tied to one would
cast the table with it. The vision tower of a text encoder does no work here.
"""

_FP8_PARTS = {
    "fp8": ("transformer", "unet", "text_encoder", "text_encoder_2", "text_encoder_3", "vision_language_encoder", "pe"),
    "fp8-transformer": ("transformer", "unet"),
}

_BF16_FEATURES = ("avx512_bf16", "amx_bf16", "bf16")
"""torch's names of the instructions for bfloat16: two of x86, and ARM's."""


def resolve_device(name: str) -> str:
    """The torch device of the setting `device`: `auto` is CUDA where there is one, else MPS, else the CPU.

    Raises:
        EvalsuiteError: The device named is not there.
    """
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return "cuda:0"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    kind, _, index = name.partition(":")
    there = {
        "cpu": True,
        "mps": torch.backends.mps.is_available(),
        "cuda": torch.cuda.is_available() and int(index or 0) < torch.cuda.device_count(),
    }
    if not there[kind]:
        raise EvalsuiteError(
            f"device={name}: there is no such device here (PyTorch {torch.__version__} sees "
            f"{torch.cuda.device_count()} CUDA devices). Set device=auto, or install a PyTorch build for your GPU."
        )
    return "cuda:0" if name == "cuda" else name


def cpu_has_bf16(features: Mapping[str, Any] | None = None) -> bool:
    """Whether this CPU has instructions for bfloat16. Without them a convolution takes tens of times as long.

    Args:
        features: What a CPU can do, by torch's names; what torch says of this one unless given.
    """
    import torch

    known = torch.cpu.get_capabilities() if features is None else features
    return any(known.get(name) for name in _BF16_FEATURES)


def computing_precision(settings: Mapping[str, Json]) -> str:
    """What a pipeline computes in: bf16, fp16 or fp32. FP8 stores; it computes in bf16 unless told otherwise."""
    precision = str(settings.get("precision", "bf16"))
    return str(settings.get("compute", "bf16")) if precision in _FP8_PARTS else precision


def fit_precision(
    settings: Mapping[str, Json], asked: Collection[str], *, device: str, cpu_bf16: bool
) -> tuple[dict[str, Json], str | None]:
    """The settings with the precision that is effective on a device, and why, where the user should know.

    Only on a CPU without bf16 instructions is there anything to say: it computes in float32 where bf16 is a mere
    default. The settings tell that, since precision decides the image. A bf16 that was asked for stays.

    Args:
        settings: All settings of the image.
        asked: Names of those that are no defaults.
        device: As `resolve_device` has it.
        cpu_bf16: Whether the CPU has bf16 instructions.
    """
    fitted = dict(settings)
    if device != "cpu" or cpu_bf16 or computing_precision(settings) != "bf16":
        return fitted, None
    name = "compute" if settings["precision"] in _FP8_PARTS else "precision"
    if name in asked:
        return fitted, f"{name}=bf16 is slow here: this CPU has no bf16 instructions; {name}=fp32 is many times faster"
    fitted[name] = "fp32"
    return fitted, (
        f"computes in float32 and not in bf16, which takes many times as long on this CPU without bf16 instructions; "
        f"recorded as {name}=fp32. Set {name}=bf16 to have bf16 all the same"
    )


def compute_dtype(precision: str) -> Any:
    """The torch dtype that a `precision` computes in."""
    import torch

    return {"fp16": torch.float16, "fp32": torch.float32}.get(precision, torch.bfloat16)


def prepare_pipeline(pipeline: Any, settings: Mapping[str, Json], runtime: Mapping[str, Json]) -> str:
    """Apply precision, quantisation, back-ends, offload and compilation to a loaded pipeline, and place it.

    The pipeline has none of these yet: fresh from `loading.load_pipeline`, or built by hand.

    Args:
        pipeline: A diffusers pipeline in its computing precision.
        settings: `ModelSpec.settings`.
        runtime: `ModelSpec.runtime`.

    Returns:
        The device that it draws on.

    Raises:
        EvalsuiteError: An option is not to be had with this pipeline or on this machine.
    """
    device = resolve_device(str(runtime.get("device", "auto")))
    offload = str(runtime.get("offload", "none"))
    pipeline.set_progress_bar_config(disable=True)
    for part in _FP8_PARTS.get(str(settings.get("precision", "bf16")), ()):
        if getattr(pipeline, part, None) is not None:
            store_in_fp8(getattr(pipeline, part), compute_dtype(computing_precision(settings)))
    _autoencoder_options(pipeline, settings, runtime)
    if offload == "none":
        pipeline.to(device)
    if settings.get("quantize", "none") != "none":
        quantize(pipeline, str(settings["quantize"]))
    attention = settings.get("attention") or runtime.get("attention")
    if attention:
        set_attention(pipeline, str(attention))
    if offload != "none":
        _offload(pipeline, offload, device)
    if runtime.get("drop_mask"):
        drop_idle_masks(pipeline)
    if runtime.get("compile"):
        compile_blocks(pipeline)
    if runtime.get("compile_decoder"):
        compile_decoder(pipeline)
    return device


def _autoencoder_options(pipeline: Any, settings: Mapping[str, Json], runtime: Mapping[str, Json]) -> None:
    for wanted, method in (
        (settings.get("vae_tiling"), "enable_tiling"),
        (runtime.get("vae_slicing"), "enable_slicing"),
    ):
        if wanted:
            if not hasattr(getattr(pipeline, "vae", None), method):
                raise EvalsuiteError(f"{type(pipeline).__name__}: its autoencoder has no {method}")
            getattr(pipeline.vae, method)()


def fp8_layers(module: Any) -> Iterator[tuple[str, Any]]:
    """The linear and convolution layers of a module that FP8 storage covers, with their names."""
    from torch import nn

    keeps = (*FP8_KEEPS, *(getattr(module, "_skip_layerwise_casting_patterns", None) or ()))
    kinds = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
    for name, layer in module.named_modules():
        if isinstance(layer, kinds) and not any(re.search(keep, name) for keep in keeps):
            yield name, layer


def store_in_fp8(module: Any, dtype: Any) -> None:
    """Store the weights of a module's layers in float8 (E4M3) and compute in a torch dtype, layer by layer."""
    import torch
    from diffusers.hooks.layerwise_casting import apply_layerwise_casting_hook

    for _, layer in fp8_layers(module):
        apply_layerwise_casting_hook(layer, torch.float8_e4m3fn, dtype, non_blocking=False)


def quantize(pipeline: Any, kind: str) -> None:
    """Quantise the linear layers of the transformer's blocks, with torchao but for `fp8-rows`.

    Raises:
        EvalsuiteError: torchao is not installed, or the device cannot do it.
    """
    if kind == "fp8-rows":
        from evalsuite.models.fp8_matmul import use_fp8_products

        use_fp8_products(pipeline.transformer, fp8_layers(pipeline.transformer))
        return
    try:
        ao = importlib.import_module("torchao.quantization")
    except ImportError as error:
        raise EvalsuiteError(f"quantize={kind} needs torchao: pip install torchao") from error
    makers = {
        "int8": ao.Int8WeightOnlyConfig,
        "int4": ao.Int4WeightOnlyConfig,
        "fp8": ao.Float8WeightOnlyConfig,
        "int8-dynamic": ao.Int8DynamicActivationInt8WeightConfig,
        "fp8-dynamic": ao.Float8DynamicActivationFloat8WeightConfig,
    }
    layers = dict(fp8_layers(pipeline.transformer))
    try:
        ao.quantize_(pipeline.transformer, makers[kind](), filter_fn=lambda _, name: name in layers)
    except (RuntimeError, ImportError, AssertionError, NotImplementedError) as error:
        raise EvalsuiteError(f"quantize={kind}: torchao cannot do it on this device: {error}") from error
    # torchao passes over what it cannot take (int4 in groups of 128 columns) without a word.
    left = [name for name, layer in layers.items() if "torchao" not in type(layer.weight).__module__]
    if left:
        raise EvalsuiteError(
            f"quantize={kind}: torchao left {len(left)} of {len(layers)} layers as they were, e.g. {left[0]}"
        )


def set_attention(pipeline: Any, name: str) -> None:
    """Choose the attention back-end of the transformer.

    Raises:
        EvalsuiteError: It is unknown, not installed, or would be downloaded.
    """
    if name.endswith("_hub"):
        raise EvalsuiteError(f"attention={name}: would download and run code; install the kernel and use another name")
    from diffusers.models.attention_dispatch import attention_backend

    try:
        # diffusers would also make it the default of every other model in the process; the block undoes that.
        with attention_backend("native"):
            pipeline.transformer.set_attention_backend(name)
    except (ValueError, RuntimeError, ImportError, AttributeError) as error:
        raise EvalsuiteError(f"attention={name}: {error}") from error


def compile_blocks(pipeline: Any) -> None:
    """Compile the transformer's repeated blocks, which compiles in seconds what the whole takes minutes for.

    Raises:
        EvalsuiteError: The transformer does not name its repeated blocks.
    """
    try:
        pipeline.transformer.compile_repeated_blocks()
    except (ValueError, AttributeError) as error:
        raise EvalsuiteError(
            f"compile=true: {type(pipeline).__name__} cannot be compiled by blocks: {error}"
        ) from error


def compile_decoder(pipeline: Any) -> None:
    """Compile the autoencoder's decoder, its values channels last, as a GPU's convolutions want them.

    Raises:
        EvalsuiteError: There is none.
    """
    import torch

    decoder = getattr(getattr(pipeline, "vae", None), "decoder", None)
    if not isinstance(decoder, torch.nn.Module):
        raise EvalsuiteError(f"compile_decoder=true: {type(pipeline).__name__} has no autoencoder with a decoder")
    decoder.to(memory_format=torch.channels_last)
    decoder.compile()


def _offload(pipeline: Any, kind: str, device: str) -> None:
    import torch

    try:
        if kind == "model":
            pipeline.enable_model_cpu_offload(device=device)
        elif kind == "group":
            # The next block travels while this one works, from pinned memory.
            pipeline.enable_group_offload(
                onload_device=torch.device(device),
                offload_type="block_level",
                num_blocks_per_group=1,
                use_stream=device.startswith("cuda"),
            )
        else:
            # Layer by layer, as accelerate's sequential offload, which fails on tied embeddings.
            pipeline.enable_group_offload(onload_device=torch.device(device), offload_type="leaf_level")
    except (ValueError, RuntimeError, ImportError) as error:
        raise EvalsuiteError(f"offload={kind}: {error}") from error


def free_memory() -> None:
    """Give back what no live object holds any more: Python's cycles, the allocator's cache, compiled code."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
