"""Synthetic prompts with known layouts: what the stand-ins are trained on.

A prompt is filler of the kind that image prompts are made of, with quoted strings in it. Filler is random
words or characters, so that nothing can be learnt from it but to leave it alone. No prompt of `data/suites` is used.

The layout is a rule that a causal encoder can compute from left to right. The canvas is 32 × 32 cells of 16 pixels.
Each string starts on a new line; line `s` fills rows 3s + 1 and 3s + 2, from column 1. With `o` the cells that
precede a character in its string, line j ≥ 1 of the string starts after the first space with 20j ≤ o < 20j + 10,
or, without one, at the first character with o ≥ 20j + 10. There are ten lines; what comes after is not drawn.
"""

from __future__ import annotations

import random
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from training.standins.glyphs import NARROW, WIDE_SIGNS, Array, hanzi, width
from training.standins.tokenizer import COLOURS, build, prompt_hanzi, words

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 32
"""Cells of 16 pixels along each side of the canvas."""
LINES = 10
COLUMNS = 31
STRIDE, SLACK = 20, 10
LONGEST = 448
"""Longest prompt in tokens, without the chat template."""


@dataclass(frozen=True)
class Pool:
    """Tokenised prompts with their labels, each prompts × `LONGEST`, padded with zeros (labels: -1).

    `tokens`: ids. `line`, `column`: where the token's character is drawn, -1 where nothing is.
    `colour`: number of the paper colour so far, 0 for none. `lengths`: tokens of each prompt.
    """

    tokens: Array
    line: Array
    column: Array
    colour: Array
    lengths: Array

    def save(self, path: Path) -> None:
        """Write all arrays to one uncompressed .npz file."""
        np.savez(path, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: Path) -> Pool:
        """Read what `save` wrote."""
        with np.load(path) as file:
            return cls(**{field.name: file[field.name] for field in fields(cls)})


def layout(string: str) -> list[tuple[int, int]]:
    """Line (counted from 0 in the string) and column (from 0) of each character of a string."""
    places: list[tuple[int, int]] = []
    starts, offset, space = [0], 0, -1
    for character in string:
        number, within = divmod(offset, STRIDE)
        if number >= len(starts) and (space >= number * STRIDE or within >= SLACK):
            starts.append(space + 1 if space >= number * STRIDE else offset)
        places.append((len(starts) - 1, offset - starts[-1]))
        if character == " " and not space >= number * STRIDE:
            space = offset
        offset += width(character)
    return places


@cache
def _vocabulary() -> tuple[list[str], str, str]:
    return words(), hanzi(), prompt_hanzi()


def _pseudo_word(rng: random.Random) -> str:
    if rng.random() < 0.3:
        return "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(1, 9)))
    syllables = rng.randint(1, 4)
    ends = ["a", "e", "i", "o", "u", "ou", "er", "in", "al", "es"]
    return "".join(rng.choice("bcdfghjklmnpqrstvwz") + rng.choice(ends) for _ in range(syllables))


def _english_filler(rng: random.Random, count: int) -> str:
    pieces: list[str] = []
    for _ in range(count):
        word = rng.choice(_vocabulary()[0]) if rng.random() < 0.8 else _pseudo_word(rng)
        if rng.random() < 0.02:
            word = rng.choice(list(COLOURS))
        style = rng.random()
        if style < 0.12:
            word = word.capitalize()
        elif style < 0.14:
            word = str(rng.randint(0, 2000))
        elif style < 0.17:
            word += rng.choice(["'s", "’s", "-" + rng.choice(_vocabulary()[0]), "n't"])
        end = rng.random()
        pieces.append(word + (rng.choice([",", ".", ";", ":", " —", ")", "!", "?"]) if end < 0.12 else ""))
    return " ".join(pieces)


def _chinese_filler(rng: random.Random, count: int) -> str:
    _, drawn, all_hanzi = _vocabulary()
    pieces: list[str] = []
    for _ in range(count):
        roll = rng.random()
        if roll < 0.08:
            pieces.append(rng.choice("，。、；：，，。"))
        elif roll < 0.10:
            pieces.append(rng.choice(list(COLOURS.values())))
        elif roll < 0.12:
            pieces.append(rng.choice([str(rng.randint(0, 3000)), "LOGO", "App", " "]))
        else:
            pieces.append(rng.choice(drawn if roll < 0.6 else all_hanzi))
    return "".join(pieces)


def _number(rng: random.Random) -> str:
    a, b = rng.randint(0, 99), rng.randint(0, 59)
    return rng.choice([
        f"{a}", f"{a}.{b:02d}", f"${a}.{b:02d}", f"£{a}.{b:02d}", f"€{a},{b:02d}", f"{a % 24}:{b:02d}", f"{a}%",
        f"No. {a}",
        f"{a % 13}:{b:02d} {rng.choice(['AM', 'PM', 'am', 'pm'])}", f"{a}/{b}", f"+{a} {b:02d}{a:02d}", f"#{a}{b}",
        f"{a},{b:03d}", f"-{a}°", f"({a})", f"{a} km", f"{a}-{b}", f"{rng.randint(1000, 99999)}", f"x{a}", f"{a}°C",
        f"{a}℃",
    ])  # fmt: skip


_ACCENTED = [character for character in NARROW if character.isalpha() and ord(character) > 0x7F]


def _english_target(rng: random.Random) -> str:
    roll = rng.random()
    if roll < 0.05:
        return "".join(rng.choices(NARROW.replace('"', ""), k=rng.randint(1, 12)))
    count = rng.choice([1, 1, 1, 2, 2, 2, 3, 3, 4, 5]) if roll < 0.88 else rng.randint(5, 20)
    pieces: list[str] = []
    case = rng.random()
    for place in range(count):
        kind = rng.random()
        piece = rng.choice(_vocabulary()[0]) if kind < 0.45 else _pseudo_word(rng)
        if kind > 0.88:
            piece = _number(rng)
        elif kind > 0.82:
            place_of_accent = rng.randrange(len(piece))
            piece = piece[:place_of_accent] + rng.choice(_ACCENTED) + piece[place_of_accent + 1 :]
        if case < 0.35:
            piece = piece.upper()
        elif case < 0.65 or (case < 0.85 and place == 0):
            piece = piece[:1].upper() + piece[1:]
        mark = rng.random()
        if mark < 0.10:
            piece += rng.choice([",", ".", "!", "?", ":", "&", ";", "…", "-", "'s", "'t", "’s", "/", "+"])
        elif mark < 0.13:
            piece = rng.choice(["&", "+", "-", "–", "—", "·", "|", "→", "@", "#", "("]) + rng.choice(["", " "]) + piece
        pieces.append(piece)
    return " ".join(pieces)


def _chinese_target(rng: random.Random) -> str:
    drawn = _vocabulary()[1]
    roll = rng.random()
    count = rng.randint(1, 6) if roll < 0.5 else rng.randint(5, 14) if roll < 0.9 else rng.randint(12, 36)
    pieces: list[str] = []
    for place in range(count):
        kind = rng.random()
        if kind < 0.86 or place == 0:
            pieces.append(rng.choice(drawn))
        elif kind < 0.92:
            pieces.append(rng.choice(WIDE_SIGNS + "，。！：、（）"))
        elif kind < 0.97:
            pieces.append(_number(rng).replace(" ", rng.choice(["", " "])))
        elif kind < 0.98:
            pieces.append(rng.choice(["Wi-Fi", "VIP", "App", "A", "B2", "OK", " ", "km", "GB", "H5", "ID", "·"]))
        else:
            pieces.append(rng.choice(_vocabulary()[2]))
    return "".join(pieces)


def _lines(string: str) -> int:
    return layout(string)[-1][0] + 1


def targets(rng: random.Random, *, chinese: bool, long: bool) -> list[str]:
    """Strings to draw: one to eight, or as many as fill the canvas and a little more when `long`."""
    budget = rng.randint(6, 12) if long else rng.choice([1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8])
    strings: list[str] = []
    while budget > 0:
        make = _chinese_target if chinese and rng.random() < 0.85 else _english_target
        string = make(rng).strip()
        if string and _lines(string) <= max(budget, 2):
            strings.append(string)
            budget -= _lines(string)
    return strings


def prompt(rng: random.Random, *, size: int) -> tuple[str, list[str]]:
    """A prompt and its targets. `size` in 0, 1, 2: short, as in signage suites, or long."""
    chinese = rng.random() < 0.45
    strings = targets(rng, chinese=chinese, long=size == 2)
    if size == 0:
        strings = strings[:3]
    filler = _chinese_filler if chinese else _english_filler
    words_each = (6, 20, 40)[size]
    quotes = [("“", "”"), ("「", "」"), ('"', '"')] if chinese else [('"', '"')] * 5 + [("“", "”")]
    opening, closing = rng.choice(quotes)
    text = filler(rng, rng.randint(0, words_each))
    for string in strings:
        gap = rng.random()
        lead = "" if chinese and gap < 0.7 else rng.choice([" ", " ", ": ", ", ", " ("])
        text += lead + opening + string + closing
        text += rng.choice(["", "", ",", ".", ";"]) if not chinese else rng.choice(["", "，", "、", "。", "和"])
        if gap > 0.15:
            text += ("" if chinese else " ") + filler(rng, rng.randint(0, max(1, words_each // len(strings))))
    return text.strip(), strings


def label(text: str, strings: list[str], offsets: list[tuple[int, int]], texts: list[str]) -> tuple[Array, ...]:
    """Line, column and colour so far of each token, as in `Pool`."""
    place_of: dict[int, tuple[int, int]] = {}
    used, cursor = 0, 0
    for string in strings:
        start = _quoted(text, string, cursor)
        for index, (line, column) in enumerate(layout(string)):
            if used + line < LINES and string[index] != " ":
                place_of[start + index] = (used + line, column)
        used, cursor = used + _lines(string), start + len(string) + 1
    lines, columns = np.full(len(offsets), -1, dtype=np.int8), np.full(len(offsets), -1, dtype=np.int8)
    colours = np.zeros(len(offsets), dtype=np.int8)
    names = {name: number for number, pair in enumerate(COLOURS.items(), 1) for name in pair}
    now, inside = 0, False
    for number, (start, end) in enumerate(offsets):
        piece = texts[number]
        inside = piece == "“" or (inside and piece != "”")
        if now == 0 and not inside:
            now = names.get(piece.strip().lower(), 0)
        colours[number] = now
        if (place := place_of.get(start)) and end - start == 1:
            lines[number], columns[number] = place
    return lines, columns, colours


def _quoted(text: str, string: str, cursor: int) -> int:
    for start in range(text.index(string, cursor), len(text)):
        if text.startswith(string, start) and text[start - 1] in '"“「' and text[start + len(string)] in '"”」':
            return start
    raise ValueError(f"{string!r} does not stand in quotes in {text!r}")


def _make(seed: int, count: int) -> Pool:
    rng = random.Random(seed)
    tokenizer = build(chat=False).backend_tokenizer
    kinds = rng.choices((0, 1, 2), weights=(4, 4, 2), k=count)
    made = [prompt(rng, size=size) for size in kinds]
    rows: list[tuple[Any, ...]] = []
    for (text, strings), encoding in zip(
        made, tokenizer.encode_batch([text for text, _ in made], add_special_tokens=False), strict=True
    ):
        if 0 < len(encoding.ids) <= LONGEST:
            texts = [text[start:end] for start, end in encoding.offsets]
            canonical = [encoding.tokens[number] if piece in '"“”「」' else piece for number, piece in enumerate(texts)]
            canonical = [_QUOTES.get(piece, piece) for piece in canonical]
            rows.append((encoding.ids, *label(text, strings, encoding.offsets, canonical)))
    shape = (len(rows), LONGEST)
    tokens = np.zeros(shape, dtype=np.int16)
    line, column = np.full(shape, -1, dtype=np.int8), np.full(shape, -1, dtype=np.int8)
    colour = np.zeros(shape, dtype=np.int8)
    for row, values in enumerate(rows):
        arrays: tuple[Array, ...] = (tokens, line, column, colour)
        for array, value in zip(arrays, values, strict=True):
            array[row, : len(value)] = value
    return Pool(tokens, line, column, colour, np.array([len(row[0]) for row in rows], dtype=np.int16))


_QUOTES = {"âĢľ": "“", "âĢĿ": "”"}
"""The byte-level spelling of the two quotation marks in a vocabulary."""


def make_pool(seed: int, count: int, workers: int) -> Pool:
    """About `count` prompts, the same for the same arguments, from several processes."""
    share = 2000
    jobs = range((count + share - 1) // share)
    with ProcessPoolExecutor(workers) as executor:
        parts = list(executor.map(_make, [seed * 100_003 + job for job in jobs], [share] * len(jobs)))
    return Pool(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Pool)))
