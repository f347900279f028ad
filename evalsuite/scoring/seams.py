"""Where inside a word does one target end and another start? OCR loses white space, so also between targets."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from evalsuite.scoring.pattern_index import Ints
from evalsuite.scoring.pieces import Chain, Patterns

SEAM_BUDGET = 2_000_000
"""Sums of two distances that are looked at for one image."""

_FAR = 1 << 30


def seams(patterns: Patterns, chain: Chain, ending: Ints, starting: Ints) -> tuple[list[int], bool]:
    """Positions inside words at which one target ends and another (or its double) starts, and whether all were tried.

    For each ordered pair of targets, position p inside a word is a seam where at least half of the first is
    found ending at p and at least half of the second starting there, and the sum of both distances is the least
    in the word and less than at its edges, or no more than there where both lie inside the word. A letter too many
    at the end of a word is thus never cut off.
    `ending` and `starting` are the distances of `PatternIndex.distances`.
    """
    cuts = np.zeros(len(chain.key) + 1, dtype=bool)
    cuts[chain.starts] = cuts[chain.ends] = True
    sizes = np.array(patterns.sizes)[:, None]
    ends_well, starts_well = 2 * ending <= sizes, 2 * starting <= sizes
    places = np.flatnonzero(ends_well.any(axis=0) & starts_well.any(axis=0) & ~cuts)
    if not len(places):
        return [], True
    edges = np.flatnonzero(cuts)
    words = np.searchsorted(edges, places)
    lefts, rights = edges[words - 1], edges[words]
    before, after = ending[:, places], starting[:, places]
    ends_well, starts_well = ends_well[:, places], starts_well[:, places]
    ends_inside = ends_well & (sizes - before <= places - lefts)
    starts_inside = starts_well & (sizes - after <= rights - places)
    # What both distances can fall against the word's edges, at most.
    falls = np.ones(len(places), dtype=bool)
    for edge in (lefts, rights):
        most = np.where(ends_well, ending[:, edge] - before, -_FAR).max(axis=0)
        falls &= most + np.where(starts_well, starting[:, edge] - after, -_FAR).max(axis=0) > 0
    tried = np.flatnonzero(falls | (ends_inside.any(axis=0) & starts_inside.any(axis=0)))
    found: list[int] = []
    spent = 0
    for low, high in pairwise(np.flatnonzero(np.diff(words[tried], prepend=-1, append=-1)).tolist()):
        here = tried[low:high]
        firsts = np.flatnonzero(ends_well[:, here].any(axis=1))[:, None]
        seconds = np.flatnonzero(starts_well[:, here].any(axis=1))[:, None]
        spent += len(firsts) * len(seconds) * len(here)
        if spent > SEAM_BUDGET:
            return found, False
        left, right = int(lefts[here[0]]), int(rights[here[0]])
        totals = before[firsts, here][:, None] + after[seconds, here]
        totals[~(ends_well[firsts, here][:, None] & starts_well[seconds, here])] = _FAR
        edge = np.minimum(
            ending[firsts, left] + starting[seconds[:, 0], left], ending[firsts, right] + starting[seconds[:, 0], right]
        )[:, :, None]
        inside = ends_inside[firsts, here][:, None] & starts_inside[seconds, here]
        best = (totals == totals.min(axis=2, keepdims=True)) & ((totals < edge) | ((totals == edge) & inside))
        found += places[here[best.any(axis=(0, 1))]].tolist()
    return found, True
