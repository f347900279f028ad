"""CVTG-2K's word accuracy and normalised edit distance.

Du et al., TextCrafter, arXiv 2503.23461 (evaluation of CVTG-2K; the code is `unified_metrics_eval.py`). Words
are split at white space and lower-cased, punctuation kept. A target word is right when it is among the words
that were read; its similarity is 1 - d / max(lengths) to the most similar word that was read, as
`difflib.get_close_matches` finds it. Both are micro-averages over words.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import lru_cache

from rapidfuzz.distance import Levenshtein

from evalsuite.records import TextLine
from evalsuite.scoring.protocols.base import TextProtocol, share

_COLUMNS = ("right", "similarity", "words")


def words(texts: Sequence[str]) -> list[str]:
    """Lower-cased words of several strings, in order."""
    return [word for text in texts for word in text.lower().split()]


def wanted_and_read(targets: Sequence[str], lines: Sequence[TextLine]) -> tuple[list[str], list[str]]:
    """The words of the targets, and those of the lines that were read."""
    return words(targets), words([line.text for line in lines])


@lru_cache(maxsize=1 << 16)
def _likeness(word: str, other: str) -> float:
    return difflib.SequenceMatcher(None, other, word).ratio()


def similarity(word: str, read: Sequence[str]) -> float:
    """1 - d / max(|word|, |C|) with C the read word that difflib holds to be most like `word`.

    Ties go to the word that sorts last, as `difflib.get_close_matches` has it. Without a read word it is 0.
    """
    if word in read:
        return 1.0
    best = max(read, key=lambda other: (_likeness(word, other), other), default="")
    return 1 - Levenshtein.distance(word, best) / max(len(word), len(best))


def _count(targets: Sequence[str], lines: Sequence[TextLine], language: str) -> tuple[float, ...]:
    del language
    wanted, read = wanted_and_read(targets, lines)
    return sum(word in read for word in wanted), sum(similarity(word, read) for word in wanted), len(wanted)


_METRICS = (
    share(_COLUMNS, "word_accuracy", "share of the target words that are among the words read", "right", "words"),
    share(_COLUMNS, "NED", "mean similarity of a target word to the most similar word read", "similarity", "words"),
)

CVTG = TextProtocol(
    name="cvtg",
    version="1",
    title="CVTG-2K word accuracy and NED",
    source="arXiv 2503.23461; its evaluation code unified_metrics_eval.py",
    languages=("en",),
    images=1,
    reader="paddle",
    missing="counted as empty",
    columns=_COLUMNS,
    count=_count,
    metrics=lambda _: _METRICS,
    recall=True,
)
