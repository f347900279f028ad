"""Glyphs that a person marked, as a labelled set that grows: cut-outs as PNG, and a row of JSON for each.

Format 1, in docs/glyphs.md. A folder takes the glyphs of any number of runs; a glyph that is marked again replaces its
row. The file's name is the digest of image, place and character, so that the same glyph is never there twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.errors import EvalsuiteError
from evalsuite.files import make_folder, write_atomically
from evalsuite.glyphs.marks import Verdict, read_marks
from evalsuite.records import Record, digest
from evalsuite.runs.rows import RowFile
from evalsuite.runs.store import refuse_links

if TYPE_CHECKING:
    from pathlib import Path

    from evalsuite.runs.opened import OpenRun

FORMAT = 1
ROWS = "glyphs.jsonl"


class GlyphLabel(Record, frozen=True, kw_only=True):
    """One marked glyph. `file` is its cut-out: 64 × 64, grey, the line's ink 52 high, the character centred.

    `mark` is the person's, `logit` and `sight` the verifier's (log odds that it is malformed; None where it was not
    looked at), `verifier` its digest. `line` is the text of the line, `index` the place in it, `polygon` where the
    line stands in the image, in pixels; `at` the glyph's centre along the line in thousandths.
    """

    format: int
    file: str
    character: str
    mark: Verdict
    marked_at: str
    logit: float | None
    sight: str | None
    verifier: str
    model: str
    role: str
    prompt: str
    seed: int
    language: str
    image_sha256: str
    line: str
    index: int
    polygon: tuple[tuple[float, float], ...]
    at: int
    height: float
    engine: str
    engine_digest: str
    run: str


def write_labels(run: OpenRun, folder: Path) -> Path:
    """Add the marked glyphs of a run to a folder, which is made where it is not there, and return it.

    Raises:
        EvalsuiteError: No glyph of the run is marked, or the folder holds something else or cannot be written.
    """
    from evalsuite.glyphs.cutouts import cut_glyphs, png_of
    from evalsuite.glyphs.seen import read_seen
    from evalsuite.glyphs.verifier import verifier_digest

    marks = read_marks(run)
    if not marks:
        raise EvalsuiteError(
            f"{run.folder}: no glyph is marked; mark some on the page of 'evalsuite glyphs', then give them "
            "back with --marks"
        )
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / ROWS).is_file())):
        raise EvalsuiteError(f"{folder}: neither empty nor a set of labelled glyphs; name another folder with --out")
    make_folder(folder / "glyphs")
    refuse_links(folder)
    file = RowFile(folder / ROWS, GlyphLabel)
    rows = {row.file: row for row in file.read()}
    sights = {(row.key, each.line, each.index): each for row in (read_seen(run) or {}).values() for each in row.glyphs}
    roles = {spec.name: spec.role for spec in run.manifest.models}
    for place, cut in cut_glyphs(run, marks).items():
        mark, line = marks[place], run.readings[place.key].lines[place.line]
        assert line.characters is not None and line.polygon is not None  # noqa: PT018, S101 - it was cut out
        seen = sights.get((place.key, place.line, place.index))
        ident = digest([mark.image_sha256, run.ocr.digest, place.line, place.index, mark.character])[:24]
        name = f"glyphs/{ident}.png"
        write_atomically(folder / name, png_of(cut.picture))
        rows[name] = GlyphLabel(
            format=FORMAT,
            file=name,
            character=mark.character,
            mark=mark.verdict,
            marked_at=mark.marked_at,
            logit=seen.doubt if seen else None,
            sight=seen.sight if seen else None,
            verifier=verifier_digest(),
            model=mark.model,
            role=roles[mark.model],
            prompt=mark.prompt,
            seed=mark.seed,
            language=run.prompts[mark.prompt].language,
            image_sha256=mark.image_sha256,
            line=line.text,
            index=place.index,
            polygon=line.polygon,
            at=line.characters.at[place.index],
            height=round(cut.height, 1),
            engine=run.ocr.name,
            engine_digest=run.ocr.digest,
            run=digest(run.manifest),
        )
    file.replace(rows.values())
    return folder
