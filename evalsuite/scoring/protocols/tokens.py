"""The text that LongText-Bench and OneIG-Bench compare: a fixed set of characters, as words or one by one.

Both keep ASCII letters and digits, the ideographs U+4E00 to U+9FA5, the accented letters of French, and white
space; all else is deleted, not replaced, so `Wi-Fi` becomes `WiFi` and a dash without spaces joins two words.
Full-width letters, other accents (`ñ`, `å`) and ideographs beyond U+9FA5 are deleted too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from evalsuite.records import TextLine

_KEPT = "\u4e00-\u9fa5a-zA-Z0-9àâäéèêëîïôöùûüçÀÂÄÉÈÊËÎÏÔÖÙÛÜÇ"
_DELETED = re.compile(rf"[^{_KEPT}\s]")
_DELETED_WITH_SPACE = re.compile(rf"[^{_KEPT}]")

SENTINEL = "No text recognized."
"""What the benchmarks' clean-up takes out of a reading. Their prompt asks for it without the full stop."""
HALLUCINATION = "addCriterion"
"""A word that Qwen2.5-VL tends to append, which the clean-up means to take out."""


def reading_text(lines: Sequence[TextLine]) -> str:
    """A reading as one string: its lines in the order in which the reader gave them."""
    return "\n".join(line.text for line in lines)


def spaced(text: str) -> str:
    """The kept characters of `text`, with each run of white space as one space and none at the ends."""
    return " ".join(_DELETED.sub("", text).split())


def unspaced(text: str) -> str:
    """The kept characters of `text` without white space."""
    return _DELETED_WITH_SPACE.sub("", text)


def matched(wanted: Sequence[str], read: Sequence[str]) -> int:
    """How many of the wanted tokens were read, as multisets: Σ over tokens of the smaller of both counts."""
    return (Counter(wanted) & Counter(read)).total()
