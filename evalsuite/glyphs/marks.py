"""A person's marks on cut-out glyphs, as the page exports them: checked against the run and kept in its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from evalsuite.errors import EvalsuiteError
from evalsuite.files import FileError, read_file, write_atomically
from evalsuite.glyphs.counts import Place
from evalsuite.records import Record, digest

if TYPE_CHECKING:
    from pathlib import Path

    from evalsuite.runs.opened import OpenRun

FORMAT = 1
MAX_FILE_BYTES = 64 * 2**20

Verdict = Literal["sound", "malformed", "not-this-character"]
"""`not-this-character`: another character is there, or none: the reader's error or the cut's, no malformation."""


class GlyphMarksError(EvalsuiteError):
    """Marks that cannot be used, or that are of other glyphs; the message names which."""


class GlyphMark(Record, frozen=True, kw_only=True):
    """One marked glyph: the `index`-th character of the `line`-th line that was read in an image, from 0 both.

    `image_sha256` ties the mark to the bytes that were looked at, `character` to what was read there.
    """

    key: str
    model: str
    prompt: str
    seed: int
    image_sha256: str
    line: int
    index: int
    character: str
    verdict: Verdict
    marked_at: str

    @property
    def place(self) -> Place:
        """Where the glyph stands."""
        return Place(self.key, self.line, self.index)


class GlyphMarks(Record, frozen=True, kw_only=True):
    """The marks of one run's glyphs as one OCR engine read them, as the page of suspicious glyphs exports them."""

    format: int
    run: str
    engine_digest: str
    marks: tuple[GlyphMark, ...]


def path_of(run: OpenRun) -> Path:
    """Where the marks of the run's glyphs are kept."""
    return run.folder / f"glyph-marks.{run.ocr.name}-{run.ocr.digest[:8]}.json"


def load_marks(path: Path, *, follow: bool = True) -> GlyphMarks:
    """Marks out of a file that the page exported.

    Raises:
        GlyphMarksError: It cannot be read, or is no such file.
    """
    try:
        found = msgspec.json.decode(read_file(path, limit=MAX_FILE_BYTES, follow=follow), type=GlyphMarks)
    except FileNotFoundError:
        raise GlyphMarksError(f"{path}: no such file of marks") from None
    except (FileError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise GlyphMarksError(f"{path}: no marks exported by a page of suspicious glyphs: {error}") from error
    if found.format != FORMAT:
        raise GlyphMarksError(f"{path}: marks of format {found.format}; this evalsuite reads format {FORMAT}")
    return found


def check_marks(run: OpenRun, given: GlyphMarks) -> dict[Place, GlyphMark]:
    """The marks by place, checked against the run.

    Raises:
        GlyphMarksError: They are of another run or reader, name a glyph that is not there, one whose image or reading
            has changed since, or the same one twice.
    """
    if given.run != digest(run.manifest):
        raise GlyphMarksError(f"the marks are of another run than {run.folder}; export them from this run's own page")
    if given.engine_digest != run.ocr.digest:
        raise GlyphMarksError(
            f"the marks are of glyphs that another OCR read ({given.engine_digest[:8]}) than {run.ocr.name} "
            f"({run.ocr.digest[:8]})"
        )
    found: dict[Place, GlyphMark] = {}
    for mark in given.marks:
        where = f"mark of {mark.character!r} in {mark.prompt} seed {mark.seed} by {mark.model}"
        request, reading = run.requests.get(mark.key), run.readings.get(mark.key)
        if request is None or (request.model, request.prompt, request.seed) != (mark.model, mark.prompt, mark.seed):
            raise GlyphMarksError(f"{where}: the run has no such image")
        if reading is None or reading.image_sha256 != mark.image_sha256:
            raise GlyphMarksError(f"{where}: the image has changed since it was marked; mark it again")
        text = reading.lines[mark.line].text if 0 <= mark.line < len(reading.lines) else ""
        if not 0 <= mark.index < len(text) or text[mark.index] != mark.character:
            raise GlyphMarksError(f"{where}: something else was read there since; mark it again")
        if mark.place in found:
            raise GlyphMarksError(f"{where}: marked twice; keep one")
        found[mark.place] = mark
    return found


def read_marks(run: OpenRun) -> dict[Place, GlyphMark]:
    """The marks that the folder holds; none where there is no file.

    Raises:
        GlyphMarksError: The file is damaged, or its marks do not fit the run any more.
    """
    path = path_of(run)
    return check_marks(run, load_marks(path, follow=False)) if path.exists() else {}


def keep_marks(run: OpenRun, given: GlyphMarks) -> dict[Place, GlyphMark]:
    """Add marks to those that the folder holds; new ones replace older ones. The folder's lock must be held.

    Raises:
        GlyphMarksError: The marks do not fit the run.
    """
    checked = check_marks(run, given)
    try:
        kept = read_marks(run)
    except GlyphMarksError:
        kept = {}  # of images drawn or read again since: they are replaced
    merged = kept | checked
    whole = msgspec.structs.replace(given, marks=tuple(merged[place] for place in sorted(merged)))
    write_atomically(path_of(run), msgspec.json.format(msgspec.json.encode(whole), indent=1))
    return merged
