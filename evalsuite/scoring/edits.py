"""The alignment of one target with what was matched to it: as blocks, as edits, and as classified errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rapidfuzz.distance import Levenshtein

from evalsuite.records import Edit, EditKind, GlyphError
from evalsuite.scoring.folding import Kind, simplified
from evalsuite.scoring.normalize import Profile, Text

LOW_CONFIDENCE = 0.8
"""OCR confidence of a line below which a mismatch in it is suspected to be a malformed glyph."""


@dataclass(slots=True)
class Side:
    """One side of an alignment: graphemes as written, and the units that are compared among them.

    As in `normalize.Text`, unit i comes from `graphemes[origins[i][0]:origins[i][1]]`; what stands between the
    origins is not compared. `doubtful[i]` marks units from a line that was read with low confidence.
    """

    graphemes: list[str] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    kinds: list[Kind] = field(default_factory=list)
    origins: list[tuple[int, int]] = field(default_factory=list)
    doubtful: list[bool] = field(default_factory=list)

    @classmethod
    def of(cls, text: Text) -> Side:
        """The whole of a text."""
        size = len(text)
        return cls(
            list(text.graphemes),
            list(text.units),
            list(text.keys),
            list(text.kinds),
            list(text.origins),
            [False] * size,
        )

    def add(self, text: Text, start: int, end: int, *, doubtful: bool = False) -> None:
        """Append units `start` to `end` of a text, with what stands between them."""
        first, last = text.origins[start][0], text.origins[end - 1][1]
        shift = len(self.graphemes) - first
        self.graphemes += text.graphemes[first:last]
        self.units += text.units[start:end]
        self.keys += text.keys[start:end]
        self.kinds += text.kinds[start:end]
        self.origins += [(low + shift, high + shift) for low, high in text.origins[start:end]]
        self.doubtful += [doubtful] * (end - start)

    def add_line_break(self, joint: str) -> None:
        """Append a line feed, which is compared as `joint` where that is not empty."""
        self.graphemes.append("\n")
        if joint:
            self.units.append(joint)
            self.keys.append(joint)
            self.kinds.append(Kind.SPACE)
            self.origins.append((len(self.graphemes) - 1, len(self.graphemes)))
            self.doubtful.append(False)

    def written(self, start: int, end: int) -> str:
        """Units `start` to `end` as written, with what stands between them."""
        return "".join(self.graphemes[self.origins[start][0] : self.origins[end - 1][1]])

    def gap(self, before: int) -> str:
        """What is written between unit `before` - 1, or the start, and unit `before`, or the end."""
        low = self.origins[before - 1][1] if before else 0
        high = self.origins[before][0] if before < len(self.origins) else len(self.graphemes)
        return "".join(self.graphemes[low:high])


@dataclass(frozen=True, slots=True)
class Block:
    """Units `start` to `end` of the target against `read_start` to `read_end` of the reading, one kind of edit."""

    kind: EditKind
    start: int
    end: int
    read_start: int
    read_end: int

    @property
    def size(self) -> int:
        """Edits in the block (equal units, for an `equal` block)."""
        return max(self.end - self.start, self.read_end - self.read_start)


_KINDS: dict[str, EditKind] = {
    "equal": "equal",
    "replace": "substitute",
    "delete": "delete",
    "insert": "insert",
}


def align(target: Side, read: Side, key: str, read_key: str) -> list[Block]:
    """A shortest edit path; `key` and `read_key` are the sides' keys, one code point each."""
    blocks: list[Block] = []
    for step in Levenshtein.opcodes(key, read_key):
        start, end, read_start, read_end = step.src_start, step.src_end, step.dest_start, step.dest_end
        if step.tag in {"delete", "insert"}:
            blocks.append(Block(_KINDS[step.tag], start, end, read_start, read_end))
            continue
        wanted, got = target.units[start:end], read.units[read_start:read_end]
        kind = _KINDS[step.tag]
        if kind == "equal" and wanted == got:
            blocks.append(Block(kind, start, end, read_start, read_end))
        else:
            kinds = ["case" if _is_case(*pair) else kind for pair in zip(wanted, got, strict=True)]
            blocks += _runs(kinds, start, read_start)
    return blocks


def _is_case(wanted: str, read: str) -> bool:
    return wanted != read and wanted.casefold() == read.casefold()


def _runs(kinds: Sequence[EditKind], start: int, read_start: int) -> list[Block]:
    """Pairs of one kind each as blocks of one kind."""
    blocks: list[Block] = []
    low = 0
    for place in range(1, len(kinds) + 1):
        if place == len(kinds) or kinds[place] != kinds[low]:
            blocks.append(Block(kinds[low], start + low, start + place, read_start + low, read_start + place))
            low = place
    return blocks


def edits(blocks: Sequence[Block], target: Side, read: Side) -> tuple[Edit, ...]:
    """The blocks with their pieces as written.

    Joined, the targets' pieces are the target and the readings' pieces the reading, line breaks as line feeds:
    what is not compared (white space, in most profiles) stands in `equal` edits, if need be on one side alone.
    """
    rows: list[tuple[EditKind, str, str]] = []

    def add(kind: EditKind, wanted: str, got: str) -> None:
        if rows and rows[-1][0] == kind:
            _, before, read_before = rows.pop()
            wanted, got = before + wanted, read_before + got
        if wanted or got:
            rows.append((kind, wanted, got))

    for block in blocks:
        wanted = got = gap = read_gap = ""
        if block.end > block.start:
            gap, wanted = target.gap(block.start), target.written(block.start, block.end)
        if block.read_end > block.read_start:
            read_gap, got = read.gap(block.read_start), read.written(block.read_start, block.read_end)
        if gap or read_gap:
            add("equal", gap, read_gap)
        add(block.kind, wanted, got)
    add("equal", target.gap(len(target.units)), read.gap(len(read.units)))
    return tuple(Edit(kind=kind, target=wanted, read=got) for kind, wanted, got in rows)


def counts(blocks: Sequence[Block]) -> dict[EditKind, int]:
    """Edits of each kind."""
    found: dict[EditKind, int] = dict.fromkeys(("equal", "case", "substitute", "delete", "insert"), 0)
    for block in blocks:
        found[block.kind] += block.size
    return found


def classify(
    blocks: Sequence[Block], target: Side, read: Side, words: Sequence[tuple[int, int]], index: int, profile: Profile
) -> list[GlyphError]:
    """Each error of the alignment of target number `index` under its name.

    `words` are the target's words as ranges of units; one that is missing whole is a single error.
    """
    deleted = {place for block in blocks if block.kind == "delete" for place in range(block.start, block.end)}
    missing = {
        start: end
        for start, end in words
        if end - start > 1 and deleted.issuperset(range(start, end)) and target.kinds[start] is not Kind.SINGLE
    }
    errors: list[GlyphError] = []
    skip = -1
    for block in blocks:
        if block.kind == "equal":
            continue
        for step in range(block.size):
            place = min(block.start + step, block.end)
            read_place = min(block.read_start + step, block.read_end)
            if place in missing and block.kind == "delete":
                skip = missing[place]
                errors.append(GlyphError(kind="missing-word", target_index=index, wanted=target.written(place, skip)))
            if block.kind == "delete" and place < skip:
                continue
            wanted = target.written(place, place + 1) if place < block.end else ""
            got = read.written(read_place, read_place + 1) if read_place < block.read_end else ""
            errors.append(
                GlyphError(
                    kind=_error_kind(block.kind, target, read, place, read_place, profile),
                    target_index=index,
                    wanted=wanted,
                    read=got,
                    malformed_suspected=block.kind != "case" and _is_doubtful(read, block, read_place),
                )
            )
    return errors


def _is_doubtful(read: Side, block: Block, place: int) -> bool:
    """Was the glyph, or where none was read a neighbour of the place, read with low confidence?"""
    if block.read_end > block.read_start:
        return read.doubtful[place]
    return any(read.doubtful[max(place - 1, 0) : place + 1])


def _error_kind(kind: EditKind, target: Side, read: Side, place: int, read_place: int, profile: Profile) -> str:
    if kind == "case":
        return "case"
    sides = []
    if kind != "insert":
        sides.append(target.kinds[place])
    if kind != "delete":
        sides.append(read.kinds[read_place])
    if Kind.PUNCTUATION in sides:
        return "punctuation"
    if kind == "delete":
        return "dropped"
    if kind == "insert":
        return "doubled" if read.keys[read_place] in target.keys[max(place - 1, 0) : place + 1] else "inserted"
    folded = not profile.fold_traditional and simplified(read.units[read_place]) == target.units[place]
    return "traditional-for-simplified" if folded else "substitution"
