"""From targets and text lines to a score."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rapidfuzz.distance import Levenshtein

from evalsuite.errors import EvalsuiteError
from evalsuite.records import Edit, Extra, GlyphError, Prompt, Record, ScorerSpec, Span, TargetScore, TextLine
from evalsuite.scoring.candidates import Alphabet, Candidate, Chain, Pattern, candidates, pattern, seams
from evalsuite.scoring.edits import LOW_CONFIDENCE, Glyph, align, classify, edits, glyphs
from evalsuite.scoring.layout import layout
from evalsuite.scoring.normalize import NORMALIZER, Kind, Profile, Text, normalize, profile_named
from evalsuite.scoring.packing import pack

SCORER = "evalsuite-packing"
VERSION = "1"
"""Version of the alignment and the counts. Any change that can change a count must change it."""


class ImageScore(Record, frozen=True, kw_only=True):
    """What one image's reading is worth: counts and the alignment that they come from.

    `targets` are in the order of the targets that were given; `extras` in reading order. `exact_search`
    is False where the alignment was too large to be proven the best.
    """

    targets: tuple[TargetScore, ...]
    extras: tuple[Extra, ...] = ()
    errors: tuple[GlyphError, ...] = ()
    exact_search: bool = True


def scorer_spec(profile: str = "standard") -> ScorerSpec:
    """Which scorer measures under `profile`; raises `EvalsuiteError` for an unknown profile."""
    return ScorerSpec(name=SCORER, version=VERSION, profile=_profile(profile).name, normalizer=NORMALIZER)


def check_targets(prompt: Prompt, profile: str = "standard") -> None:
    """Raise `EvalsuiteError` that names the prompt where a target has nothing left to compare."""
    chosen = _profile(profile)
    for target in prompt.targets:
        if not normalize(target, chosen):
            raise EvalsuiteError(
                f"prompt {prompt.id!r} of suite {prompt.suite!r}: target {target!r} is empty after the"
                f" {chosen.name!r} normalisation; change the target or choose another profile"
            )


def unread_targets(targets: Sequence[str], profile: str = "standard") -> tuple[TargetScore, ...]:
    """All targets unmatched: the score of an image that is missing or could not be read."""
    chosen = _profile(profile)
    return tuple(_unmatched(target, _target_text(target, chosen)) for target in targets)


def score_image(targets: Sequence[str], lines: Sequence[TextLine], profile: str = "standard") -> ImageScore:
    """Score what was read in one image against the strings that it must show.

    The result does not depend on the order of the targets, nor, where every line has a box, on that of the
    lines. Raises `EvalsuiteError` for an unknown profile and for a target that is empty after normalisation.
    """
    chosen = _profile(profile)
    texts = [_target_text(target, chosen) for target in targets]
    page = _Page(lines, chosen)
    # A fixed order of the targets makes ties fall alike whatever order they came in.
    order = sorted(range(len(targets)), key=lambda i: targets[i])
    patterns = [pattern(texts[i], page.alphabet) for i in order]
    page.cut(patterns)
    found = [candidate for chain in page.chains() for candidate in candidates(patterns, chain)]
    packing = pack(found, [len(p.key) for p in patterns])
    matched = {order[candidate.target]: candidate for candidate in packing.chosen}
    rows: list[TargetScore] = []
    errors: list[GlyphError] = []
    for index, (target, text) in enumerate(zip(targets, texts, strict=True)):
        candidate = matched.get(index)
        if candidate is None:
            rows.append(_unmatched(target, text))
            errors.append(GlyphError(kind="missing-target", target_index=index, wanted=target))
            continue
        row, faults = _matched(index, target, text, candidate, page)
        rows.append(row)
        errors += faults
    used = {unit for candidate in packing.chosen for unit in candidate.units}
    extras = page.extras(patterns, used)
    return ImageScore(targets=tuple(rows), extras=tuple(extras), errors=tuple(errors), exact_search=packing.exact)


def _profile(name: str) -> Profile:
    try:
        return profile_named(name)
    except ValueError as error:
        raise EvalsuiteError(str(error)) from None


def _target_text(target: str, profile: Profile) -> Text:
    text = normalize(target, profile)
    if not text:
        raise EvalsuiteError(f"target {target!r} is empty after the {profile.name!r} normalisation")
    return text


class _Page:
    """A reading as the search sees it: units numbered in reading order, with a gap at each line break."""

    def __init__(self, lines: Sequence[TextLine], profile: Profile) -> None:
        self.lines = lines
        self.profile = profile
        self.alphabet = Alphabet()
        self.texts = [normalize(line.text, profile) for line in lines]
        plan = layout(lines)
        self.order = [i for i in plan.order if len(self.texts[i])]
        self.pairs = [(i, j) for i, j in plan.pairs if len(self.texts[i]) and len(self.texts[j])]
        self.place: dict[int, tuple[int, int]] = {}
        self.first: dict[int, int] = {}
        self.extra_cuts: dict[int, list[int]] = {}
        number = 0
        for line in self.order:
            self.first[line] = number
            for offset in range(len(self.texts[line])):
                self.place[number + offset] = (line, offset)
            number += len(self.texts[line]) + 1

    def cut(self, patterns: Sequence[Pattern]) -> None:
        """Find the seams where white space was lost between targets."""
        chain = self._chain(self.order, "")
        for offset in seams(patterns, chain):
            line, place = self.place[chain.units[offset]]
            self.extra_cuts.setdefault(line, []).append(place)

    def chains(self) -> list[Chain]:
        """All lines in reading order, then pairs of neighbours; with and without a space at a line break."""
        joints = ("", " ") if self.profile.charge_space else ("",)
        return [self._chain(lines, joint) for joint in joints for lines in (self.order, *self.pairs) if lines]

    def _chain(self, lines: Iterable[int], joint: str) -> Chain:
        keys: list[str] = []
        exact: list[str] = []
        units: list[int] = []
        starts: list[int] = []
        ends: list[int] = []
        for line in lines:
            if keys and joint:
                keys.append(joint)
                exact.append(joint)
                units.append(-1)
            text = self.texts[line]
            base = len(keys)
            cuts = self.extra_cuts.get(line, [])
            starts += sorted(base + offset for offset in {*text.starts, *cuts})
            ends += sorted(base + offset for offset in {*text.ends, *cuts})
            keys += text.keys
            exact += text.units
            units += range(self.first[line], self.first[line] + len(text))
        return Chain(
            self.alphabet.encode(keys), self.alphabet.encode(exact), tuple(units), tuple(starts), tuple(ends), joint
        )

    def spans(self, units: Iterable[int]) -> list[tuple[int, int, int]]:
        """Maximal runs of units inside a line, as (line, first unit offset, end unit offset)."""
        runs: list[tuple[int, int, int]] = []
        for unit in units:
            line, offset = self.place[unit]
            if runs and runs[-1][0] == line and runs[-1][2] == offset:
                runs[-1] = (line, runs[-1][1], offset + 1)
            else:
                runs.append((line, offset, offset + 1))
        return runs

    def span(self, line: int, start: int, end: int) -> Span:
        """A run of units as offsets into the graphemes of the line as it was read."""
        origins = self.texts[line].origins
        return Span(line=line, start=origins[start][0], end=origins[end - 1][1])

    def extras(self, patterns: Sequence[Pattern], used: set[int]) -> list[Extra]:
        """What no target used, run by run."""
        found: list[Extra] = []
        for line, first, last in self.spans(unit for unit in sorted(self.place) if unit not in used):
            text = self.texts[line]
            solid = [i for i in range(first, last) if text.kinds[i] is not Kind.SPACE]
            if not solid:
                continue
            start, end = solid[0], solid[-1] + 1
            key = self.alphabet.encode(text.keys[start:end])
            near = any(3 * Levenshtein.distance(p.key, key) <= max(len(p.key), len(key)) for p in patterns)
            span = self.span(line, start, end)
            found.append(
                Extra(
                    kind="duplicate" if near else "other",
                    text="".join(text.graphemes[span.start : span.end]),
                    length=end - start,
                    span=span,
                )
            )
        return found


def _matched(
    index: int, target: str, text: Text, candidate: Candidate, page: _Page
) -> tuple[TargetScore, list[GlyphError]]:
    runs = page.spans(candidate.units)
    read: list[Glyph] = []
    keys: list[str] = []
    for line, start, end in runs:
        if read:
            joint = candidate.joint or None
            read.append(Glyph("\n", joint, joint, Kind.SPACE))
            keys += candidate.joint
        confidence = page.lines[line].confidence
        doubtful = confidence is not None and confidence < LOW_CONFIDENCE
        read += glyphs(page.texts[line], start, end, doubtful=doubtful)
        keys += page.texts[line].keys[start:end]
    steps = align(glyphs(text, 0, len(text)), read, page.alphabet.encode(text.keys), page.alphabet.encode(keys))
    kinds = [step.kind for step in steps]
    case = kinds.count("case")
    substitutions = kinds.count("substitute") + (case if page.profile.charge_case else 0)
    insertions, deletions = kinds.count("insert"), kinds.count("delete")
    row = TargetScore(
        target=target,
        length=len(text),
        matched=True,
        substitutions=substitutions,
        insertions=insertions,
        deletions=deletions,
        case_errors=case,
        exact=not (substitutions or insertions or deletions),
        spans=tuple(page.span(*run) for run in runs),
        edits=edits(steps),
    )
    return row, classify(steps, index, page.profile)


def _unmatched(target: str, text: Text) -> TargetScore:
    return TargetScore(
        target=target,
        length=len(text),
        matched=False,
        substitutions=0,
        insertions=0,
        deletions=len(text),
        case_errors=0,
        exact=False,
        edits=(Edit(kind="delete", target=target),),
    )
