"""Pictures that were changed: the new text among the lines that stay, old text that is left, lines that are kept."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import structs

from evalsuite.records import ImageScore, TextLine
from evalsuite.scoring.boxes import Box
from evalsuite.scoring.normalize import normalize, profile_named
from evalsuite.scoring.score import score_image, unread_targets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalsuite.records import TargetScore

LEFT_FROM = 0.7
"""Share of an old text's characters that can still be read in one piece for it to count as left."""

SHORT = 2
"""Old text of so few characters is looked for in its own place only: elsewhere it may be anything."""

OVERLAP = 0.5
"""Share of the smaller of two boxes that must lie in the other for two lines to stand in one place."""


@dataclass(frozen=True, slots=True)
class Before:
    """What stands on a source picture: the lines that must go and those that must stay, where they stand.

    Polygons are in pixels of a picture of `width` × `height`. `old` is None where nobody could tell where the old text
    stands: then neither kept lines nor pixels can be told from changed ones.
    """

    old: tuple[TextLine, ...] | None
    keep: tuple[TextLine, ...]
    width: int
    height: int

    def scaled(self, width: int, height: int) -> Before:
        """The same on a picture of another size."""
        if (width, height) == (self.width, self.height):
            return self
        across, down = width / self.width, height / self.height

        def moved(line: TextLine) -> TextLine:
            if line.polygon is None:
                return line
            return structs.replace(line, polygon=tuple((x * across, y * down) for x, y in line.polygon))

        old = None if self.old is None else tuple(map(moved, self.old))
        return Before(old, tuple(map(moved, self.keep)), width, height)


def score_edited(
    targets: Sequence[str], kept: Sequence[str], lines: Sequence[TextLine], profile: str = "standard"
) -> ImageScore:
    """The score of the new text on a picture where other lines stay.

    The lines that stay take part in the alignment, so that they are neither taken for new text nor for extra text; old
    text that is left is extra text. Only the targets' rows are returned.
    """
    found = score_all(targets, kept, lines, profile)
    if not kept:
        return found
    return structs.replace(
        found,
        targets=found.targets[: len(targets)],
        errors=tuple(error for error in found.errors if error.target_index < len(targets)),
    )


def score_all(
    targets: Sequence[str], kept: Sequence[str], lines: Sequence[TextLine], profile: str = "standard"
) -> ImageScore:
    """The same with the rows of the lines that stay behind those of the targets."""
    chosen = profile_named(profile)
    return score_image([*targets, *(text for text in kept if normalize(text, chosen))], lines, profile)


def old_left(
    old: Sequence[TextLine],
    targets: Sequence[str],
    kept: Sequence[str],
    lines: Sequence[TextLine],
    profile: str = "standard",
) -> list[bool]:
    """Which of the old texts can still be read.

    They take part in the alignment beside the targets and the lines that stay. One is left where `LEFT_FROM` of its
    characters are read in what it was given, and that is nearer to it than to any target: text between the two is
    neither.

    Args:
        old: The old texts and, where they are known, their places.
        targets: The new texts.
        kept: The lines that stay.
        lines: What was read.
        profile: How texts are compared.
    """
    chosen = profile_named(profile)
    sought = [line for line in old if normalize(line.text, chosen)]
    found = score_all([*targets, *(line.text for line in sought)], kept, lines, profile)
    rows = iter(found.targets[len(targets) : len(targets) + len(sought)])
    return [line in sought and _is_left(line, next(rows), targets, lines, profile) for line in old]


def _is_left(old: TextLine, row: TargetScore, targets: Sequence[str], lines: Sequence[TextLine], profile: str) -> bool:
    if _legible(row) < LEFT_FROM:
        return False
    if row.length <= SHORT and old.polygon is not None:
        places = [lines[span.line] for span in row.spans]
        if not any(place.polygon is None or in_one_place(old, place) for place in places):
            return False
    read = [TextLine(text="".join(edit.read for edit in row.edits))]
    return all(row.distance < _row(target, read, profile).distance for target in targets)


def kept_row(line: TextLine, lines: Sequence[TextLine], profile: str = "standard") -> TargetScore | None:
    """What is read in the place of a line that must stay, against its text; None where no place is known.

    Raises:
        EvalsuiteError: for an unknown profile.
    """
    if line.polygon is None or any(each.polygon is None for each in lines):
        return None
    return _row(line.text, [each for each in lines if in_one_place(line, each)], profile)


def in_one_place(one: TextLine, other: TextLine) -> bool:
    """Whether two lines with polygons stand in one place: half of the smaller upright box lies in the larger."""
    boxes = [_box(line) for line in (one, other)]
    if boxes[0] is None or boxes[1] is None:
        return False
    left, right = boxes[0], boxes[1]
    wide = min(left.right, right.right) - max(left.left, right.left)
    high = min(left.bottom, right.bottom) - max(left.top, right.top)
    if wide <= 0 or high <= 0:
        return False
    smaller = min((each.right - each.left) * each.height for each in (left, right))
    return wide * high >= OVERLAP * smaller


def touches(one: TextLine, other: TextLine) -> bool:
    """Whether the upright boxes of two lines meet, the first widened by half its height on all sides."""
    first, second = _box(one), _box(other)
    if first is None or second is None:
        return False
    reach = first.height / 2
    return (
        first.left - reach < second.right
        and second.left < first.right + reach
        and first.top - reach < second.bottom
        and second.top < first.bottom + reach
    )


def _box(line: TextLine) -> Box | None:
    if not line.polygon or not math.isfinite(sum(x + y for x, y in line.polygon)):
        return None
    return Box.around(line.polygon)


def _row(text: str, lines: Sequence[TextLine], profile: str) -> TargetScore:
    if not lines:
        return unread_targets([text], profile)[0]
    return score_image([text], lines, profile).targets[0]


def _legible(row: TargetScore) -> float:
    """The share of the text's characters that were read as they are; inserted ones count against it."""
    return 1 - row.distance / row.length if row.matched else 0.0
