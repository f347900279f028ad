"""What a name stands for: a preset, a folder, a hub id or a user's file, and where its checkpoint is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from evalsuite.datafiles import data_dir
from evalsuite.errors import EvalsuiteError
from evalsuite.models.checkpoints import (
    Checkpoint,
    find_snapshot,
    is_repository,
    open_checkpoint,
)
from evalsuite.models.memory import describe_needs, estimate, gigabytes
from evalsuite.models.presets import Part, Preset, load_custom, load_presets
from evalsuite.models.weight_sets import WeightsMissingError
from evalsuite.records import Json, ModelRole
from evalsuite.wording import did_you_mean


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Where a model comes from and what is known of it before its checkpoint is opened.

    `place` is a folder or a hub id; `label` is what a run remembers instead, where the folder ships with
    evalsuite. Paths in `lora` count from `lora_base`.
    """

    name: str
    place: str
    label: str | None = None
    is_folder: bool = False
    revision: str | None = None
    preset: Preset | None = None
    licence: str | None = None
    role: ModelRole = "model"
    settings: Mapping[str, Json] | None = None
    transformer: Path | None = None
    lora: tuple[str, ...] = ()
    lora_base: Path = Path()


def stand_ins() -> dict[str, Path]:
    """The small stand-in checkpoints that ship with evalsuite: the TOML file of each by its name."""
    return {path.stem: path for path in sorted((data_dir() / "standins").glob("*.toml"))}


def find_source(name: str) -> ModelSource:
    """What a name stands for, without looking for its weights (but a folder must be there).

    Raises:
        EvalsuiteError: It stands for nothing; the message lists close matches and what is known.
    """
    if name.endswith(".toml"):
        return _custom_source(Path(name))
    presets = load_presets().presets
    if name in presets:
        return _preset_source(name, presets[name])
    if name in stand_ins():
        return replace(_custom_source(stand_ins()[name]), label=f"evalsuite:{name}")
    path = Path(name).expanduser()
    if path.is_dir():
        return ModelSource(name=path.resolve().name, place=str(path), is_folder=True)
    repository, _, revision = name.partition("@")
    if is_repository(repository) and not name.startswith((".", "~", "/")):
        return ModelSource(name=repository, place=repository, is_folder=False, revision=revision or None)
    if "/" in name or name.startswith((".", "~")):
        raise WeightsMissingError(f"{name}: there is no such folder")
    known = ["typeset", "editor", "folder:DIR", *stand_ins(), *presets]
    raise EvalsuiteError(
        f"{name!r}: no model is called that: {did_you_mean(name, sorted(known))}. A folder with "
        "model_index.json, a hub id (organisation/name@revision) or a .toml file will also do."
    )


def _preset_source(name: str, preset: Preset) -> ModelSource:
    return ModelSource(
        name=name,
        place=preset.repository,
        is_folder=False,
        revision=preset.revision,
        preset=preset,
        licence=preset.licence,
        settings=preset.settings,
    )


def _custom_source(path: Path) -> ModelSource:
    custom = load_custom(path)
    presets = load_presets().presets
    if custom.base is not None:
        source = _preset_source(custom.name, presets[custom.base])
    else:
        source = ModelSource(name=custom.name, place="", is_folder=False)
    if custom.source is not None:
        folder = path.parent / Path(custom.source).expanduser()
        source = replace(source, place=str(folder) if folder.is_dir() else custom.source, is_folder=folder.is_dir())
        if not source.is_folder and not is_repository(custom.source):
            raise WeightsMissingError(f"{path}: source = {custom.source!r}: there is no folder {folder}")
    return replace(
        source,
        name=custom.name,
        revision=custom.revision or (None if custom.source else source.revision),
        licence=custom.licence or source.licence,
        role=custom.role,
        settings={**(source.settings or {}), **custom.settings},
        transformer=path.parent / custom.transformer if custom.transformer else None,
        lora=custom.lora,
        lora_base=path.parent,
    )


def open_source(source: ModelSource) -> Checkpoint:
    """The checkpoint of a source.

    Raises:
        WeightsMissingError: It is not on this machine; the message says how to fetch it and what it takes.
    """
    if source.is_folder:
        return open_checkpoint(Path(source.place).expanduser())
    folder = find_snapshot(source.place, source.revision)
    if folder is None:
        raise WeightsMissingError(
            f"{source.name}: no weights of {source.place} on this machine. {_how_to_fetch(source)}"
        )
    try:
        return open_checkpoint(folder, revision=folder.name)
    except WeightsMissingError as error:
        raise WeightsMissingError(f"{source.name}: {error}. {_how_to_fetch(source)}") from error


def _how_to_fetch(source: ModelSource) -> str:
    revision = f" --revision {source.revision}" if source.revision else ""
    preset = source.preset
    if preset is None or preset.repository != source.place:
        return f"Fetch them with `hf download {source.place}{revision}`, or give a local folder instead."
    parts = preset_parts(preset, source.settings or {})
    whole = load_presets().architectures[preset.architecture]
    exclude = f" --exclude '{preset.not_read}'" if preset.not_read else ""
    licence = (
        f" First accept its licence ({preset.licence}) at https://huggingface.co/{source.place} "
        "and run `hf auth login`."
        if preset.gated
        else ""
    )
    published = f" Its makers name {preset.published_memory}." if preset.published_memory else ""
    return (
        f"Fetch them with `hf download {source.place}{revision}{exclude}` "
        f"({gigabytes(estimate(whole).disk)} of disk), or give a local folder instead.{licence} "
        f"{describe_needs(parts)}{published}"
    )


def preset_parts(preset: Preset, settings: Mapping[str, Json]) -> dict[str, Part]:
    """The parts of a preset that its settings load: without the enhancer where it is off."""
    parts = load_presets().architectures[preset.architecture]
    return {name: part for name, part in parts.items() if name != "pe" or settings.get("enhance", "off") != "off"}
