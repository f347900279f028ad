"""Counts of one image by the suite's own alignment, for the corrected forms of the peers' protocols.

Where a peer pairs greedily, in the order of the reader, or lets missing images drop out, its corrected form takes the
piece of the reading that `score_image` matched to each target, and charges what was read beyond all targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evalsuite.records import TextLine
from evalsuite.scoring.metrics import count
from evalsuite.scoring.score import score_image


@dataclass(frozen=True, slots=True)
class Aligned:
    """Characters: `right` of `wanted` and of `read`, the `edits` with the extra text, the `longer` of both lengths.

    `path` is the length of the alignment, matches included. `exact` of `targets` have no error; `word_errors` (with
    extra words) of `words`.
    """

    right: int
    wanted: int
    read: int
    edits: int
    path: int
    exact: int
    targets: int
    word_errors: int
    words: int

    @property
    def longer(self) -> int:
        """The larger of the lengths wanted and read."""
        return max(self.wanted, self.read)


def aligned(targets: Sequence[str], lines: Sequence[TextLine], profile: str) -> Aligned:
    """The counts of one image under a scoring profile."""
    counts = count(score_image(targets, lines, profile))
    right = counts.length - counts.substitutions - counts.deletions
    read = counts.length - counts.deletions + counts.insertions + counts.extra_length
    return Aligned(
        right=right,
        wanted=counts.length,
        read=read,
        edits=counts.edits + counts.extra_length,
        path=counts.length + counts.insertions + counts.extra_length,
        exact=counts.exact_targets,
        targets=counts.targets,
        word_errors=counts.word_errors + counts.extra_words,
        words=counts.words,
    )
