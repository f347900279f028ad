"""Planted errors: a known share of characters replaced, dropped or doubled, to check the instrument."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import regex

from evalsuite.records import Json, digest

if TYPE_CHECKING:
    from collections.abc import Sequence

PLANTING_VERSION = "1"

_LOWER, _UPPER, _DIGITS = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
# Common characters that differ in shape, so that a replaced character is a real error to any reader.
_HANZI = (
    "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动"
    "同工也能下过子说产种面而方后多定行学法所民得经"
)


def plant(text: str, rate: float, key: Sequence[Json]) -> str:
    """`text` with each character that is not white space changed with probability `rate`.

    Of the changes 60 % replace the character by another of its kind, 20 % drop it and 20 % double it. The
    same `key` plants the same errors. At least one character is kept, so that there is something to draw.
    """
    if rate == 0.0:
        return text
    rng = random.Random(digest([*key, text, PLANTING_VERSION]))  # noqa: S311 - reproducible errors, not a secret
    characters = regex.findall(r"\X", text)
    changed = [_change(character, rng) if rng.random() < rate else character for character in characters]
    planted = " ".join("".join(changed).split())
    return planted or characters[0]


def _change(character: str, rng: random.Random) -> str:
    if character.isspace():
        return character
    kind = rng.random()
    if kind < 0.2:
        return ""
    if kind < 0.4:
        return character * 2
    alphabet = next((letters for letters in (_LOWER, _UPPER, _DIGITS) if character in letters), None)
    if alphabet is None:
        alphabet = _HANZI if "\u3400" <= character <= "\u9fff" else _LOWER
    return rng.choice([letter for letter in alphabet if letter != character])
