"""What an adapter's file holds: its tensors by layer, each known by the name that some trainer gives it.

Sources of the names: PEFT (`lora_A`, `lora_magnitude_vector`), diffusers (`lora.down`), kohya-ss, musubi-tuner and
OneTrainer (`lora_down`, `alpha`, `dora_scale`), LyCORIS (`hada_…`, `lokr_…`), ComfyUI (`diff`, `diff_b`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from evalsuite.errors import EvalsuiteError
from evalsuite.models.weights_file import WeightsFile

_ADAPTER_NAME = r"(?:\.(?P<adapter>(?!weight$|bias$)[^.]+))?"

_SLOTS: dict[str, re.Pattern[str]] = {
    slot: re.compile(rf"^(?P<layer>.+)[.](?:{pattern})$")
    for slot, pattern in {
        "down": rf"lora_A{_ADAPTER_NAME}(?:\.weight)?|lora_down\.weight|lora(?:_linear_layer)?\.down\.weight",
        "up": rf"lora_B{_ADAPTER_NAME}(?:\.weight)?|lora_up\.weight|lora(?:_linear_layer)?\.up\.weight",
        "up_bias": rf"lora_B{_ADAPTER_NAME}\.bias|lora_up\.bias",
        "alpha": r"alpha|lora_alpha",
        "magnitude": rf"lora_magnitude_vector{_ADAPTER_NAME}(?:\.weight)?|dora_scale",
        "diff": r"diff",
        "diff_bias": r"diff_b",
        **{f"hada_{side}": rf"hada_{side}" for side in ("w1_a", "w1_b", "w2_a", "w2_b")},
        **{f"lokr_{side}": rf"lokr_{side}" for side in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b")},
    }.items()
}

_NOT_LAID: tuple[tuple[str, str], ...] = (
    (r"\.lora_mid\.|\.hada_t[12]$|\.lokr_t[12]$", "a Tucker decomposition"),
    (r"oft_|boft_", "an orthogonal adapter (OFT)"),
    (r"\.[ab][12]\.weight$", "GLoRA"),
    (r"\.on_input$|ia3_", "an (IA)^3 adapter"),
    (r"vera_lambda", "VeRA, whose shared matrices are not in the file"),
    (r"lora_embedding_", "a LoRA of an embedding table"),
    (r"^bundle_emb\.|emb_params|(^|\.)clip_[lg]$", "a trained embedding (textual inversion)"),
    (r"\.w_norm$|\.b_norm$", "a trained norm"),
    (r"modules_to_save|^base_model\.model\..+\.(weight|bias)$", "the whole weights of a layer (modules_to_save)"),
    (r"\.set_weight$|\.reshape_weight$", "weights of another shape than the model's"),
)

_ADAPTER = re.compile(r"(^|[._])lora[._]|[.](hada_|lokr_|oft_|boft_|dora_scale$|diff$|diff_b$)|[.](ia3|vera)_")

KINDS: tuple[tuple[str, frozenset[str], frozenset[str]], ...] = (
    ("LoRA", frozenset({"down", "up"}), frozenset({"alpha", "magnitude", "up_bias", "diff_bias"})),
    ("LoHa", frozenset({"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"}), frozenset({"alpha", "magnitude"})),
    ("LoKr", frozenset({"lokr_w1", "lokr_w2"}), frozenset({"alpha", "magnitude"})),
    ("LoKr", frozenset({"lokr_w1", "lokr_w2_a", "lokr_w2_b"}), frozenset({"alpha", "magnitude"})),
    ("LoKr", frozenset({"lokr_w1_a", "lokr_w1_b", "lokr_w2"}), frozenset({"alpha", "magnitude"})),
    ("LoKr", frozenset({"lokr_w1_a", "lokr_w1_b", "lokr_w2_a", "lokr_w2_b"}), frozenset({"alpha", "magnitude"})),
    ("difference", frozenset({"diff"}), frozenset({"diff_bias"})),
    ("difference", frozenset({"diff_bias"}), frozenset()),
)
"""Kind, the tensors that make a layer of it, and those that may go with them."""


class AdapterError(EvalsuiteError):
    """An adapter cannot be laid over the model; the message says which of its tensors is why."""


@dataclass(frozen=True, slots=True)
class AdapterLayer:
    """The tensors of one layer under the layer's name in the file: the tensor's name by what it is."""

    name: str
    kind: str
    tensors: Mapping[str, str]


def holds_adapter(names: Iterable[str]) -> bool:
    """Whether tensors of these names are an adapter's, of whatever kind, and not a model's weights."""
    return any(_ADAPTER.search(name) for name in names)


def read_layers(file: WeightsFile) -> list[AdapterLayer]:
    """The layers of an adapter's file; every tensor is in one of them.

    Raises:
        AdapterError: A tensor is of a kind that is not laid, or unknown, or one half of a pair.
    """
    found: dict[str, dict[str, str]] = {}
    adapters: set[str] = set()
    for key in file.tensors:
        layer, slot, adapter = _place(file, key)
        slots = found.setdefault(layer, {})
        if slot in slots:
            raise AdapterError(f"--lora {file.path}: {key} and {slots[slot]} are the same tensor of one layer")
        slots[slot] = key
        adapters.add(adapter)
    adapters.discard("")
    if len(adapters) > 1:
        raise AdapterError(
            f"--lora {file.path}: holds several adapters ({', '.join(sorted(adapters))}); save each to its own file"
        )
    if not found:
        raise AdapterError(f"--lora {file.path}: holds no tensor")
    return [_layer(file, name, slots) for name, slots in found.items()]


def _place(file: WeightsFile, key: str) -> tuple[str, str, str]:
    """Layer, slot and PEFT's adapter name of a tensor."""
    for slot, expression in _SLOTS.items():
        match = expression.match(key)
        if match:
            return match["layer"], slot, match.groupdict().get("adapter") or ""
    for pattern, what in _NOT_LAID:
        if re.search(pattern, key):
            raise AdapterError(f"--lora {file.path}: {key} is {what}, which evalsuite does not lay over a model")
    if key.endswith((".weight", ".bias")):
        what = "holds the weights of a layer itself; a fine-tuned transformer is given with --transformer"
    else:
        what = "is no tensor of LoRA, DoRA, LoHa, LoKr or a difference"
    raise AdapterError(f"--lora {file.path}: {key} {what}")


def _layer(file: WeightsFile, name: str, slots: Mapping[str, str]) -> AdapterLayer:
    for kind, needed, allowed in KINDS:
        if needed <= slots.keys() <= needed | allowed:
            return AdapterLayer(name, kind, slots)
    raise AdapterError(
        f"--lora {file.path}: layer {name} has {', '.join(sorted(slots.values()))}, which make no whole layer: "
        "a tensor of it is missing or too many"
    )
