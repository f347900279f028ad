"""What was read: the lines that an OCR engine found in an image."""

from __future__ import annotations

import msgspec

from evalsuite.records.base import Json, Record, digest
from evalsuite.records.drawn import Finding


class Characters(Record, frozen=True, kw_only=True):
    """Where the characters of a line stand and how sure the reader was of each: one entry per code point of its text.

    Whole thousandths, which keeps 10,000 rows small. `at` is the character's centre along the line: 0 at the
    left edge of the polygon, 1000 at the right one; at the top and the bottom edge where the polygon is at least
    1.5 times as high as wide. `p` is the reader's probability of the character.
    """

    at: tuple[int, ...]
    p: tuple[int, ...]


class TextLine(Record, frozen=True, kw_only=True):
    """One line of text that an OCR engine found.

    `polygon` holds the corners in pixels, clockwise from the top left of the text, or is None for readers
    that give no place; `confidence` is in [0, 1], or None likewise; so is `characters`.
    """

    text: str
    polygon: tuple[tuple[float, float], ...] | None = None
    confidence: float | None = None
    characters: Characters | None = None


class OcrSpec(Record, frozen=True, kw_only=True):
    """An OCR engine with all that decides its readings: name, weights digest, versions and settings."""

    name: str
    weights_digest: str
    settings: dict[str, Json] = msgspec.field(default_factory=dict)
    versions: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Digest of weights and settings: readings with equal digests are comparable."""
        return digest([self.name, self.weights_digest, self.settings])


MAX_READING_CHARS = 200_000
"""Characters of one reading: a page holds a few thousand, and scoring many more would take minutes."""

MALFORMED = "\ufffd"
"""A reader's mark of a malformed character. No target may hold it, so it is wrong wherever it stands."""


class Reading(Record, frozen=True, kw_only=True):
    """What one OCR engine read in one image. `error` is set when it failed: that is not an empty text.

    `image_sha256` ties the reading to the bytes that were read.
    """

    key: str
    image_sha256: str
    engine: str
    engine_digest: str
    lines: tuple[TextLine, ...] = ()
    seconds: float | None = None
    findings: tuple[Finding, ...] = ()
    error: str | None = None
    read_at: str
