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
    in the word and less than at its edges. A letter too many at the end of a word is thus never cut off.
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
    # What both distances can fall against the word's edges, at most: a seam has less than both.
    falls = np.ones(len(places), dtype=bool)
    for edge in (edges[words - 1], edges[words]):
        most = np.where(ends_well[:, places], ending[:, edge] - ending[:, places], -_FAR).max(axis=0)
        falls &= most + np.where(starts_well[:, places], starting[:, edge] - starting[:, places], -_FAR).max(axis=0) > 0
    places, words = places[falls], words[falls]
    bounds = np.flatnonzero(np.diff(words, prepend=-1, append=-1)).tolist()
    lefts, rights = edges[words - 1], edges[words]
    ends_well, starts_well = ends_well[:, places], starts_well[:, places]
    before, after = ending[:, places], starting[:, places]
    found: list[int] = []
    spent = 0
    for low, high in pairwise(bounds):
        firsts = np.flatnonzero(ends_well[:, low:high].any(axis=1))
        seconds = np.flatnonzero(starts_well[:, low:high].any(axis=1))
        spent += len(firsts) * len(seconds) * (high - low)
        if spent > SEAM_BUDGET:
            return found, False
        left, right = int(lefts[low]), int(rights[low])
        totals = before[firsts, None, low:high] + after[None, seconds, low:high]
        totals[~(ends_well[firsts, None, low:high] & starts_well[None, seconds, low:high])] = _FAR
        edge = np.minimum(
            ending[firsts, left][:, None] + starting[seconds, left],
            ending[firsts, right][:, None] + starting[seconds, right],
        )
        least = totals.min(axis=2)
        better = least < edge
        if better.any():
            best = (totals == least[:, :, None]) & better[:, :, None]
            found += places[low:high][best.any(axis=(0, 1))].tolist()
    return found, True
