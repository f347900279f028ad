"""Pipelines of the full-size architectures with random weights, and small copies of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.full_size.architectures import build_component
from evalsuite.models.pipeline_setup import compute_dtype, free_memory, resolve_device
from evalsuite.records import Json
from training.random_checkpoints import ENHANCER_TEMPLATE, KLEIN_TEMPLATE, offline_tokenizer

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
_SMALL_STEPS = 6
_CONTRAST = 0.4
"""Standard deviation of a decoded image's values, which lie between -1 and 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """An architecture and how its presets are timed.

    Attributes:
        name: A key of `ARCHITECTURES`.
        parts: The parts that every drawing needs.
        few_steps: The preset of few steps, without an enhancer.
        base: The preset of fifty steps, without an enhancer.
        enhanced: The preset of few steps with the prompt enhancer, the part `pe`; None where there is none.
        assemble: Makes a pipeline of the parts.
        small: By part, the changes to its configuration that make a small copy.
        small_settings: Settings that a small copy is drawn with in place of the preset's.
    """

    name: str
    parts: tuple[str, ...]
    few_steps: str
    base: str
    enhanced: str | None = None
    assemble: Callable[[dict[str, Any]], Any]
    small: dict[str, dict[str, Any]]
    small_settings: dict[str, Json]

    def preset(self, *, base: bool = False, enhancer: bool = False) -> str:
        """The preset of fifty steps, that with the enhancer, or that of few steps."""
        return (enhancer and self.enhanced) or (self.base if base else self.few_steps)


def _klein(parts: dict[str, Any]) -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, Flux2KleinPipeline

    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True)
    tokenizer = offline_tokenizer(chat_template=KLEIN_TEMPLATE)
    return Flux2KleinPipeline(scheduler=scheduler, tokenizer=tokenizer, is_distilled=True, **parts)


def _ernie(parts: dict[str, Any]) -> Any:
    from diffusers import ErnieImagePipeline, FlowMatchEulerDiscreteScheduler

    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    return ErnieImagePipeline(scheduler=scheduler, tokenizer=offline_tokenizer(), **parts)


FAMILIES = {
    family.name: family
    for family in (
        Family(
            name="flux2-klein-4b",
            parts=("transformer", "text_encoder", "vae"),
            few_steps="flux2-klein-4b",
            base="flux2-klein-base-4b",
            assemble=_klein,
            small={
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
            small_settings={"size": "128x128", "max_tokens": 128},
        ),
        Family(
            name="ernie-image",
            parts=("transformer", "text_encoder", "vae"),
            few_steps="ernie-image-turbo-no-pe",
            base="ernie-image-no-pe",
            enhanced="ernie-image-turbo",
            assemble=_ernie,
            small={
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
            small_settings={"size": "128x128"},
        ),
    )
}
"""What is timed, by name."""


def drawing_settings(family: Family, published: dict[str, Json], *, shallow: bool) -> dict[str, Json]:
    """The settings to draw with: a preset's at 1024×1024, or for a small copy at 128×128 with six steps at most."""
    if not shallow:
        return {**published, "size": "1024x1024"}
    return {**published, **family.small_settings, "steps": min(int(published["steps"]), _SMALL_STEPS)}


def built_in(device: str, *, shallow: bool) -> str:
    """The precision of a pipeline: bf16 as published, but fp32 for a small copy on a CPU, which may be slow in bf16."""
    return "fp32" if shallow and device == "cpu" else "bf16"


def build_pipeline(family: Family, *, shallow: bool, device: str = "auto") -> Any:
    """A pipeline of a family with random weights that are made on its device, as `built_in` says; `meta` makes none."""
    device = device if device == "meta" else resolve_device(device)
    parts = {part: _build(family, part, shallow=shallow, device=device) for part in family.parts}
    if device != "meta":
        _give_contrast(parts["vae"], device)
    pipeline = family.assemble(parts).to(device)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _devices(device: str) -> list[int]:
    """The CUDA devices whose generators are used: all of them would be warned about where there are several."""
    import torch

    at = torch.device(device)
    return [at.index or 0] if at.type == "cuda" else []


def _give_contrast(vae: Any, device: str) -> None:
    """Scale a random decoder's last layer so that its images are no even grey, in which nothing could differ."""
    import torch

    with torch.no_grad(), torch.random.fork_rng(_devices(device)):
        torch.manual_seed(0)
        latents = torch.randn(1, vae.config.latent_channels, 16, 16).to(device, vae.dtype)
        layer = vae.decoder.conv_out
        layer.weight *= _CONTRAST / vae.decode(latents, return_dict=False)[0].float().std().item()


@contextmanager
def enhancer(pipeline: Any, family: Family, tokens: int, *, shallow: bool) -> Iterator[None]:
    """Give the pipeline its prompt enhancer, which writes exactly `tokens` tokens, until the block ends.

    Random weights would end a text anywhere, or nowhere.
    """
    device = str(pipeline.transformer.device)
    rewriter = _build(family, "pe", shallow=shallow, device=device)
    rewriter.generation_config.min_new_tokens = tokens
    tokenizer = offline_tokenizer(chat_template=ENHANCER_TEMPLATE, limit=tokens)
    pipeline.register_modules(pe=rewriter, pe_tokenizer=tokenizer)
    try:
        yield
    finally:
        pipeline.register_modules(pe=None, pe_tokenizer=None)
        del rewriter
        free_memory()


def _build(family: Family, part: str, *, shallow: bool, device: str) -> Any:
    import torch

    changes = family.small[part] if shallow else {}
    dtype = compute_dtype(built_in(device, shallow=shallow))
    with torch.random.fork_rng(_devices(device)):
        torch.manual_seed(0)
        module = build_component(family.name, part, device=device, dtype=dtype, **changes)
        if device != "meta":
            for layer in module.modules():
                # ERNIE-Image's last layer starts as zeros, which would hide all that was computed.
                if isinstance(layer, torch.nn.Linear) and not layer.weight.any():
                    torch.nn.init.normal_(layer.weight, std=0.02)
        return module
