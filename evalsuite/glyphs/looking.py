"""Looking at a run and keeping what was seen; a sample for a person to mark, and what the marks correct."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalsuite.errors import EvalsuiteError
from evalsuite.glyphs.corrected import correction_of
from evalsuite.glyphs.counts import count_seen, report_of
from evalsuite.glyphs.marks import keep_marks, load_marks
from evalsuite.glyphs.sample import take_sample
from evalsuite.glyphs.seen import keep_seen, look_at_run
from evalsuite.glyphs.verifier import open_verifier
from evalsuite.runs.progress import ignore

if TYPE_CHECKING:
    from pathlib import Path

    from evalsuite.glyphs.corrected import GlyphCorrection
    from evalsuite.glyphs.counts import GlyphReport
    from evalsuite.runs.opened import OpenRun
    from evalsuite.runs.progress import Watcher


@dataclass(frozen=True)
class Looked:
    """What was seen of a run, and what a person's marks of a random sample say of it; None without a sample."""

    found: GlyphReport
    correction: GlyphCorrection | None


def look(run: OpenRun, *, keep: bool = True, watch: Watcher = ignore) -> Looked:
    """Look at every read image that was not looked at yet, and keep the rows in the run's folder.

    Raises:
        EvalsuiteError: An image cannot be opened, the folder cannot be written, or the parts that this needs are not
            installed.
    """
    seen = look_at_run(run, open_verifier(), watch=watch)
    if keep:
        with run.store.writing():
            keep_seen(run, seen)
    return Looked(count_seen(run, seen), correction_of(run, seen))


def looked_at(run: OpenRun) -> Looked | None:
    """What the folder holds; None where nobody has looked at this run with this verifier.

    Raises:
        DamagedRunError: The file of rows is damaged.
    """
    found = report_of(run)
    return None if found is None else Looked(found, correction_of(run, found.seen))


def mark(run: OpenRun, looked: Looked, *, sample: int | None, seed: int | None, marks: Path | None) -> Looked:
    """Draw the sample, or enlarge it, and take in a person's marks; both are kept in the folder.

    Marks of any glyph are kept and exported; those of the sample correct the rate. Without `sample` and `seed` none is
    drawn.

    Raises:
        EvalsuiteError: The sample cannot be drawn, or the marks do not fit.
    """
    if sample is None and seed is None and marks is None:
        return looked
    if looked.found.unseen:
        raise EvalsuiteError(f"{run.folder}: {looked.found.unseen} images were not looked at; no sample stands for it")
    with run.store.writing():
        if sample is not None or seed is not None:
            take_sample(run, looked.found.seen, sample, seed)
        if marks is not None:
            keep_marks(run, load_marks(marks))
    return Looked(looked.found, correction_of(run, looked.found.seen))
