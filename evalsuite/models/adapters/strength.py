"""How strong an adapter is by its own file: alpha over rank, by its tensors, its metadata or PEFT's configuration.

PEFT (https://huggingface.co/docs/peft/developer_guides/lora): the product is times alpha / r, with rsLoRA times
alpha / sqrt(r); `alpha_pattern` and `rank_pattern` set single layers. diffusers writes the same fields into the file's
metadata. kohya-ss, musubi-tuner, OneTrainer and LyCORIS write an `alpha` tensor for each layer. Without any of these,
every loader takes alpha = rank.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalsuite.digests import cached_sha256, files_digest
from evalsuite.files import FileError, parse_json, read_text
from evalsuite.models.adapters.contents import AdapterError
from evalsuite.models.weights_file import WeightsFile

_CONFIG = "adapter_config.json"
_PEFT_FILE = "adapter_model.safetensors"
_KINDS = {"LORA": "LoRA", "LOHA": "LoHa", "LOKR": "LoKr"}
_LARGEST = 10**9
"""Of ranks and alphas; neither is above some thousands in any adapter."""
_PLAIN = (True, False, "gaussian", "eva", "orthogonal", None)
"""Values of `init_lora_weights` that leave the base model as it is; pissa, olora, loftq and corda change it."""


@dataclass(frozen=True, slots=True)
class Strength:
    """What file and configuration say about the strength of all layers.

    `settings` are PEFT's fields; empty where there are none. `source` is where they stand, for messages.
    """

    path: Path
    source: str
    settings: Mapping[str, Any]

    def of(self, layer: str, rank: int | None, alpha: float | None) -> float:
        """The factor of a layer's product.

        Args:
            layer: The layer's name in the file.
            rank: The rank of its matrices; None where nothing is decomposed.
            alpha: The value of its alpha tensor, where it has one.

        Raises:
            AdapterError: The file and its configuration disagree.
        """
        settings = self.settings
        written = self._pattern("alpha_pattern", layer, settings.get("lora_alpha", settings.get("alpha")))
        if alpha is not None and written is not None and not math.isclose(alpha, written, rel_tol=1e-3):
            raise AdapterError(
                f"--lora {self.path}: {layer}: its alpha tensor says {alpha:g}, {self.source} {written:g}"
            )
        rated = self._pattern("rank_pattern", layer, settings.get("r"))
        if rank is not None and rated is not None and rank != rated:
            raise AdapterError(
                f"--lora {self.path}: {layer}: has rank {rank} in the file, {rated:g} by {self.source}; they do not "
                "belong together"
            )
        value = alpha if alpha is not None else written
        if value is None:
            return 1.0
        # LyCORIS scales no LoKr whose factors are both whole; PEFT scales each by alpha / r.
        divisor = rank if rank is not None else rated
        if divisor is None:
            return 1.0
        if divisor <= 0:
            raise AdapterError(f"--lora {self.path}: {layer}: has rank {divisor:g} by {self.source}; 1 is the least")
        return value / (math.sqrt(divisor) if settings.get("use_rslora") else divisor)

    def _pattern(self, field: str, layer: str, otherwise: Any) -> float | None:
        name = layer.removeprefix("base_model.model.")
        patterns = self.settings.get(field) or {}
        if not isinstance(patterns, Mapping):
            raise AdapterError(f"--lora {self.path}: {field} in {self.source} is {str(patterns)[:80]}, no object")
        for key, value in patterns.items():
            literal = str(key).removeprefix("^").removesuffix("$").replace(r"\.", ".")
            if re.search(r"[\\()\[\]|*+?]", literal):
                raise AdapterError(f"--lora {self.path}: {field} in {self.source} has the pattern {key!r}; name layers")
            if name == literal or name.endswith(f".{literal}"):
                return _number(self.path, field, value)
        return None if otherwise is None else _number(self.path, field.partition("_")[0], otherwise)


def adapter_files(path: Path) -> dict[str, Path]:
    """The files that decide what an adapter does, by name: its weights, and PEFT's configuration beside them."""
    config = path.with_name(_CONFIG)
    return {path.name: path} | ({_CONFIG: config} if path.name == _PEFT_FILE and config.is_file() else {})


def adapter_digest(path: Path) -> str:
    """The digest of an adapter: of its file, and of PEFT's configuration where it decides how strong it is."""
    files = adapter_files(path)
    return cached_sha256(path) if len(files) == 1 else files_digest(files)


def read_strength(file: WeightsFile, kinds: set[str], *, decomposed: bool) -> Strength:
    """Find what is said of an adapter's strength.

    Args:
        file: Its header.
        kinds: The kinds of its layers.
        decomposed: Whether it holds magnitudes (DoRA).

    Raises:
        AdapterError: The configuration cannot be read, disagrees with the file, or says what cannot be done.
    """
    config = adapter_files(file.path).get(_CONFIG)
    if config is not None:
        source, settings = _CONFIG, _json(file.path, config.name, read_text(config))
    elif "lora_adapter_metadata" in file.metadata:
        source = "its metadata"
        settings = _of_transformer(_json(file.path, source, file.metadata["lora_adapter_metadata"]))
    elif file.path.name == _PEFT_FILE:
        raise AdapterError(
            f"--lora {file.path}: PEFT keeps its strength in {_CONFIG}, which is missing beside it; copy it there too"
        )
    else:
        return Strength(file.path, "", {})
    _check(file.path, source, settings, kinds, decomposed=decomposed)
    return Strength(file.path, source, settings)


def _check(path: Path, source: str, settings: Mapping[str, Any], kinds: set[str], *, decomposed: bool) -> None:
    named = settings.get("peft_type")
    if named is not None and {_KINDS.get(str(named))} != kinds:
        raise AdapterError(f"--lora {path}: {source} says {named}, the file holds {', '.join(sorted(kinds))}")
    if bool(settings.get("use_dora", decomposed)) != decomposed:
        raise AdapterError(
            f"--lora {path}: {source} says use_dora={str(not decomposed).lower()}, the file holds "
            f"{'magnitudes' if decomposed else 'no magnitudes'}"
        )
    if settings.get("init_lora_weights") not in _PLAIN:
        raise AdapterError(
            f"--lora {path}: was trained over changed base weights (init_lora_weights="
            f"{settings['init_lora_weights']!r}); convert it to a plain LoRA with PEFT first"
        )
    for field in ("fan_in_fan_out", "layer_replication", "modules_to_save", "use_qalora", "alora_invocation_tokens"):
        if settings.get(field):
            raise AdapterError(
                f"--lora {path}: {source} says {field}={settings[field]!r}, which evalsuite does not lay"
            )


def _json(path: Path, source: str, text: str) -> dict[str, Any]:
    try:
        settings = parse_json(text, f"--lora {path}: {source}")
    except FileError as error:
        raise AdapterError(str(error)) from error
    if not isinstance(settings, dict):
        raise AdapterError(f"--lora {path}: {source} is no JSON object")
    return settings


def _of_transformer(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The transformer's fields of diffusers' metadata, whose names begin with the part's."""
    return {key.split(".", 1)[1]: value for key, value in settings.items() if key.startswith(("transformer.", "unet."))}


def _number(path: Path, field: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST:
        raise AdapterError(f"--lora {path}: {field} is {str(value)[:40]!r}, not a number up to {_LARGEST:,}")
    return float(value)
