"""The body of `POST /v1/images/generations`, checked: what cannot be done is refused, and nothing is ignored."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from evalsuite.files import FileError, parse_json
from evalsuite.models import SettingError
from evalsuite.models.settings import check_settings, size_of
from evalsuite.records import Json

MAX_BODY_BYTES = 2**20
MAX_PIXELS = 4 * 2**20
MIN_SIDE = 64

_SETTINGS = {
    "num_inference_steps": "steps",
    "guidance_scale": "guidance",
    "true_cfg_scale": "true_cfg",
    "negative_prompt": "negative_prompt",
    "size": "size",
}
_FIXED: Mapping[str, tuple[Json, ...]] = {
    "n": (1, None),
    "response_format": ("b64_json", None),
    "output_format": ("png", None),
    "generator_device": ("cpu", None),
}
"""Fields that have one value here, and that value: a seed means the same noise on any device."""
_OTHER = ("model", "prompt", "seed", "width", "height", "use_pe", "extra_params", "user")


class BadRequestError(Exception):
    """The request asks for what this server does not do; the message says what."""


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """What to draw: the text, the seed, and settings over those of the model."""

    prompt: str
    seed: int
    model: str | None = None
    settings: Mapping[str, Json] = field(default_factory=dict)


def parse_request(body: bytes, enhance: str) -> ImageRequest:
    """The request that a body is. Without a seed, one is drawn and told in the answer.

    Args:
        body: JSON.
        enhance: The model's own setting of the enhancer, for `use_pe`.

    Raises:
        BadRequestError: It is no JSON object, or a field is unknown or out of range.
    """
    try:
        found = parse_json(body, "the body")
    except FileError as error:
        raise BadRequestError(str(error)) from error
    if not isinstance(found, dict):
        raise BadRequestError("the body is not a JSON object")
    known = (*_SETTINGS, *_FIXED, *_OTHER)
    unknown = sorted(str(key)[:40] for key in found if key not in known)
    if unknown:
        raise BadRequestError(f"unknown fields {', '.join(unknown)}; this server takes {', '.join(known)}")
    for key, allowed in _FIXED.items():
        if found.get(key) not in allowed or isinstance(found.get(key), bool):
            raise BadRequestError(f"{key} is {found[key]!r}; this server takes {allowed[0]!r}")
    prompt, model, seed = found.get("prompt"), found.get("model"), found.get("seed")
    if not isinstance(prompt, str) or not prompt.strip():
        raise BadRequestError("prompt: a text is needed")
    if model is not None and not isinstance(model, str):
        raise BadRequestError("model: a name is needed")
    if seed is None:
        seed = secrets.randbits(32)
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise BadRequestError("seed: a whole number from 0 to 4294967295 is needed")
    return ImageRequest(prompt, seed, model, _settings(found, enhance))


def _settings(found: Mapping[str, Json], enhance: str) -> dict[str, Json]:
    asked = {name: found[key] for key, name in _SETTINGS.items() if found.get(key) is not None}
    if found.get("width") is not None or found.get("height") is not None:
        size = f"{found.get('width')}x{found.get('height')}"
        if asked.setdefault("size", size) != size:
            raise BadRequestError(f"size is {asked['size']!r}, but width and height are {size}")
    extra = found.get("extra_params") or {}
    if not isinstance(extra, dict) or set(extra) - {"use_pe"}:
        raise BadRequestError("extra_params: an object with use_pe alone is taken")
    switch = extra.get("use_pe", found.get("use_pe"))
    if switch not in (None, True, False):
        raise BadRequestError("use_pe: true or false is needed")
    if switch is not None:
        asked["enhance"] = (enhance if enhance != "off" else "image") if switch else "off"
    try:
        settings = check_settings(asked, where="request")
    except SettingError as error:
        raise BadRequestError(str(error)) from error
    if "size" in settings:
        width, height = size_of(settings)
        if min(width, height) < MIN_SIDE or width * height > MAX_PIXELS:
            raise BadRequestError(f"size: sides of at least {MIN_SIDE} and {MAX_PIXELS} pixels at most are drawn")
    return settings
