"""The faces that the typeset reference draws with: OFL families from font packages, unmodified.

A text is only drawn in a face that has a glyph for each of its characters; an empty box would otherwise be
scored as the OCR's mistake.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from evalsuite.errors import EvalsuiteError
from evalsuite.extras import install_command
from evalsuite.records import digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL.ImageFont import FreeTypeFont


class FontsMissingError(EvalsuiteError):
    """The font packages are not installed, or no face has the characters of a text."""


@dataclass(frozen=True, slots=True)
class Face:
    """A font file at one point of its variation axes: the weight, and the file's defaults for the others.

    `folder` is where its package keeps its files. The letters of a face that is `shaped` join, from right to left.
    """

    package: str
    file: str
    weight: int
    folder: str = "fonts/ofl"
    shaped: bool = False

    @property
    def path(self) -> Path:
        """Where the font file lies in the installed package."""
        return _package_folder(self.package) / self.folder / self.file


_WESTERN, _CJK, _RTL = "justmytype_western_core", "justmytype_intl_cjk", "justmytype_intl_rtl"

LATIN_FACES = (
    Face(_WESTERN, "inter/Inter[opsz,wght].ttf", 500),
    Face(_WESTERN, "inter/Inter[opsz,wght].ttf", 700),
    Face(_WESTERN, "notosans/NotoSans[wdth,wght].ttf", 500),
    Face(_WESTERN, "notosans/NotoSans-Italic[wdth,wght].ttf", 500),
    Face(_WESTERN, "notoserif/NotoSerif[wdth,wght].ttf", 500),
    Face(_WESTERN, "notoserif/NotoSerif[wdth,wght].ttf", 700),
    Face(_WESTERN, "sourceserif4/SourceSerif4[opsz,wght].ttf", 600),
    Face(_WESTERN, "jetbrainsmono/JetBrainsMono[wght].ttf", 600),
)
CJK_FACES = (
    Face(_CJK, "notosanssc/NotoSansSC[wght].ttf", 400),
    Face(_CJK, "notosanssc/NotoSansSC[wght].ttf", 500),
    Face(_CJK, "notosanssc/NotoSansSC[wght].ttf", 700),
    Face(_CJK, "notosanssc/NotoSansSC[wght].ttf", 900),
)
ARABIC_FACES = tuple(
    Face(_RTL, "notosansarabic/NotoSansArabic[wdth,wght].ttf", weight, shaped=True) for weight in (400, 500, 700)
)
FALLBACK_FACES = (
    Face(_WESTERN, "notosans/NotoSans[wdth,wght].ttf", 500),
    Face(_CJK, "notosanssc/NotoSansSC[wght].ttf", 500),
    Face(_CJK, "notosanstc/NotoSansTC[wght].ttf", 500),
    Face(_CJK, "notosanskr/NotoSansKR[wght].ttf", 500),
    Face(_WESTERN, "notosanssymbols2/NotoSansSymbols2-Regular.ttf", 400),
)
CAPITAL_FACES = (Face("font_amatic_sc", "AmaticSC-Bold.ttf", 700, "files"),)
"""For texts without small letters: in this face they are small capitals."""

STYLED_LATIN_FACES = (
    Face("font_fredoka_one", "FredokaOne-Regular.ttf", 400, "files"),
    Face("font_intuitive", "Intuitive.ttf", 400, "files"),
    Face(_WESTERN, "inter/Inter-Italic[opsz,wght].ttf", 900),
    Face(_WESTERN, "notoserif/NotoSerif-Italic[wdth,wght].ttf", 700),
    Face(_WESTERN, "sourceserif4/SourceSerif4-Italic[opsz,wght].ttf", 500),
)
STYLED_CJK_FACES = (
    Face(_CJK, "notosanssc/NotoSansSC[wght].ttf", 300),
    Face(_CJK, "notosanssc/NotoSansSC[wght].ttf", 700),
    Face(_CJK, "notosanssc/NotoSansSC[wght].ttf", 900),
)


@cache
def _package_folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise FontsMissingError(
            f"the fonts of the typeset reference are not installed ({package}); run: {install_command('fonts')}"
        )
    return Path(spec.origin).parent


@cache
def fonts_digest(*, styled: bool = False) -> str:
    """SHA-256 over the bytes of all font files in use, on plain or on styled pages."""
    from evalsuite.digests import file_sha256

    designed = (*CAPITAL_FACES, *STYLED_LATIN_FACES, *STYLED_CJK_FACES) if styled else ()
    files = sorted({face.path for face in (*LATIN_FACES, *CJK_FACES, *ARABIC_FACES, *FALLBACK_FACES, *designed)})
    for path in files:
        if not path.is_file():
            raise FontsMissingError(f"{path.name} is missing in {path.parent}; run: {install_command('fonts')}")
    return digest([[path.name, file_sha256(path)] for path in files])


@cache
def _characters(path: Path) -> frozenset[int]:
    from fontTools.ttLib import TTFont

    with TTFont(path, lazy=True) as font:
        return frozenset(font.getBestCmap())


def faces_for(text: str) -> Sequence[Face]:
    """The faces that can draw `text` whole, the natural ones first.

    Raises:
        FontsMissingError: naming the characters, where no face has them all.
    """
    needed, cjk = _needed(text)
    usual = ARABIC_FACES if any(map(_is_arabic, needed)) else CJK_FACES if cjk else LATIN_FACES
    natural = [face for face in usual if needed <= _characters(face.path)]
    if natural:
        return natural
    fallback = [face for face in FALLBACK_FACES if needed <= _characters(face.path)]
    if fallback:
        return fallback
    covered = frozenset().union(*(_characters(face.path) for face in (*ARABIC_FACES, *FALLBACK_FACES)))
    missing = sorted(chr(code) for code in needed - covered) or sorted(map(chr, needed))
    raise FontsMissingError(f"no face has the characters {' '.join(missing[:12])} of {text[:40]!r}")


def _is_arabic(code: int) -> bool:
    return 0x0600 <= code <= 0x06FF or 0x0750 <= code <= 0x077F or 0x08A0 <= code <= 0x08FF


def _needed(text: str) -> tuple[set[int], bool]:
    """The characters that a text needs glyphs for, and whether it is Chinese."""
    needed = {ord(character) for character in text if not character.isspace()}
    return needed, any(0x2E80 <= code <= 0x9FFF or 0xF900 <= code <= 0xFFEF for code in needed)


def styled_faces_for(text: str) -> Sequence[Face]:
    """The display and hand-drawn faces that can draw `text` whole, else those of `faces_for`."""
    needed, cjk = _needed(text)
    latin = (*CAPITAL_FACES, *STYLED_LATIN_FACES) if text == text.upper() else STYLED_LATIN_FACES
    found = [face for face in (STYLED_CJK_FACES if cjk else latin) if needed <= _characters(face.path)]
    return found or faces_for(text)


@lru_cache(maxsize=48)  # an open Chinese face takes some ten megabytes
def font(face: Face, size: int) -> FreeTypeFont:
    """The face at `size` pixels per em, laid out glyph by glyph (without a shaper that differs by machine).

    Raises:
        FontsMissingError: The face's letters join, and Pillow finds no shaper.
    """
    from PIL import ImageFont, features

    if face.shaped and not features.check("raqm"):
        raise FontsMissingError(
            f"{face.path.name}: joined letters are laid out by Raqm, which Pillow does not find here; on Debian or "
            "Ubuntu run: apt-get install libfribidi0"
        )
    engine = ImageFont.Layout.RAQM if face.shaped else ImageFont.Layout.BASIC
    loaded = ImageFont.truetype(str(face.path), size, layout_engine=engine)
    try:
        axes = loaded.get_variation_axes()
    except OSError:
        return loaded  # a static font
    weight_axis = [axis["name"] in (b"Weight", "Weight") for axis in axes]
    loaded.set_variation_by_axes(
        [
            float(face.weight) if is_weight else float(axis["default"] or 0)
            for axis, is_weight in zip(axes, weight_axis, strict=True)
        ]
    )
    return loaded
