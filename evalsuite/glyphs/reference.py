"""The reference drawings: each character in three of the product's own faces, in the verifier's frame."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from evalsuite.glyphs.frame import EM, draw, framed, ink_columns, ink_rows
from evalsuite.models.typeset.fonts import CJK_FACES, LATIN_FACES, STYLED_CJK_FACES, STYLED_LATIN_FACES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from PIL.ImageFont import FreeTypeFont

    from evalsuite.models.typeset.fonts import Face

Script = Literal["latin", "hanzi"]

REFERENCES: dict[Script, tuple[Face, ...]] = {
    "latin": (LATIN_FACES[2], LATIN_FACES[4], STYLED_LATIN_FACES[0]),
    "hanzi": (STYLED_CJK_FACES[0], CJK_FACES[1], CJK_FACES[3]),
}
"""A sans, a serif and a rounded face for Latin; a light, a medium and a black weight for hanzi."""

LATIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789&?!@#%$€£")


def script_of(character: str) -> Script | None:
    """Which references a character is compared with; None where the verifier has none for it."""
    if character in LATIN:
        return "latin"
    return "hanzi" if "\u4e00" <= character <= "\u9fff" else None


@cache
def _fonts(script: Script) -> tuple[FreeTypeFont, ...]:
    from evalsuite.models.typeset.fonts import font

    return tuple(font(face, EM) for face in REFERENCES[script])


@lru_cache(maxsize=20_000)
def masks(character: str) -> tuple[NDArray[np.uint8], ...] | None:
    """The character in each reference face, (108, 108) each; None where a face cannot draw it or it has no ink."""
    script = script_of(character)
    if script is None:
        return None
    drawn = tuple(draw(character, each) for each in _fonts(script))
    return drawn if all(mask.max() > 127 for mask in drawn) else None


def references(character: str, line: Sequence[str]) -> NDArray[np.uint8] | None:
    """A character's references as they would stand in a line of `line`'s characters, (3, 64, 64); None without any.

    The height of the line's ink sets the scale, as it does in the picture: an "o" is small beside an "l".
    """
    drawn = masks(character)
    if drawn is None:
        return None
    script = script_of(character)
    beside = [each for each in map(masks, {each for each in line if script_of(each) == script} | {character}) if each]
    return np.stack(
        [framed(mask, ink_rows([each[face] for each in beside]), ink_columns(mask)) for face, mask in enumerate(drawn)]
    )
