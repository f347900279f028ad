"""Texts that a page can put into another language: what tables, sentences and charts are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from evalsuite.report.i18n import translate
from evalsuite.wording import visible

if TYPE_CHECKING:
    from evalsuite.records import Json, ModelRole


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the table beneath a chart, or a text in it: plain, or the message `key` with its `values`.

    `link` is an address in the page. A value that is a message itself is an object with its `key` and `values`.
    """

    text: str
    key: str | None = None
    values: Mapping[str, Json] = field(default_factory=dict)
    link: str | None = None


def cells(*values: str | Cell) -> tuple[Cell, ...]:
    """Cells of plain text, but for those that are cells already."""
    return tuple(value if isinstance(value, Cell) else Cell(value) for value in values)


def word(key: str) -> Cell:
    """A cell or a heading that is translated."""
    return Cell(translate(key), key)


def message(key: str, **values: str | Cell) -> Cell:
    """A translated cell with its values, which may be translated themselves."""
    given: dict[str, Json] = {name: _value(value) for name, value in values.items()}
    return Cell(translate(key, **given), key, given)


def _value(value: str | Cell) -> Json:
    if isinstance(value, str):
        return value
    return value.text if value.key is None else {"key": value.key, "values": dict(value.values)}


def label(text: str) -> str:
    """Untrusted text for a chart: visible, on one line, and not too long."""
    plain = visible(" ".join(text.split()))
    return plain if len(plain) <= 40 else plain[:39] + "…"


class Named(Protocol):
    """What has a name and a role: a model of a run, or a side of a comparison."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def role(self) -> ModelRole:
        """What it may be called."""
        ...


def named(model: Named) -> Cell:
    """A model's name, and beside it what it is where it is no real model."""
    name = label(model.name)
    if model.role == "model":
        return Cell(name)
    key = f"named.{model.role}"
    return Cell(translate(key, name=name), key, {"name": name})
