"""What a person's marks on readings say of the OCR, in figures."""

from __future__ import annotations

from evalsuite.records import Record
from evalsuite.runs.summary import Summary


class OcrErrors(Record, frozen=True, kw_only=True):
    """The OCR's errors among the judged images.

    `misread` of `judged` images, with the two-sided Clopper-Pearson interval for their share (Clopper and Pearson,
    Biometrika 26, 1934); None for both where none was judged. `charged` errors (substitutions, insertions,
    deletions) were charged to these images by the OCR's readings, `remaining` remain after the corrections. Judged
    images are rarely a random sample: the report says so, and offers a random order to judge in.
    """

    judged: int
    misread: int
    low: float | None
    high: float | None
    charged: int
    remaining: int

    @property
    def rate(self) -> float | None:
        """Share of the judged images that were misread."""
        return self.misread / self.judged if self.judged else None


class Judgement(Record, frozen=True, kw_only=True):
    """What a person's marks say of the OCR, and the run in figures without them."""

    errors: OcrErrors
    before: Summary
