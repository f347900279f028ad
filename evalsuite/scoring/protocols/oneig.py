"""OneIG-Bench's text score: edit distance, completion rate and word accuracy in one number.

Chang et al., OneIG-Bench, arXiv 2506.07977; `scripts/text/text_score.py` of OneIG-Bench/OneIG-Benchmark at
41b4983. With ED the mean Levenshtein distance between the whole reading and all targets joined by spaces (both
reduced to the characters of `tokens`), CR the share of images with distance 0, and WAC the share of target
tokens that were read (micro-average):

    text score = 1 - min(M, ED) (1 - CR) (1 - WAC) / M,    M = 100 in English, 50 in Chinese.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rapidfuzz.distance import Levenshtein

from evalsuite.records import TextLine
from evalsuite.scoring.protocols.base import Metric, TextProtocol, primary, share
from evalsuite.scoring.protocols.tokens import HALLUCINATION, SENTINEL, matched, reading_text, spaced, unspaced
from evalsuite.stats import Floats
from evalsuite.stats.strata import Statistic

MOST_EDITS = {"en": 100.0, "zh": 50.0}
"""M: the mean edit distance from which on it no longer counts."""

_COLUMNS = ("edits", "complete", "images", "matched", "wanted")


def reduced(text: str) -> str:
    """The characters that are compared. A text with an ideograph in it loses its white space; case is kept."""
    return unspaced(text) if _has_ideograph(spaced(text)) else spaced(text)


def _has_ideograph(text: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in text)


def _count(targets: Sequence[str], lines: Sequence[TextLine], language: str) -> tuple[float, ...]:
    del language  # each string decides for itself whether it is Chinese
    wanted = reduced(" ".join(targets))
    read = reduced(reading_text(lines).replace(HALLUCINATION, "").replace(SENTINEL, ""))
    edits = Levenshtein.distance(read, wanted)
    pieces = (list(wanted), list(read)) if _has_ideograph(wanted) else (wanted.split(), read.split())
    return edits, float(edits == 0), 1, matched(*pieces), len(pieces[0])


def text_score(most_edits: float) -> Statistic:
    """The text score as a function of the sums of the columns, M being `most_edits`."""

    def parts(sums: Floats) -> tuple[Floats, Floats, Floats]:
        edits, complete, images, match, wanted = np.moveaxis(sums, -1, 0)
        return edits / images, 1 - complete / images, 1 - match / wanted

    def value(sums: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            distance, incomplete, lost = parts(sums)
            return np.asarray(1 - np.minimum(most_edits, distance) * incomplete * lost / most_edits, dtype=np.float64)

    def gradient(sums: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            distance, incomplete, lost = parts(sums)
            images, wanted = sums[..., 2], sums[..., 4]
            cut = np.minimum(most_edits, distance)
            by_distance = -np.where(distance < most_edits, incomplete * lost, 0.0) / most_edits
            by_incomplete, by_lost = -cut * lost / most_edits, -cut * incomplete / most_edits
            slope = np.empty_like(sums)
            slope[..., 0] = by_distance / images
            slope[..., 1] = -by_incomplete / images
            slope[..., 2] = -(by_distance * distance - by_incomplete * (1 - incomplete)) / images
            slope[..., 3] = -by_lost / wanted
            slope[..., 4] = by_lost * (1 - lost) / wanted
            return slope

    return Statistic(value, gradient, (0.0, 1.0))


def _metrics(language: str) -> tuple[Metric, ...]:
    return (
        Metric("text_score", "1 - min(M, ED) (1 - CR) (1 - WAC) / M", text_score(MOST_EDITS[primary(language)])),
        share(
            _COLUMNS,
            "ED",
            "mean edit distance of an image, in characters",
            "edits",
            "images",
            higher_is_better=False,
            bounds=(0.0, None),
        ),
        share(_COLUMNS, "CR", "completion rate: share of images that are wholly right", "complete", "images"),
        share(_COLUMNS, "WAC", "word accuracy: share of the target tokens that were read", "matched", "wanted"),
    )


ONEIG = TextProtocol(
    name="oneig",
    version="1",
    title="OneIG-Bench text score",
    source="arXiv 2506.07977; OneIG-Bench/OneIG-Benchmark scripts/text at 41b4983",
    languages=("en", "zh"),
    images=4,
    reader="qwen2.5-vl",
    missing="left out",
    columns=_COLUMNS,
    count=_count,
    metrics=_metrics,
)
