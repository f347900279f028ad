"""Judging a sample, start to end: draw it, take in a person's marks, and say what they correct."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.errors import IncompleteError
from evalsuite.runs import adjudications
from evalsuite.runs.corrected import keep_marks
from evalsuite.runs.judged_sample import take_sample
from evalsuite.runs.opened import open_run
from evalsuite.wording import listed

if TYPE_CHECKING:
    from pathlib import Path

    from evalsuite.runs.corrected import Correction
    from evalsuite.runs.opened import OpenRun


def judge_sample(folder: Path, *, size: int | None, seed: int | None, marks: Path | None) -> tuple[OpenRun, Correction]:
    """The run, and what the judged sample says of it; both sample and marks are kept in the folder.

    Raises:
        IncompleteError: Images are missing or unread.
        EvalsuiteError: The sample cannot be drawn, or the marks do not fit.
    """
    run = open_run(folder)
    if run.missing:
        names = listed([f"{each.model} {each.text}" for each in run.missing], 3)
        raise IncompleteError(
            f"{folder}: {len(run.missing)} images are missing or unread ({names}), no sample stands for it; "
            "the command that made the run, given again, fills them in"
        )
    with run.store.writing():
        sample = take_sample(run, size, seed)
        if marks is not None:
            keep_marks(run, sample, adjudications.load(marks))
    correction = run.correction
    assert correction is not None  # noqa: S101 - the sample was just written
    return run, correction
