"""Suspicious glyphs of runs side by side: what each model's share is above the first one's, prompt by prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalsuite import stats
from evalsuite.glyphs.by_prompt import by_prompt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalsuite.glyphs.looking import Looked
    from evalsuite.report.comparison import Contestant
    from evalsuite.runs.opened import OpenRun


@dataclass(frozen=True)
class GlyphDifference:
    """A contestant's share of suspicious glyphs less the first one's, in one language, or in all (`language` None).

    `interval` is of the mean over the `prompts` in which the verifier could tell of glyphs of both; `left_out` are
    those in which it could not.
    """

    contestant: Contestant
    language: str | None
    interval: stats.Interval
    prompts: int
    left_out: int


def glyph_differences(
    runs: Sequence[OpenRun], called: Sequence[Contestant], looked: Sequence[Looked | None]
) -> list[GlyphDifference] | None:
    """Every contestant but the first against the first; None where not all runs were looked at, whole."""
    seen = [each.found.seen for each in looked if each is not None and not each.found.unseen]
    if len(seen) < len(runs):
        return None
    first = called[0]
    base = by_prompt(runs[first.run], seen[first.run], first.model)
    languages = {prompt.id: prompt.language for prompt in runs[0].manifest.prompts}
    several = list(dict.fromkeys(languages.values()))
    groups: list[str | None] = [None, *several] if len(several) > 1 else [None]
    found = []
    for other in called[1:]:
        against = by_prompt(runs[other.run], seen[other.run], other.model)
        for group in groups:
            chosen = [unit for unit in base if group is None or languages[unit] == group]
            both = [unit for unit in chosen if base[unit].judged and against[unit].judged]
            deltas = [against[unit].share - base[unit].share for unit in both]
            interval = stats.mean_interval(deltas, bounds=(-1.0, 1.0))
            found.append(GlyphDifference(other, group, interval, len(both), len(chosen) - len(both)))
    return found
