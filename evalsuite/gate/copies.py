"""Whether a candidate's evidence is the baseline's own: a run compared with itself always passes.

What rows alone can tell: the same images with the same timings and dates, and readings that agree to the last digit of
every box and confidence although the pictures differ. A run made up with care cannot be told from its rows; reading its
images again can (`evalsuite verify --read`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.images import ImageError, load_image
from evalsuite.runs.comparable import Unlike
from evalsuite.wording import listed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from evalsuite.gate.side import Side, Slot
    from evalsuite.records import Reading

OTHER_PICTURE = 4.0
"""Mean difference, in levels of 256, from which on two pictures are not the same one drawn a little otherwise."""
MOST_BY_CHANCE = 1
"""So many images may be read alike to the last digit by chance."""


def copied(baseline: Side, candidate: Side) -> Iterator[Unlike]:
    """What shows that the candidate's images or readings are copies of the baseline's."""
    if candidate.digest == baseline.digest:
        yield Unlike(
            what="run", one="the baseline's own", other="the same run: comparing a run with itself always passes"
        )
        return
    shared = [slot for slot in candidate.generations if slot in baseline.generations]
    if shared and all(_same_drawing(baseline, candidate, slot) for slot in shared):
        yield Unlike(
            what="images",
            one="the baseline's own",
            other="the same, with the same timings and dates: a copy of the baseline's run",
        )
        return
    alike = [slot for slot in shared if _copied_reading(baseline, candidate, slot)]
    if len(alike) > MOST_BY_CHANCE:
        names = listed([f"{prompt} seed {seed}" for prompt, seed in alike])
        yield Unlike(
            what="readings",
            one=f"{len(alike)} of them",
            other=f"the same to the last digit, for other pictures ({names}): copies of the baseline's readings",
        )


def _same_drawing(baseline: Side, candidate: Side, slot: Slot) -> bool:
    one, other = baseline.generations[slot], candidate.generations[slot]
    return (one.sha256, one.timing, one.memory, one.drawn_at) == (
        other.sha256,
        other.timing,
        other.memory,
        other.drawn_at,
    )


def _copied_reading(baseline: Side, candidate: Side, slot: Slot) -> bool:
    one, other = baseline.generations[slot], candidate.generations[slot]
    if one.sha256 == other.sha256:
        return False
    readings = baseline.run.readings.get(one.key), candidate.run.readings.get(other.key)
    if not _to_the_last_digit(*readings):
        return False
    return _differ(baseline.run.store.image_path(one), candidate.run.store.image_path(other))


def _to_the_last_digit(one: Reading | None, other: Reading | None) -> bool:
    """Equal lines with places and confidences; readers that give neither agree on equal texts, which shows nothing."""
    if one is None or other is None or not one.lines or one.lines != other.lines:
        return False
    return all(line.confidence is not None and line.polygon is not None for line in one.lines)


def _differ(one: Path, other: Path) -> bool:
    from PIL import ImageChops, ImageStat

    try:
        pictures = load_image(one), load_image(other)
    except ImageError:
        return True
    if pictures[0].size != pictures[1].size:
        return True
    means = ImageStat.Stat(ImageChops.difference(*pictures)).mean
    return sum(means) / len(means) > OTHER_PICTURE
