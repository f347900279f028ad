"""What an image server says of itself at `/v1/models`: its models, and what `evalsuite serve` adds to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evalsuite.errors import EvalsuiteError
from evalsuite.http_client import FailedError, RefusedError, Reply, RetryError, ServerClient
from evalsuite.models.settings import SettingError, check_settings
from evalsuite.records import Json, ModelRole
from evalsuite.wording import listed

_UNAUTHORISED = (401, 403)
_LONGEST = 200
_HARDWARE = ("hardware", "num_gpus", "owned_by")


@dataclass(frozen=True, slots=True)
class Told:
    """The model that the server draws with, as it says; all of it unverified."""

    model: str
    role: ModelRole = "model"
    pipeline: str | None = None
    precision: str | None = None
    weights_digest: str | None = None
    settings: Mapping[str, Json] = field(default_factory=dict)
    hardware: Mapping[str, Json] = field(default_factory=dict)


def ask_server(client: ServerClient, wanted: str) -> Told:
    """What the server says of the model `wanted`, or of its only one where that is empty.

    Raises:
        EvalsuiteError: Nobody answers, or the server has several models, or not this one.
    """

    def parse(reply: Reply) -> list[dict[str, Any]]:
        answer = client.json_of(reply)
        found = answer.get("data", answer) if isinstance(answer, dict) else answer
        entries = found if isinstance(found, list) else [found]
        if not all(isinstance(each, dict) for each in entries):
            raise RetryError(f"JSON, but no list of models: {client.excerpt(reply.content)}")
        return entries

    try:
        entries = client.ask(
            "GET", "/v1/models", parse, attempts=2, fatal={key: client.fatal[key] for key in _UNAUTHORISED}
        ).value
    except RefusedError:
        if not wanted:
            raise EvalsuiteError(
                f"server: {client.address} has no /v1/models; name its model: server:{client.address},model=NAME"
            ) from None
        return Told(wanted)
    except FailedError as error:
        raise EvalsuiteError(f"server: {error}; start it, or correct the address") from error
    named = {client.redact(each["id"]): each for each in entries if _is_name(each.get("id"))}
    if wanted and wanted not in named and named:
        raise EvalsuiteError(f"server: {client.address} has no model {wanted!r}; it has {listed(sorted(named))}")
    if not wanted and len(named) != 1:
        told = f"has {len(named)} models ({listed(sorted(named))})" if named else "names no model"
        raise EvalsuiteError(f"server: {client.address} {told}; name one: server:{client.address},model=NAME")
    name = wanted or next(iter(named))
    return _told(client, name, named.get(name, {}))


def _is_name(value: Json) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST and value.isprintable()


def _told(client: ServerClient, name: str, entry: Mapping[str, Json]) -> Told:
    def text(key: str) -> str | None:
        value = entry.get(key)
        return client.redact(value) if isinstance(value, str) and _is_name(value) else None

    try:
        settings = check_settings(entry["settings"]) if isinstance(entry.get("settings"), dict) else {}
    except SettingError:
        settings = {}
    hardware = {f"server {key}": text(key) or entry[key] for key in _HARDWARE if text(key) or _is_count(entry.get(key))}
    role: ModelRole = "stand-in" if entry.get("role") == "stand-in" else "model"
    return Told(name, role, text("pipeline_class"), text("dit_precision"), text("weights_digest"), settings, hardware)


def _is_count(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10_000
