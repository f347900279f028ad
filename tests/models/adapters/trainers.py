"""One LoRA under every trainer's names: written by the real libraries, or key by key as the trainer writes it."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from safetensors.torch import save_file

RANK = 4

KLEIN = {
    "x_embedder": (192, 128),
    "transformer_blocks.0.attn.to_q": (192, 192),
    "transformer_blocks.0.attn.to_k": (192, 192),
    "transformer_blocks.0.attn.to_v": (192, 192),
    "transformer_blocks.0.attn.to_out.0": (192, 192),
    "transformer_blocks.1.attn.add_q_proj": (192, 192),
    "transformer_blocks.1.attn.add_k_proj": (192, 192),
    "transformer_blocks.1.attn.add_v_proj": (192, 192),
    "transformer_blocks.1.ff_context.linear_out": (192, 576),
    "single_transformer_blocks.2.attn.to_qkv_mlp_proj": (1728, 192),
    "single_transformer_blocks.0.attn.to_out": (192, 768),
}
ERNIE = {
    "layers.0.self_attention.to_q": (192, 192),
    "layers.3.self_attention.to_out.0": (192, 192),
    "layers.5.mlp.gate_proj": (512, 192),
    "layers.5.mlp.linear_fc2": (192, 512),
}
"""Layers of the shipped stand-ins with rows and columns."""

LAYERS = {"flux2-klein-micro": KLEIN, "ernie-image-micro": ERNIE}

FUSED = {
    "double_blocks.0.img_attn.qkv": [f"transformer_blocks.0.attn.to_{x}" for x in "qkv"],
    "double_blocks.1.txt_attn.qkv": [f"transformer_blocks.1.attn.add_{x}_proj" for x in "qkv"],
}
MAKERS = {
    "img_in": "x_embedder",
    "double_blocks.0.img_attn.proj": "transformer_blocks.0.attn.to_out.0",
    "double_blocks.1.txt_mlp.2": "transformer_blocks.1.ff_context.linear_out",
    "single_blocks.2.linear1": "single_transformer_blocks.2.attn.to_qkv_mlp_proj",
    "single_blocks.0.linear2": "single_transformer_blocks.0.attn.to_out",
}
"""Black Forest Labs' names of the klein layers above."""

Lora = dict[str, tuple[torch.Tensor, torch.Tensor]]


def make_lora(model: str, scale: float = 0.1) -> Lora:
    """A and B of each layer; the layers that the makers fuse share their A, as a LoRA of the fused layer has it."""
    generator = torch.Generator().manual_seed(11)
    found: Lora = {}
    shared = {name: names[0] for names in FUSED.values() for name in names}
    for name, (rows, columns) in LAYERS[model].items():
        down = torch.randn(RANK, columns, generator=generator) * scale
        up = torch.randn(rows, RANK, generator=generator) * scale
        found[name] = (found[shared[name]][0] if shared.get(name, name) != name else down, up)
    return found


def makers(lora: Lora) -> Lora:
    """The LoRA by the makers' layers; ERNIE-Image's are called as diffusers calls them."""
    if "x_embedder" not in lora:
        return lora
    fused = {name: (lora[parts[0]][0], torch.cat([lora[part][1] for part in parts])) for name, parts in FUSED.items()}
    return fused | {name: lora[layer] for name, layer in MAKERS.items()}


def keyed(lora: Lora, prefix: str, down: str, up: str, *, flat: bool = False, alpha: float | None = None):
    """Tensors by key: prefix, layer (with underscores where flat), then what a trainer calls the matrices."""
    state = {}
    for name, (a, b) in lora.items():
        layer = prefix + (name.replace(".", "_") if flat else name)
        state |= {f"{layer}.{down}": a.clone(), f"{layer}.{up}": b.clone()}
        if alpha is not None:
            state[f"{layer}.alpha"] = torch.tensor(alpha)
    return state


AB = ("lora_A.weight", "lora_B.weight")
NAMED = ("lora_A.default.weight", "lora_B.default.weight")
DOWN_UP = ("lora_down.weight", "lora_up.weight")


def _file(path: Path, state, **metadata: str) -> Path:
    save_file({key: tensor.contiguous() for key, tensor in state.items()}, path, metadata=metadata or None)
    return path


def diffusers_by_itself(lora: Lora, pipeline, folder: Path) -> Path:
    """`pipeline.save_lora_weights`, as the training scripts of diffusers and SimpleTuner call it."""
    layers = keyed(lora, "", *AB)
    type(pipeline).save_lora_weights(folder, transformer_lora_layers=layers, safe_serialization=True)
    return folder / "pytorch_lora_weights.safetensors"


def peft_by_itself(lora: Lora, pipeline, folder: Path) -> Path:
    """`PeftModel.save_pretrained`: its file and adapter_config.json."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=RANK, lora_alpha=RANK, target_modules=list(lora))
    model = get_peft_model(pipeline.transformer, config)
    with torch.no_grad():
        for name, (a, b) in lora.items():
            layer = model.get_submodule(f"base_model.model.{name}")
            layer.lora_A["default"].weight.copy_(a)
            layer.lora_B["default"].weight.copy_(b)
    model.save_pretrained(folder)
    model.unload()
    return folder / "adapter_model.safetensors"


def lycoris_by_itself(lora: Lora, pipeline, folder: Path) -> Path:
    """LyCORIS' own wrapper over the diffusers model, as SimpleTuner uses it (LoCon)."""
    import pytest

    lycoris = pytest.importorskip("lycoris")
    lycoris.logger.setLevel(logging.ERROR)
    lycoris.LycorisNetwork.apply_preset({"target_name": list(lora), "target_module": []})
    network = lycoris.create_lycoris(pipeline.transformer, 1.0, linear_dim=RANK, linear_alpha=RANK, algo="lora")
    network.apply_to()
    with torch.no_grad():
        for module in network.loras:
            name = module.lora_name.removeprefix("lycoris_")
            a, b = next(pair for layer, pair in lora.items() if layer.replace(".", "_") == name)
            module.lora_down.weight.copy_(a)
            module.lora_up.weight.copy_(b)
    state = network.state_dict()
    network.restore()
    return _file(folder / "lycoris.safetensors", state)


def _keys(prefix: str, names: tuple[str, str], *, own: bool = False, flat: bool = False, alpha: float | None = None):
    """A writer of keys: with diffusers' layers, or where `own` with the makers'."""

    def write(lora: Lora, pipeline, folder: Path) -> Path:  # noqa: ARG001 - the real libraries need the pipeline
        layers = makers(lora) if own else lora
        return _file(folder / "lora.safetensors", keyed(layers, prefix, *names, flat=flat, alpha=alpha))

    return write


FORMATS = {
    "diffusers": diffusers_by_itself,
    "diffusers, old names": _keys("transformer.", ("lora.down.weight", "lora.up.weight")),
    "PEFT": peft_by_itself,
    "PEFT, adapter's name in the keys": _keys("base_model.model.", NAMED),
    "PEFT over diffusers": _keys("base_model.model.transformer.", AB),
    "bare keys": _keys("", AB),
    "DiffSynth (bare, adapter's name)": _keys("", NAMED),
    "DiffSynth (pipe.dit)": _keys("pipe.dit.", NAMED),
    "ai-toolkit": _keys("diffusion_model.", AB, own=True),
    "ComfyUI, diffusers' layers": _keys("diffusion_model.", DOWN_UP, alpha=4.0),
    "ComfyUI, makers' layers": _keys("diffusion_model.", DOWN_UP, own=True, alpha=4.0),
    "kohya and musubi-tuner": _keys("lora_unet_", DOWN_UP, own=True, flat=True, alpha=4.0),
    "musubi-tuner, diffusers' layers": _keys("lora_unet_", DOWN_UP, flat=True, alpha=4.0),
    "OneTrainer (OMI)": _keys("transformer.", DOWN_UP, own=True, alpha=4.0),
    "OneTrainer (diffusers' layers)": _keys("transformer.", DOWN_UP, alpha=4.0),
    "OneTrainer (older)": _keys("lora_transformer_", DOWN_UP, flat=True, alpha=4.0),
    "SimpleTuner": _keys("transformer.", AB),
    "SimpleTuner (LyCORIS)": lycoris_by_itself,
}
"""How the same LoRA is written, by the name that docs/models.md has."""
