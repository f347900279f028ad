"""STRICT's NED, CER, WER and likeness as its authors compute them, and the same with their faults corrected.

Zhang et al., STRICT, arXiv 2505.18985; `ocr/core.py` and `ocr/ned.py` of tianyu-z/STRICT-Bench at 921ddb1. Runs of
white space become one space, case and punctuation stay; all are means over images:

    NED = d / length of the edit path, matches included,    CER = d / |target|,    WER = d over words / words,
    NED_truncated: the same after the target is cut to as many words as were read.

Where nothing was read, each error is 1, but the truncated one is 0: an empty picture is perfect. The RNFI of the paper
is not in the published code.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace

from rapidfuzz.distance import Levenshtein

from evalsuite.records import TextLine
from evalsuite.scoring.protocols.aligned import aligned
from evalsuite.scoring.protocols.base import TextProtocol, share
from evalsuite.scoring.protocols.tokens import reading_text


def ned(wanted: str, read: str) -> float:
    """Edits over the length of the edit path, matches included; 0 for two empty strings.

    >>> ned("hello world", "hello worl"), ned("a", "bbbb")
    (0.09090909090909091, 1.0)
    """
    path = sum(max(op.src_end - op.src_start, op.dest_end - op.dest_start) for op in Levenshtein.opcodes(wanted, read))
    return Levenshtein.distance(wanted, read) / path if path else 0.0


def truncated_ned(wanted: str, read: str) -> float:
    """`ned` of the reading and as many words of the target as it has."""
    if not read:
        return 0.0  # the target is cut to nothing
    return ned(" ".join(wanted.split(" ")[: len(read.split(" "))]), read)


def _count(targets: Sequence[str], lines: Sequence[TextLine], language: str) -> tuple[float, ...]:
    del language
    wanted, read = " ".join(" ".join(targets).split()), " ".join(reading_text(lines).split())
    if not read:
        return 1.0, 1.0, 1.0, 0.0, 0.0, 1
    words = wanted.split(), read.split()
    return (
        ned(wanted, read),
        Levenshtein.distance(wanted, read) / len(wanted),
        Levenshtein.distance(*words) / len(words[0]),
        difflib.SequenceMatcher(None, wanted, read).ratio(),
        truncated_ned(wanted, read),
        1,
    )


def _count_fixed(targets: Sequence[str], lines: Sequence[TextLine], language: str) -> tuple[float, ...]:
    del language
    found = aligned(targets, lines, "strict")
    return found.edits, found.path, found.wanted, found.word_errors, found.words


_COLUMNS = ("ned", "cer", "wer", "similarity", "truncated", "images")
_METRICS = (
    share(_COLUMNS, "NED", "mean of edits over the length of the edit path", "ned", "images", higher_is_better=False),
    share(
        _COLUMNS,
        "CER",
        "mean of edits over the target's length",
        "cer",
        "images",
        higher_is_better=False,
        bounds=(0.0, None),
    ),
    share(
        _COLUMNS,
        "WER",
        "mean of word edits over the target's words",
        "wer",
        "images",
        higher_is_better=False,
        bounds=(0.0, None),
    ),
    share(_COLUMNS, "similarity", "mean of difflib's likeness of target and reading", "similarity", "images"),
    share(
        _COLUMNS,
        "NED_truncated",
        "NED against as many target words as were read: missing text is free",
        "truncated",
        "images",
        higher_is_better=False,
    ),
)
_FIXED = ("edits", "path", "wanted", "word_errors", "words")
_FIXED_METRICS = (
    share(
        _FIXED,
        "NED",
        "edits and extra text over the alignment's length, order-free",
        "edits",
        "path",
        higher_is_better=False,
    ),
    share(
        _FIXED,
        "CER",
        "edits and extra text over the length wanted, order-free",
        "edits",
        "wanted",
        higher_is_better=False,
        bounds=(0.0, None),
    ),
    share(
        _FIXED,
        "WER",
        "word edits and extra words over the words wanted, order-free",
        "word_errors",
        "words",
        higher_is_better=False,
        bounds=(0.0, None),
    ),
)

STRICT = TextProtocol(
    name="strict",
    version="1",
    title="STRICT, as published",
    source="arXiv 2505.18985; tianyu-z/STRICT-Bench ocr at 921ddb1",
    languages=("en", "fr", "zh"),
    images=1,
    reader="tesseract",
    missing="left out",
    columns=_COLUMNS,
    count=_count,
    metrics=lambda _: _METRICS,
)

STRICT_FIXED = replace(
    STRICT,
    name="strict-fixed",
    title="STRICT, faults corrected",
    source="evalsuite docs/protocols.md, after arXiv 2505.18985",
    languages=("en", "fr", "zh", "de", "es", "ja", "ko", "ar"),
    missing="counted as empty",
    columns=_FIXED,
    count=_count_fixed,
    metrics=lambda _: _FIXED_METRICS,
)
