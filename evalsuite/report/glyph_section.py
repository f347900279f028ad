"""The part of a run's page about suspicious glyphs: counts beside character accuracy and never mixed into it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalsuite.glyphs import looked_at
from evalsuite.report import figures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalsuite.glyphs.corrected import GlyphCorrection
    from evalsuite.glyphs.look import Sight
    from evalsuite.glyphs.looking import Looked
    from evalsuite.runs.opened import OpenRun

PAGE = "glyphs.html"
REASONS: dict[Sight, str] = {
    "lettering": "glyphs.because.lettering",
    "short": "glyphs.because.short",
    "tiny": "glyphs.because.tiny",
    "no reference": "glyphs.because.no-reference",
    "no place": "glyphs.because.no-place",
}
"""The message for each reason why the verifier cannot tell."""


@dataclass(frozen=True, slots=True)
class GlyphLine:
    """A line of the table: one model in one language."""

    model: str
    language: str
    judged: int
    suspicious: int
    share: figures.Figure
    cannot_tell: int
    reasons: Mapping[Sight, int]


@dataclass(frozen=True, slots=True)
class MarkedLine:
    """A line of the table of a person's marks."""

    model: str
    language: str | None
    marked: int
    glyphs: int
    suspicious: figures.Figure
    malformed: figures.Figure | None
    found: int
    missed: int
    false_alarms: int
    others: int


@dataclass(frozen=True, slots=True)
class GlyphSection:
    """What the page shows. `in_images` counts the suspicious glyphs by image; `page` is the cut-outs' or None."""

    lines: Sequence[GlyphLine]
    unseen: int
    in_images: Mapping[str, int]
    correction: GlyphCorrection | None
    marked: Sequence[MarkedLine]
    page: str | None
    reasons: Mapping[Sight, str]


def section_of(run: OpenRun, *, page: bool, looked: Looked | None = None) -> GlyphSection | None:
    """The section of a run that was looked at, and None of any other; with `page` it links to the cut-outs' page."""
    looked = looked or looked_at(run)
    if looked is None:
        return None
    found, correction = looked.found, looked.correction
    return GlyphSection(
        lines=[
            GlyphLine(
                model=each.model,
                language=each.language,
                judged=each.judged,
                suspicious=each.seen["suspicious"],
                share=figures.figure(each.rate),
                cannot_tell=each.cannot_tell,
                reasons=each.seen,
            )
            for each in found.counts
        ],
        unseen=found.unseen,
        in_images=found.suspicious_images,
        correction=correction,
        marked=[
            MarkedLine(
                model=each.model,
                language=each.language,
                marked=each.marked,
                glyphs=each.glyphs,
                suspicious=figures.figure(each.suspicious),
                malformed=figures.figure(each.malformed) if each.malformed else None,
                found=each.found,
                missed=each.missed,
                false_alarms=each.false_alarms,
                others=each.others,
            )
            for each in (correction.figures if correction else ())
        ],
        page=PAGE if page else None,
        reasons=REASONS,
    )
