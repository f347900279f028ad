"""What the functions take: folders as text or paths, names singly or as a list, settings as a mapping or as text."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalsuite.gate import Policy
    from evalsuite.models import ModelOptions
    from evalsuite.records import Json, OcrSpec

StrPath = str | os.PathLike[str]
Names = str | Iterable[str]
Settings = Mapping[str, Any] | Iterable[str]
"""Sampler settings: `{"steps": 8}`, `["steps=8", "size=768x1344"]` or `"steps=8"`."""


def names_of(value: Names) -> tuple[str, ...]:
    """One name or several as names."""
    return (value,) if isinstance(value, str) else tuple(value)


def settings_of(settings: Settings) -> dict[str, Json]:
    """Settings of either kind by name, their values parsed."""
    from evalsuite.models import parse_settings

    pairs = [f"{key}={value}" for key, value in settings.items()] if isinstance(settings, Mapping) else settings
    return parse_settings([pairs] if isinstance(pairs, str) else list(pairs))


def options_of(settings: Settings, lora: Names, transformer: StrPath | None) -> ModelOptions:
    """What is asked of a model: its sampler settings, adapters and another transformer."""
    from evalsuite.models import ModelOptions

    return ModelOptions(
        settings_of(settings), names_of(lora), os.fspath(transformer) if transformer is not None else None
    )


def path_of(value: StrPath | None) -> Path | None:
    """A path, where one is given."""
    return None if value is None else Path(value)


def policy_of(policy: StrPath | Policy) -> Policy:
    """A policy, or the one of that name or file."""
    from evalsuite.gate import Policy, load_policy

    return policy if isinstance(policy, Policy) else load_policy(policy if isinstance(policy, str) else Path(policy))


def engine_of(store: Any, name: str) -> OcrSpec:
    """The engine of that name: by name alone where it has read the run, so that its weights need not be here."""
    from evalsuite import ocr as engines

    known = {each.name: each for each in store.engines()}
    return known.get(name) or engines.resolve(name).spec
