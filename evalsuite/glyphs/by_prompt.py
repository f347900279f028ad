"""Glyphs counted prompt by prompt, for what compares two models on the same prompts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalsuite.glyphs.counts import TOLD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalsuite.glyphs.seen import SeenImage
    from evalsuite.runs.opened import OpenRun


@dataclass(frozen=True, slots=True)
class Seen:
    """Glyphs that the verifier could tell of, and how many of them are suspicious."""

    judged: int = 0
    suspicious: int = 0

    @property
    def share(self) -> float:
        """Suspicious ones among those judged, of which there must be some."""
        return self.suspicious / self.judged


def by_prompt(run: OpenRun, seen: Mapping[str, SeenImage], model: str) -> dict[str, Seen]:
    """A model's glyphs by sampling unit, summed over seeds; units without a judged glyph are there with none."""
    found: dict[str, Seen] = {}
    for score in run.scores_of(model):
        unit = run.units[score.prompt]
        before = found.get(unit, Seen())
        told = [each.sight for each in seen[score.key].glyphs if each.sight in TOLD] if score.key in seen else []
        found[unit] = Seen(before.judged + len(told), before.suspicious + told.count("suspicious"))
    return found
