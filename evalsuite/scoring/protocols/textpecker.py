"""TextPecker's two scores of an image: S_E, whether it says the right words, and S_Q, how sound its glyphs are.

Zhu et al., TextPecker, arXiv 2602.20903 (CVPR 2026); `eval/TextPecker_eval/parse_utils_pecker.py` of
CIawevy/TextPecker at 99e7e9b. With the reading's malformed marks as `#`, N_a of its N_P characters without white space:

    S_Q = 1 - N_a / N_P (0 of an empty reading),    S_E = 1 - GNED,

GNED being `pairing`'s over tokens: each ideograph for itself, other words whole and in lower case. Both are averaged
over images. Its faults are kept: a drawn `#` counts as malformed; letters at the end of a word with ideographs are
dropped; punctuation turns into spaces in the reading and not in the targets; a `“` never ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from evalsuite.records import MALFORMED, TextLine
from evalsuite.scoring.protocols.base import TextProtocol, share
from evalsuite.scoring.protocols.pairing import pairing_cost
from evalsuite.scoring.protocols.tokens import reading_text

_COLUMNS = ("semantic", "quality", "malformed", "characters", "images")
_CLOSES = {'"': '"', "“": "”", "‘": "’", "'": "'", "〝": "〞"}
_SPACED = frozenset("，。！？, ")
_ESCAPES = (("\\\\", "\\"), ("\\n", "\n"), ('\\"', '"'), ("\\'", "'"))


def cleaned(text: str) -> str:
    """A reading as it is compared: punctuation outside quotes as spaces, runs of white space as one."""
    for written, meant in _ESCAPES:
        text = text.replace(written, meant)
    if sum(map(text.count, _CLOSES)) < 2:
        return " ".join(re.sub("[，。！？,]+", " ", text).split())
    return " ".join("".join(_unquoted(text)).split())


def _unquoted(text: str) -> Iterator[str]:
    """The text without the quotation marks that open and close; punctuation outside of them is a space."""
    ending = None
    for character in text:
        if character in _CLOSES and ending is None:
            ending = _CLOSES[character]
        elif character in _CLOSES and character == ending:
            ending = None
        elif character in _SPACED and ending is None:
            yield " "
        else:
            yield character


def tokens(text: str) -> list[str]:
    """The lower-cased words between spaces; of one with ideographs these one by one, and the letters before them."""
    found: list[str] = []
    for word in text.lower().split(" "):
        if not any(map(_is_ideograph, word)):
            found.append(word)
            continue
        letters = ""
        for character in word:
            if not _is_ideograph(character):
                letters += character
                continue
            found.append(character)
            if letters:
                found.append(letters)
                letters = ""
    return found


def _is_ideograph(character: str) -> bool:
    return "\u4e00" <= character <= "\u9fff"


def _as_another_sign(text: str, target: str) -> str:
    """The reading with another sign for `#` where the target has one, so that a mark does not match it."""
    if "#" not in target:
        return text
    if "$" not in target:
        return text.replace("#", "$")
    for sign in "&￥":
        if sign in target:
            return text.replace("#", sign)
    return text


def _count(targets: Sequence[str], lines: Sequence[TextLine], language: str) -> tuple[float, ...]:
    del language  # each word decides for itself whether it is Chinese
    target = " ".join(targets)
    text = cleaned(reading_text(lines)).replace(MALFORMED, "#")
    malformed, characters = text.count("#"), len("".join(text.split()))
    wanted, read = tokens(target), tokens(_as_another_sign(text, target))
    semantic = 1 - pairing_cost(wanted, read) / max(len(wanted), len(read))
    return semantic, max(0.0, 1 - malformed / characters) if characters else 0.0, malformed, characters, 1


_METRICS = (
    share(_COLUMNS, "S_E", "semantic score: 1 - GNED, an image", "semantic", "images"),
    share(_COLUMNS, "S_Q", "structural quality: 1 - N_a / N_P, an image", "quality", "images"),
)

TEXTPECKER = TextProtocol(
    name="textpecker",
    version="1",
    title="TextPecker S_E and S_Q",
    source="arXiv 2602.20903; CIawevy/TextPecker eval/TextPecker_eval at 99e7e9b",
    languages=("en", "zh"),
    images=1,
    reader="textpecker",
    missing="counted as empty",
    columns=_COLUMNS,
    count=_count,
    metrics=lambda _: _METRICS,
)
