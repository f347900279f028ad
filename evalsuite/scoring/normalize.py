"""Text as it is compared: extended grapheme clusters, folded by a named and versioned profile.

What every profile folds, because no reader of an image can tell the difference, is said in `folding`; besides,
a run of dashes is one dash, `…`, `……` and three or more dots are one ellipsis, and runs of white space are one.

Units of comparison are the extended grapheme clusters of UAX #29, so that a letter with its combining
marks, or an emoji sequence with its joiners, is one unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import regex

from evalsuite.scoring.folding import (
    Kind,
    as_latin,
    fold,
    graphemes,
    has_forms,
    has_look_alikes,
    letters,
    simplified,
)

NORMALIZER = "evalsuite-normalize-3"
"""Name and version of the folding. Any change that can change a count must change it."""


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


@dataclass(frozen=True, slots=True)
class Text:
    """A string as it is compared.

    `graphemes` are the clusters of the string as written. Unit i of the comparison has the normalised
    form `units[i]` (case kept), the form that is compared `keys[i]`, the kind `kinds[i]`, and comes from
    the graphemes `origins[i][0]` to `origins[i][1]` (half open); `spaced[i]` says whether white space that
    is not a unit stands before it. `words` are ranges of units: a word by white space, or one unspaced
    character. `joins` are offsets inside words at which two words may have been run together (a capital after a
    small letter, a digit beside a letter, a symbol's edges, the end of punctuation), and those between the marks
    at a word's ends (`"NO!"` may be NO with marks beside it). The later letters of a ligature come from an empty
    range of graphemes, behind the ligature.
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
# What becomes one unit of several, in folded text.
_RUN = regex.compile(r"--|…[….]|\.\.\.")
_ORIGINS = [(place, place + 1) for place in range(1_000)]


def normalize(text: str, profile: Profile) -> Text:
    """`text` as `profile` compares it. White space at either end never counts.

    Takes any string; the result may be empty.
    """
    return _cached(text, profile) if len(text) <= len(_ORIGINS) else _normalize(text, profile)


def _normalize(text: str, profile: Profile) -> Text:
    return _plain(text, profile) or _any(text, profile)


_cached = lru_cache(maxsize=1 << 12)(_normalize)


def _plain(text: str, profile: Profile) -> Text | None:
    """What `_any` gives for the common text, in a fifth of its time; None for any other.

    Common is text whose every cluster is one unit and one code point, or white space that is not charged.
    """
    if profile.charge_space or has_forms(text) or has_look_alikes(text):
        return None
    clusters = graphemes(text)
    folded = [fold(cluster) for cluster in clusters]
    flat = "".join([unit for unit, _ in folded])
    if not len(text) == len(clusters) == len(flat) <= len(_ORIGINS) or _RUN.search(flat):
        return None
    pieces = flat.split(" ")
    units = "".join(pieces)
    kinds = [kind for unit, kind in folded if unit != " "]
    if not (profile.charge_punctuation or Kind.PUNCTUATION not in kinds):
        return None
    origins = _ORIGINS[: len(flat)]
    if len(units) < len(flat):
        origins = [origin for origin, unit in zip(origins, flat, strict=True) if unit != " "]
    spaced = [False] * len(units)
    words: list[tuple[int, int]] = []
    joins: list[int] = []
    start = 0
    for number, piece in enumerate(pieces):
        if not piece:
            continue
        end = start + len(piece)
        spaced[start] = number > 0
        if piece.isascii() and piece.isalpha() and (piece.islower() or piece[1:].islower() or piece.isupper()):
            words.append((start, end))
        else:
            for low, high in _words(kinds[start:end], spaced[start:end]):
                words.append((start + low, start + high))
                if high - low > 1:
                    joins += _joins(kinds, units, start + low, start + high)
        start = end
    if profile.fold_traditional or not units.isascii():
        keys = tuple([_key(unit, profile) for unit in units])
    else:
        keys = tuple(units if profile.charge_case else units.lower())
    return Text(
        tuple(clusters), tuple(units), keys, tuple(kinds), tuple(origins), tuple(spaced), tuple(words), tuple(joins)
    )


def _any(text: str, profile: Profile) -> Text:
    clusters = graphemes(text)
    units: list[str] = []
    kinds: list[Kind] = []
    origins: list[tuple[int, int]] = []
    breaks: list[bool] = []  # Is there white space before unit i?
    spaced = False
    for start, index, cluster in _letters(clusters) if has_forms(text) else _enumerated(clusters):
        unit, kind = fold(cluster)
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
        origins.append((start, index + 1))
        breaks.append(spaced)
        spaced = False
    words = _words(kinds, breaks)
    if has_look_alikes(text):
        for low, high in words:
            units[low:high] = as_latin(units[low:high], clusters[origins[low][0] : origins[high - 1][1]])
    keys = tuple(_key(unit, profile) for unit in units)
    joins = tuple(place for low, high in words for place in _joins(kinds, units, low, high))
    return Text(tuple(clusters), tuple(units), keys, tuple(kinds), tuple(origins), tuple(breaks), tuple(words), joins)


def _enumerated(clusters: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """Each cluster with the range of graphemes that it comes from, as start and last."""
    return ((index, index, cluster) for index, cluster in enumerate(clusters))


def _letters(clusters: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """The same for each letter of each ligature; the first letter comes from the ligature, the others from nothing."""
    for index, cluster in enumerate(clusters):
        for number, letter in enumerate(letters(cluster)):
            yield index + (number > 0), index, letter


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


def _words(kinds: Sequence[Kind], breaks: Sequence[bool]) -> list[tuple[int, int]]:
    words: list[tuple[int, int]] = []
    apart = True
    for index, kind in enumerate(kinds):
        if kind is Kind.SPACE:
            apart = True
        elif kind >= Kind.PICTURE:  # each is a word of its own
            words.append((index, index + 1))
            apart = True
        else:
            if apart or breaks[index]:
                words.append((index, index + 1))
            else:
                words[-1] = (words[-1][0], index + 1)
            apart = False
    return words


def _joins(kinds: Sequence[Kind], units: Sequence[str], start: int, end: int) -> list[int]:
    """Offsets inside the word `start` to `end` at which words may have been run together, or marks put to one."""
    first, last = start, end
    while first < end and kinds[first].is_mark:
        first += 1
    while last > first and kinds[last - 1].is_mark:
        last -= 1
    return [i for i in range(start + 1, end) if not first < i < last or _is_join(kinds, units, i, end)]


def _is_join(kinds: Sequence[Kind], units: Sequence[str], index: int, end: int) -> bool:
    """May two words have been run together before unit `index` of a word that ends at `end`?"""
    before, here = kinds[index - 1], kinds[index]
    if before is here:
        # EXITOnly: the last of several capitals starts a word of its own
        return here is Kind.CAPITAL and index + 1 < end and kinds[index + 1] is Kind.LETTER
    if before is Kind.PUNCTUATION:
        return units[index - 1] not in _INSIDE_WORDS
    if here is Kind.PUNCTUATION:
        return False
    return not (Kind.LETTER <= before <= Kind.CAPITAL and here <= Kind.CAPITAL) or before is Kind.LETTER
