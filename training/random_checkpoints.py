"""Small randomly initialised checkpoints of the real architectures: stand-ins that draw noise, in a second.

They exercise the real pipelines, digests, phases and checks where no weights are to be had. What they draw
means nothing, and a marker file in the folder makes every report say so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from evalsuite.errors import EvalsuiteError
from evalsuite.models.checkpoints import MARKER

Family = Literal[
    "flux2-klein", "flux2-klein-base", "flux2-dev", "ernie-image", "qwen-image", "z-image", "glm-image", "ovis-image"
]  # fmt: skip

_NOTICE = "Randomly initialised weights, made by evalsuite to exercise the pipeline. The images mean nothing.\n"

# Enough common words that a prompt takes about a token for every three letters, as with a real vocabulary.
_WORDS = (
    "the of and to in is that it was for on are as with at be this have from or had by not but what all were when we "
    "there can an your which their said if do will each about how up out them then she many some so these would other "
    "into has more her two like him see time could no make than first been its who now people my made over did down "
    "only way find use may water long little very after words called just where most know poster sign billboard menu "
    "label book cover title text reads saying written letters white black red blue green yellow background photo "
    "street shop window neon vintage style large bold center top bottom left right image shows depicting design"
)


def offline_tokenizer(
    *,
    chat_template: str | None = None,
    limit: int = 4096,
    padding: str = "<|endoftext|>",
    extra: dict[str, str] | None = None,
) -> Any:
    """A byte-level BPE tokenizer trained on a few hundred common words: no download, loses no character.

    Args:
        chat_template: Jinja template, for pipelines that wrap the prompt in a conversation.
        limit: `model_max_length` in tokens.
        padding: The padding token, which also ends a text.
        extra: More special tokens, by the attribute of the tokenizer that names each.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    special = [padding, "<s>", "</s>", "<|im_start|>", "<|im_end|>", *(extra or {}).values()]
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator([f" {word}" for word in _WORDS.split()] * 2, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=padding,
        eos_token=padding,
        bos_token="<s>",
        chat_template=chat_template,
        model_max_length=limit,
        clean_up_tokenization_spaces=False,
        **({"extra_special_tokens": extra} if extra else {}),
    )


KLEIN_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n\n</think>\n\n{% endif %}"
)
"""Wraps a prompt as Qwen3 does with thinking disabled."""

ENHANCER_TEMPLATE = "{% for message in messages %}[INST]{{ message.content }}[/INST]{% endfor %}Output:"
"""Wraps the JSON request of ERNIE-Image's prompt enhancer."""


def build_random_checkpoint(
    folder: str | Path, family: Family, *, seed: int = 0, enhancer: bool = True, token_limit: int = 4096
) -> Path:
    """Write a stand-in checkpoint of a family into `folder` and return the folder.

    Weights are float32 safetensors of less than 2 MB in all; sizes are multiples of 16 pixels, as with the
    real models. `enhancer` and `token_limit` (of the encoder's tokenizer) apply to ERNIE-Image.

    Raises:
        EvalsuiteError: The folder exists and is not empty.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise EvalsuiteError(f"{folder}: is not empty; a stand-in checkpoint is written into a new folder")
    import torch

    from evalsuite.models.loading import without_progress_bars

    with torch.random.fork_rng(devices=[]), without_progress_bars():
        torch.manual_seed(seed)
        if family == "ernie-image":
            pipeline = _ernie_image(enhancer=enhancer, token_limit=token_limit)
        elif family in _OTHERS:
            pipeline = _OTHERS[family]()
        else:
            pipeline = _flux2_klein(distilled=family == "flux2-klein")
        pipeline.save_pretrained(folder, safe_serialization=True)
    (folder / MARKER).write_text(_NOTICE, encoding="utf-8")
    return folder


def _randomise(module: Any, scale: float = 0.05) -> Any:
    """Give every matrix random values: layers that start at zero would hide the prompt and the adapters."""
    import torch

    for parameter in module.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=scale)
    return module.eval()


def _autoencoder() -> Any:
    from diffusers import AutoencoderKLFlux2

    vae = AutoencoderKLFlux2(
        block_out_channels=(8, 8, 16, 16), layers_per_block=1, latent_channels=4, norm_num_groups=4, sample_size=64
    )
    # Contrast: an untrained decoder would answer any latents with an even grey.
    return _randomise(vae, 0.2)


def _flux2_klein(*, distilled: bool) -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, Flux2KleinPipeline, Flux2Transformer2DModel
    from transformers import Qwen3Config, Qwen3ForCausalLM

    tokenizer = offline_tokenizer(chat_template=KLEIN_TEMPLATE)
    encoder = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=28,  # the pipeline reads hidden states 9, 18 and 27
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        tie_word_embeddings=True,
        max_position_embeddings=1024,
    )
    transformer = Flux2Transformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=48,
        timestep_guidance_channels=32,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=False,
    )
    return Flux2KleinPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
        vae=_autoencoder(),
        text_encoder=_randomise(Qwen3ForCausalLM(encoder)),
        tokenizer=tokenizer,
        transformer=_randomise(transformer, 0.15),
        is_distilled=distilled,
    )


def _ernie_image(*, enhancer: bool, token_limit: int) -> Any:
    from diffusers import ErnieImagePipeline, ErnieImageTransformer2DModel, FlowMatchEulerDiscreteScheduler
    from transformers import Ministral3Config, Ministral3ForCausalLM, Mistral3Config, Mistral3Model, PixtralVisionConfig

    tokenizer = offline_tokenizer(limit=token_limit)

    def language_model() -> Ministral3Config:
        return Ministral3Config(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=8,
            tie_word_embeddings=True,
            max_position_embeddings=262144,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )

    vision = PixtralVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=64, patch_size=16
    )
    encoder = Mistral3Model(Mistral3Config(text_config=language_model(), vision_config=vision))
    transformer = ErnieImageTransformer2DModel(
        hidden_size=32,
        num_attention_heads=2,
        num_layers=2,
        ffn_hidden_size=64,
        in_channels=16,
        out_channels=16,
        text_in_dim=16,
        rope_axes_dim=(4, 6, 6),
    )
    return ErnieImagePipeline(
        transformer=_randomise(transformer, 0.15),
        vae=_autoencoder(),
        text_encoder=_randomise(encoder),
        tokenizer=tokenizer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        pe=_randomise(Ministral3ForCausalLM(language_model()), 0.3) if enhancer else None,
        pe_tokenizer=offline_tokenizer(chat_template=ENHANCER_TEMPLATE, limit=64) if enhancer else None,
    )


def _qwen_image() -> Any:
    from diffusers import (
        AutoencoderKLQwenImage,
        FlowMatchEulerDiscreteScheduler,
        QwenImagePipeline,
        QwenImageTransformer2DModel,
    )
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    tokenizer = offline_tokenizer(chat_template=KLEIN_TEMPLATE)
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "rope_parameters": {"mrope_section": [1, 1, 2], "rope_type": "default", "rope_theta": 1e6},
        "max_position_embeddings": 2048,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    vision = {
        "depth": 2,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_heads": 2,
        "out_hidden_size": 16,
        "fullatt_block_indexes": [1],
    }
    encoder = Qwen2_5_VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=1,
        video_token_id=2,
        vision_start_token_id=3,
        vision_end_token_id=4,
    )
    transformer = QwenImageTransformer2DModel(
        in_channels=16,
        out_channels=4,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        axes_dims_rope=(8, 4, 4),
    )
    vae = AutoencoderKLQwenImage(base_dim=24, z_dim=4, num_res_blocks=1, latents_mean=[0.0] * 4, latents_std=[1.0] * 4)
    return QwenImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=vae.eval(),
        text_encoder=_randomise(Qwen2_5_VLForConditionalGeneration(encoder)),
        tokenizer=tokenizer,
        transformer=_randomise(transformer, 0.15),
    )


def _small_qwen3(tokenizer: Any, **config: Any) -> Any:
    from transformers import Qwen3Config

    return Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=8,
        **config,
    )


def _z_image() -> Any:
    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler, ZImagePipeline, ZImageTransformer2DModel
    from transformers import Qwen3ForCausalLM

    tokenizer = offline_tokenizer(chat_template=KLEIN_TEMPLATE)
    encoder = _small_qwen3(tokenizer, tie_word_embeddings=True)
    transformer = ZImageTransformer2DModel(
        all_patch_size=(2,),
        all_f_patch_size=(1,),
        in_channels=16,
        dim=32,
        n_layers=2,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=16,
        axes_dims=[8, 4, 4],
        axes_lens=[256, 32, 32],
    )
    # Its padding tokens are made with `torch.empty`.
    with torch.no_grad():
        transformer.x_pad_token.zero_()
        transformer.cap_pad_token.zero_()
    return ZImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=_autoencoder_of_flux1(16),
        text_encoder=Qwen3ForCausalLM(encoder).eval(),
        tokenizer=tokenizer,
        transformer=transformer.eval(),
    )


def _autoencoder_of_flux1(channels: int, **config: Any) -> Any:
    from diffusers import AutoencoderKL

    vae = AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=channels,
        block_out_channels=(32, 32, 32, 32),
        layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=8,
        scaling_factor=0.3611,
        shift_factor=0.1159,
        **config,
    )
    return vae.eval()


_MISTRAL_TEMPLATE = (
    "{% for message in messages %}[{{ message.role }}]{% for part in message.content %}{{ part.text }}{% endfor %}"
    "{% endfor %}"
)


def _flux2_dev() -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, Flux2Pipeline, Flux2Transformer2DModel
    from transformers import (
        Mistral3Config,
        Mistral3ForConditionalGeneration,
        MistralConfig,
        PixtralVisionConfig,
    )

    # The real one is wrapped in a PixtralProcessor, which needs torchvision; text goes through it unchanged.
    tokenizer = offline_tokenizer(extra={"image_token": "[IMG]"}, chat_template=_MISTRAL_TEMPLATE)
    text = MistralConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=31,  # the pipeline reads hidden states 10, 20 and 30
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        max_position_embeddings=1024,
    )
    vision = PixtralVisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=64, patch_size=16
    )
    encoder = Mistral3Config(
        text_config=text, vision_config=vision, image_token_index=tokenizer.convert_tokens_to_ids("[IMG]")
    )
    transformer = Flux2Transformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=48,
        timestep_guidance_channels=32,
        axes_dims_rope=(4, 4, 4, 4),
    )
    return Flux2Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
        vae=_autoencoder(),
        text_encoder=_randomise(Mistral3ForConditionalGeneration(encoder)),
        tokenizer=tokenizer,
        transformer=_randomise(transformer, 0.15),
    )


def _ovis_image() -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, OvisImagePipeline, OvisImageTransformer2DModel
    from transformers import Qwen3Model

    tokenizer = offline_tokenizer(chat_template=KLEIN_TEMPLATE)
    encoder = _small_qwen3(tokenizer)
    transformer = OvisImageTransformer2DModel(
        in_channels=16,
        out_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        axes_dims_rope=(4, 6, 6),
    )
    return OvisImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
        vae=_autoencoder_of_flux1(4),
        text_encoder=_randomise(Qwen3Model(encoder)),
        tokenizer=tokenizer,
        transformer=_randomise(transformer, 0.15),
    )


def _glm_image() -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, GlmImagePipeline, GlmImageTransformer2DModel
    from transformers import (
        ByT5Tokenizer,
        GlmImageConfig,
        GlmImageForConditionalGeneration,
        GlmImageImageProcessorPil,
        GlmImageProcessor,
        T5Config,
        T5EncoderModel,
    )

    tokens = {"image_token": "<|image|>", "grid_bos_token": "<sop>", "grid_eos_token": "<eop>"}
    tokenizer = offline_tokenizer(extra=tokens, chat_template=_MISTRAL_TEMPLATE)
    pictures = 32
    generator = GlmImageConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "vision_vocab_size": pictures,
            "max_position_embeddings": 2048,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [1, 1, 2]},
            "pad_token_id": tokenizer.pad_token_id,
            "eos_token_id": pictures,  # none that can be written: all tokens of an image are
        },
        vision_config={
            "depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "image_size": 64, "patch_size": 16,
        },
        vq_config={"embed_dim": 8, "latent_channels": 16, "num_embeddings": pictures},
        image_token_id=tokenizer.convert_tokens_to_ids("<|image|>"),
        image_start_token_id=tokenizer.bos_token_id,
        image_end_token_id=pictures,
    )  # fmt: skip
    glyphs = T5Config(vocab_size=384, d_model=16, d_ff=16, num_layers=1, num_heads=2, d_kv=8)
    transformer = GlmImageTransformer2DModel(
        in_channels=4,
        out_channels=4,
        num_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        text_embed_dim=16,
        time_embed_dim=16,
        condition_dim=8,
        prior_vq_quantizer_codebook_size=pictures,
    )
    return GlmImagePipeline(
        tokenizer=ByT5Tokenizer(),
        processor=GlmImageProcessor(GlmImageImageProcessorPil(), tokenizer, chat_template=_MISTRAL_TEMPLATE),
        text_encoder=_randomise(T5EncoderModel(glyphs)),
        vision_language_encoder=_randomise(GlmImageForConditionalGeneration(generator)),
        vae=_autoencoder_of_flux1(4, latents_mean=[0.0] * 4, latents_std=[1.0] * 4),
        transformer=_randomise(transformer, 0.15),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
    )


_OTHERS = {
    "flux2-dev": _flux2_dev,
    "qwen-image": _qwen_image,
    "z-image": _z_image,
    "glm-image": _glm_image,
    "ovis-image": _ovis_image,
}
"""How to make the families without options."""
