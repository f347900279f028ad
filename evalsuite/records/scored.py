"""What a reading is worth: counts, and the alignment that they come from."""

from __future__ import annotations

from typing import Literal

from evalsuite.records.base import Record, Whole


class ScorerSpec(Record, frozen=True, kw_only=True):
    """Which scorer and which normaliser measured, with their versions."""

    name: str
    version: str
    profile: str
    normalizer: str


EditKind = Literal["equal", "case", "substitute", "delete", "insert"]
"""`delete`: in the target, not drawn. `insert`: drawn, not in the target. `case`: equal but for upper and lower."""


class Edit(Record, frozen=True, kw_only=True):
    """A run of one kind of edit between a target and what was read: the pieces as they were written."""

    kind: EditKind
    target: str = ""
    read: str = ""


class Span(Record, frozen=True, kw_only=True):
    """A piece of a reading: line index and grapheme offsets [start, end) into that line's text."""

    line: Whole
    start: Whole
    end: Whole


class TargetScore(Record, frozen=True, kw_only=True):
    """One target against what was matched to it. Lengths and counts are in graphemes after normalisation.

    An unmatched target has no spans, `deletions == length`, and one `delete` edit. `case_errors` are counted
    apart where the profile does not charge case; where it does (`strict`) they are among the substitutions
    too. `exact` means no charged error. `words` are the target's words by white space (a character of an
    unspaced script is one), `word_errors` the edits between them and the words read.
    Invariants: `substitutions + deletions <= length`; the edits' targets joined are `target`, their readings
    joined are the texts of the spans with a line feed between lines.
    """

    target: str
    length: Whole
    matched: bool
    substitutions: Whole
    insertions: Whole
    deletions: Whole
    case_errors: Whole
    exact: bool
    words: Whole = 0
    word_errors: Whole = 0
    spans: tuple[Span, ...] = ()
    edits: tuple[Edit, ...] = ()

    @property
    def distance(self) -> int:
        """The charged errors: substitutions, insertions and deletions."""
        return self.substitutions + self.insertions + self.deletions


class Extra(Record, frozen=True, kw_only=True):
    """Text that was read but belongs to no target: a duplicate of one, or other text; `length` in graphemes."""

    kind: Literal["duplicate", "other"]
    text: str
    length: Whole
    words: Whole = 0
    span: Span


class GlyphError(Record, frozen=True, kw_only=True):
    """One classified error: what kind, which glyph was wanted, which was read, in which target.

    Kinds: `substitution`, `doubled`, `dropped`, `inserted`, `missing-word`, `missing-target`, `case`,
    `punctuation`, `traditional-for-simplified`. `malformed_suspected` marks low OCR confidence there.
    """

    kind: str
    target_index: Whole
    wanted: str = ""
    read: str = ""
    malformed_suspected: bool = False


class ImageScore(Record, frozen=True, kw_only=True):
    """What one image's reading is worth: counts, and the alignment that they come from.

    `targets` are in the order of the prompt's targets; `extras` in reading order. `exact_search` is False where the
    alignment was too large to be proven the best.
    """

    targets: tuple[TargetScore, ...]
    extras: tuple[Extra, ...] = ()
    errors: tuple[GlyphError, ...] = ()
    exact_search: bool = True


class Score(Record, frozen=True, kw_only=True):
    """One image against its prompt's targets. Always derived from the reading of the image's bytes.

    `status` says whether there was anything to score: `scored`; `missing` (no image); `unreadable` (the
    image or its OCR failed). Images that are not `scored` count with all their targets unmatched and make
    the run incomplete; `detail` says why. `seal` is the stored row's proof of where it comes from (`runs.score_cache`).
    """

    key: str
    model: str
    prompt: str
    seed: Whole
    engine: str
    engine_digest: str
    scorer: ScorerSpec
    status: Literal["scored", "missing", "unreadable"]
    result: ImageScore
    detail: str | None = None
    seal: str | None = None
