"""Text as it is compared: extended grapheme clusters, folded by a named and versioned profile.

What every profile folds, because no reader of an image can tell the difference: canonical equivalents
(NFC), full-width and half-width forms (their one-step compatibility mapping; other compatibility
characters such as `①` stay what they are), curly and straight quotes, dashes (a run is one dash),
ellipses (`…`, `……` and three or more dots are one), runs of white space, and invisible characters
(controls, zero-width and direction marks, variation selectors).

Units of comparison are the extended grapheme clusters of UAX #29, so that a letter with its combining
marks, or an emoji sequence with its joiners, is one unit.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Any

import regex

NORMALIZER = "evalsuite-normalize-1"
"""Name and version of the folding below. Any change that can change a count must change it."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What counts as a difference."""

    name: str
    charge_case: bool
    charge_space: bool
    charge_punctuation: bool
    fold_traditional: bool


_PROFILES = {
    profile.name: profile
    for profile in (
        Profile("strict", charge_case=True, charge_space=True, charge_punctuation=True, fold_traditional=False),
        Profile("standard", charge_case=False, charge_space=False, charge_punctuation=True, fold_traditional=False),
        Profile("lenient", charge_case=False, charge_space=False, charge_punctuation=False, fold_traditional=True),
    )
}
PROFILES: tuple[str, ...] = tuple(_PROFILES)
"""Names of the profiles, from the one that forgives least to the one that forgives most."""


def profile_named(name: str) -> Profile:
    """The profile called `name`; raises `ValueError` that lists the names where there is none."""
    try:
        return _PROFILES[name]
    except KeyError:
        raise ValueError(f"no scoring profile {name!r}: choose one of {', '.join(PROFILES)}") from None


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
    SINGLE = 7
    """A token of its own: scripts written without spaces (Chinese, Japanese, Thai, …) and emoji."""


_KINDS = {"L": Kind.LETTER, "M": Kind.LETTER, "N": Kind.DIGIT, "P": Kind.PUNCTUATION}
_LETTERS = {Kind.LETTER, Kind.CAPITAL}


_QUOTES_DASHES = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′‵ʼʹ`´", "'"),
        **dict.fromkeys("“”„‟″‶〝〞", '"'),
        **dict.fromkeys("‐‑‒–—―−⸺⸻﹘﹣", "-"),
        **dict.fromkeys("⋯︙", "…"),
    }
)
_CLUSTER = regex.compile(r"\X")
# Text in which every character is surely a cluster of its own; the common case, four times faster than \X.
_PLAIN = regex.compile(r"[ -~¡-¬®-ʯ‐-‧‰-⁞、-〩一-鿿！-ﾝ]*+")
_SINGLE = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Extended_Pictographic}ー]"
)
_EMOJI = regex.compile(r"\p{Extended_Pictographic}")
_HAN = regex.compile(r"\p{Han}")
_INVISIBLE = regex.compile(r"[\p{Cc}\p{Default_Ignorable_Code_Point}--\p{Zs}]", flags=regex.V1)
_EMOJI_SELECTORS = regex.compile(r"[︎️]")


def graphemes(text: str) -> list[str]:
    """The extended grapheme clusters of `text`; joined they are `text` again."""
    if _PLAIN.fullmatch(text):
        return list(text)
    return _CLUSTER.findall(text)


def _fold_width(character: str) -> str:
    kind, _, rest = unicodedata.decomposition(character).partition(" ")
    return chr(int(rest, 16)) if kind in {"<wide>", "<narrow>"} else character


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
def _fold(cluster: str) -> tuple[str, Kind]:
    """One cluster as every profile sees it (case, punctuation and script untouched), and its kind."""
    text = cluster if cluster.isascii() else unicodedata.normalize("NFC", "".join(map(_fold_width, cluster)))
    if text.isspace():
        return " ", Kind.SPACE
    if _EMOJI.search(text):
        # Joiners and tags make the emoji what it is; selectors only choose its style.
        text = _EMOJI_SELECTORS.sub("", text)
    elif not (text.isascii() and text.isprintable()):
        text = _INVISIBLE.sub("", text)
    text = text.translate(_QUOTES_DASHES)
    if not text:
        return "", Kind.IGNORED
    if text.isspace():
        return " ", Kind.SPACE
    if _SINGLE.match(text):
        return text, Kind.SINGLE
    category = unicodedata.category(text[0])
    return text, Kind.CAPITAL if category in {"Lu", "Lt"} else _KINDS.get(category[0], Kind.SYMBOL)


@dataclass(frozen=True, slots=True)
class Text:
    """A string as it is compared.

    `graphemes` are the clusters of the string as written. Unit i of the comparison has the normalised
    form `units[i]` (case kept), the form that is compared `keys[i]`, the kind `kinds[i]`, and comes from
    the graphemes `origins[i][0]` to `origins[i][1]` (half open); `spaced[i]` says whether white space that
    is not a unit stands before it. `words` are ranges of units: a word by white space, or one unspaced
    character. `joins` are offsets inside words at which two words may have been run together: a capital
    after a small letter, a digit beside a letter, a symbol's edges, the end of punctuation.
    """

    graphemes: tuple[str, ...]
    units: tuple[str, ...]
    keys: tuple[str, ...]
    kinds: tuple[Kind, ...]
    origins: tuple[tuple[int, int], ...]
    spaced: tuple[bool, ...]
    words: tuple[tuple[int, int], ...]
    joins: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.units)


_RUNS = {"-", "…"}
_INSIDE_WORDS = {"'", "-"}


def normalize(text: str, profile: Profile) -> Text:
    """`text` as `profile` compares it. White space at either end never counts.

    Takes any string; the result may be empty.
    """
    return _cached(text, profile) if len(text) <= 1_000 else _normalize(text, profile)


def _normalize(text: str, profile: Profile) -> Text:
    clusters = graphemes(text)
    units: list[str] = []
    kinds: list[Kind] = []
    origins: list[tuple[int, int]] = []
    breaks: list[bool] = []  # Is there white space before unit i?
    spaced = False
    for index, cluster in enumerate(clusters):
        unit, kind = _fold(cluster)
        if kind is Kind.IGNORED or (kind is Kind.PUNCTUATION and not profile.charge_punctuation):
            continue
        if kind is Kind.SPACE:
            spaced = True
            continue
        if unit in _RUNS and units and not spaced and units[-1] == unit:
            origins[-1] = (origins[-1][0], index + 1)
            continue
        if unit == "." and not spaced and _continues_ellipsis(units, breaks):
            _merge_ellipsis(units, kinds, origins, breaks, index)
            continue
        if spaced and units and profile.charge_space:
            units.append(" ")
            kinds.append(Kind.SPACE)
            origins.append((origins[-1][1], index))
            breaks.append(False)
        units.append(unit)
        kinds.append(kind)
        origins.append((index, index + 1))
        breaks.append(spaced)
        spaced = False
    keys = tuple(_key(unit, profile) for unit in units)
    words = _words(kinds, breaks)
    joins = tuple(i for start, end in words for i in range(start + 1, end) if _is_join(kinds, units, i, end))
    return Text(tuple(clusters), tuple(units), keys, tuple(kinds), tuple(origins), tuple(breaks), words, joins)


_cached = lru_cache(maxsize=1 << 12)(_normalize)


def _continues_ellipsis(units: list[str], breaks: list[bool]) -> bool:
    if units and units[-1] == "…":
        return True
    return units[-2:] == [".", "."] and not breaks[-1]


def _merge_ellipsis(
    units: list[str], kinds: list[Kind], origins: list[tuple[int, int]], breaks: list[bool], index: int
) -> None:
    if units[-1] != "…":
        for row in (units, kinds, origins, breaks):
            row.pop()
    units[-1] = "…"
    origins[-1] = (origins[-1][0], index + 1)


def _key(unit: str, profile: Profile) -> str:
    if profile.fold_traditional:
        unit = simplified(unit)
    return unit if profile.charge_case else unit.casefold()


def _words(kinds: list[Kind], breaks: list[bool]) -> tuple[tuple[int, int], ...]:
    words: list[tuple[int, int]] = []
    for index, kind in enumerate(kinds):
        if kind is Kind.SPACE:
            continue
        if (
            index
            and not breaks[index]
            and kinds[index - 1] is not Kind.SPACE
            and Kind.SINGLE not in kinds[index - 1 : index + 1]
        ):
            words[-1] = (words[-1][0], index + 1)
        else:
            words.append((index, index + 1))
    return tuple(words)


def _is_join(kinds: list[Kind], units: list[str], index: int, end: int) -> bool:
    """May two words have been run together before unit `index` of a word that ends at `end`?"""
    before, here = kinds[index - 1], kinds[index]
    if before is here:
        # EXITOnly: the last of several capitals starts a word of its own
        return here is Kind.CAPITAL and index + 1 < end and kinds[index + 1] is Kind.LETTER
    if before is Kind.PUNCTUATION:
        return units[index - 1] not in _INSIDE_WORDS
    if here is Kind.PUNCTUATION:
        return False
    return not (before in _LETTERS and here in _LETTERS) or before is Kind.LETTER
