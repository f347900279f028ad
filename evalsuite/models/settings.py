"""The settings of diffusion models: their names, types and limits, and which of them decide the image."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from evalsuite.errors import EvalsuiteError
from evalsuite.records import Json
from evalsuite.wording import did_you_mean

_SIZE = re.compile(r"^([1-9][0-9]{1,4})x([1-9][0-9]{1,4})$")
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})


class SettingError(EvalsuiteError):
    """A setting has an unknown name or a value that it cannot take."""


class _RefusedError(Exception):
    """A value is not of the kind that a setting takes; the message names that kind."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One named setting: what it does, how its text is read, and whether it decides the image.

    `parse` turns text or an already typed value into the stored JSON value, and raises `_RefusedError` with
    what it takes instead. `changes` says what a value changes: the image, or only speed and memory.
    """

    name: str
    meaning: str
    parse: Callable[[Json], Json]
    changes: Literal["image", "runtime"]
    example: str


def _integer(low: int, high: int) -> Callable[[Json], int]:
    def parse(value: Json) -> int:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise _RefusedError(f"a whole number from {low} to {high}")
        try:
            number = int(value)
        except ValueError:
            raise _RefusedError(f"a whole number from {low} to {high}") from None
        if not low <= number <= high:
            raise _RefusedError(f"a whole number from {low} to {high}")
        return number

    return parse


def _number(low: float, high: float) -> Callable[[Json], float]:
    def parse(value: Json) -> float:
        expected = f"a number from {low:g} to {high:g}"
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise _RefusedError(expected)
        try:
            number = float(value)
        except ValueError:
            raise _RefusedError(expected) from None
        if not low <= number <= high:  # also refuses NaN
            raise _RefusedError(expected)
        return number

    return parse


def _choice(*values: str, also: Mapping[str, str] | None = None) -> Callable[[Json], str]:
    names = {value: value for value in values} | dict(also or {})

    def parse(value: Json) -> str:
        if not isinstance(value, str) or value.lower() not in names:
            raise _RefusedError("one of " + ", ".join(values))
        return names[value.lower()]

    return parse


def _boolean(value: Json) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    raise _RefusedError("true or false")


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise _RefusedError("text")
    return value


def _size(value: Json) -> str:
    if not isinstance(value, str) or not _SIZE.match(value.lower()):
        raise _RefusedError("WIDTHxHEIGHT in pixels, for example 768x1344")
    return value.lower()


def _device(value: Json) -> str:
    if not isinstance(value, str) or not re.match(r"^(auto|cpu|mps|cuda(:[0-9]{1,2})?)$", value):
        raise _RefusedError("auto, cpu, cuda, cuda:N or mps")
    return value


_PRECISIONS = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32", "float8": "fp8"}

SETTINGS: dict[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting("steps", "denoising steps", _integer(1, 1000), "image", "8"),
        Setting("guidance", "guidance scale; 1 or less draws without guidance", _number(0, 100), "image", "4.0"),
        Setting("true_cfg", "true_cfg_scale of pipelines that have one (Qwen-Image)", _number(0, 100), "image", "4.0"),
        Setting("negative_prompt", "what guidance steers away from", _text, "image", "blurry"),
        Setting("size", "width x height in pixels", _size, "image", "1024x1024"),
        Setting(
            "precision",
            "bf16, fp16 or fp32 weights; fp8 stores transformer, encoder and enhancer in float8 and computes in"
            " bf16; fp8-transformer the transformer alone",
            _choice("bf16", "fp16", "fp32", "fp8", "fp8-transformer", also=_PRECISIONS),
            "image",
            "fp8",
        ),
        Setting(
            "compute",
            "what precision=fp8 computes in: bf16, or fp32 for a CPU without bf16 instructions",
            _choice("bf16", "fp32", also={"bfloat16": "bf16", "float32": "fp32"}),
            "image",
            "fp32",
        ),
        Setting(
            "quantize",
            "quantisation of the transformer: weights and activations to float8 with a scale a row (fp8-rows), or by"
            " torchao, weights to int8, int4 or fp8, or weights and activations (int8-dynamic, fp8-dynamic)",
            _choice("none", "fp8-rows", "int8", "int4", "fp8", "int8-dynamic", "fp8-dynamic"),
            "image",
            "fp8-rows",
        ),
        Setting(
            "enhance",
            "prompt enhancer: once an image (seeded by the image's seed), once a prompt, or off",
            _choice("image", "prompt", "off"),
            "image",
            "prompt",
        ),
        Setting("max_tokens", "the prompt encoder's limit in tokens", _integer(1, 65536), "image", "512"),
        Setting(
            "vae_tiling",
            "decode in overlapping tiles, which changes pixels near their seams",
            _boolean,
            "image",
            "true",
        ),
        Setting(
            "offload",
            "keep weights in main memory and bring in a model, a group of blocks, or a layer at a time",
            _choice("none", "model", "group", "sequential"),
            "runtime",
            "model",
        ),
        Setting("vae_slicing", "decode the images of a batch one by one", _boolean, "runtime", "true"),
        Setting("compile", "compile the transformer's repeated blocks (torch.compile)", _boolean, "runtime", "true"),
        Setting(
            "compile_decoder",
            "compile the autoencoder's decoder, with its values channels last",
            _boolean,
            "runtime",
            "true",
        ),
        Setting(
            "drop_mask",
            "leave out the attention mask where the texts of a batch are equally long (ERNIE-Image)",
            _boolean,
            "runtime",
            "true",
        ),
        Setting(
            "fast",
            "what pays together: batch=4, encode_once, compile, compile_decoder, drop_mask and quantize=fp8-rows, as"
            " far as the device has them",
            _boolean,
            "runtime",
            "true",
        ),
        Setting(
            "attention",
            "attention back-end by its diffusers name, e.g. native, flash, _native_cudnn",
            _text,
            "runtime",
            "flash",
        ),
        Setting("batch", "images drawn at a time", _integer(1, 256), "runtime", "4"),
        Setting(
            "enhance_batch",
            "prompts that the enhancer rewrites at a time, ahead of the drawing; 1 is the pipeline's own way",
            _integer(1, 256),
            "runtime",
            "32",
        ),
        Setting(
            "enhancer",
            "an OpenAI-compatible chat server that rewrites the prompts, in place of the model's own enhancer",
            _text,
            "runtime",
            "http://127.0.0.1:8000",
        ),
        Setting("enhancer_model", "the name that the enhancer's server has it under", _text, "image", "ernie-image-pe"),
        Setting("encode_once", "encode a prompt once and reuse it for its other seeds", _boolean, "runtime", "true"),
        Setting("device", "auto (CUDA, else MPS, else CPU) or a device", _device, "runtime", "cuda:0"),
    )
}
"""All settings of diffusion models by name."""

RUNTIME_DEFAULTS: dict[str, Json] = {"device": "auto", "offload": "none", "batch": 1}
"""What every diffusion model's `runtime` holds unless told otherwise."""


ENHANCE_BATCH = 16
"""Prompts that are rewritten at a time, where there is an enhancer, unless told otherwise."""


def check_settings(settings: Mapping[str, Json], *, where: str = "--set") -> dict[str, Json]:
    """The settings with their values typed and in normal form.

    Raises:
        SettingError: A name is unknown (with the known ones and close matches) or a value is refused.
    """
    checked: dict[str, Json] = {}
    for name, value in settings.items():
        setting = SETTINGS.get(name)
        if setting is None:
            raise SettingError(f"{where}: no setting is called {name!r}: {did_you_mean(name, sorted(SETTINGS))}")
        try:
            checked[name] = setting.parse(value)
        except _RefusedError as error:
            raise SettingError(f"{where}: {name} takes {error}, not {value!r} ({setting.meaning})") from None
    return checked


def parse_settings(pairs: Sequence[str]) -> dict[str, Json]:
    """The settings of `--set KEY=VALUE …`, typed. Each item may hold several pairs apart by white space.

    A value that holds white space itself (a negative prompt) must be an item of its own.

    Raises:
        SettingError: A pair has no `=`, a key comes twice or is unknown, or a value is refused.
    """
    found: dict[str, Json] = {}
    for item in pairs:
        for pair in _split(item):
            name, equals, value = pair.partition("=")
            if not equals or not name:
                raise SettingError(f"--set {pair!r}: write KEY=VALUE, for example --set steps=8")
            if name in found:
                raise SettingError(f"--set: {name} is given twice ({found[name]!r} and {value!r})")
            found[name] = value
    return check_settings(found)


def _split(item: str) -> list[str]:
    parts = item.split()
    # "negative_prompt=blurry text" is one pair; "steps=8 size=768x1344" is two.
    return parts if all("=" in part for part in parts) else [item]


def decides_image(name: str, value: Json) -> bool:
    """Whether a setting belongs to what decides the image (`ModelSpec.settings`) or to `ModelSpec.runtime`.

    Attention back-ends compute the same thing to rounding, but for SageAttention, which quantises.
    """
    if name == "attention":
        return "sage" in str(value)
    return SETTINGS[name].changes == "image"


def size_of(settings: Mapping[str, Json]) -> tuple[int, int]:
    """Width and height in pixels of the settings' `size`."""
    width, height = str(settings["size"]).split("x")
    return int(width), int(height)


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """What the command line lays over a named model.

    `settings` are typed by `parse_settings`; `lora` holds `PATH[:scale]` items, applied in order;
    `transformer` is a safetensors or GGUF file that takes the place of the transformer's weights.
    """

    settings: Mapping[str, Json] = field(default_factory=dict)
    lora: tuple[str, ...] = ()
    transformer: str | None = None

    def __bool__(self) -> bool:
        return bool(self.settings or self.lora or self.transformer)
