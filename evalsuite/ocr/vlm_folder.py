"""A Qwen2.5-VL checkpoint on disk: found in the hub cache or named by its folder, and checked before it is loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalsuite.errors import EvalsuiteError
from evalsuite.files import read_json_object
from evalsuite.ocr.weights import OcrUnavailableError
from evalsuite.records import Json

NAME = "qwen2.5-vl"
REPOSITORY = "Qwen/Qwen2.5-VL-7B-Instruct"
REVISION = "cc594898137f460bfe9f0759e9844b3ce807cfb5"

MAX_LAYERS = 512
"""Layers that a configuration may ask for; the largest Qwen2.5-VL has 80, and 32 that see."""

_READ = frozenset({".safetensors", ".json", ".jinja", ".txt"})


@dataclass(frozen=True, slots=True)
class VlmFolder:
    """A complete Qwen2.5-VL checkpoint on disk: where, from which repository if known, and its configuration."""

    path: Path
    origin: str
    config: Mapping[str, Any]
    generation: Mapping[str, Json]

    def files(self) -> dict[str, Path]:
        """Every file that the reader reads, by name."""
        return {path.name: path for path in sorted(self.path.iterdir()) if path.suffix in _READ}


def cached_folder() -> VlmFolder:
    """Qwen2.5-VL-7B-Instruct at the pinned revision in the hub cache. Looks at this machine only.

    Raises:
        OcrUnavailableError: when it is not there; the message says how to get it.
    """
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(REPOSITORY, "config.json", revision=REVISION)
    if not isinstance(found, str):
        raise OcrUnavailableError(
            f"{NAME}: no weights of {REPOSITORY} at {REVISION[:12]} on this machine (16.6 GB, which the GPU must "
            f"hold in bfloat16). Fetch them with `hf download {REPOSITORY} --revision {REVISION}`, name a local "
            f"folder ({NAME}:FOLDER), or a server that has them ({NAME}:server=http://HOST:PORT,model=NAME)"
        )
    return open_folder(Path(found).parent, f"{REPOSITORY}@{REVISION}")


def open_folder(path: Path, origin: str) -> VlmFolder:
    """Check a checkpoint folder without loading it; `origin` is how the readings will name it.

    Raises:
        OcrUnavailableError: when the folder or a part of the checkpoint is missing.
        EvalsuiteError: when it holds another architecture, or wants to run its own code.
    """
    if not path.is_dir():
        raise OcrUnavailableError(f"{NAME}: {path}: no such folder")
    config = _json(path / "config.json")
    if config.get("model_type") != "qwen2_5_vl":
        raise EvalsuiteError(f"{path}: config.json says model_type {config.get('model_type')!r}, not 'qwen2_5_vl'")
    for name, layers in _layers(config):
        if isinstance(layers, bool) or not isinstance(layers, int) or not 1 <= layers <= MAX_LAYERS:
            raise EvalsuiteError(f"{path}: config.json: {name} is {str(layers)[:40]!r}, not from 1 to {MAX_LAYERS}")
    if "auto_map" in config:
        raise EvalsuiteError(f"{path}: config.json asks for code of its own (auto_map), which is never run")
    index = path / "model.safetensors.index.json"
    shards = set(_json(index).get("weight_map", {}).values()) if index.is_file() else {"model.safetensors"}
    missing = sorted(str(name) for name in shards if not _inside(path, str(name)))
    if missing or not shards:
        raise OcrUnavailableError(f"{path}: weights are missing: {', '.join(missing) or 'the index names none'}")
    for name in ("preprocessor_config.json", "tokenizer.json"):
        if not (path / name).is_file():
            raise OcrUnavailableError(f"{path}: {name} is missing")
    generation = _json(path / "generation_config.json") if (path / "generation_config.json").is_file() else {}
    return VlmFolder(
        path, origin, config, {key: value for key, value in generation.items() if key != "transformers_version"}
    )


def _layers(config: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """The layers that a configuration asks for: transformers would make as many, whatever the weights hold."""
    for part in (config, config.get("text_config"), config.get("vision_config")):
        if isinstance(part, dict):
            yield from ((name, part[name]) for name in ("num_hidden_layers", "depth") if name in part)


def _inside(folder: Path, name: str) -> bool:
    return Path(name).name == name and (folder / name).is_file()


def _json(path: Path) -> dict[str, Any]:
    try:
        return read_json_object(path)
    except FileNotFoundError:
        raise OcrUnavailableError(f"{path}: missing; it is part of every Qwen2.5-VL checkpoint") from None
