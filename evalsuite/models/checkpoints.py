"""Finding a checkpoint on this machine and checking that all its parts are there, before anything is loaded.

Nothing is ever downloaded: what is missing is named, with the command that fetches it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalsuite.errors import EvalsuiteError
from evalsuite.extras import install_command
from evalsuite.files import read_json_object
from evalsuite.models.weight_sets import WeightsMissingError, find_weights

_REPOSITORY = re.compile(r"^[\w][\w.-]*/[\w][\w.-]*$")
_READ = frozenset({".safetensors", ".json", ".jinja", ".txt", ".model", ".tiktoken"})
_LIBRARIES = frozenset({"diffusers", "transformers"})
_ALIASES = {"glm_image": "transformers"}
"""What diffusers writes for classes of transformers whose module is called as one of its own pipelines."""

MARKER = "stand-in.txt"
"""A checkpoint folder that holds this file is a stand-in and is called one everywhere."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A complete diffusers checkpoint on disk.

    `components` holds library and class of every part by name; parts that the checkpoint leaves out are not
    listed. `revision` is the commit of a hub snapshot. `index` is the whole of `model_index.json`.
    """

    folder: Path
    revision: str | None
    pipeline: str
    components: Mapping[str, tuple[str, str]]
    index: Mapping[str, Any]

    @property
    def stand_in(self) -> bool:
        """Whether the folder declares itself a stand-in: its figures say nothing about the real model."""
        return (self.folder / MARKER).is_file()

    def files(self, *, replaced: str | None = None, unused: Collection[str] = ()) -> dict[str, Path]:
        """Every file that the pipeline reads, by its name relative to the folder.

        Args:
            replaced: A part whose weights come from elsewhere: its safetensors files are left out.
            unused: Parts that are not loaded.
        """
        found = {"model_index.json": self.folder / "model_index.json"}
        for part in self.components.keys() - set(unused):
            for path in sorted((self.folder / part).iterdir()):
                if path.suffix in _READ and not (part == replaced and ".safetensors" in path.name):
                    found[f"{part}/{path.name}"] = path
        return found


def is_repository(name: str) -> bool:
    """Whether a name has the form of a hub id: `organisation/name`."""
    return _REPOSITORY.match(name) is not None


def find_snapshot(repository: str, revision: str | None = None) -> Path | None:
    """The folder of a repository's snapshot in the hub cache, or None. Looks at this machine only.

    Raises:
        EvalsuiteError: huggingface_hub is not installed.
    """
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError as error:
        raise EvalsuiteError(f"models need diffusers: {install_command('models')}") from error
    path = try_to_load_from_cache(repository, "model_index.json", revision=revision)
    return Path(path).parent if isinstance(path, str) else None


def open_checkpoint(folder: Path, *, revision: str | None = None) -> Checkpoint:
    """Read and check a checkpoint folder without loading weights.

    Raises:
        WeightsMissingError: The folder or a part or shard of it is missing.
        EvalsuiteError: It is no diffusers checkpoint, holds only pickled weights, or wants to run its own code.
    """
    index = _read_index(folder)
    pipeline = index.get("_class_name")
    if not isinstance(pipeline, str):
        raise EvalsuiteError(
            f"{folder / 'model_index.json'}: _class_name is {pipeline!r}. Pipelines with code of their own are not run."
        )
    components: dict[str, tuple[str, str]] = {}
    for part, entry in index.items():
        if part.startswith("_") or not isinstance(entry, list) or entry == [None, None]:
            continue
        if not _is_class(entry):
            raise EvalsuiteError(
                f"{folder / 'model_index.json'}: {part} is {entry!r}; only classes of diffusers and transformers "
                "are loaded"
            )
        if not re.match(r"^\w+$", part):
            raise EvalsuiteError(f"{folder / 'model_index.json'}: {part!r} is no name for a part")
        _check_part(folder / part)
        components[part] = (_ALIASES.get(str(entry[0]), str(entry[0])), str(entry[1]))
    return Checkpoint(folder, revision, pipeline, components, index)


def _is_class(entry: object) -> bool:
    """Whether an entry names a library that is loaded from, and a class."""
    return (
        isinstance(entry, list)
        and len(entry) == 2
        and all(isinstance(each, str) for each in entry)
        and _ALIASES.get(entry[0], entry[0]) in _LIBRARIES
    )


def _read_index(folder: Path) -> dict[str, Any]:
    path = folder / "model_index.json"
    if not folder.is_dir():
        raise WeightsMissingError(f"{folder}: there is no such folder")
    try:
        return read_json_object(path)
    except FileNotFoundError:
        raise WeightsMissingError(
            f"{folder}: holds no model_index.json, so it is no diffusers checkpoint. Give the folder that does."
        ) from None


def _check_part(folder: Path) -> None:
    if not folder.is_dir():
        raise WeightsMissingError(f"{folder}: this part of the checkpoint is missing; fetch it again")
    # Tokenizers and schedulers have no weights, and no config.json.
    if (folder / "config.json").is_file():
        find_weights(folder)
