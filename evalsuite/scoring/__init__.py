"""From a reading to a score: order-free character accuracy. Pure functions; neither torch nor Pillow.

>>> from evalsuite.records import TextLine
>>> lines = [TextLine(text="Open Daily"), TextLine(text="GRAND OPENING")]
>>> rates(score_image(["GRAND OPENING", "Open Daily"], lines)).character_accuracy
1.0
"""

from __future__ import annotations

from evalsuite.scoring.edited import Before, kept_row, old_left, score_edited, touches
from evalsuite.scoring.metrics import RATES, Counts, Rates, count, rates, total
from evalsuite.scoring.normalize import NORMALIZER, PROFILES, profile_named
from evalsuite.scoring.readable import beyond_alphabet
from evalsuite.scoring.score import check_targets, score_image, scorer_spec, unread_targets

__all__ = [
    "NORMALIZER",
    "PROFILES",
    "RATES",
    "Before",
    "Counts",
    "Rates",
    "beyond_alphabet",
    "check_targets",
    "count",
    "kept_row",
    "old_left",
    "profile_named",
    "rates",
    "score_edited",
    "score_image",
    "scorer_spec",
    "total",
    "touches",
    "unread_targets",
]
