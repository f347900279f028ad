"""WeGenBench-Text's OCR scores as its authors compute them, and the same with their faults corrected.

Liang et al., WeGenBench, arXiv 2606.20100; `evaluation/Text/scoring/score_text.py` of WeChatCV/WeGenBench at 87c3c76.
All are means over images; the segments of a reading are its lines, and white space is deleted but for GNED:

- edit_sim: 1 - d / max(lengths) of all targets joined and all segments joined, the segments in the order that is best:
  all orders are tried up to five segments, else the reader's own and one by the place where each fits first;
- sen_acc: share of targets that equal the segment paired with them, in lower case, the pairs by least Σ NED;
- char_F1: F1 of the characters as multisets, case kept;
- GNED: 1 - (Σ NED over the cheapest pairs of tokens + |difference in number|) / larger number; a token is a
  lower-cased word, or one ideograph.

In the published table, GNED, Char_F1 and the quality score are of readings by TextPecker-8B, whose marks for malformed
glyphs no other reader writes; here they are of this run's reader.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import numpy as np
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from evalsuite.records import TextLine
from evalsuite.scoring.protocols.aligned import aligned
from evalsuite.scoring.protocols.base import TextProtocol, share
from evalsuite.scoring.protocols.pairing import pairing_cost

MOST_ORDERED = 5
"""Segments up to which all orders are tried."""

_TOKEN = re.compile(r"[\u4e00-\u9fff]|[^\s\u4e00-\u9fff]+")


def _spaceless(texts: Sequence[str]) -> list[str]:
    return [joined for text in texts if (joined := "".join(text.split()))]


def edit_similarity(targets: Sequence[str], segments: Sequence[str]) -> float:
    """1 - d / max(lengths) for the best order of the segments that the published code looks at."""
    wanted, pieces = "".join(_spaceless(targets)), _spaceless(segments)
    if not wanted or not pieces:
        return float(not wanted and not pieces)
    places = range(len(pieces))
    orders = permutations(places) if len(pieces) <= MOST_ORDERED else [tuple(places), _by_place(wanted, pieces)]
    return max(Levenshtein.normalized_similarity(wanted, "".join(pieces[i] for i in order)) for order in orders)


def _by_place(wanted: str, pieces: Sequence[str]) -> tuple[int, ...]:
    """The pieces by the first place of `wanted` at which most of their characters agree."""

    def place(piece: str) -> int:
        agree = [sum(a == b for a, b in zip(wanted[at:], piece, strict=False)) for at in range(len(wanted))]
        return agree.index(max(agree))

    return tuple(sorted(range(len(pieces)), key=lambda index: place(pieces[index])))


def exact_sentences(targets: Sequence[str], segments: Sequence[str]) -> float:
    """The share of targets that equal their segment."""
    from scipy.optimize import linear_sum_assignment

    wanted = [text.lower() for text in _spaceless(targets)]
    read = [text.lower() for text in _spaceless(segments)]
    if not wanted or not read:
        return float(not wanted and not read)
    cost = cdist(wanted, read, scorer=Levenshtein.normalized_distance, dtype=np.float64)
    rows, columns = linear_sum_assignment(cost)
    return int(sum(wanted[i] == read[j] for i, j in zip(rows, columns, strict=True))) / len(wanted)


def character_f1(targets: Sequence[str], segments: Sequence[str]) -> float:
    """F1 of the characters as multisets: an anagram is perfect."""
    wanted, read = Counter("".join(_spaceless(targets))), Counter("".join(_spaceless(segments)))
    if not wanted or not read:
        return float(not wanted and not read)
    return 2 * (wanted & read).total() / (wanted.total() + read.total())


def tokens(text: str) -> list[str]:
    """Lower-cased words, and ideographs one by one.

    >>> tokens("OPEN 24小时 Daily")
    ['open', '24', '小', '时', 'daily']
    """
    return [token.lower() for token in _TOKEN.findall(text)]


def gned(targets: Sequence[str], text: str) -> float:
    """1 - cost of the cheapest pairing of tokens over their larger number; 1 is perfect."""
    wanted, read = tokens(" ".join(targets)), tokens(text)
    if not wanted or not read:
        return float(not wanted and not read)
    return 1 - pairing_cost(read, wanted) / max(len(wanted), len(read))


def gned_as_published(targets: Sequence[str], text: str) -> float:
    """The same as the published code has it: a `#` that was read never equals that of a target.

    In TextPecker's readings `#` marks a malformed glyph. In any other's it is a number sign, then always wrong.
    """
    text = text.replace("<#>", "#")
    if "#" in "".join(targets):
        text = text.replace("#", next((sign for sign in "$&￥§" if sign not in "".join(targets)), "#"))
    return gned(targets, text)


def _count(targets: Sequence[str], lines: Sequence[TextLine], language: str) -> tuple[float, ...]:
    del language
    read = [line.text for line in lines]
    return (
        edit_similarity(targets, read),
        exact_sentences(targets, read),
        character_f1(targets, read),
        gned_as_published(targets, "\n".join(read)),
        1,
    )


_COLUMNS = ("edit_sim", "sen_acc", "char_F1", "gned", "images")
_METRICS = (
    share(_COLUMNS, "char_F1", "mean F1 of the characters as multisets, case kept", "char_F1", "images"),
    share(_COLUMNS, "edit_sim", "mean edit similarity of all text, in the best order tried", "edit_sim", "images"),
    share(_COLUMNS, "sen_acc", "mean share of targets that equal one line of the reading", "sen_acc", "images"),
    share(_COLUMNS, "GNED", "mean of 1 - cost of the cheapest pairing of tokens", "gned", "images"),
)

WEGEN = TextProtocol(
    name="wegen",
    version="1",
    title="WeGenBench-Text, as published",
    source="arXiv 2606.20100; WeChatCV/WeGenBench evaluation/Text at 87c3c76",
    languages=("en", "zh"),
    images=1,
    reader="an OCR service that is not named, and TextPecker-8B",
    missing="left out",
    columns=_COLUMNS,
    count=_count,
    metrics=lambda _: _METRICS,
)


def _count_fixed(targets: Sequence[str], lines: Sequence[TextLine], language: str) -> tuple[float, ...]:
    del language
    found = aligned(targets, lines, "standard")
    same = gned(targets, "\n".join(line.text for line in lines))
    similar = found.longer - min(found.edits, found.longer)
    return similar, found.longer, found.exact, found.targets, 2 * found.right, found.read + found.wanted, same, 1


_FIXED = ("similar", "longer", "exact", "targets", "twice_right", "both", "gned", "images")
_FIXED_METRICS = (
    share(_FIXED, "char_F1", "F1 of the characters that the alignment finds right", "twice_right", "both"),
    share(_FIXED, "edit_sim", "1 - (edits + extra text) / longer of both lengths, order-free", "similar", "longer"),
    share(
        _FIXED,
        "sen_acc",
        "share of targets that were read without an error, on one line or several",
        "exact",
        "targets",
    ),
    share(_FIXED, "GNED", "mean of 1 - cost of the cheapest pairing of tokens", "gned", "images"),
)

WEGEN_FIXED = replace(
    WEGEN,
    name="wegen-fixed",
    title="WeGenBench-Text, faults corrected",
    source="evalsuite docs/protocols.md, after arXiv 2606.20100",
    missing="counted as empty",
    columns=_FIXED,
    count=_count_fixed,
    metrics=lambda _: _FIXED_METRICS,
)
