"""From what the user calls a model to a model that is planned, hashed and ready to load."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from evalsuite.digests import files_digest
from evalsuite.errors import EvalsuiteError
from evalsuite.extras import missing_extras
from evalsuite.models.adapters import adapter_digest
from evalsuite.models.checkpoints import Checkpoint, find_snapshot, open_checkpoint
from evalsuite.models.memory import estimate, gigabytes
from evalsuite.models.parts import pipeline_class
from evalsuite.models.pipeline_setup import computing_precision, cpu_has_bf16, fit_precision, resolve_device
from evalsuite.models.presets import PipelineFacts, Preset, load_presets
from evalsuite.models.settings import (
    ENHANCE_BATCH,
    RUNTIME_DEFAULTS,
    ModelOptions,
    SettingError,
    check_settings,
    decides_image,
    size_of,
)
from evalsuite.models.sources import ModelSource, find_source, open_source, preset_parts, stand_ins
from evalsuite.models.transformer_file import transformer_files
from evalsuite.models.weights_file import read_weights_file
from evalsuite.records import Adapter, Json, ModelSpec

if TYPE_CHECKING:
    from evalsuite.models.base import ImageModel
    from evalsuite.models.diffusion import DiffusionModel

_MIN_SIDE = 64


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A row of `evalsuite models list`."""

    name: str
    what: str
    repository: str
    licence: str
    settings: Mapping[str, Json]
    needs: str
    available: bool


_WITHOUT_OPTIONS = ("typeset", "editor", "source", "folder")
"""Kinds of models without sampler settings, by what stands before the colon of their names."""


def takes_options(name: str) -> bool:
    """Whether sampler settings, adapters and transformers can be laid over the model of that name."""
    return name.partition(":")[0] not in _WITHOUT_OPTIONS


def resolve(name: str, *, options: ModelOptions | None = None) -> ImageModel:
    """The model of that name, planned: its weights are hashed (or their hash found cached), not loaded.

    Args:
        name: `typeset`, `editor`, `source`, `folder`, `server` or `comfyui` with their arguments after a colon, a
            preset, a folder with `model_index.json`, a hub id with or without `@revision`, or a TOML file.
        options: What overrides the model's own settings, for diffusion models and servers.

    Raises:
        WeightsMissingError: The weights are not on this machine; the message says how to get them.
        EvalsuiteError: The name is unknown, or an option does not fit the model.
    """
    options = options or ModelOptions()
    if OWN_SETTINGS & options.settings.keys():
        return _with_served_enhancer(name, options)
    kind, _, argument = name.partition(":")
    if kind == "server":
        from evalsuite.models.servers import ServerModel

        return ServerModel.parse(argument, options)
    if kind == "comfyui":
        from evalsuite.models.servers import ComfyModel

        return ComfyModel.parse(argument, options)
    if not takes_options(name):
        if options:
            raise EvalsuiteError(
                f"{name}: --set, --lora and --transformer are for diffusion models; give {kind} its settings "
                f"after a colon"
            )
        if kind == "typeset":
            from evalsuite.models.typeset.model import TypesetModel

            return TypesetModel.parse(argument)
        if kind in ("editor", "source"):
            from evalsuite.models.mechanical_editor import EditorModel

            if kind == "source" and argument:
                raise EvalsuiteError(f"{name}: the source pictures take no options; name 'source' alone")
            return EditorModel.parse(argument) if kind == "editor" else EditorModel(unchanged=True)
        from evalsuite.models.folder import FolderModel

        return FolderModel.parse(argument)
    return resolve_diffusion(name, options)


OWN_SETTINGS = {"enhancer", "enhancer_model"}
"""Settings of a prompt enhancer behind a server, which no model takes itself."""


def _with_served_enhancer(name: str, options: ModelOptions) -> ImageModel:
    """A model whose prompts a chat server rewrites, its own enhancer off. See `resolve`."""
    from evalsuite.models.servers.enhancer import ServedEnhancer, enhancer_options

    if name.partition(":")[0] in (*_WITHOUT_OPTIONS, "comfyui"):
        raise SettingError(f"{name}: enhancer=… is for diffusion models and server:")
    found = enhancer_options(options, name)
    settings = {key: value for key, value in options.settings.items() if key not in OWN_SETTINGS}
    inner = resolve(name, options=replace(options, settings={**settings, "enhance": "off"}))
    if found is None:
        return inner
    return ServedEnhancer(inner, *found)


def resolve_diffusion(name: str, options: ModelOptions) -> DiffusionModel:
    """A diffusion model by preset, folder, hub id or TOML file. See `resolve`."""
    from evalsuite.models.diffusion import DiffusionModel
    from evalsuite.models.loading import CheckpointSource

    source = find_source(name)
    checkpoint = open_source(source)
    settings, runtime, notice = _settings(source, checkpoint, check_settings(options.settings, where=name))
    transformer = Path(options.transformer) if options.transformer else source.transformer
    loras = [_parse_lora(item, source.lora_base) for item in source.lora]
    loras += [_parse_lora(item, Path()) for item in options.lora]
    unused = ("pe", "pe_tokenizer") if settings.get("enhance", "off") == "off" else ()
    for path, _ in loras:
        read_weights_file(path)  # before anything is hashed: a file that is cut is no adapter
    files = checkpoint.files(replaced="transformer" if transformer else None, unused=unused)
    if transformer is not None:
        if not transformer.is_dir():
            transformer = _weights(transformer, "--transformer", (".safetensors", ".gguf"))
        files |= transformer_files(transformer)
    label = "".join([f"+{_label(transformer)}" if transformer else "", *(f"+{path.stem}" for path, _ in loras)])
    spec = ModelSpec(
        name=source.name + label,
        kind="diffusion",
        role="stand-in" if checkpoint.stand_in else source.role,
        source=source.label or source.place,
        revision=checkpoint.revision,
        pipeline=checkpoint.pipeline,
        weights_digest=files_digest(files),
        licence=source.licence,
        settings=settings,
        runtime=runtime,
        adapters=tuple(Adapter(path=str(path), scale=scale, digest=adapter_digest(path)) for path, scale in loras),
        transformer=str(transformer) if transformer else None,
    )
    notices = [notice] if notice else []
    return DiffusionModel(spec, CheckpointSource(checkpoint, transformer, tuple(loras), files), notices)


def known_models() -> tuple[KnownModel, ...]:
    """The models that have a name: the references, and the presets with what they need and whether they are here."""
    rows = [
        KnownModel(
            "typeset",
            "reference: the targets in real fonts, the ceiling of the OCR",
            "-",
            "OFL-1.1 fonts",
            {},
            "-",
            available=not missing_extras(["fonts"]),
        ),
        KnownModel(
            "editor",
            "reference of edits: paints over the old text and sets the new",
            "-",
            "OFL-1.1 fonts",
            {},
            "-",
            available=not missing_extras(["fonts"]),
        ),
        KnownModel("folder:DIR", "images that already exist", "-", "-", {}, "-", available=True),
        KnownModel("comfyui:WORKFLOW@URL", "a workflow on a ComfyUI server", "-", "-", {}, "-", available=True),
        KnownModel("server:URL", "an OpenAI-compatible image server", "-", "-", {}, "-", available=True),
    ]
    with_torch = all(importlib.util.find_spec(package) for package in ("torch", "diffusers", "transformers"))
    for name in stand_ins():
        what = "stand-in: a small checkpoint of the real classes; says nothing about the real model"
        rows.append(KnownModel(name, what, "ships with evalsuite", "Apache-2.0", {}, "1 GB", available=with_torch))
    for name, preset in load_presets().presets.items():
        parts = preset_parts(preset, preset.settings)
        published = f"published: {preset.published_memory}; " if preset.published_memory else ""
        needs = f"{published}estimated: {gigabytes(estimate(parts).gpu)} GPU, {gigabytes(estimate(parts).disk)} disk"
        rows.append(
            KnownModel(
                name,
                preset.title,
                preset.repository,
                preset.licence,
                {**preset.settings, **_COMMON},
                needs,
                available=_is_here(preset),
            )
        )
    return tuple(rows)


_COMMON: dict[str, Json] = {"size": "1024x1024", "precision": "bf16"}


def _is_here(preset: Preset) -> bool:
    try:
        folder = find_snapshot(preset.repository, preset.revision)
        if folder is not None:
            open_checkpoint(folder)
    except EvalsuiteError:
        return False
    return folder is not None


def _settings(
    source: ModelSource, checkpoint: Checkpoint, overrides: Mapping[str, Json]
) -> tuple[dict[str, Json], dict[str, Json], str | None]:
    facts = load_presets().pipelines.get(checkpoint.pipeline)
    asked = {**(source.settings or {}), **overrides}
    merged = check_settings({**_COMMON, **_defaults(checkpoint, facts), **asked}, where=source.name)
    has_enhancer = "pe" in checkpoint.components
    if not has_enhancer:
        if merged.get("enhance", "off") != "off":
            raise SettingError(
                f"{source.name}: enhance={merged['enhance']}, but {checkpoint.folder} has no enhancer (pe)"
            )
        merged.pop("enhance", None)
    if strange := OWN_SETTINGS & merged.keys():
        raise SettingError(
            f"{source.name}: {min(strange)} is for --set of commands that draw; a model's file and serve do not take it"
        )
    if merged.get("enhance", "off") != "off":
        merged.setdefault("enhance_batch", ENHANCE_BATCH)
    elif "enhance_batch" in merged:
        raise SettingError(f"{source.name}: enhance_batch={merged['enhance_batch']}, but no prompt enhancer runs")
    _check_size(source.name, merged, facts)
    _check_precision(source.name, merged)
    merged, notice = _fit_to_device(merged, asked)
    without = None
    if merged.get("fast"):
        from evalsuite.models.fast import with_fast_parts

        merged, without, parts = with_fast_parts(merged, asked, pipeline_class(checkpoint))
        notice = f"{notice}. {parts}" if notice else parts
    settings = {key: value for key, value in sorted(merged.items()) if decides_image(key, value)}
    runtime = {key: value for key, value in sorted(merged.items()) if not decides_image(key, value)}
    if without:
        runtime["fast_without"] = without
    return settings, {**RUNTIME_DEFAULTS, **runtime}, notice


def _check_precision(name: str, settings: Mapping[str, Json]) -> None:
    precision, quantize = settings["precision"], settings.get("quantize", "none")
    if quantize != "none" and precision not in ("bf16", "fp32"):
        raise SettingError(f"{name}: quantize={quantize} needs precision=bf16 or fp32, not {precision}")
    if "compute" in settings and not str(precision).startswith("fp8"):
        raise SettingError(f"{name}: compute={settings['compute']} is for precision=fp8, not {precision}")


def _fit_to_device(settings: dict[str, Json], asked: Mapping[str, Json]) -> tuple[dict[str, Json], str | None]:
    """The settings with the precision that is effective here, and a notice of it."""
    notice = None
    if computing_precision(settings) == "bf16":  # else torch, which takes seconds to load, need not be asked
        device = str(settings.get("device", "auto"))
        # A GPU that is named may be one of another machine: plans can be made without it.
        device = resolve_device(device) if device == "auto" else device
        settings, notice = fit_precision(settings, asked, device=device, cpu_bf16=cpu_has_bf16())
    if settings.get("compute") == "bf16":
        del settings["compute"]  # what FP8 computes in anyway
    return settings, notice


def _defaults(checkpoint: Checkpoint, facts: PipelineFacts | None) -> Mapping[str, Json]:
    """Steps, guidance and enhancement of a checkpoint that no preset names."""
    if facts is not None:
        own = facts.distilled_settings if checkpoint.index.get("is_distilled") else facts.settings
        return {**own, "enhance": "image"} if "pe" in checkpoint.components else own
    # A pipeline that the suite does not know: what its own call would take.
    parameters = inspect.signature(pipeline_class(checkpoint).__call__).parameters
    names = {"steps": "num_inference_steps", "guidance": "guidance_scale", "true_cfg": "true_cfg_scale"}
    found = {key: parameters[name].default for key, name in names.items() if name in parameters}
    return {key: value for key, value in found.items() if isinstance(value, int | float)}


def _check_size(name: str, settings: Mapping[str, Json], facts: PipelineFacts | None) -> None:
    width, height = size_of(settings)
    multiple = facts.multiple if facts else 8
    too_large = facts is not None and width * height > facts.max_pixels
    if not too_large and (width % multiple or height % multiple):
        # Downwards, so that what is proposed is not too large in turn.
        near = "x".join(str(max(_MIN_SIDE, side // multiple * multiple)) for side in (width, height))
        raise SettingError(f"{name}: size={width}x{height}: sides must be multiples of {multiple}, e.g. {near}")
    if min(width, height) < _MIN_SIDE or too_large:
        most = f" and at most {facts.max_pixels / 2**20:g} megapixels (2^20)" if facts else ""
        recommended = f" Recommended: {', '.join(facts.sizes)}." if facts and facts.sizes else ""
        raise SettingError(
            f"{name}: size={width}x{height}: sides of at least {_MIN_SIDE} pixels{most} are drawn.{recommended}"
        )


def _parse_lora(item: str, base: Path) -> tuple[Path, float]:
    """Path and scale of `PATH[:scale]`; a folder stands for the one safetensors file in it."""
    text, colon, tail = item.rpartition(":")
    scale = 1.0
    if colon:
        try:
            scale = float(tail)
        except ValueError:
            text = item  # the colon belongs to the path
    path = base / Path(text if colon else item).expanduser()
    if not -100 <= scale <= 100:
        raise EvalsuiteError(f"--lora {item}: a scale from -100 to 100 is needed, e.g. {path}:0.8")
    if path.is_dir():
        inside = sorted(path.glob("*.safetensors"))
        if len(inside) != 1:
            raise EvalsuiteError(f"--lora {item}: the folder holds {len(inside)} safetensors files; name one")
        path = inside[0]
    return _weights(path, "--lora", (".safetensors",)), scale


def _label(transformer: Path) -> str:
    """What a transformer's file or folder is called; of `checkpoint-500/transformer`, the checkpoint."""
    if transformer.is_dir():
        return transformer.resolve().parent.name if transformer.name == "transformer" else transformer.resolve().name
    return transformer.stem


def _weights(path: Path, option: str, suffixes: Sequence[str]) -> Path:
    path = path.expanduser()
    if not path.is_file():
        raise EvalsuiteError(f"{option} {path}: there is no such file")
    if path.suffix.lower() not in suffixes:
        kinds = " and ".join(suffix[1:] if suffix != ".gguf" else "GGUF" for suffix in suffixes)
        raise EvalsuiteError(f"{option} {path}: only {kinds} files are read")
    return path
