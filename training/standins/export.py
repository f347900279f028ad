"""Put trained parts together as folders that the unmodified pipelines load: `python -m training.standins.export`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from evalsuite.models.checkpoints import MARKER
from training.standins import autoencoder, denoiser, enhancer
from training.standins.encoder import ACTIVE, SIZES
from training.standins.tokenizer import build as build_tokenizer

FOLDERS = {"klein": "flux2-klein-micro", "ernie": "ernie-image-micro"}
NOTICE = (
    "A stand-in: the real architecture in small, trained by evalsuite to write the quoted strings of a prompt.\n"
    "What it scores says nothing about the real model. README.md beside this file says what it is.\n"
)
WEIGHTS = "diffusion_pytorch_model.safetensors"
KLEIN_LAYERS = 28
"""The klein pipeline reads the hidden states 9, 18 and 27."""


def _fill(language: Any, weights: dict[str, Any]) -> None:
    """Load the active layers and zero every matrix of the others, which so become exact identities."""
    own = language.state_dict()
    inner = {name.removeprefix("model."): value.float() for name, value in weights.items() if name.startswith("model.")}
    for name, value in own.items():
        if name in inner:
            value.copy_(inner.pop(name))
        elif value.ndim == 2:
            value.zero_()
    if inner:
        raise ValueError(f"the encoder's weights hold names that the model lacks: {sorted(inner)}")


@torch.no_grad()
def text_encoder(architecture: str, weights: dict[str, Any], vocabulary: int) -> Any:
    """The whole text encoder, of the class that the pipeline names."""
    if architecture == "klein":
        from transformers import Qwen3Config, Qwen3ForCausalLM

        config = Qwen3Config(vocab_size=vocabulary, num_hidden_layers=KLEIN_LAYERS, tie_word_embeddings=True, **SIZES)
        model = Qwen3ForCausalLM(config)
        _fill(model.model, weights)
        return model
    from transformers import Mistral3Config, Mistral3Model

    from training.standins.encoder import language_model

    text = language_model("ernie", vocabulary, ACTIVE + 1).config
    # The pipeline never shows it an image: the vision tower is as small as the class allows.
    vision = {"model_type": "pixtral", "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1,
              "num_attention_heads": 1, "head_dim": 8, "image_size": 16, "patch_size": 16}  # fmt: skip
    model = Mistral3Model(Mistral3Config(text_config=text, vision_config=vision, image_token_index=0))
    _fill(model.language_model, weights)
    return model


def assemble(architecture: str, decoder: dict[str, Any], encoder: dict[str, Any], transformer: dict[str, Any]) -> Any:
    """The pipeline of three trained parts, given by their weights; everything else is fixed. Computes in float32."""
    from diffusers import ErnieImagePipeline, FlowMatchEulerDiscreteScheduler, Flux2KleinPipeline

    def load(model: Any, weights: dict[str, Any]) -> Any:
        model.load_state_dict({name: value.float() for name, value in weights.items()})
        return model.eval()

    tokenizer = build_tokenizer(chat=architecture == "klein")
    shared = {
        "scheduler": FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=1.0, use_dynamic_shifting=False),
        "vae": load(autoencoder.build(), decoder),
        "text_encoder": text_encoder(architecture, encoder, len(tokenizer)).eval(),
        "tokenizer": tokenizer,
        "transformer": load(denoiser.build(architecture), transformer),
    }
    if architecture == "klein":
        return Flux2KleinPipeline(is_distilled=True, **shared)
    return ErnieImagePipeline(pe=enhancer.model(), pe_tokenizer=enhancer.tokenizer(), **shared)


def save(architecture: str, parts: Path, folder: Path, transformer: str = "transformer") -> None:
    """Write the pipeline to `folder`, weights in float16, to be computed in float32.

    `parts` is the folder of a training; `transformer` is `step-000600`, say, for a checkpoint on its way.
    """
    weights = transformer if transformer == "transformer" else f"checkpoints/{transformer}"
    names = ("decoder", f"{architecture}-encoder", f"{architecture}-{weights}")
    made = assemble(architecture, *(load_file(parts / f"{name}.safetensors") for name in names))
    for part in made.components.values():
        if isinstance(part, torch.nn.Module):
            part.to(torch.float16)
    made.save_pretrained(folder, safe_serialization=True)
    # transformers would else compute in the type that the file is stored in, and diffusers in float32.
    for config in (folder / "text_encoder" / "config.json", folder / "pe" / "config.json"):
        if config.exists():
            values = json.loads(config.read_text(encoding="utf-8"))
            config.write_text(json.dumps({**values, "dtype": "float32"}, indent=2) + "\n", encoding="utf-8")
    (folder / MARKER).write_text(NOTICE, encoding="utf-8")


def unpack(folder: Path) -> dict[str, dict[str, Any]]:
    """The trained parts of an exported stand-in by name: `decoder`, `encoder`, `transformer`, as a training has them.

    The encoder lacks the heads that it was trained with, which no pipeline needs: it can be used but not trained on.
    """
    vae = load_file(folder / "vae" / WEIGHTS)
    text = load_file(folder / "text_encoder" / "model.safetensors")
    inner = {name.removeprefix("language_model.").removeprefix("model."): value for name, value in text.items()}
    encoder = {
        f"model.{name}": value
        for name, value in inner.items()
        if name.startswith("embed_tokens.") or (name.startswith("layers.") and int(name.split(".")[1]) < ACTIVE)
    }
    return {
        "decoder": vae,
        "encoder": encoder,
        "transformer": load_file(folder / "transformer" / WEIGHTS),
    }


def main(argv: list[str] | None = None) -> int:
    """Write both folders."""
    parser = argparse.ArgumentParser(prog="export", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", type=Path, help="the --out folder of the training")
    parser.add_argument("--to", type=Path, default=Path("data/standins"))
    parser.add_argument("--transformer", default="transformer", help="or a checkpoint on the way, e.g. step-000600")
    args = parser.parse_args(argv)
    for architecture, name in FOLDERS.items():
        save(architecture, args.parts, args.to / name, args.transformer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
