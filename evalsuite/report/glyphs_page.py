"""The page of suspicious glyphs: each cut-out beside the reference that it was compared with."""

from __future__ import annotations

import io
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np

from evalsuite.glyphs.look import SUSPICIOUS
from evalsuite.glyphs.reference import references
from evalsuite.report import figures, shell, templating
from evalsuite.report.run_page import STYLES

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from evalsuite.glyphs.look import GlyphReport, Sight, Suspicion
    from evalsuite.runs.opened import OpenRun

SCRIPTS = ("i18n.js",)
PAGE = "glyphs.html"
MOST = 400
"""Cut-outs on one page, the most doubtful; the page says how many more there are."""

REASONS: dict[Sight, str] = {
    "lettering": "glyphs.because.lettering",
    "short": "glyphs.because.short",
    "tiny": "glyphs.because.tiny",
    "no reference": "glyphs.because.no-reference",
    "no place": "glyphs.because.no-place",
}
"""The message for each reason why the verifier cannot tell."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A cut-out, its reference, and where it stands."""

    picture: str
    reference: str
    character: str
    line: str
    doubt: str
    model: str
    prompt: str
    link: str


def build_glyphs_page(run: OpenRun, found: GlyphReport) -> Path:
    """Writes `glyphs.html` and what it needs into the run's folder, and returns its path.

    Raises:
        EvalsuiteError: The folder cannot be written.
    """
    shell.copy_assets(run.folder / "assets", SCRIPTS, STYLES)
    content = templating.render(
        "glyphs.html.j2",
        shell=shell.linked(SCRIPTS, STYLES),
        title=run.manifest.name,
        folder=str(run.folder),
        counts=found.counts,
        rates=[figures.figure(each.rate) for each in found.counts],
        reasons=REASONS,
        tiles=[_tile(run, each) for each in found.suspicions[:MOST]],
        more=max(0, len(found.suspicions) - MOST),
        threshold=SUSPICIOUS,
        is_stand_in=any(spec.role == "stand-in" for spec in run.manifest.models),
    )
    return templating.write(run.folder / PAGE, content)


def _tile(run: OpenRun, each: Suspicion) -> Tile:
    generation, glyph = run.generations[each.key], each.glyph
    drawn = references(glyph.character, each.line)
    return Tile(
        picture="" if glyph.cut is None else _source(glyph.cut.picture),
        reference="" if drawn is None else _source(255 - drawn[1]),
        character=glyph.character,
        line=each.line,
        doubt=f"{glyph.doubt:.1f}",
        model=generation.model,
        prompt=f"{generation.prompt} · {generation.seed}",
        link=quote(generation.image or ""),
    )


def _source(picture: NDArray[np.uint8]) -> str:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(file, "PNG")
    return f"data:image/png;base64,{b64encode(file.getvalue()).decode()}"
