"""The kinds of malformed glyphs that can be planted, and in which characters."""

from __future__ import annotations

KINDS = {
    "missing-part": "a connected part is gone",
    "missing-stroke": "a stroke, or most of it, is gone",
    "added": "a foreign bar, dot, hook or curve of the glyph's own stroke width",
    "cut": "a stroke has a gap",
    "merged": "neighbouring strokes run together in one region",
    "melted": "the outline is smoothed away and mixed with a foreign shape",
    "wandering": "strokes leave their places, or the shape is warped",
    "swapped": "a part is another character's",
    "mirrored": "a part is a mirror image of itself",
    "half": "one side of the character is gone",
}
"""The kinds by name, with a line on each."""

NEEDS_DONOR = frozenset({"swapped"})
"""The kinds that need the mask of another character."""

_FINE = ("missing-part", "missing-stroke", "cut", "merged")

LEAST_CHANGE = {kind: 0.025 if kind in _FINE else 0.05 for kind in KINDS}
"""The share of the ink that a defect of each kind must change visibly."""


def can_be_malformed(character: str) -> bool:
    """True for a letter, digit or ideograph of one code point that stands alone.

    Punctuation is too little ink to be malformed, and Arabic letters join their neighbours.
    """
    return len(character) == 1 and character.isalnum() and not "\u0600" <= character <= "\u08ff"
