"""The models known by name (`presets.toml`), and the user's own TOML files."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from pathlib import Path

import msgspec

from evalsuite.errors import EvalsuiteError
from evalsuite.files import parse_toml
from evalsuite.models.settings import check_settings
from evalsuite.records import Json, ModelRole
from evalsuite.wording import did_you_mean


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Part(_Table, frozen=True, kw_only=True):
    """Parameters of one part of a model: all, and those that FP8 storage keeps in one byte."""

    parameters: int
    fp8: int


class PipelineFacts(_Table, frozen=True, kw_only=True):
    """What a diffusers pipeline takes. Sides are multiples of `multiple` pixels; `sizes` are those recommended."""

    multiple: int
    max_pixels: int
    sizes: tuple[str, ...] = ()
    settings: dict[str, Json]
    distilled_settings: dict[str, Json] = {}


class Preset(_Table, frozen=True, kw_only=True):
    """One model of `presets.toml`. `published_memory` is the GPU memory that its makers name.

    `not_read` is a pattern of files in the repository that need not be fetched.
    """

    title: str
    repository: str
    pipeline: str
    architecture: str
    licence: str
    settings: dict[str, Json]
    published_memory: str | None = None
    gated: bool = False
    not_read: str | None = None
    revision: str | None = None


class Presets(_Table, frozen=True, kw_only=True):
    """The whole of `presets.toml`."""

    architectures: dict[str, dict[str, Part]]
    pipelines: dict[str, PipelineFacts]
    presets: dict[str, Preset]


@cache
def load_presets() -> Presets:
    """The presets that come with the suite, checked."""
    text = resources.files("evalsuite.models").joinpath("presets.toml").read_text(encoding="utf-8")
    found = msgspec.convert(tomllib.loads(text), Presets)
    for name, preset in found.presets.items():
        check_settings(preset.settings, where=f"presets.toml: {name}")
    return found


class CustomModel(_Table, frozen=True, kw_only=True):
    """A user's model file.

    `base` takes everything from a preset; `source` is a folder or a hub id and replaces the preset's;
    `lora` and `transformer` are as on the command line. Relative paths count from the file's folder.
    """

    name: str
    base: str | None = None
    source: str | None = None
    revision: str | None = None
    licence: str | None = None
    role: ModelRole = "model"
    transformer: str | None = None
    lora: tuple[str, ...] = ()
    settings: dict[str, Json] = {}


def load_custom(path: Path) -> CustomModel:
    """Read a user's model file.

    Raises:
        EvalsuiteError: It cannot be read, has unknown keys or values, or names neither base nor source.
    """
    try:
        model = msgspec.convert(parse_toml(path), CustomModel)
    except FileNotFoundError:
        raise EvalsuiteError(f"{path}: no such model file") from None
    except msgspec.ValidationError as error:
        known = ", ".join(CustomModel.__struct_fields__)
        raise EvalsuiteError(f"{path}: {error}. A model file has: {known}.") from error
    if not model.name.strip() or not model.name.isprintable() or ".." in model.name.split("/"):
        raise EvalsuiteError(f"{path}: name = {model.name!r}: a name of printable characters is needed")
    if model.base is None and model.source is None:
        raise EvalsuiteError(f"{path}: names neither `base` (a preset) nor `source` (a folder or hub id)")
    if model.base is not None and model.base not in load_presets().presets:
        raise EvalsuiteError(
            f"{path}: base = {model.base!r} is no preset: {did_you_mean(model.base, sorted(load_presets().presets))}"
        )
    if model.role == "reference":
        raise EvalsuiteError(f"{path}: role is `model` or `stand-in`; the reference is the typeset renderer")
    return msgspec.structs.replace(model, settings=check_settings(model.settings, where=str(path)))
