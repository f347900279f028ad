"""Which weights of a pipeline an adapter's layer is for, by the names of diffusers, of the makers and of the trainers.

A trainer names a layer by diffusers' module or by the makers' own (Black Forest Labs' `double_blocks.0.img_attn.qkv`),
dotted or with underscores, behind a prefix of its own. The makers fuse what diffusers splits, so a layer of the file
may be several modules' rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_DOTTED = {
    "base_model.model.": "", "model.diffusion_model.": "", "diffusion_model.": "", "pipe.dit.": "", "transformer.": "",
    "unet.": "", "text_encoder.": "text_encoder", "text_encoder_2.": "text_encoder_2",
}  # fmt: skip
_FLAT = {
    "lora_unet_": "", "lora_transformer_": "", "lycoris_": "", "lora_te1_": "text_encoder",
    "lora_te2_": "text_encoder_2", "lora_te_": "text_encoder", "lora_text_encoder_": "text_encoder",
}  # fmt: skip
"""Prefixes of dotted and of flat names, with the part that they mean; "" is the transformer."""

_FLUX2 = {
    "double_blocks.{}.img_attn.qkv": [f"transformer_blocks.{{}}.attn.to_{x}" for x in "qkv"],
    "double_blocks.{}.txt_attn.qkv": [f"transformer_blocks.{{}}.attn.add_{x}_proj" for x in "qkv"],
    "double_blocks.{}.img_attn.proj": ["transformer_blocks.{}.attn.to_out.0"],
    "double_blocks.{}.txt_attn.proj": ["transformer_blocks.{}.attn.to_add_out"],
    "double_blocks.{}.img_mlp.0": ["transformer_blocks.{}.ff.linear_in"],
    "double_blocks.{}.img_mlp.2": ["transformer_blocks.{}.ff.linear_out"],
    "double_blocks.{}.txt_mlp.0": ["transformer_blocks.{}.ff_context.linear_in"],
    "double_blocks.{}.txt_mlp.2": ["transformer_blocks.{}.ff_context.linear_out"],
    "single_blocks.{}.linear1": ["single_transformer_blocks.{}.attn.to_qkv_mlp_proj"],
    "single_blocks.{}.linear2": ["single_transformer_blocks.{}.attn.to_out"],
    "transformer_blocks.{}.attn.to_qkv": [f"transformer_blocks.{{}}.attn.to_{x}" for x in "qkv"],
    "transformer_blocks.{}.attn.to_added_qkv": [f"transformer_blocks.{{}}.attn.add_{x}_proj" for x in "qkv"],
    "img_in": ["x_embedder"],
    "txt_in": ["context_embedder"],
    "time_in.in_layer": ["time_guidance_embed.timestep_embedder.linear_1"],
    "time_in.out_layer": ["time_guidance_embed.timestep_embedder.linear_2"],
    "guidance_in.in_layer": ["time_guidance_embed.guidance_embedder.linear_1"],
    "guidance_in.out_layer": ["time_guidance_embed.guidance_embedder.linear_2"],
    "double_stream_modulation_img.lin": ["double_stream_modulation_img.linear"],
    "double_stream_modulation_txt.lin": ["double_stream_modulation_txt.linear"],
    "single_stream_modulation.lin": ["single_stream_modulation.linear"],
    "final_layer.linear": ["proj_out"],
}
"""Black Forest Labs' names of FLUX.2's layers (https://github.com/black-forest-labs/flux2); diffusers' fused ones."""

_Z_IMAGE = {
    f"{blocks}.{{}}.attention.{alias}": [f"{blocks}.{{}}.attention.{name}" for name in names]
    for blocks in ("layers", "noise_refiner", "context_refiner")
    for alias, names in {"qkv": ["to_q", "to_k", "to_v"], "out": ["to_out.0"]}.items()
}

_ALIASES: Mapping[str, Mapping[str, list[str]]] = {
    "Flux2Transformer2DModel": _FLUX2,
    "ZImageTransformer2DModel": _Z_IMAGE,
}
_SWAPPED = {"Flux2Transformer2DModel": {"final_layer.adaLN_modulation.1": "norm_out.linear"}}
"""Layers whose halves the makers keep as (shift, scale) and diffusers as (scale, shift)."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of a layer of the file that belong to a module: `rows` of them from `source`, from row `start` of it on."""

    module: str
    source: int
    start: int
    rows: int


@dataclass(frozen=True, slots=True)
class Target:
    """The weights that a layer of the file is for."""

    part: str
    pieces: tuple[Piece, ...]

    @property
    def rows(self) -> int:
        """How many rows the file's layer has to have."""
        return sum(piece.rows for piece in self.pieces)


class LayerNames:
    """The layers of a pipeline by every name that a file may call them."""

    def __init__(self, pipeline: Any) -> None:
        self._trunk = "transformer" if getattr(pipeline, "transformer", None) is not None else "unet"
        self._tables: dict[str, dict[str, Target]] = {}
        self._flat: dict[str, dict[str, set[str]]] = {}
        for part in (self._trunk, "text_encoder", "text_encoder_2"):
            module = getattr(pipeline, part, None)
            if module is not None:
                self._tables[part] = table = dict(_names(part, module))
                flat: dict[str, set[str]] = {}
                self._flat[part] = flat
                for name in table:
                    flat.setdefault(name.replace(".", "_"), set()).add(name)

    @property
    def trunk(self) -> str:
        """The part that draws: transformer or unet."""
        return self._trunk

    def find(self, name: str) -> Target | None:
        """What a layer's name in a file stands for, or None."""
        part, rest, flat = self._trunk, name, False
        while True:
            # A prefix may stand behind another: base_model.model.transformer.…
            prefix = next((each for each in (*_DOTTED, *_FLAT) if rest.startswith(each)), None)
            if prefix is None or rest in self._tables.get(part, {}):
                break
            part = (_DOTTED | _FLAT)[prefix] or self._trunk
            rest, flat = rest.removeprefix(prefix), flat or prefix in _FLAT
        found = self._tables.get(part, {}).get(rest)
        if found is None and (flat or "." not in rest):
            # Two names that look alike with underscores must mean the same weights, or neither is taken.
            targets = {self._tables[part][each] for each in self._flat.get(part, {}).get(rest, ())}
            found = targets.pop() if len(targets) == 1 else None
        return found


def _names(part: str, module: Any) -> Iterator[tuple[str, Target]]:
    from torch import nn

    layers = {name: each for name, each in module.named_modules() if isinstance(each, nn.Linear | nn.Conv2d)}
    shared = _shared(module)
    rows = {name: layer.weight.shape[0] for name, layer in layers.items() if id(layer.weight) not in shared}
    for name, count in rows.items():
        yield name, Target(part, (Piece(name, 0, 0, count),))
    kind = type(module).__name__
    for alias, modules in _ALIASES.get(kind, {}).items():
        for number in _numbers(modules[0], rows):
            pieces, start = [], 0
            for name in (each.format(number) for each in modules):
                pieces.append(Piece(name, start, 0, rows[name]))
                start += rows[name]
            yield alias.format(number), Target(part, tuple(pieces))
    for alias, name in _SWAPPED.get(kind, {}).items():
        if name in rows:
            half = rows[name] // 2
            yield alias, Target(part, (Piece(name, half, 0, half), Piece(name, 0, half, half)))


def _shared(module: Any) -> set[int]:
    """Weights that belong to several layers, such as an output layer tied to the embedding: no adapter changes them."""
    owners: dict[int, int] = {}
    for _, parameter in module.named_parameters(remove_duplicate=False):
        owners[id(parameter)] = owners.get(id(parameter), 0) + 1
    return {key for key, count in owners.items() if count > 1}


def _numbers(template: str, rows: Mapping[str, int]) -> list[int]:
    """The numbers of the blocks that have such a layer; [0] for a layer outside of blocks."""
    if "{}" not in template:
        return [0] if template in rows else []
    head, _, tail = template.partition("{}")
    found = [name.removeprefix(head).removesuffix(tail) for name in rows if name.startswith(head)]
    return sorted({int(each) for each in found if each.isdecimal() and template.format(each) in rows})
