"""The full-size architectures of the presets, from their published configurations, without any weights.

For counting parameters on the meta device, and for timing: the values of weights change neither speed nor
memory, so a pipeline of full size with random weights is timed as truly as the real one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalsuite.errors import EvalsuiteError

Component = tuple[str, str, Mapping[str, Any]]
"""Library, class and configuration of one part of a pipeline."""

_QWEN3 = {
    "vocab_size": 151936,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "max_position_embeddings": 40960,
}
_QWEN3_4B = _QWEN3 | {"hidden_size": 2560, "intermediate_size": 9728, "tie_word_embeddings": True}
_QWEN3_8B = _QWEN3 | {"hidden_size": 4096, "intermediate_size": 12288, "tie_word_embeddings": False}

_FLUX2 = {
    "patch_size": 1,
    "in_channels": 128,
    "attention_head_dim": 128,
    "timestep_guidance_channels": 256,
    "mlp_ratio": 3.0,
    "axes_dims_rope": (32, 32, 32, 32),
    "rope_theta": 2000,
    "guidance_embeds": False,
}
_KLEIN_4B = _FLUX2 | {
    "num_layers": 5,
    "num_single_layers": 20,
    "num_attention_heads": 24,
    "joint_attention_dim": 7680,
}
_KLEIN_9B = _FLUX2 | {
    "num_layers": 8,
    "num_single_layers": 24,
    "num_attention_heads": 32,
    "joint_attention_dim": 12288,
}

_MINISTRAL_3B = {
    "vocab_size": 131072,
    "hidden_size": 3072,
    "intermediate_size": 9216,
    "num_hidden_layers": 26,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "max_position_embeddings": 262144,
    "tie_word_embeddings": True,
}
_PIXTRAL = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 1540,
    "patch_size": 14,
}
_ERNIE = {
    "hidden_size": 4096,
    "num_attention_heads": 32,
    "num_layers": 36,
    "ffn_hidden_size": 12288,
    "in_channels": 128,
    "out_channels": 128,
    "patch_size": 1,
    "text_in_dim": 3072,
    "rope_theta": 256,
    "rope_axes_dim": (32, 48, 48),
    "qk_layernorm": True,
}

_QWEN25_VL_7B = {
    "text_config": {
        "vocab_size": 152064,
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "tie_word_embeddings": False,
    },
    "vision_config": {
        "depth": 32,
        "hidden_size": 1280,
        "intermediate_size": 3420,
        "num_heads": 16,
        "out_hidden_size": 3584,
        "patch_size": 14,
    },
}
_VAE_FLUX1 = {
    "latent_channels": 16,
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "use_quant_conv": False,
    "use_post_quant_conv": False,
}

_VAE_COGVIEW4 = {
    "latent_channels": 16,
    "block_out_channels": (128, 512, 1024, 1024),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 3,
    "use_quant_conv": False,
    "use_post_quant_conv": False,
}
_BYT5_GLYPHS = {
    "vocab_size": 384,
    "d_model": 1472,
    "d_ff": 3584,
    "num_layers": 12,
    "num_heads": 6,
    "d_kv": 64,
    "feed_forward_proj": "gated-gelu",
}
_QWEN3_2B = _QWEN3 | {
    "hidden_size": 2048,
    "intermediate_size": 6144,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
}

_VAE: Component = ("diffusers", "AutoencoderKLFlux2", {})  # the class's defaults are the published configuration

ARCHITECTURES: dict[str, dict[str, Component]] = {
    "flux2-klein-4b": {
        "transformer": ("diffusers", "Flux2Transformer2DModel", _KLEIN_4B),
        "text_encoder": ("transformers", "Qwen3ForCausalLM", _QWEN3_4B),
        "vae": _VAE,
    },
    "flux2-klein-9b": {
        "transformer": ("diffusers", "Flux2Transformer2DModel", _KLEIN_9B),
        "text_encoder": ("transformers", "Qwen3ForCausalLM", _QWEN3_8B),
        "vae": _VAE,
    },
    "ernie-image": {
        "transformer": ("diffusers", "ErnieImageTransformer2DModel", _ERNIE),
        "text_encoder": ("transformers", "Mistral3Model", {"text_config": _MINISTRAL_3B, "vision_config": _PIXTRAL}),
        "vae": _VAE,
        "pe": ("transformers", "Ministral3ForCausalLM", _MINISTRAL_3B),
    },
    # The defaults of these transformers and of Qwen-Image's autoencoder are the published configurations.
    "qwen-image": {
        "transformer": ("diffusers", "QwenImageTransformer2DModel", {}),
        "text_encoder": ("transformers", "Qwen2_5_VLForConditionalGeneration", _QWEN25_VL_7B),
        "vae": ("diffusers", "AutoencoderKLQwenImage", {}),
    },
    "z-image": {
        "transformer": ("diffusers", "ZImageTransformer2DModel", {}),
        "text_encoder": ("transformers", "Qwen3ForCausalLM", _QWEN3_4B),
        "vae": ("diffusers", "AutoencoderKL", _VAE_FLUX1),
    },
    # So are those of FLUX.2 [dev]'s and Ovis-Image's transformers, and of these language models.
    "flux2-dev": {
        "transformer": ("diffusers", "Flux2Transformer2DModel", {}),
        "text_encoder": ("transformers", "Mistral3ForConditionalGeneration", {"tie_word_embeddings": False}),
        "vae": _VAE,
    },
    "ovis-image": {
        "transformer": ("diffusers", "OvisImageTransformer2DModel", {}),
        "text_encoder": ("transformers", "Qwen3Model", _QWEN3_2B),
        "vae": ("diffusers", "AutoencoderKL", _VAE_FLUX1),
    },
    "glm-image": {
        "transformer": (
            "diffusers",
            "GlmImageTransformer2DModel",
            {"num_attention_heads": 32, "attention_head_dim": 128},
        ),
        "text_encoder": ("transformers", "T5EncoderModel", _BYT5_GLYPHS),
        "vision_language_encoder": ("transformers", "GlmImageForConditionalGeneration", {}),
        "vae": ("diffusers", "AutoencoderKL", _VAE_COGVIEW4),
    },
}
"""Parts with weights, by architecture."""


def build_component(
    architecture: str, component: str, *, device: str = "meta", dtype: Any = None, **changes: Any
) -> Any:
    """One part of a full-size pipeline as a module with uninitialised (meta) or random weights.

    Args:
        architecture: A key of `ARCHITECTURES`.
        component: `transformer`, `text_encoder`, `vae` or `pe`.
        device: Where the weights are made: `meta` makes none, and costs no memory.
        dtype: A torch dtype; bfloat16 unless given.
        changes: Values that replace those of the configuration, such as `num_layers=2` for a shallow copy.

    Raises:
        EvalsuiteError: There is no such architecture or part.
    """
    try:
        library, name, published = ARCHITECTURES[architecture][component]
    except KeyError:
        known = "; ".join(f"{key}: {', '.join(parts)}" for key, parts in ARCHITECTURES.items())
        raise EvalsuiteError(f"{architecture}/{component}: no such architecture or part. Known: {known}.") from None
    import torch

    config = {**published, **changes}
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype or torch.bfloat16)
    try:
        with torch.device(device):
            module = _from_transformers(name, config) if library == "transformers" else _from_diffusers(name, config)
    finally:
        torch.set_default_dtype(before)
    return module.eval()


def _from_diffusers(name: str, config: Mapping[str, Any]) -> Any:
    import diffusers

    return getattr(diffusers, name)(**config)


def _from_transformers(name: str, config: Mapping[str, Any]) -> Any:
    import transformers

    if name == "Mistral3Model":
        text = transformers.Ministral3Config(**config["text_config"])
        vision = transformers.PixtralVisionConfig(**config["vision_config"])
        return transformers.Mistral3Model(transformers.Mistral3Config(text_config=text, vision_config=vision))
    kind = getattr(transformers, name)
    return kind(kind.config_class(**config))


def count_parameters(module: Any) -> tuple[int, int]:
    """Parameters of a module, tied ones once: all, and those that FP8 layer-wise casting would store in a byte.

    The second number is the weights of linear and convolution layers outside those that `options.FP8_KEEPS`
    and the module's own list keep in full precision.
    """
    from evalsuite.models.pipeline_setup import fp8_layers

    total = sum(parameter.numel() for parameter in module.parameters())
    return total, sum(layer.weight.numel() for _, layer in fp8_layers(module))
