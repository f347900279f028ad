"""The alignment of one target with what was matched to it, as edits, counts and classified errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from evalsuite.records import Edit, EditKind, GlyphError
from evalsuite.scoring.normalize import Kind, Profile, Text, simplified

LOW_CONFIDENCE = 0.8
"""OCR confidence of a line below which a mismatch in it is suspected to be a malformed glyph."""


@dataclass(frozen=True, slots=True)
class Glyph:
    """One grapheme as written. `unit` and `key` are None where the profile does not compare it.

    `doubtful` marks a glyph from a line that the OCR engine read with low confidence.
    """

    written: str
    unit: str | None
    key: str | None
    kind: Kind
    doubtful: bool = False


def glyphs(text: Text, start: int, end: int, *, doubtful: bool = False) -> list[Glyph]:
    """The graphemes of units `start` to `end` of `text`, with what stands between them and is not compared."""
    found: list[Glyph] = []
    position = text.origins[start][0]
    for index in range(start, end):
        low, high = text.origins[index]
        found += (Glyph(text.graphemes[i], None, None, Kind.IGNORED) for i in range(position, low))
        written = "".join(text.graphemes[low:high])
        found.append(Glyph(written, text.units[index], text.keys[index], text.kinds[index], doubtful))
        position = high
    return found


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an alignment: a glyph of the target, of the reading, or both."""

    kind: EditKind
    target: Glyph | None
    read: Glyph | None


def align(target: Sequence[Glyph], read: Sequence[Glyph], key: str, read_key: str) -> list[Step]:
    """A shortest edit path between the compared glyphs; `key` and `read_key` are them as one code point each.

    Glyphs that are not compared (white space in the standard profile) appear as `equal` steps of one side.
    """
    steps: list[Step] = []
    left, right = iter(target), iter(read)

    def take_target() -> Glyph:
        return _next_compared(left, steps, target=True)

    def take_read() -> Glyph:
        return _next_compared(right, steps, target=False)

    for block in Levenshtein.opcodes(key, read_key):
        for _ in range(max(block.src_end - block.src_start, block.dest_end - block.dest_start)):
            if block.tag == "delete":
                steps.append(Step("delete", take_target(), None))
            elif block.tag == "insert":
                steps.append(Step("insert", None, take_read()))
            else:
                wanted, got = take_target(), take_read()
                steps.append(Step(_pair_kind(wanted, got), wanted, got))
    steps += (Step("equal", glyph, None) for glyph in left)
    steps += (Step("equal", None, glyph) for glyph in right)
    return steps


def _next_compared(source: Iterator[Glyph], steps: list[Step], *, target: bool) -> Glyph:
    for glyph in source:
        if glyph.key is not None:
            return glyph
        steps.append(Step("equal", glyph, None) if target else Step("equal", None, glyph))
    raise AssertionError("the alignment is longer than its glyphs")


def _pair_kind(wanted: Glyph, got: Glyph) -> EditKind:
    if wanted.unit == got.unit:
        return "equal"
    if wanted.unit is not None and got.unit is not None and wanted.unit.casefold() == got.unit.casefold():
        return "case"
    return "equal" if wanted.key == got.key else "substitute"


def edits(steps: Sequence[Step]) -> tuple[Edit, ...]:
    """The steps as runs of one kind."""
    found: list[Edit] = []
    for step in steps:
        target = step.target.written if step.target else ""
        read = step.read.written if step.read else ""
        if found and found[-1].kind == step.kind:
            last = found.pop()
            target, read = last.target + target, last.read + read
        found.append(Edit(kind=step.kind, target=target, read=read))
    return tuple(found)


def classify(steps: Sequence[Step], target_index: int, profile: Profile) -> list[GlyphError]:
    """Each error of an alignment under its name; a word that is missing whole is one error."""
    errors: list[GlyphError] = []
    words = _missing_words(steps)
    compared = [(index, step) for index, step in enumerate(steps) if not _is_uncompared(step)]
    context = [step for _, step in compared]
    for place, (index, step) in enumerate(compared):
        if step.kind == "equal":
            continue
        if index in words:
            if words[index]:
                errors.append(GlyphError(kind="missing-word", target_index=target_index, wanted=words[index]))
            continue
        errors.append(
            GlyphError(
                kind=_error_kind(context, place, profile),
                target_index=target_index,
                wanted=step.target.written if step.target else "",
                read=step.read.written if step.read else "",
                malformed_suspected=step.kind != "case" and _is_doubtful(context, place),
            )
        )
    return errors


def _is_uncompared(step: Step) -> bool:
    glyph = step.target or step.read
    return glyph is not None and glyph.key is None


def _is_doubtful(steps: Sequence[Step], index: int) -> bool:
    """Was the glyph, or where none was read its neighbour, read with low confidence?"""
    for place in (index, index - 1, index + 1):
        if 0 <= place < len(steps):
            glyph = steps[place].read
            if glyph is not None:
                return glyph.doubtful
    return False


def _error_kind(steps: Sequence[Step], index: int, profile: Profile) -> str:
    step = steps[index]
    if step.kind == "case":
        return "case"
    sides = [glyph for glyph in (step.target, step.read) if glyph]
    if any(glyph.kind is Kind.PUNCTUATION for glyph in sides):
        return "punctuation"
    if step.kind == "delete":
        return "dropped"
    if step.kind == "insert":
        return "doubled" if _is_double(steps, index) else "inserted"
    return "substitution" if profile.fold_traditional or not _is_traditional(step) else "traditional-for-simplified"


def _is_traditional(step: Step) -> bool:
    """Was the Traditional form of the wanted Simplified character read?"""
    wanted, read = (step.target and step.target.unit) or "", (step.read and step.read.unit) or ""
    return simplified(read) == wanted


def _is_double(steps: Sequence[Step], index: int) -> bool:
    got = steps[index].read
    for place in (index - 1, index + 1):
        if 0 <= place < len(steps):
            other = steps[place].target
            if got and other and other.key == got.key:
                return True
    return False


def _missing_words(steps: Sequence[Step]) -> dict[int, str]:
    """Steps that delete a whole word of two or more graphemes: the word at its first step, "" at the others."""
    found: dict[int, str] = {}
    word: list[int] = []
    for index in range(len(steps) + 1):
        glyph = steps[index].target if index < len(steps) else None
        if glyph is not None and not glyph.written.isspace() and glyph.kind is not Kind.SINGLE:
            word.append(index)
        elif glyph is not None or index == len(steps):
            if len(word) > 1 and all(steps[i].kind == "delete" for i in word):
                found |= dict.fromkeys(word, "")
                found[word[0]] = "".join(g.written for i in word if (g := steps[i].target))
            word = []
    return found
