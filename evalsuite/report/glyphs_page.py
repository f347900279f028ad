"""The page of suspicious glyphs: each cut-out beside the reference that it was compared with, for a person to mark."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from evalsuite.glyphs.counts import Place
from evalsuite.glyphs.cutouts import cut_glyphs, png_of
from evalsuite.glyphs.look import SUSPICIOUS
from evalsuite.glyphs.marks import FORMAT, GlyphMarksError, read_marks
from evalsuite.glyphs.reference import references
from evalsuite.glyphs.sample import read_sample
from evalsuite.records import digest
from evalsuite.report import pictures, shell, templating
from evalsuite.report.glyph_section import PAGE, section_of
from evalsuite.report.payload import script_json
from evalsuite.report.run_page import STYLES
from evalsuite.runs.judged_sample import SampleError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from evalsuite.glyphs.characters import Cut
    from evalsuite.glyphs.looking import Looked
    from evalsuite.records import Json
    from evalsuite.runs.opened import OpenRun

SCRIPTS = ("i18n.js", "dom.js", "glyphs.js")
MOST = 400
"""Suspicious cut-outs on one page, the most doubtful; it says how many more there are. A sample is shown whole."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A cut-out, its reference, and where it stands. `doubt` is None in the sample, which is marked without it."""

    place: str
    key: str
    first: bool
    picture: str
    reference: str
    character: str
    line: str
    doubt: str | None
    model: str
    prompt: str
    link: str


def build_glyphs_page(run: OpenRun, looked: Looked, *, out: Path | None = None) -> Path:
    """Writes `glyphs.html` and what it needs into the run's folder, or into `out`, and returns its path.

    Raises:
        EvalsuiteError: The folder cannot be written, or an image cannot be opened.
    """
    folder = run.folder if out is None else out
    shell.copy_assets(folder / "assets", SCRIPTS, STYLES)
    found = looked.found
    suspicious = found.suspicions[:MOST]
    sample = _sample(run, looked)
    cuts = cut_glyphs(run, [*(each.place for each in suspicious), *sample])
    doubts = {each.place: each.doubt for each in suspicious}
    firsts: set[str] = set()
    content = templating.render(
        "glyphs.html.j2",
        shell=shell.linked(SCRIPTS, STYLES),
        title=run.manifest.name,
        glyphs=section_of(run, page=False, looked=looked),
        tiles=[_tile(run, place, cuts.get(place), f"{doubts[place]:.1f}", firsts, out) for place in doubts],
        sample=[_tile(run, place, cuts.get(place), None, set(), out) for place in sample],
        more=max(0, len(found.suspicions) - MOST),
        threshold=SUSPICIOUS,
        data=[script_json(_data(run, [*doubts, *sample], sample))],
    )
    return templating.write(folder / PAGE, content)


def _sample(run: OpenRun, looked: Looked) -> list[Place]:
    try:
        sample = read_sample(run, looked.found.seen)
    except SampleError:
        return []  # the section says what is wrong with it
    return [Place(*each) for each in sample.places] if sample else []


def _data(run: OpenRun, places: Sequence[Place], sample: Sequence[Place]) -> Json:
    """What the page's script needs to export marks: the fields of `GlyphMark` by place, and the marks that are kept."""
    try:
        kept = read_marks(run)
    except GlyphMarksError:
        kept = {}
    return {
        "format": FORMAT,
        "run": digest(run.manifest),
        "engine": run.ocr.digest,
        "glyphs": {place.name: _fields(run, place) for place in places},
        "sample": [place.name for place in sample],
        "marks": {place.name: [each.verdict, each.marked_at] for place, each in kept.items()},
    }


def _fields(run: OpenRun, place: Place) -> Mapping[str, Json]:
    request, reading = run.requests[place.key], run.readings[place.key]
    return {
        "key": place.key,
        "model": request.model,
        "prompt": request.prompt,
        "seed": request.seed,
        "image_sha256": reading.image_sha256,
        "line": place.line,
        "index": place.index,
        "character": reading.lines[place.line].text[place.index],
    }


def _tile(run: OpenRun, place: Place, cut: Cut | None, doubt: str | None, firsts: set[str], out: Path | None) -> Tile:
    generation, text = run.generations[place.key], run.readings[place.key].lines[place.line].text
    drawn = references(text[place.index], text)
    first = place.key not in firsts
    firsts.add(place.key)
    return Tile(
        place=place.name,
        key=place.key,
        first=first,
        picture="" if cut is None else _source(cut.picture),
        reference="" if drawn is None else _source(255 - drawn[1]),
        character=text[place.index],
        line=text,
        doubt=doubt,
        model=generation.model,
        prompt=f"{generation.prompt} · {generation.seed}",
        link=quote(generation.image or "") if out is None else f"images/{pictures.copy_of(generation.sha256 or '')}",
    )


def _source(picture: NDArray[np.uint8]) -> str:
    return f"data:image/png;base64,{b64encode(png_of(picture)).decode()}"
