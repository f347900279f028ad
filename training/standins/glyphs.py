"""The glyphs that the stand-ins can draw, and the latent codes that stand for them.

One token of the packed FLUX.2 latent covers 16×16 pixels. A half-width character is a cell of one token by
two (16×32 pixels), a full-width one of two by two (32×32). A tile is one token's worth of ink coverage.

The latent of a tile is made by hand: each of its four 8×8 patches is projected on the principal components of
all patches of all glyphs. So the "encoder" of the stand-ins' autoencoder is a fixed linear map, and only the
decoder is trained. Channels of one latent pixel: `INK` components, then paper red, green, blue, then two phase
flags, which are zero here and get their values from the batch norm's running mean (see `autoencoder.py`).
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.ImageFont import FreeTypeFont

Array = np.ndarray[Any, np.dtype[Any]]

CHANNELS = 32
"""Channels of one latent pixel (8×8 image pixels), as in FLUX.2."""
INK = CHANNELS - 5
TILE = 16
"""Side of one packed latent token in image pixels."""

NARROW = "".join(map(chr, range(0x21, 0x7F))) + "£€¥¢°·–—…×÷’‘éèêëàáâãåäçñíïîóôöøúùûüßęłšžÉÖÜÄ™®©→←↑↓•½≥≤℃∶"
WIDE_SIGNS = "，。！？：；（）《》、【】～￥％＆＋－／｜〇"


def hanzi() -> str:
    """The Chinese characters that are drawn, in the order of `hanzi.txt`."""
    from pathlib import Path

    text = (Path(__file__).parent / "hanzi.txt").read_text(encoding="utf-8")
    return "".join(line for line in text.splitlines() if not line.startswith("#"))


def width(character: str) -> int:
    """Cells of 16 pixels that a character takes across: 2 for full-width ones, else 1."""
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


@dataclass(frozen=True)
class Glyphs:
    """The glyph table.

    `characters`: what can be drawn, one string, index = glyph number.
    `coverage`: tiles × 16 × 16, ink coverage in [0, 1]; tile 0 is blank.
    `tiles`: glyphs × 4, tile numbers top left, top right, bottom left, bottom right (0 where there is none).
    `codes`: tiles × 4 × INK, latent codes of the four patches of a tile (row-major).
    `basis`: INK × 64, so that patch ≈ code · scale @ basis; the blank patch has the code zero.
    `scale`: what codes were divided by.
    """

    characters: str
    coverage: Array
    tiles: Array
    codes: Array
    basis: Array
    scale: float

    def save(self, path: Path) -> None:
        """Write the glyphs' bitmaps and the basis; the codes are computed again on loading."""
        np.savez_compressed(
            path,
            characters=np.array(self.characters),
            coverage=np.round(self.coverage * 255).astype(np.uint8),
            tiles=self.tiles,
            basis=self.basis,
            scale=np.float32(self.scale),
        )

    @classmethod
    def load(cls, path: Path) -> Glyphs:
        """Read what `save` wrote, so that a machine without the fonts can train."""
        with np.load(path) as file:
            coverage = file["coverage"].astype(np.float32) / 255
            return cls.of(str(file["characters"]), coverage, file["tiles"], file["basis"], float(file["scale"]))

    @classmethod
    def of(
        cls, characters: str, coverage: Array, tiles: Array, basis: Array | None = None, scale: float | None = None
    ) -> Glyphs:
        """Compute the codes of given tiles by a given basis, or by principal components of their own 8×8 patches."""
        patches = coverage.reshape(-1, 2, 8, 2, 8).transpose(0, 1, 3, 2, 4).reshape(-1, 64)
        inked = patches[patches.max(axis=1) > 0]
        if basis is None or scale is None:
            # Not centred: the blank patch is the origin, so that blank paper has the code zero.
            basis = np.linalg.svd(inked.T @ inked)[2][:INK]
            scale = float(np.sqrt(((inked @ basis.T) ** 2).mean()))
        codes = patches @ basis.T
        return cls(
            characters=characters,
            coverage=coverage.astype(np.float32),
            tiles=tiles.astype(np.int64),
            codes=(codes / scale).reshape(-1, 4, INK).astype(np.float32),
            basis=basis.astype(np.float32),
            scale=scale,
        )

    @classmethod
    def render(cls, like: Glyphs | None = None) -> Glyphs:
        """Draw every character with the project's own fonts (extra `fonts`), coded by the basis of `like`, if given."""
        characters = NARROW + WIDE_SIGNS + hanzi()
        tiles, table = [np.zeros((TILE, TILE), dtype=np.float32)], np.zeros((len(characters), 4), dtype=np.int64)
        for number, character in enumerate(characters):
            cell = _cell(character)
            for corner in range(4):
                y, x = TILE * (corner // 2), TILE * (corner % 2)
                if x < cell.shape[1]:
                    tile = cell[y : y + TILE, x : x + TILE]
                    if tile.max() > 0:
                        table[number, corner] = len(tiles)
                        tiles.append(tile)
        given = (like.basis, like.scale) if like else (None, None)
        return cls.of(characters, np.stack(tiles), table, *given)


@cache
def _font(file: str, size: int, weight: int) -> FreeTypeFont:
    from PIL import ImageFont

    from evalsuite.models.typeset.fonts import Face

    face = Face("justmytype_intl_cjk" if "notosanssc" in file else "justmytype_western_core", file, weight)
    font = ImageFont.truetype(str(face.path), size)
    axes = font.get_variation_axes()
    values = [weight if axis["name"] in {b"Weight", "Weight"} else axis["default"] for axis in axes]
    font.set_variation_by_axes([float(value or 0) for value in values])
    return font


def _cell(character: str) -> Array:
    """Ink coverage of one character, 32 × 16 or 32 × 32 pixels. Both baselines lie 24 pixels below the top."""
    from PIL import Image, ImageDraw

    across = TILE * width(character)
    image = Image.new("L", (across, 2 * TILE), 0)
    draw = ImageDraw.Draw(image)
    if across == TILE:
        font = _font("notosansmono/NotoSansMono[wdth,wght].ttf", 26, 500)
        draw.text((TILE / 2, 24), character, font=font, fill=255, anchor="ms")
    else:
        font = _font("notosanssc/NotoSansSC[wght].ttf", 30, 500)
        draw.text((TILE, TILE), character, font=font, fill=255, anchor="mm")
    return np.asarray(image, dtype=np.float32) / 255
