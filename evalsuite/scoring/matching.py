"""Which units of a page belong to which target, and what is left over."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Sequence
from itertools import pairwise

from rapidfuzz.distance import Levenshtein

from evalsuite.records import Extra
from evalsuite.scoring.candidates import CANDIDATE_BUDGET, Search, perfect
from evalsuite.scoring.packing import Packing, gain, greedy, pack
from evalsuite.scoring.page import Page, Run
from evalsuite.scoring.pieces import Candidate, Chain, Line, Patterns

DUPLICATE_CLOSENESS = (2, 3)
"""Left-over text is a duplicate of a target where 1 - d / max(len) is at least this fraction."""


def match(page: Page, patterns: Patterns) -> Packing:
    """The best packing of the patterns into the page.

    Targets that are there without an error need no search unless another target wants the same text; only
    then are all candidates of all targets looked at.
    """
    if not page.order:
        return Packing((), page.complete)
    sizes = [len(pattern.key) for pattern in patterns]
    lines = _lines(page)
    main = Chain(lines.values())
    found = [perfect(number, pattern, main) for number, pattern in enumerate(patterns)]
    complete = page.complete and max(map(len, found), default=0) < CANDIDATE_BUDGET
    searches = [] if all(found) else _searches(page, patterns, lines, main)
    tops = [2 * sizes[number] if ready else _top(number, searches) for number, ready in enumerate(found)]
    found = [ready or _of(number, searches, tops[number]) for number, ready in enumerate(found)]
    packing = greedy([candidate for row in found for candidate in row], sizes)
    if not packing.exact:
        # No target can lose more against its best than all lose together in the packing that is known.
        gap = sum(tops) - sum(gain(candidate, sizes[candidate.target]) for candidate in packing.chosen)
        searches = searches or _searches(page, patterns, lines, main)
        packing = pack([c for number, top in enumerate(tops) for c in _of(number, searches, top - gap)], sizes)
    exact = packing.exact and complete and all(search.complete for search in searches)
    return Packing(packing.chosen, exact)


def all_candidates(page: Page, patterns: Patterns) -> list[Candidate]:
    """Every candidate of every target: what `match` chooses from."""
    lines = _lines(page)
    searches = _searches(page, patterns, lines, Chain(lines.values())) if lines else []
    return [candidate for number in range(len(patterns)) for candidate in _of(number, searches)]


def _lines(page: Page) -> dict[int, Line]:
    return {line: page.piece((line, 0, len(page.texts[line]))) for line in page.order}


def _of(number: int, searches: Iterable[Search], least: int = 0) -> list[Candidate]:
    return [candidate for search in searches for candidate in search.candidates(number, least)]


def _top(number: int, searches: Iterable[Search]) -> int:
    return max(search.top_gain(number) for search in searches)


def _searches(page: Page, patterns: Patterns, lines: dict[int, Line], main: Chain) -> list[Search]:
    """The search in reading order, which finds the seams for all, and those in the asides.

    Where white space counts, a line break may stand for a space or for none: each is a chain of its own.
    """
    search = Search(patterns, main)
    seams = search.seams()
    main.cut(seams)
    cuts: dict[int, list[int]] = {}
    for position in seams:
        line, offset = page.place(main.units[position])
        cuts.setdefault(line, []).append(offset)
    for line, offsets in cuts.items():
        lines[line] = page.piece((line, 0, len(page.texts[line])), offsets)
    joints = ("", " ") if page.profile.charge_space else ("",)
    others = [(run, joint) for joint in joints for run in (page.order, *page.asides)][1:]
    return [search, *(Search(patterns, Chain([lines[line] for line in run], joint)) for run, joint in others)]


def claims(page: Page, packing: Packing, patterns: Patterns) -> dict[int, list[int]]:
    """The units that each matched target takes, in the order in which they read.

    These are its candidate's. A single unit that is left over beside it without white space between, and
    that ends there (at white space, the line's end or other used text), is an inserted glyph and not text
    of its own, if taking it costs exactly one edit more: as many as leaving it, so the gain of the packing
    stays what it is. Words seldom leave such a rest, because they are matched whole; unspaced scripts do.
    """
    taken = {candidate.target: candidate.units for candidate in packing.chosen}
    used = {unit for units in taken.values() for unit in units}
    for candidate in packing.chosen:
        units, pattern = taken[candidate.target], patterns[candidate.target]
        text, distance = candidate.chain.key[candidate.start : candidate.end], candidate.distance
        for step, edge in ((1, units[-1]), (-1, units[0])):
            rest = edge + step
            if distance >= pattern.allowed or not _is_lone(page, rest, edge, used):
                continue
            line, offset = page.place(rest)
            glyph = page.alphabet.encode(page.texts[line].keys[offset : offset + 1])
            longer = text + glyph if step > 0 else glyph + text
            if Levenshtein.distance(pattern.key, longer) == distance + 1:
                text, distance = longer, distance + 1
                used.add(rest)
                units.insert(len(units) if step > 0 else 0, rest)
    return taken


def _is_lone(page: Page, unit: int, beside: int, used: Container[int]) -> bool:
    """Is `unit` unused, joined to its used neighbour `beside`, and the last before space, an edge or used text?"""
    beyond = 2 * unit - beside
    return unit not in used and page.joined(unit, beside) and (beyond in used or not page.joined(unit, beyond))


def extras(page: Page, patterns: Patterns, used: Collection[int]) -> list[Extra]:
    """What no target took, in reading order: duplicates of targets, and other text."""
    rest = [run for run in map(page.stripped, page.runs(unit for unit in page.units if unit not in used)) if run]
    if not rest:
        return []
    known = set(page.order)
    searched = [run for run in rest if run[0] in known]
    doubles = _duplicates(page, patterns, searched) if searched and len(patterns) else set()
    found = []
    for line, start, end in rest:
        first = page.first(line)
        flags = [first + offset in doubles for offset in range(start, end)]
        edges = [start, *(start + i for i in range(1, end - start) if flags[i] != flags[i - 1]), end]
        for low, high in pairwise(edges):
            run = page.stripped((line, low, high))
            if run:
                span = page.span(run)
                found.append(
                    Extra(
                        kind="duplicate" if flags[low - start] else "other",
                        text=page.written(span),
                        length=run[2] - run[1],
                        words=len(page.words(run)),
                        span=span,
                    )
                )
    return found


def _duplicates(page: Page, patterns: Patterns, rest: Sequence[Run]) -> set[int]:
    """Units of the rest that say a target once more: the pieces with the greatest gain first, each unit once."""
    search = Search(patterns, Chain([page.piece(run) for run in rest]))
    search.chain.cut(search.seams())
    share, whole = DUPLICATE_CLOSENESS
    close: list[Candidate] = []
    for number, pattern in enumerate(patterns):
        for candidate in search.candidates(number):
            longer = max(len(pattern.key), candidate.size)
            if whole * (longer - candidate.distance) >= share * longer:
                close.append(candidate)
    taken = 0
    doubles: set[int] = set()
    for candidate in sorted(close, key=lambda c: (-gain(c, len(patterns[c.target].key)), c.start)):
        if not candidate.mask & taken:
            taken |= candidate.mask
            doubles.update(candidate.units)
    return doubles
