"""LongText-Bench's Text Score as its authors compute it, and the same with its faults corrected.

X-Omni: Geng et al., arXiv 2507.22058; `textbench/summary_scores.py` and `evaluate_text_reward.py` of
X-Omni-Team/X-Omni at 2b8237b. The score of a language is Σ matched tokens / Σ target tokens over all images
(micro-average), tokens being lower-cased words in English and single characters, case kept, in Chinese. The
order of the reading does not count, and nothing that was read beyond the targets costs anything.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from evalsuite.records import TextLine
from evalsuite.scoring.protocols.base import Metric, TextProtocol, primary, share
from evalsuite.scoring.protocols.tokens import HALLUCINATION, SENTINEL, matched, reading_text, spaced, unspaced

SOURCE = "arXiv 2507.22058; X-Omni-Team/X-Omni textbench at 2b8237b"
READER = "qwen2.5-vl"
IMAGES = 4

_SENTINEL = re.compile(re.escape(SENTINEL.rstrip(".")) + r"\.?")


def clean_as_published(text: str) -> str:
    """The published clean-up of a reading: only the second of its two keywords is in fact removed.

    Its loop starts from the uncleaned text for each keyword, so the last keyword's result stands. Targets are
    not cleaned.

    >>> clean_as_published("OPEN addCriterion No text recognized.")
    'OPEN addCriterion '
    """
    return text.replace(SENTINEL, "").replace(f"\n{SENTINEL}", "").replace(f"{SENTINEL}\n", "")


def clean(text: str) -> str:
    """The clean-up as it was meant, with the sentinel also as the reader's prompt words it, without full stop.

    >>> clean("OPEN addCriterion No text recognized")
    'OPEN  '
    """
    return _SENTINEL.sub("", text.replace(HALLUCINATION, ""))


def tokens(text: str, language: str) -> Sequence[str]:
    """The tokens of a text: lower-cased words for `en`, characters for `zh`.

    >>> tokens("Café «Ñandú» – Wi-Fi, 24/7", "en")
    ['café', 'and', 'wifi', '247']
    >>> tokens("始于 1998 年，Café", "zh")
    '始于1998年Café'
    """
    return spaced(text).lower().split() if primary(language) == "en" else unspaced(text)


def match_counts(targets: Sequence[str], text: str, language: str) -> tuple[int, int]:
    """Matched and wanted tokens of one image as the published scorer counts them, from the raw OCR string."""
    wanted = tokens(" ".join(targets), language)
    return matched(wanted, tokens(clean_as_published(text), language)), len(wanted)


def _count(targets: Sequence[str], lines: Sequence[TextLine], language: str) -> tuple[float, ...]:
    return match_counts(targets, reading_text(lines), language)


def _count_fixed(targets: Sequence[str], lines: Sequence[TextLine], language: str) -> tuple[float, ...]:
    wanted = Counter(tokens(" ".join(targets), language))
    read = Counter(tokens(clean(reading_text(lines)), language))
    beyond = read - wanted
    repeats = sum(count for token, count in beyond.items() if token in wanted)
    return (wanted & read).total(), wanted.total(), repeats, beyond.total() - repeats


_COLUMNS = ("matched", "wanted")
_FIXED_COLUMNS = ("matched", "wanted", "repeated", "foreign")

_TEXT_SCORE: Literal["text_score"] = "text_score"
_MEANING = "share of the target tokens that were read, as multisets over each image (recall)"
_METRICS = (share(_COLUMNS, _TEXT_SCORE, _MEANING, "matched", "wanted"),)
_FIXED_METRICS: tuple[Metric, ...] = (
    share(_FIXED_COLUMNS, _TEXT_SCORE, _MEANING, "matched", "wanted"),
    share(
        _FIXED_COLUMNS,
        "repeat_ratio",
        "tokens of the targets read more often than wanted, over the wanted tokens",
        "repeated",
        "wanted",
        higher_is_better=False,
        bounds=(0.0, None),
    ),
    share(
        _FIXED_COLUMNS,
        "extra_ratio",
        "tokens read that are in no target, over the wanted tokens",
        "foreign",
        "wanted",
        higher_is_better=False,
        bounds=(0.0, None),
    ),
)

LONGTEXT = TextProtocol(
    name="longtext",
    version="1",
    title="LongText-Bench, as published",
    source=SOURCE,
    languages=("en", "zh"),
    images=IMAGES,
    reader=READER,
    missing="left out",
    columns=_COLUMNS,
    count=_count,
    metrics=lambda _: _METRICS,
    recall=True,
    averaged=True,
)

LONGTEXT_FIXED = TextProtocol(
    name="longtext-fixed",
    version="1",
    title="LongText-Bench, faults corrected",
    source=f"evalsuite docs/longtext-bench.md, after {SOURCE}",
    languages=("en", "zh"),
    images=IMAGES,
    reader=READER,
    missing="counted as empty",
    columns=_FIXED_COLUMNS,
    count=_count_fixed,
    metrics=lambda _: _FIXED_METRICS,
    recall=True,
    averaged=True,
)
