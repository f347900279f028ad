"""TextAtlasEval's OCR accuracy, F1 and CER as its authors compute them, and the same with their faults corrected.

Wang et al., TextAtlas5M, arXiv 2502.07870; `evaluation/cal_ocr.py` and `cal_ocr_cer.py` of CSU-JPG/TextAtlas at
7b349b9. Words are split at white space and lower-cased. Each word that was read, in the reader's order, takes the first
target word not yet taken that is at least 80 % alike (`fuzzywuzzy.fuzz.ratio`: 2 LCS / (|a| + |b|), in whole per cent):

    accuracy = Σ taken / Σ target words (a recall),    F1 = 2 Σ taken / (Σ target words + Σ words read),
    CER = mean over images of d / max(lengths), of the lines joined by spaces in the reader's order, case kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from rapidfuzz.distance import Indel, Levenshtein

from evalsuite.records import TextLine
from evalsuite.scoring.protocols.aligned import aligned
from evalsuite.scoring.protocols.base import TextProtocol, share
from evalsuite.scoring.protocols.cvtg import wanted_and_read

THRESHOLD = 80
"""Whole per cent of likeness from which on a word counts as right."""


def alike(word: str, other: str) -> bool:
    """Whether the published code takes two words for one.

    >>> alike("hello", "hallo"), alike("cat", "cut")
    (True, False)
    """
    return round(100 * Indel.normalized_similarity(word, other)) >= THRESHOLD


def taken(wanted: Sequence[str], read: Sequence[str]) -> int:
    """How many target words are taken, one for each word read, first come first served."""
    left = list(wanted)
    for word in read:
        found = next((index for index, other in enumerate(left) if alike(word, other)), None)
        if found is not None:
            del left[found]
    return len(wanted) - len(left)


def _count(targets: Sequence[str], lines: Sequence[TextLine], language: str) -> tuple[float, ...]:
    del language
    wanted, read = wanted_and_read(targets, lines)
    right = taken(wanted, read)
    whole, text = " ".join(targets), " ".join(line.text.strip() for line in lines if line.text)
    return right, len(wanted), 2 * right, len(wanted) + len(read), Levenshtein.normalized_distance(whole, text), 1


def _count_fixed(targets: Sequence[str], lines: Sequence[TextLine], language: str) -> tuple[float, ...]:
    del language
    wanted, read = wanted_and_read(targets, lines)
    right = (Counter(wanted) & Counter(read)).total()
    found = aligned(targets, lines, "strict")
    return right, len(wanted), 2 * right, len(wanted) + len(read), min(found.edits, found.longer), found.longer


_COLUMNS = ("taken", "wanted", "twice_taken", "both", "cer", "images")
_METRICS = (
    share(
        _COLUMNS, "accuracy", "share of the target words that some word read is 80 % like (recall)", "taken", "wanted"
    ),
    share(_COLUMNS, "F1", "the same with the words read in the denominator too", "twice_taken", "both"),
    share(_COLUMNS, "CER", "mean of d / max(lengths) in the reader's order", "cer", "images", higher_is_better=False),
)
_FIXED = ("right", "wanted", "twice_right", "both", "edits", "longer")
_FIXED_METRICS = (
    share(_FIXED, "accuracy", "share of the target words that were read exactly (recall)", "right", "wanted"),
    share(_FIXED, "F1", "the same with the words read in the denominator too", "twice_right", "both"),
    share(
        _FIXED,
        "CER",
        "edits and extra text over the longer length, order-free",
        "edits",
        "longer",
        higher_is_better=False,
    ),
)

TEXTATLAS = TextProtocol(
    name="textatlas",
    version="1",
    title="TextAtlasEval, as published",
    source="arXiv 2502.07870; CSU-JPG/TextAtlas evaluation at 7b349b9",
    languages=("en",),
    images=1,
    reader="paddle",
    missing="counted as empty",
    columns=_COLUMNS,
    count=_count,
    metrics=lambda _: _METRICS,
    recall=True,
)

TEXTATLAS_FIXED = replace(
    TEXTATLAS,
    name="textatlas-fixed",
    title="TextAtlasEval, faults corrected",
    source="evalsuite docs/protocols.md, after arXiv 2502.07870",
    columns=_FIXED,
    count=_count_fixed,
    metrics=lambda _: _FIXED_METRICS,
)
