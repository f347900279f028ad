"""What the verifier says of a line: which glyphs are suspicious, which look sound, and where it cannot tell.

Each character is judged beside its line. A line whose characters are mostly far from the references is lettering that
the verifier does not know (handwriting, ornate faces), and no character of it is judged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Literal

from evalsuite.glyphs.characters import cut_out
from evalsuite.glyphs.reference import script_of

if TYPE_CHECKING:
    from evalsuite.glyphs.characters import Cut
    from evalsuite.glyphs.verifier import GlyphVerifier
    from evalsuite.ocr.recognition import Pixels
    from evalsuite.records import TextLine

SUSPICIOUS = 1.75
"""Log odds from which on a glyph is suspicious; set on clear strings of released pictures (docs/glyphs.md)."""
KNOWN_LETTERING = -1.75
"""The median log odds of a line's characters must lie below this for the line to be judged."""
LEAST_CHARACTERS = 3
LEAST_HEIGHT = 16
"""Characters that a line must have to be judged, and the height in pixels of its ink."""

RULES = 1
"""Changes with anything here or in `characters` that can change what is seen."""

Sight = Literal["sound", "suspicious", "lettering", "short", "tiny", "no reference", "no place"]
"""The last five are the reasons why the verifier cannot tell."""

CANNOT_TELL: tuple[Sight, ...] = ("lettering", "short", "tiny", "no reference", "no place")


@dataclass(frozen=True, slots=True)
class Glyph:
    """One character as the verifier sees it. `doubt` is its log odds of being malformed, where it could be compared."""

    index: int
    character: str
    sight: Sight
    doubt: float | None = None
    cut: Cut | None = field(default=None, repr=False)


def look_at_line(verifier: GlyphVerifier, pixels: Pixels, line: TextLine) -> tuple[Glyph, ...]:
    """Every character of a line but blanks, in order, of a picture (BGR, H × W × 3)."""
    cuts = {cut.index: cut for cut in cut_out(pixels, line)}
    doubts = dict(zip(cuts, verifier.doubts(list(cuts.values()), line.text), strict=True))
    known = [each for each in doubts.values() if each is not None]
    height = min((cut.height for cut in cuts.values()), default=0.0)

    def seen(index: int) -> Sight:
        doubt = doubts.get(index)
        if line.polygon is None or line.characters is None:
            return "no place"
        if index not in cuts and script_of(line.text[index]) is not None:
            return "no place"
        if doubt is None:
            return "no reference"
        if height < LEAST_HEIGHT:
            return "tiny"
        if len(known) < LEAST_CHARACTERS:
            return "short"
        if median(known) >= KNOWN_LETTERING:
            return "lettering"
        return "suspicious" if doubt > SUSPICIOUS else "sound"

    return tuple(
        Glyph(index, character, seen(index), doubts.get(index), cuts.get(index))
        for index, character in enumerate(line.text)
        if not character.isspace()
    )
