"""Layout of quoted strings: worked by hand, and what holds for every string."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.standins import prompts
from training.standins.glyphs import width
from training.standins.prompts import SLACK, STRIDE, label, layout, prompt
from training.standins.tokenizer import build


def lines(string: str) -> list[str]:
    rows: dict[int, str] = {}
    for character, (line, _) in zip(string, layout(string), strict=True):
        rows[line] = rows.get(line, "") + character
    return [rows[line].strip() for line in sorted(rows)]


@pytest.mark.parametrize(
    ("string", "expected"),
    [
        ("OPEN", ["OPEN"]),
        # The first space at 20 or later ends the first line, whether or not the rest would have fitted.
        ("live from 9 till the neighbours call", ["live from 9 till the", "neighbours call"]),
        # Without a space the line is cut at 30 cells, the next ones at every 20.
        ("A" * 60, ["A" * 30, "A" * 20, "A" * 10]),
        # Full-width characters count two cells.
        ("一" * 20, ["一" * 15, "一" * 5]),
        ("12一二 ok", ["12一二 ok"]),
    ],
)
def test_lines_of_a_string(string, expected):
    assert lines(string) == expected


def test_columns_count_cells():
    assert layout("a一b c") == [(0, 0), (0, 1), (0, 3), (0, 4), (0, 5)]
    assert layout("live from 9 till the neighbours")[21] == (1, 0)


@given(st.text(alphabet="ab 一，A9", min_size=1, max_size=120))
def test_a_layout_reads_from_left_to_right_and_fits_the_canvas(string):
    before = (0, -1)
    for character, place in zip(string, layout(string), strict=True):
        line, column = place
        assert place > before
        # A space may hang over the end of its line, where it is not seen.
        assert character == " " or column + width(character) <= STRIDE + SLACK + 1
        assert 0 <= line <= sum(map(width, string)) // STRIDE
        before = place


@given(st.text(alphabet="ab 一", min_size=1, max_size=80), st.text(alphabet="ab 一", max_size=40))
def test_what_follows_never_moves_what_stands(string, more):
    """The encoder is causal: a character's place must follow from what precedes it."""
    assert layout(string + more)[: len(string)] == layout(string)


def test_labels_say_where_each_character_stands():
    text = 'A red board: "AB 中" and "no", not "x'.replace(', not "x', "")
    encoding = build(chat=False).backend_tokenizer.encode(text, add_special_tokens=False)
    pieces = [text[start:end] for start, end in encoding.offsets]
    canonical = [{'"': "“"}.get(piece, piece) for piece in pieces]
    canonical[len(pieces) - 1 - pieces[::-1].index('"')] = "”"
    canonical[pieces.index('"', pieces.index('"') + 1)] = "”"
    line, column, colour = label(text, ["AB 中", "no"], encoding.offsets, canonical)
    drawn = {piece: (int(a), int(b)) for piece, a, b in zip(pieces, line, column, strict=True) if a >= 0}
    assert drawn == {"A": (0, 0), "B": (0, 1), "中": (0, 3), "n": (1, 0), "o": (1, 1)}
    assert pieces[int(np.flatnonzero(colour)[0])] == " red"


def test_prompts_quote_their_targets_and_follow_the_seed():
    made = [prompt(random.Random(seed), size=seed % 3) for seed in range(60)]
    assert made == [prompt(random.Random(seed), size=seed % 3) for seed in range(60)]
    for text, strings in made:
        assert strings
        assert all(any(f"{a}{string}{b}" in text for a, b in ("“”", "「」", '""')) for string in strings), (
            text,
            strings,
        )


def test_a_pool_holds_every_character_that_fits(tmp_path):
    pool = prompts.make_pool(3, 100, 1)
    assert pool.tokens.shape == pool.line.shape == (len(pool.tokens), prompts.LONGEST)
    inside = np.arange(prompts.LONGEST)[None] < pool.lengths[:, None]
    assert not (pool.line >= 0)[~inside].any()
    assert pool.line.max() == prompts.LINES - 1
    assert ((pool.line >= 0) == (pool.column >= 0)).all()
    pool.save(tmp_path / "pool.npz")
    assert (prompts.Pool.load(tmp_path / "pool.npz").tokens == pool.tokens).all()
    assert (prompts.make_pool(3, 100, 1).tokens == pool.tokens).all()
