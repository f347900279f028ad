"""How far a checkpoint was trained: by the metadata of its file first, then by its name.

Trainers write it as they like. Metadata: kohya-ss and musubi-tuner `ss_steps` and `ss_epoch`, ai-toolkit
`training_info`. Names: Hugging Face and SimpleTuner `checkpoint-500`, kohya `NAME-step00000500` and, for epochs,
`NAME-000010`, ai-toolkit `NAME_000000500`, OneTrainer `DATE-save-STEP-EPOCH-STEP_OF_EPOCH`, DiffSynth `epoch-3`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from evalsuite.files import FileError, parse_json

Unit = Literal["step", "epoch"]

_END = r"(?![A-Za-z0-9])"
_START = r"(?<![A-Za-z0-9.])"

_DATE = re.compile(
    rf"{_START}(?:\d{{4}}([-_.])\d{{2}}\1\d{{2}}|20\d{{6}})(?:[-_ T]+\d{{2}}[-_:.h]?\d{{2}}(?:[-_:.m]?\d{{2}})?)?{_END}"
)
_OTHER_NUMBER = re.compile(
    rf"(?<![A-Za-z])(?:lr|rank|dim|alpha|seed|bs|batch|res|ver|version|r|v)[-_=.]?\d+(?:[.p]\d+)*(?:e[-+]?\d+)?{_END}",
    re.IGNORECASE,
)
"""Learning rate, rank, version and the like, with their numbers."""

_MARK = re.compile(r"[-_.](?:fp16|bf16|fp32|fp8|comfy|ema|lora|unet|transformer)(?=[-_.]|$)", re.IGNORECASE)

_STEPS = r"(?:steps?|iters?|iterations?)"
_NAMES: tuple[tuple[str, Unit], ...] = (
    (r"(?:^|[-_.])save-(\d+)-\d+-\d+$", "step"),
    (rf"(?<![A-Za-z])(?:global[-_]?)?(?:{_STEPS}|checkpoint|ckpt)[-_ .=]*(\d+){_END}", "step"),
    (rf"{_START}(\d+)[-_ ]?{_STEPS}{_END}", "step"),
    (rf"(?<![A-Za-z])(?:epochs?|ep)[-_ .=]*(\d+){_END}", "epoch"),
    (rf"{_START}(\d+)[-_ ]?epochs?{_END}", "epoch"),
    (r"-(\d{6})$", "epoch"),
    (r"[-_ ](\d{3,})$", "step"),
)
"""What stands in a name, the clearest first; kohya numbers epochs by six digits, ai-toolkit steps by nine."""


@dataclass(frozen=True, slots=True, order=True)
class Trained:
    """How far a checkpoint was trained: so many steps, or so many epochs, which are never on one axis."""

    unit: Unit
    number: int


def step_of(name: str, metadata: Mapping[str, str] | None = None) -> Trained | None:
    """How far the checkpoint of that name was trained, e.g. 500 steps for `checkpoint-500`; None where nothing says.

    Args:
        name: Its file or folder, without suffix.
        metadata: What its safetensors file says of itself, which counts first.
    """
    return _of_metadata(metadata or {}) or _of_name(name)


def _of_metadata(metadata: Mapping[str, str]) -> Trained | None:
    info = metadata
    try:
        told = parse_json(metadata.get("training_info", "{}"), "training_info")
        if isinstance(told, dict):
            info = {**metadata, **{key: str(value) for key, value in told.items()}}
    except FileError:  # what another trainer calls so is no matter
        pass
    keys: tuple[tuple[str, Unit], ...] = (
        ("ss_steps", "step"), ("global_step", "step"), ("step", "step"), ("ss_epoch", "epoch"), ("epoch", "epoch"),
    )  # fmt: skip
    for key, unit in keys:
        text = info.get(key, "")
        if text.isdecimal() and len(text) < 16:
            return Trained(unit, int(text))
    return None


def _of_name(name: str) -> Trained | None:
    rest = _OTHER_NUMBER.sub("", _DATE.sub("", name))
    while (shorter := _MARK.sub("", rest).rstrip("-_. ")) != rest:
        rest = shorter
    for pattern, unit in _NAMES:
        match = re.search(pattern, rest, re.IGNORECASE)
        if match and len(match[1]) < 16:
            return Trained(unit, int(match[1]))
    return None
