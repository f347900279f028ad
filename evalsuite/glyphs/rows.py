"""What was seen of a run's glyphs, as rows of text for the terminal, Markdown and a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.wording import with_ends

if TYPE_CHECKING:
    from evalsuite.glyphs.corrected import GlyphCorrection
    from evalsuite.glyphs.counts import GlyphReport

GLYPH_COLUMNS = ("model", "lang", "judged", "suspicious", "share", "cannot tell", "why not")
MARKED_COLUMNS = ("model", "lang", "marked", "suspicious", "malformed, corrected", "found", "missed", "false alarms")


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


def marked_rows(found: GlyphCorrection) -> list[tuple[str, ...]]:
    """What a person's marks of the sample say, under `MARKED_COLUMNS`."""
    return [
        (
            each.model,
            each.language or "all",
            f"{each.marked} of {each.glyphs}",
            with_ends(each.suspicious),
            with_ends(each.malformed) if each.malformed else "too few prompts marked",
            str(each.found),
            str(each.missed),
            str(each.false_alarms),
        )
        for each in found.figures
    ]
