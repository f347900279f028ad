"""What was seen of a run's glyphs, as rows of text for the terminal and a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.wording import with_ends

if TYPE_CHECKING:
    from evalsuite.glyphs.look import GlyphReport

GLYPH_COLUMNS = ("model", "lang", "judged", "suspicious", "share", "cannot tell", "why not")


def glyph_rows(found: GlyphReport) -> list[tuple[str, ...]]:
    """A row per model and language, under `GLYPH_COLUMNS`."""
    from evalsuite.glyphs.look import CANNOT_TELL

    return [
        (
            each.model,
            each.language,
            str(each.judged),
            str(each.seen["suspicious"]),
            with_ends(each.rate),
            str(each.cannot_tell),
            ", ".join(f"{each.seen[reason]} {reason}" for reason in CANNOT_TELL if each.seen[reason]),
        )
        for each in found.counts
    ]
