"""The command that draws an image again: with all that its model's spec says, or why there is none."""

from __future__ import annotations

import re
import shlex
from pathlib import PurePath
from typing import TYPE_CHECKING

import msgspec

from evalsuite import suites
from evalsuite.models.settings import RUNTIME_DEFAULTS, SETTINGS
from evalsuite.records import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalsuite.records import Json, Manifest, ModelSpec, SuiteRef


class Again(Record, frozen=True, kw_only=True):
    """What a page offers for a model's images.

    `command` lacks the image's suite, prompt and seed, unless it is `whole`; None where nothing can draw them again.
    `note` is the key of the message that says why, or what the command does instead of drawing.
    """

    command: str | None = None
    whole: bool = False
    note: str | None = None


def again(spec: ModelSpec, manifest: Manifest) -> Again:
    """The command for a model of a run. Everything that determines the image goes with it; the reader does not."""
    found = _again(spec, manifest)
    counts_from_here = found.command is not None and found.note is None and _is_relative(spec, manifest)
    return msgspec.structs.replace(found, note="again.place") if counts_from_here else found


def _again(spec: ModelSpec, manifest: Manifest) -> Again:
    if spec.kind == "folder":
        return _read_again(spec, manifest)
    if spec.kind == "comfyui":
        return Again(note="again.workflow")
    if spec.kind == "server":
        return Again(note="again.no-seed") if spec.settings.get("seed") == "not taken" else _server(spec)
    if spec.kind == "editor":
        return Again(command=f"evalsuite run --model {shlex.quote(spec.name)}")
    return _typeset(spec) if spec.kind == "typeset" else _diffusion(spec)


def _is_relative(spec: ModelSpec, manifest: Manifest) -> bool:
    """Whether a path of the command counts from the folder in which the run was started."""
    paths = [ref.source for ref in manifest.suites if suite_option(ref)]
    if spec.kind == "diffusion":
        paths += [adapter.path for adapter in spec.adapters]
        paths += [spec.transformer] if spec.transformer else []
        paths += [spec.source] if spec.revision is None else []
    named = [path for path in paths if "://" not in path and not path.startswith(("evalsuite:", "~"))]
    return not all(PurePath(path).is_absolute() for path in named)


def suite_option(ref: SuiteRef) -> str:
    """What names a suite; nothing for one that is searched by default."""
    option = suites.option_for(ref.name, ref.source)
    return "" if option is None else f" --suite {shlex.quote(option)}"


def _diffusion(spec: ModelSpec) -> Again:
    name = spec.source.removeprefix("evalsuite:")
    if spec.revision is not None:
        name = f"{spec.source}@{spec.revision}"
    if spec.transformer is None and "+" not in spec.source and spec.name.count("+") > len(spec.adapters):
        return Again(note="again.transformer")  # a run of an evalsuite that did not write down which file it was
    parts = ["evalsuite run --model", shlex.quote(name)]
    options = _set({**spec.settings, **_beyond_default(spec.runtime)})
    if options is None:
        return Again(note="again.settings")
    parts += options
    if spec.transformer is not None:
        parts += ["--transformer", shlex.quote(spec.transformer)]
    for adapter in spec.adapters:
        parts += ["--lora", shlex.quote(f"{adapter.path}:{adapter.scale}")]
    return Again(command=" ".join(parts))


def _beyond_default(runtime: Mapping[str, Json]) -> dict[str, Json]:
    return {key: value for key, value in runtime.items() if RUNTIME_DEFAULTS.get(key) != value}


def _set(settings: Mapping[str, Json]) -> list[str] | None:
    """`--set` with settings in their order, those whose value has blanks each for itself; None where one cannot be."""
    plain, apart = [], []
    for key, value in settings.items():
        if key not in SETTINGS:
            continue
        text = f"{key}={_text(value)}"
        if not re.search(r"\s", text):
            plain.append(text)
        elif all("=" in part for part in text.split()):
            return None  # the command line would take it for several settings
        else:
            apart.append(text)
    items = [*([" ".join(plain)] if plain else []), *apart]
    return [word for item in items for word in ("--set", shlex.quote(item))]


def _text(value: Json) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _typeset(spec: ModelSpec) -> Again:
    settings = spec.settings
    options = ["styled"] if spec.is_styled else []
    if settings.get("errors"):
        options.append(f"errors={settings['errors']}")
    if spec.is_malformed:
        options += [f"malformed={settings['malformed']}", f"severity={settings['severity']}"]
        if settings.get("kinds"):
            options.append(f"kinds={'+'.join(settings['kinds'])}")
    if spec.size is not None:
        options.append("size={}x{}".format(*spec.size))
    name = ":".join(["typeset", *([",".join(options)] if options else [])])
    return Again(command=f"evalsuite run --model {shlex.quote(name)}")


def _server(spec: ModelSpec) -> Again:
    runtime = spec.runtime
    name = f"server:{runtime['server']},model={runtime.get('model', spec.source)},dialect={spec.settings['dialect']}"
    options = _set(spec.settings)
    if options is None:
        return Again(note="again.settings")
    return Again(command=" ".join(["evalsuite run --model", shlex.quote(name), *options]))


def _read_again(spec: ModelSpec, manifest: Manifest) -> Again:
    """Images that existed already are read again: a folder with its targets, or as the images of a suite."""
    note = "again.existed"
    if all(prompt.category == "images" for prompt in manifest.prompts) and len(manifest.suites) == 1:
        folder, targets = (shlex.quote(text) for text in (spec.source, manifest.suites[0].source))
        return Again(command=f"evalsuite score {folder} --targets {targets}", whole=True, note=note)
    return Again(command=f"evalsuite run --model {shlex.quote('folder:' + spec.source)}", note=note)
