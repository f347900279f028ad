"""A part's configuration before anything is made by it: what it counts, lists and switches is what a class can take."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from evalsuite.errors import EvalsuiteError
from evalsuite.models.accounting import AccountingError

_LAYERS = re.compile(r"(^|_)(layers?|blocks?|depths?)(_per_\w+)?$")
"""Names in a config.json that count layers, alone or in a list, each of which has a tensor at least."""

_NO_COUNTS = re.compile(
    r"(^|_)(skip|out|window|hidden_states|feature|select|attention|sample|chunk)_(layers?|blocks?)$|_layer$"
)
"""Names like them that say which layers, or of what kind."""

_LONGEST = 10_000
"""Entries of one list in a configuration, and steps of a scheduler's training: published ones have 1,000."""


def check_config(where: str, config: Mapping[str, Any], tensors: int) -> None:
    """Refuse a configuration before a model is made by it: one that is quantised, or has more layers than tensors.

    Raises:
        AccountingError: See above.
    """
    if "quantization_config" in config:
        method = config["quantization_config"]
        method = method.get("quant_method", "unknown") if isinstance(method, Mapping) else method
        raise AccountingError(
            f"{where}: config.json says that it is quantised ({method}). Use the weights in bf16, and precision=fp8 or "
            "quantize=… to draw with less memory."
        )
    for name, value in _entries(config):
        counts = value if isinstance(value, list) else [value]
        if len(counts) > _LONGEST:
            raise AccountingError(f"{where}: config.json has {len(counts):,} entries for {name}; {_LONGEST:,} at most")
        if not _LAYERS.search(name) or _NO_COUNTS.search(name):
            continue
        for count in counts:
            if isinstance(count, int) and not isinstance(count, bool) and count > tensors:
                raise AccountingError(
                    f"{where}: config.json says {name} = {str(count)[:40]}, and its files hold {tensors} tensors"
                )


def check_scheduler(where: str, config: Mapping[str, Any]) -> None:
    """Refuse a scheduler's configuration that asks for tables without bound.

    Raises:
        AccountingError: It names more training steps, or lists more values, than any scheduler has.
    """
    for name, value in _entries(config):
        steps = value if name == "num_train_timesteps" and isinstance(value, int) else 0
        if steps > _LONGEST or (isinstance(value, list) and len(value) > _LONGEST):
            raise AccountingError(f"{where}: {name} asks for more than {_LONGEST:,} steps, which no scheduler has")


def _entries(config: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """Every name of a configuration with its value, those of the objects in it too."""
    for name, value in config.items():
        yield str(name), value
        if isinstance(value, Mapping):
            yield from _entries(value)


def check_types(where: str, kind: type, config: Mapping[str, Any]) -> None:
    """Refuse values of another type than a class of diffusers takes, which it would use as they are.

    A text is true, so `"use_dynamic_shifting": "false"` would be on. Types are those of the defaults in the class's
    constructor; null, and a list in place of a number or text, are left to the class.

    Raises:
        EvalsuiteError: A switch is no true or false, a number none or not finite, or a text none.
    """
    for name, parameter in inspect.signature(kind.__init__).parameters.items():  # type: ignore[misc]
        value = config.get(name)
        if value is None or isinstance(value, list):
            continue
        wanted = _wanted(parameter.default, value)
        if wanted:
            raise EvalsuiteError(f"{where}: {name} is {str(value)[:40]!r}; {kind.__name__} takes {wanted}")


def _wanted(default: object, value: object) -> str:
    """What a field with this default takes, where the value is something else."""
    if isinstance(default, bool):
        return "" if isinstance(value, bool) else "true or false"
    if isinstance(default, int | float):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        # An infinity that is the default is one that the class writes itself, as DPM-Solver's `lambda_min_clipped`.
        return "" if is_number and (value == default or math.isfinite(value)) else "a number"  # type: ignore[arg-type]
    if isinstance(default, str):
        return "" if isinstance(value, str) else "a text"
    return ""
