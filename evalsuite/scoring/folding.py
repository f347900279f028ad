"""What no reader of an image can tell apart: how one grapheme cluster is folded, and what kind of sign it is.

Folded are canonical equivalents (NFC), full-width, half-width, small and vertical forms (their one-step
compatibility mapping; other compatibility characters such as `①` stay what they are), ligatures and the
contextual forms of Hebrew and Arabic (to the letters that they show), Kangxi radicals, curly and straight
quotes, dashes, the ideographic full stop and the full stop, and invisible characters (controls, zero-width
and direction marks, variation selectors). Letters of Cyrillic and Greek that look like a Latin letter in
both cases are that letter everywhere; those that do as capitals only are, in a word with Latin letters.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from enum import IntEnum
from functools import lru_cache
from typing import Any

import regex


class Kind(IntEnum):
    """What a grapheme is to the tokeniser, by its first character."""

    IGNORED = 0
    SPACE = 1
    LETTER = 2
    """Small letters, and letters of scripts that have no capitals."""
    CAPITAL = 3
    DIGIT = 4
    SYMBOL = 5
    PUNCTUATION = 6
    PICTURE = 7
    """An emoji or another pictograph: a token of its own."""
    SINGLE = 8
    """A token of its own: scripts written without spaces (Chinese, Japanese, Thai, …)."""

    @property
    def is_mark(self) -> bool:
        """No writing, but a sign: beside a text it belongs to it only where the text has it."""
        return Kind.SYMBOL <= self <= Kind.PICTURE

    @property
    def is_alone(self) -> bool:
        """A token of its own, whatever stands beside it."""
        return self >= Kind.PICTURE


_KINDS = {"L": Kind.LETTER, "M": Kind.LETTER, "N": Kind.DIGIT, "P": Kind.PUNCTUATION}

_SIGNS = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′‵ʼʹ`´", "'"),
        **dict.fromkeys("“”„‟″‶〝〞", '"'),
        **dict.fromkeys("‐‑‒–—―−⸺⸻﹘﹣", "-"),
        **dict.fromkeys("⋯︙", "…"),
        **dict.fromkeys("。｡", "."),
        **dict.fromkeys("º˚", "°"),
    }
)
_CLUSTER = regex.compile(r"\X")
# Text in which every character is surely a cluster of its own; the common case, four times faster than \X.
_PLAIN = regex.compile(r"[ -~¡-¬®-ʯ‐-‧‰-⁞、-〩一-鿿！-ﾝ]*+")
_SINGLE = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ー]")
_PICTURE = regex.compile(r"\p{Extended_Pictographic}")
_HAN = regex.compile(r"\p{Han}")
_INVISIBLE = regex.compile(r"[\p{Cc}\p{Default_Ignorable_Code_Point}--\p{Zs}]", flags=regex.V1)
_EMOJI_SELECTORS = regex.compile(r"[︎️]")

# Characters that stand for several, or may: ligatures, signs of degrees, Hebrew and Arabic presentation forms.
_FORMS = regex.compile(r"[Ĳĳ℃℉ﬀ-ﭏﭐ-\ufdcf\ufdf0-\ufdff\ufe70-\ufefc]")
_ONE_STEP = {"<wide>", "<narrow>", "<small>", "<vertical>"}
_KANGXI = range(0x2F00, 0x2FD6)

_LATIN = str.maketrans("АаЕеОоРрСсХхІіЈјЅѕԚԛԜԝΟο", "AaEeOoPpCcXxIiJjSsQqWwOo")
_LATIN_CAPITALS = {
    **dict(zip("ВКМНТУ", "BKMHTY", strict=True)),
    **dict(zip("ΑΒΕΖΗΙΚΜΝΡΤΥΧ", "ABEZHIKMNPTYX", strict=True)),
}
_LIKE_LATIN = regex.compile(r"[ВКМНТУΑΒΕΖΗΙΚΜΝΡΤΥΧ]")


def graphemes(text: str) -> list[str]:
    """The extended grapheme clusters of `text`; joined they are `text` again."""
    if _PLAIN.fullmatch(text):
        return list(text)
    return _CLUSTER.findall(text)


def has_forms(text: str) -> bool:
    """May a cluster of `text` stand for several (see `letters`)?"""
    return not text.isascii() and _FORMS.search(text) is not None


@lru_cache(maxsize=1 << 12)
def letters(cluster: str) -> tuple[str, ...]:
    """The clusters that a ligature or a presentation form shows; any other cluster alone.

    >>> letters("ﬃ"), letters("x")
    (('f', 'f', 'i'), ('x',))
    """
    if not _FORMS.search(cluster):
        return (cluster,)
    return tuple(graphemes("".join(unicodedata.normalize("NFKC", cluster).split()))) or (cluster,)


def _one_step(character: str) -> str:
    kind, _, rest = unicodedata.decomposition(character).partition(" ")
    if (kind in _ONE_STEP and " " not in rest) or ord(character) in _KANGXI:
        return chr(int(rest, 16))
    return character


@lru_cache(maxsize=1 << 16)
def simplified(character: str) -> str:
    """The Simplified form of one Chinese character, by OpenCC's character table; others unchanged.

    Character by character on purpose: both sides of a comparison are folded alike, so a phrase table
    could only make equal characters differ.
    """
    return str(_opencc().convert(character)) if _HAN.match(character) else character


@lru_cache(maxsize=1)
def _opencc() -> Any:
    import opencc

    return opencc.OpenCC("t2s")


@lru_cache(maxsize=1 << 16)
def fold(cluster: str) -> tuple[str, Kind]:
    """One cluster as every profile sees it (case, punctuation and script untouched), and its kind."""
    text = cluster if cluster.isascii() else unicodedata.normalize("NFC", "".join(map(_one_step, cluster)))
    if text.isspace():
        return " ", Kind.SPACE
    picture = _PICTURE.search(text) is not None
    if picture:
        # Joiners and tags make the emoji what it is; selectors only choose its style.
        text = _EMOJI_SELECTORS.sub("", text)
    elif not (text.isascii() and text.isprintable()):
        text = _INVISIBLE.sub("", text)
    text = text.translate(_SIGNS).translate(_LATIN)
    if not text:
        return "", Kind.IGNORED
    if text.isspace():
        return " ", Kind.SPACE
    if picture:
        return text, Kind.PICTURE
    if _SINGLE.match(text):
        return text, Kind.SINGLE
    category = unicodedata.category(text[0])
    return text, Kind.CAPITAL if category in {"Lu", "Lt"} else _KINDS.get(category[0], Kind.SYMBOL)


def visible(text: str) -> int:
    """About how many units a text has, in a hundredth of the time of `normalize`: its visible characters."""
    solid = "".join(text.split())
    return len(solid) if solid.isprintable() else len(_INVISIBLE.sub("", solid))


def has_look_alikes(text: str) -> bool:
    """May a word of `text` hold capitals that look like Latin ones (see `as_latin`)?"""
    return not text.isascii() and _LIKE_LATIN.search(text) is not None


def as_latin(word: Sequence[str], written: Sequence[str]) -> list[str]:
    """The units of a word, Cyrillic and Greek capitals as Latin ones where it is `written` with Latin letters.

    >>> "".join(as_latin("CВS", "CВS")), "".join(as_latin("ВOТ", "ВОТ"))
    ('CBS', 'ВOТ')
    """
    letters_of = [unit for unit in word if unit.isalpha()]
    if any(sign.isascii() and sign.isalpha() for sign in written) and all(
        unit.isascii() or unit in _LATIN_CAPITALS for unit in letters_of
    ):
        return [_LATIN_CAPITALS.get(unit, unit) for unit in word]
    return list(word)
