"""From targets and text lines to a score."""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

from evalsuite.errors import EvalsuiteError
from evalsuite.records import Edit, GlyphError, ImageScore, Prompt, ScorerSpec, TargetScore, TextLine
from evalsuite.scoring.edits import LOW_CONFIDENCE, Side, align, classify, counts, edits
from evalsuite.scoring.matching import assigned_units, extras, match
from evalsuite.scoring.normalize import NORMALIZER, Profile, Text, normalize, profile_named
from evalsuite.scoring.page import Page, words
from evalsuite.scoring.pieces import Alphabet, Candidate, Pattern, Patterns
from evalsuite.scoring.whole_lines import whole_lines, without_error

SCORER = "evalsuite-packing"
VERSION = "3"
"""Version of the alignment and the counts. Any change that can change a count must change it."""


def scorer_spec(profile: str = "standard") -> ScorerSpec:
    """Which scorer measures under `profile`; raises `EvalsuiteError` for an unknown profile."""
    return ScorerSpec(name=SCORER, version=VERSION, profile=_profile(profile).name, normalizer=NORMALIZER)


def check_targets(prompt: Prompt, profile: str = "standard") -> None:
    """Raise `EvalsuiteError` that names the prompt where a target has nothing left to compare."""
    chosen = _profile(profile)
    edit = prompt.editing
    listed = {"target": prompt.targets, "old text": edit.old if edit else (), "kept line": edit.keep if edit else ()}
    for what, text in ((what, text) for what, texts in listed.items() for text in texts):
        if not normalize(text, chosen):
            raise EvalsuiteError(
                f"prompt {prompt.id!r} of suite {prompt.suite!r}: {what} {text!r} is empty after the"
                f" {chosen.name!r} normalisation; change it or choose another profile"
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
    perfect = whole_lines(targets, texts, lines, chosen)
    if perfect is not None:
        return ImageScore(targets=perfect)
    alphabet = Alphabet()
    page = Page(lines, chosen, alphabet, targets)
    # A fixed order of the targets makes ties fall alike whatever order they came in.
    order = sorted(range(len(targets)), key=lambda index: targets[index])
    patterns = Patterns(Pattern(texts[index], alphabet) for index in order)
    packing = match(page, patterns)
    taken = assigned_units(page, packing, patterns)
    rows: dict[int, TargetScore] = {}
    errors: dict[int, list[GlyphError]] = {}
    waiting = [list(members) for members in patterns.members]
    for candidate, units in sorted(taken, key=lambda pair: pair[1][0]):
        index = order[waiting[candidate.target].pop(0)]
        rows[index], errors[index] = _matched(index, targets[index], texts[index], candidate, units, page)
    for index in order:
        if index not in rows:
            rows[index] = _unmatched(targets[index], texts[index])
            errors[index] = [GlyphError(kind="missing-target", target_index=index, wanted=targets[index])]
    used = {unit for _, units in taken for unit in units}
    return ImageScore(
        targets=tuple(rows[index] for index in range(len(targets))),
        extras=tuple(extras(page, patterns, used)),
        errors=tuple(error for index in range(len(targets)) for error in errors[index]),
        exact_search=packing.exact,
    )


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


def _matched(
    index: int, target: str, text: Text, candidate: Candidate, units: Sequence[int], page: Page
) -> tuple[TargetScore, list[GlyphError]]:
    """The row of target number `index` and its errors, both from one alignment with the units that it takes."""
    runs = page.runs(units)
    if not (candidate.distance or candidate.case) and len(units) == candidate.size:
        spans = [page.span(run) for run in runs]
        read_words = [word for run in runs for word in page.words(run)]
        return without_error(target, text, spans, "\n".join([page.written(span) for span in spans]), read_words), []
    read = Side()
    for line, start, end in runs:
        if read.graphemes:
            read.add_line_break(candidate.chain.joint)
        confidence = page.lines[line].confidence
        doubtful = confidence is not None and confidence < LOW_CONFIDENCE
        read.add(page.texts[line], start, end, doubtful=doubtful)
    wanted, encode = Side.of(text), page.alphabet.encode
    blocks = align(wanted, read, encode(text.keys), encode(read.keys))
    kinds = counts(blocks)
    substitutions = kinds["substitute"] + (kinds["case"] if page.profile.charge_case else 0)
    target_words = words(text, 0, len(text))
    row = TargetScore(
        target=target,
        length=len(text),
        matched=True,
        substitutions=substitutions,
        insertions=kinds["insert"],
        deletions=kinds["delete"],
        case_errors=kinds["case"],
        exact=not (substitutions or kinds["insert"] or kinds["delete"]),
        words=len(target_words),
        word_errors=Levenshtein.distance(target_words, [word for run in runs for word in page.words(run)]),
        spans=tuple(page.span(run) for run in runs),
        edits=edits(blocks, wanted, read),
    )
    if kinds["equal"] == len(text) == len(read.units):
        return row, []
    return row, classify(blocks, wanted, read, text.words, index, page.profile)


def _unmatched(target: str, text: Text) -> TargetScore:
    count = len(words(text, 0, len(text)))
    return TargetScore(
        target=target,
        length=len(text),
        matched=False,
        substitutions=0,
        insertions=0,
        deletions=len(text),
        case_errors=0,
        exact=False,
        words=count,
        word_errors=count,
        edits=(Edit(kind="delete", target=target),),
    )
