"""The page's words in English and Chinese. One catalogue serves the server side and the browser.

A message may hold `{name}` and `{n|one|many}`: the second gives `one` where n is 1, else `many`. A value that is an
object with a `key` and `values` is a message itself. Nothing else is interpreted, here and in `assets/i18n.js` alike.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalsuite.records import Json

LANGUAGES = {"en": "English", "zh": "中文"}
DEFAULT = "en"

_PLACE = re.compile(r"\{(?P<name>\w+)(?:\|(?P<one>[^|{}]*)\|(?P<many>[^|{}]*))?\}")


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """All messages of a language by key."""
    path = resources.files("evalsuite.report") / "i18n" / f"{language}.json"
    messages: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return messages


def placeholders(message: str) -> set[str]:
    """The names that a message wants."""
    return {match["name"] for match in _PLACE.finditer(message)}


def translate(key: str, language: str = DEFAULT, /, **values: Json) -> str:
    """The message for `key` with its values put in.

    Raises:
        KeyError: for an unknown key, or a value that the message wants and did not get.
    """

    def fill(match: re.Match[str]) -> str:
        value = values[match["name"]]
        if isinstance(value, dict):
            return translate(value["key"], language, **value["values"])
        if match["one"] is None:
            return str(value)
        return match["one"] if str(value) == "1" else match["many"]

    return _PLACE.sub(fill, catalogue(language)[key])


def element(key: str, /, **values: Json) -> Markup:
    """A span with the English message that the browser can put into another language."""
    arguments = Markup(' data-i18n-values="{}"').format(json.dumps(values, ensure_ascii=False)) if values else ""
    return Markup('<span data-i18n="{}"{}>{}</span>').format(key, arguments, translate(key, **values))


def attribute(name: str, key: str, /, **values: Json) -> Markup:
    """An attribute (`aria-label`, `title`, `placeholder`) with its English text, for the browser to translate.

    At most one translated attribute an element, since its key stands in `data-i18n-attribute`.
    """
    arguments = Markup(' data-i18n-values="{}"').format(json.dumps(values, ensure_ascii=False)) if values else ""
    return Markup('{}="{}" data-i18n-attribute="{}:{}"{}').format(
        name, escape(translate(key, **values)), name, key, arguments
    )
