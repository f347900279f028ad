"""Corrupted readings with a known truth, for the scoring benchmarks.

A page of targets is damaged the way image models and OCR engines damage it: characters are substituted,
deleted or inserted at a planted rate; then targets are split over lines, merged into one line (with or
without the space between them), surrounded by other text, laid out in one or two columns and listed in
any order. What was planted is written down, so that a score can be checked against it.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import regex

from evalsuite import suites
from evalsuite.records import TextLine

LONGTEXT_BENCH = "EVALSUITE_LONGTEXT_BENCH"
LANGUAGES = ("en", "zh")

_SIGNS_EN = ("EXIT", "No Parking", "Mind the step", "Platform 4", "Est. 1987", "PUSH", "Taxi", "Buses only", "24h", "→")
_SIGNS_ZH = ("出口", "禁止停车", "小心台阶", "四号站台", "创于一九八七", "推", "出租车", "公交专用", "24小时", "→")
_UNSPACED = regex.compile(r"[\p{Han}，。、！？：；“”—…]")


@dataclass(frozen=True, slots=True)
class Page:
    """Targets of one prompt."""

    name: str
    language: str
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Damaged:
    """A reading of a page. `planted[i]` is the number of character edits made in target i (all, if dropped)."""

    page: Page
    lines: tuple[TextLine, ...]
    drawn: tuple[str | None, ...]
    planted: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Damage:
    """How often each thing happens: per character (`errors`), per target, or per page (`extras`: mean number)."""

    errors: float = 0.0
    split: float = 0.0
    merge: float = 0.0
    lost_space: float = 0.0
    extras: float = 0.0
    repeated: float = 0.0
    dropped: float = 0.0
    shuffle: bool = False


def pages() -> tuple[list[Page], str]:
    """All pages and where they come from: LongText-Bench where its folder is named, else the project's own suites."""
    folder = os.environ.get(LONGTEXT_BENCH)
    if not folder:
        own = [p for suite in suites.load("all") for p in suite.prompts]
        return [Page(p.id, p.language, p.targets) for p in own], (
            f"{len(own)} prompts of the project's own suites ({LONGTEXT_BENCH} is not set)"
        )
    found = []
    for language, name in (("en", "text_prompts.jsonl"), ("zh", "text_prompts_zh.jsonl")):
        for line in (Path(folder) / name).read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            found.append(Page(f"{language}-{row['prompt_id']}", language, tuple(row["text"])))
    return found, f"{len(found)} prompts of LongText-Bench"


def damage(page: Page, how: Damage, rng: random.Random, glyphs: Sequence[str]) -> Damaged:
    """A reading of `page`, damaged as `how` says; `glyphs` are what substitutions and insertions draw from."""
    drawn: list[str | None] = []
    planted: list[int] = []
    for target in page.targets:
        if rng.random() < how.dropped:
            drawn.append(None)
            planted.append(sum(not c.isspace() for c in target))
            continue
        text, edits = corrupt(target, how.errors, rng, glyphs)
        drawn.append(text)
        planted.append(edits)
    blocks = [_wrap(text, how, rng) for text in drawn if text]
    blocks += [_wrap(text, how, rng) for text in drawn if text and rng.random() < how.repeated]
    signs = _SIGNS_ZH if page.language == "zh" else _SIGNS_EN
    while how.extras and rng.random() < how.extras / (1 + how.extras):
        blocks.append([rng.choice(signs) if rng.random() < 0.7 else _gibberish(rng, glyphs)])
    if how.shuffle:
        rng.shuffle(blocks)
    lines = _lay_out(_merge(blocks, how, rng), rng)
    if how.shuffle:
        rng.shuffle(lines)
    return Damaged(page, tuple(lines), tuple(drawn), tuple(planted))


def corrupt(text: str, rate: float, rng: random.Random, glyphs: Sequence[str]) -> tuple[str, int]:
    """`text` with each character but white space damaged with probability `rate`, and the number of edits made.

    Substitution, deletion and insertion are equally likely; a substitute is never the character itself.
    """
    found: list[str] = []
    edits = 0
    for character in text:
        if character.isspace() or rng.random() >= rate:
            found.append(character)
            continue
        edits += 1
        kind = rng.choice(("substitute", "delete", "insert"))
        if kind == "insert":
            found += [character, _like(character, rng, glyphs)]
        elif kind == "substitute":
            other = _like(character, rng, glyphs)
            while other.casefold() == character.casefold():
                other = _like(character, rng, glyphs)
            found.append(other)
    return "".join(found).strip(), edits


def _like(character: str, rng: random.Random, glyphs: Sequence[str]) -> str:
    glyph = rng.choice(glyphs)
    return glyph.upper() if character.isupper() else glyph


def _gibberish(rng: random.Random, glyphs: Sequence[str]) -> str:
    words = ["".join(rng.choices(glyphs, k=rng.randint(2, 7))) for _ in range(rng.randint(1, 3))]
    return ("" if _UNSPACED.match(glyphs[0]) else " ").join(words)


def _tokens(text: str) -> list[str]:
    return regex.findall(rf"{_UNSPACED.pattern}|\S+?(?={_UNSPACED.pattern}|\s|$)", text)


def _join(tokens: Sequence[str], *, space: str = " ") -> str:
    text = ""
    for token in tokens:
        glue = "" if not text or _UNSPACED.match(token) or _UNSPACED.match(text[-1]) else space
        text += glue + token
    return text


def _wrap(text: str, how: Damage, rng: random.Random) -> list[str]:
    """The lines that a text is broken into: one, or with probability `split` two or three."""
    tokens = _tokens(text)
    space = "" if rng.random() < how.lost_space else " "
    parts = min(rng.randint(2, 3), len(tokens)) if rng.random() < how.split else 1
    cuts = sorted(rng.sample(range(1, len(tokens)), parts - 1)) if parts > 1 else []
    return [_join(tokens[a:b], space=space) for a, b in zip([0, *cuts], [*cuts, len(tokens)], strict=True)]


def _merge(blocks: list[list[str]], how: Damage, rng: random.Random) -> list[list[str]]:
    """Neighbouring one-line blocks run together into one line with probability `merge`."""
    found: list[list[str]] = []
    for block in blocks:
        if found and len(block) == len(found[-1]) == 1 and rng.random() < how.merge:
            found[-1] = [found[-1][0] + ("" if rng.random() < how.lost_space else " ") + block[0]]
        else:
            found.append(block)
    return found


def _lay_out(blocks: Sequence[Sequence[str]], rng: random.Random) -> list[TextLine]:
    """Lines with boxes: blocks one under another, in one column or two, 40-pixel type, a little jitter."""
    columns = 2 if len(blocks) > 3 and rng.random() < 0.5 else 1
    per_column = -(-len(blocks) // columns)
    found: list[TextLine] = []
    left = 40.0
    for column in range(columns):
        top, widest = 40.0, 0.0
        for block in blocks[column * per_column : (column + 1) * per_column]:
            for text in block:
                width = sum(40 if _UNSPACED.match(c) else 20 for c in text)
                x, y = left + rng.uniform(-3, 3), top + rng.uniform(-3, 3)
                corners = ((x, y), (x + width, y), (x + width, y + 40), (x, y + 40))
                found.append(TextLine(text=text, polygon=corners, confidence=round(rng.uniform(0.85, 1), 3)))
                top += 50
                widest = max(widest, width)
            top += 40
        left += widest + 60
    return found


def glyphs_of(everything: Sequence[Page], language: str) -> list[str]:
    """The characters that a language's targets are written in, as often as they occur: Latin lower-case, or Han."""
    pattern = regex.compile(r"\p{Han}" if language == "zh" else r"[a-z]")
    return [c for page in everything if page.language == language for t in page.targets for c in pattern.findall(t)]
