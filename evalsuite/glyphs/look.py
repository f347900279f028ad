"""What the verifier says of a run: which glyphs are suspicious, which look sound, and where it cannot tell.

Each character is judged beside its line. A line whose characters are mostly far from the references is lettering that
the verifier does not know (handwriting, ornate faces), and no character of it is judged.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Literal

from evalsuite.glyphs.characters import cut_out
from evalsuite.glyphs.reference import script_of
from evalsuite.runs.progress import Progress, ignore
from evalsuite.stats import ratio_interval

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalsuite.glyphs.characters import Cut
    from evalsuite.glyphs.verifier import GlyphVerifier
    from evalsuite.ocr.recognition import Pixels
    from evalsuite.records import TextLine
    from evalsuite.runs import OpenRun
    from evalsuite.runs.progress import Watcher
    from evalsuite.stats import Interval

SUSPICIOUS = 1.75
"""Log odds from which on a glyph is suspicious; set on clear strings of released pictures (docs/glyphs.md)."""
KNOWN_LETTERING = -1.75
"""The median log odds of a line's characters must lie below this for the line to be judged."""
LEAST_CHARACTERS = 3
LEAST_HEIGHT = 16
"""Characters that a line must have to be judged, and the height in pixels of its ink."""

Sight = Literal["sound", "suspicious", "lettering", "short", "tiny", "no reference", "no place"]
"""The last five are the reasons why the verifier cannot tell."""

CANNOT_TELL: tuple[Sight, ...] = ("lettering", "short", "tiny", "no reference", "no place")


@dataclass(frozen=True, slots=True)
class Glyph:
    """One character as the verifier sees it. `doubt` is its log odds of being malformed, where it could be compared."""

    index: int
    character: str
    sight: Sight
    doubt: float | None = None
    cut: Cut | None = field(default=None, repr=False)


def look_at_line(verifier: GlyphVerifier, pixels: Pixels, line: TextLine) -> tuple[Glyph, ...]:
    """Every character of a line but blanks, in order, of a picture (BGR, H × W × 3)."""
    cuts = {cut.index: cut for cut in cut_out(pixels, line)}
    doubts = dict(zip(cuts, verifier.doubts(list(cuts.values()), line.text), strict=True))
    known = [each for each in doubts.values() if each is not None]
    height = min((cut.height for cut in cuts.values()), default=0.0)

    def seen(index: int) -> Sight:
        doubt = doubts.get(index)
        if line.polygon is None or line.characters is None:
            return "no place"
        if index not in cuts and script_of(line.text[index]) is not None:
            return "no place"
        if doubt is None:
            return "no reference"
        if height < LEAST_HEIGHT:
            return "tiny"
        if len(known) < LEAST_CHARACTERS:
            return "short"
        if median(known) >= KNOWN_LETTERING:
            return "lettering"
        return "suspicious" if doubt > SUSPICIOUS else "sound"

    return tuple(
        Glyph(index, character, seen(index), doubts.get(index), cuts.get(index))
        for index, character in enumerate(line.text)
        if not character.isspace()
    )


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A suspicious glyph and where it stands: the image's key, the line's text and the character's place in it."""

    key: str
    line: str
    glyph: Glyph


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
        return self.seen["sound"] + self.seen["suspicious"]

    @property
    def cannot_tell(self) -> int:
        """Characters that it could not."""
        return sum(self.seen[each] for each in CANNOT_TELL)


@dataclass(frozen=True)
class GlyphReport:
    """All that was seen in a run. `suspicions` are the most doubtful first."""

    counts: tuple[GlyphCounts, ...]
    suspicions: tuple[Suspicion, ...]
    images: int


def look_at_run(run: OpenRun, verifier: GlyphVerifier, *, watch: Watcher = ignore) -> GlyphReport:
    """Looks at every read image of a run; nothing is read again.

    Raises:
        EvalsuiteError: An image cannot be opened.
    """
    seen: dict[tuple[str, str], Counter[Sight]] = {}
    by_unit: dict[tuple[str, str], dict[str, list[int]]] = {}
    suspicions: list[Suspicion] = []
    scores = [each for each in run.scores if each.key in run.readings]
    for number, score in enumerate(scores, 1):
        prompt = run.prompts[score.prompt]
        group = score.model, prompt.language
        counts = seen.setdefault(group, Counter())
        unit = by_unit.setdefault(group, {}).setdefault(run.units[score.prompt], [0, 0])
        for line, glyph in _glyphs(run, score.key, verifier):
            counts[glyph.sight] += 1
            unit[0] += glyph.sight == "suspicious"
            unit[1] += glyph.sight in ("sound", "suspicious")
            if glyph.sight == "suspicious":
                suspicions.append(Suspicion(score.key, line, glyph))
        watch(Progress("look", number, len(scores), score.prompt))
    return GlyphReport(
        counts=tuple(
            GlyphCounts(
                model=model,
                language=language,
                seen=counts,
                rate=ratio_interval(
                    [bad for bad, _ in by_unit[model, language].values()],
                    [judged for _, judged in by_unit[model, language].values()],
                    bounds=(0.0, 1.0),
                ),
            )
            for (model, language), counts in seen.items()
        ),
        suspicions=tuple(sorted(suspicions, key=lambda each: -(each.glyph.doubt or 0))),
        images=len(scores),
    )


def _glyphs(run: OpenRun, key: str, verifier: GlyphVerifier) -> Iterator[tuple[str, Glyph]]:
    import numpy as np

    from evalsuite.images import load_image, to_rgb

    rgb = np.asarray(to_rgb(load_image(run.store.image_path(run.generations[key]))), dtype=np.uint8)
    pixels = np.ascontiguousarray(rgb[:, :, ::-1])
    for line in run.readings[key].lines:
        for glyph in look_at_line(verifier, pixels, line):
            yield line.text, glyph
