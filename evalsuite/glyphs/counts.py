"""What was seen of a run's glyphs, counted by model and language, and the suspicious ones one by one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalsuite.glyphs.look import CANNOT_TELL, Sight
from evalsuite.glyphs.seen import read_seen
from evalsuite.stats import ratio_interval

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalsuite.glyphs.seen import SeenImage
    from evalsuite.runs.opened import OpenRun
    from evalsuite.stats import Interval

TOLD: tuple[Sight, ...] = ("sound", "suspicious")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a glyph stands: the image's key, the number of the line in its reading, the place in the line's text."""

    key: str
    line: int
    index: int

    @property
    def name(self) -> str:
        """The place as one word, `KEY:LINE:INDEX`."""
        return f"{self.key}:{self.line}:{self.index}"


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A suspicious glyph, the text of its line, and the log odds that it is malformed."""

    place: Place
    line: str
    character: str
    doubt: float


@dataclass(frozen=True)
class GlyphCounts:
    """What was seen of one model in one language, and the share of suspicious ones of those that could be judged.

    `rate` is by prompt, with its interval (`stats.ratio_interval`); of false alarms and misses it knows nothing.
    """

    model: str
    language: str
    seen: Counter[Sight]
    rate: Interval

    @property
    def judged(self) -> int:
        """Characters that the verifier could tell of."""
        return sum(self.seen[each] for each in TOLD)

    @property
    def cannot_tell(self) -> int:
        """Characters that it could not."""
        return sum(self.seen[each] for each in CANNOT_TELL)


@dataclass(frozen=True)
class GlyphReport:
    """All that was seen in a run. `suspicions` are the most doubtful first; `unseen` images have not been looked at."""

    counts: tuple[GlyphCounts, ...]
    suspicions: tuple[Suspicion, ...]
    images: int
    unseen: int
    seen: Mapping[str, SeenImage]

    @property
    def suspicious_images(self) -> dict[str, int]:
        """The images with suspicious glyphs, and how many each has."""
        return dict(Counter(each.place.key for each in self.suspicions))


def report_of(run: OpenRun) -> GlyphReport | None:
    """What the folder holds of an earlier look; None where nobody has looked at this run with this verifier.

    Raises:
        DamagedRunError: The file of rows is damaged.
    """
    seen = read_seen(run)
    return None if seen is None else count_seen(run, seen)


def count_seen(run: OpenRun, seen: Mapping[str, SeenImage]) -> GlyphReport:
    """The counts of what was seen."""
    counts: dict[tuple[str, str], Counter[Sight]] = {}
    by_unit: dict[tuple[str, str], dict[str, list[int]]] = {}
    suspicions: list[Suspicion] = []
    for score in run.scores:
        row = seen.get(score.key)
        if row is None:
            continue
        group = score.model, run.prompts[score.prompt].language
        told = counts.setdefault(group, Counter())
        unit = by_unit.setdefault(group, {}).setdefault(run.units[score.prompt], [0, 0])
        lines = run.readings[score.key].lines
        for glyph in row.glyphs:
            told[glyph.sight] += 1
            unit[1] += glyph.sight in TOLD
            if glyph.sight == "suspicious":
                unit[0] += 1
                text = lines[glyph.line].text
                place = Place(score.key, glyph.line, glyph.index)
                suspicions.append(Suspicion(place, text, text[glyph.index], glyph.doubt or 0.0))
    read = sum(score.key in run.readings for score in run.scores)
    return GlyphReport(
        counts=tuple(
            GlyphCounts(
                model=model,
                language=language,
                seen=told,
                rate=ratio_interval(
                    [bad for bad, _ in by_unit[model, language].values()],
                    [judged for _, judged in by_unit[model, language].values()],
                    bounds=(0.0, 1.0),
                ),
            )
            for (model, language), told in counts.items()
        ),
        suspicions=tuple(sorted(suspicions, key=lambda each: (-each.doubt, each.place))),
        images=len(seen),
        unseen=read - len(seen),
        seen=seen,
    )
