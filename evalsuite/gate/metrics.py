"""The rates that a gate can compare: those whose value for any prompt lies in [0, 1].

The bound for sparse differences needs a worst possible value, and a rate that extra text can push below zero has
none; that is why the strict accuracy is not here. Numerators and denominators are those of `scoring.Rates`. The
denominators depend on the targets alone, so they are the same in both runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evalsuite.scoring import Counts

Parts = Callable[["Counts"], tuple[float, float]]

SOUND_GLYPHS = "sound_glyph_rate"
"""A gate that rests on no score: the share of glyphs that are not malformed (`gate.glyphs`)."""

CONTENT_SIMILARITY = "content_similarity"
"""Another: likeness to the baseline's images outside the text, 1 for the baseline itself (`gate.content`)."""

CONTENT_SHARE = "content_share"
"""Another: the share of the picture beside the text that is not flat ground (`gate.content`)."""

CONTENT = (CONTENT_SIMILARITY, CONTENT_SHARE)
UNSCORED = (SOUND_GLYPHS, *CONTENT)

METRICS: dict[str, Parts] = {
    "character_accuracy": lambda counts: (counts.length - counts.edits, counts.length),
    "exact_string_rate": lambda counts: (counts.exact_targets, counts.targets),
    "all_exact_image_rate": lambda counts: (counts.exact_images, counts.images),
    "matched_rate": lambda counts: (counts.matched_targets, counts.targets),
    "ned": lambda counts: (counts.ned_sum, counts.targets),
}
"""Numerator and denominator of each rate, by its name in `scoring.RATES`."""
