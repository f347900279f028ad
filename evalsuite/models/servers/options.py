"""What stands after `server:`, the address and its options, and the settings that the server is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from evalsuite.errors import EvalsuiteError
from evalsuite.http_client import Limits, hides_credentials, parse_address
from evalsuite.models.presets import load_presets
from evalsuite.models.settings import ModelOptions, SettingError
from evalsuite.records import Json

KEY_VARIABLE = "EVALSUITE_SERVER_KEY"
"""The environment variable with the server's API key, if it wants one; never an option, since options are kept."""

MAX_ANSWER_BYTES = 128 * 2**20
"""A 4-megapixel PNG of noise in base64 is 16 MiB."""

_COMMON = ("size", "steps", "guidance", "true_cfg", "negative_prompt", "enhance")
TAKEN: Mapping[str, Sequence[str]] = {"sglang": _COMMON, "vllm-omni": _COMMON, "openai": ("size",)}
"""The settings that each dialect has a field for."""

_DEFAULTS = {
    "model": "", "dialect": "sglang", "like": "", "concurrency": "1", "rate": "", "attempts": "5", "timeout": "600",
}  # fmt: skip
_NUMBERS = {"concurrency": (1, 256), "attempts": (1, 20), "timeout": (1, 7200)}


_RATES = (0.001, 10_000.0)
UNDER_A_RATE = 64
"""Requests under way at most where a rate is named and no concurrency."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """An address with its options. `model` and `like` are empty where they are not named.

    `rate` is how many requests are sent a second on average, at random moments; None sends each as soon as it may be.
    """

    address: str
    model: str
    dialect: str
    like: str
    limits: Limits
    rate: float | None = None


def parse_name(argument: str) -> ServerOptions:
    """The options of `URL[,OPTION=VALUE…]`; the options are those of `_DEFAULTS`.

    Raises:
        EvalsuiteError: The address is none or has a password, or an option is unknown or out of range.
    """
    url, *pieces = argument.split(",")
    if hides_credentials(argument):
        parse_address(argument, "server")
    address = parse_address(url, "server")
    found = parse_pieces("server", pieces, _DEFAULTS)
    rate = _rate(found["rate"])
    if rate is not None and not any(piece.startswith("concurrency=") for piece in pieces):
        found["concurrency"] = str(UNDER_A_RATE)
    if found["dialect"] not in TAKEN:
        raise EvalsuiteError(f"server: dialect={found['dialect']}: one of {', '.join(TAKEN)}")
    if found["like"] and found["like"] not in load_presets().presets:
        raise EvalsuiteError(f"server: like={found['like']}: no such preset; see 'evalsuite models list'")
    return ServerOptions(address, found["model"], found["dialect"], found["like"], limits_of("server", found), rate)


def under_load(model: str, concurrency: int | None, rate: float | None) -> str:
    """A model's name with how many requests are under way at a time, and how many are sent a second.

    Raises:
        EvalsuiteError: The model is no server's.
    """
    asked = {"concurrency": concurrency, "rate": rate}
    given = {key: value for key, value in asked.items() if value is not None}
    if given and not model.startswith("server:"):
        options = " and ".join(f"--{key}" for key in given)
        raise EvalsuiteError(f"{options}: for server:URL models, which are asked over HTTP; {model} is none")
    return model + "".join(f",{key}={value}" for key, value in given.items())


def _rate(text: str) -> float | None:
    if not text:
        return None
    low, high = _RATES
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not low <= rate <= high:
        raise EvalsuiteError(f"server: rate={text}: requests a second, from {low:g} to {high:g}")
    return rate


def parse_pieces(kind: str, pieces: Sequence[str], defaults: Mapping[str, str]) -> dict[str, str]:
    """`KEY=VALUE` pieces over their defaults; raises `EvalsuiteError` for what is unknown or given twice."""
    found: dict[str, str] = {}
    for piece in pieces:
        key, equals, value = piece.partition("=")
        if not equals or key not in defaults or not value:
            raise EvalsuiteError(f"{kind}: option {piece!r}: known: {', '.join(f'{name}=…' for name in defaults)}")
        if key in found:
            raise EvalsuiteError(f"{kind}: option {key!r} is given twice")
        found[key] = value
    return {**defaults, **found}


def limits_of(kind: str, found: Mapping[str, str]) -> Limits:
    """Concurrency, attempts and time-out of options as text; raises `EvalsuiteError` out of their ranges."""
    numbers = {}
    for key, (low, high) in _NUMBERS.items():
        text = found[key]
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise EvalsuiteError(f"{kind}: {key}={text}: a whole number from {low} to {high}")
        numbers[key] = int(text)
    return Limits(
        attempts=numbers["attempts"],
        timeout=float(numbers["timeout"]),
        max_bytes=MAX_ANSWER_BYTES,
        connections=numbers["concurrency"],
    )


def sent_settings(
    options: ServerOptions, model: str, told: Mapping[str, Json], asked: ModelOptions
) -> tuple[dict[str, Json], str | None]:
    """The settings that go with each request, all of them explicit, and the preset that they come from.

    They are those of the preset `like`, or of the preset that the server's model is by name, or what the server says
    of itself (`evalsuite serve`), with `--set` laid over them.

    Raises:
        SettingError: The dialect has no field for a setting, or steps or guidance are not known.
        EvalsuiteError: Adapters or a transformer were named.
    """
    if asked.lora or asked.transformer:
        raise EvalsuiteError("server: --lora and --transformer are for local models; load them in the server")
    taken = TAKEN[options.dialect]
    for key in asked.settings:
        if key not in taken:
            raise SettingError(f"server: dialect={options.dialect} has no field for {key}; it takes {', '.join(taken)}")
    preset = options.like or preset_of(model)
    base: Mapping[str, Json] = load_presets().presets[preset].settings if preset else told
    settings = {"size": "1024x1024", **{key: base[key] for key in taken if key in base}, **asked.settings}
    if options.dialect == "openai":
        return settings, preset
    settings.setdefault("enhance", "off")
    if asked.settings.get("enhance") == "prompt":
        raise SettingError("server: enhance=prompt: a server rewrites each request by itself; image or off")
    missing = [key for key in ("steps",) if key not in settings]
    if "guidance" not in settings and "true_cfg" not in settings:
        missing.append("guidance")
    if missing:
        wanted = " ".join(f"{key}=…" for key in missing)
        raise SettingError(
            f"server: {' and '.join(missing)} for {model!r} not known, and servers' defaults differ; add "
            f"--set {wanted}, or name the preset that it is with like=PRESET"
        )
    return settings, preset


def preset_of(model: str) -> str | None:
    """The preset whose name or repository is the model's name; of several of one repository, the first."""
    name = model.casefold()
    return next(
        (key for key, each in load_presets().presets.items() if name in (key.casefold(), each.repository.casefold())),
        None,
    )


def shown_name(model: str, address: str) -> str:
    """What reports call a served model: the last part of its name, and where it is served."""
    return f"{model.rstrip('/').rpartition('/')[2] or model}@{urlsplit(address).netloc}"
