"""Checking that a run is what it says: its files against each other, and on demand its readings against its images."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from evalsuite import ocr as engines
from evalsuite.errors import EvalsuiteError
from evalsuite.records import Record
from evalsuite.runs.reading import read_image
from evalsuite.runs.score_cache import read_cache

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalsuite.runs.opened import OpenRun


class Verification(Record, frozen=True, kw_only=True):
    """What was checked of a run, and what is wrong. `files` are the digests that a baseline's lock would hold.

    `problems` are what makes the run unfit for a verdict: images that are missing, damaged or swapped, readings that
    the run's own OCR does not give for its images. `notices` are derived files that nothing rests on.
    """

    run: str
    images: int
    read_again: int
    files: dict[str, str]
    problems: tuple[str, ...]
    notices: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """True where nothing is wrong."""
        return not self.problems


def verify_run(run: OpenRun, *, read: int = 0, seed: int = 0) -> Verification:
    """Check an opened run: opening has checked the plan and every row and hashed every image.

    Args:
        run: The run.
        read: Read this many of its images again, picked at random, with the OCR that the run was read with. It tells
            what rows alone cannot: readings that are not of these images.
        seed: Picks the images.

    Raises:
        EvalsuiteError: Images are to be read again, but the run's OCR is not to be had here.
    """
    problems = [f"{each.model} {each.text}" for each in run.faults]
    again = _read_again(run, read, seed) if read else []
    problems += [problem for problem in again if problem]
    return Verification(
        run=run.folder.as_posix(),
        images=len(run.evidence.drawn),
        read_again=len(again),
        files=run.evidence.fingerprint(),
        problems=tuple(problems),
        notices=(*run.notices, *_stale_scores(run)),
    )


def _stale_scores(run: OpenRun) -> Iterator[str]:
    path = run.store.scores(run.ocr, run.scorer).path
    stored = read_cache(path)
    if not path.exists():
        yield f"{path.name} is not there; 'evalsuite score {run.folder}' writes it"
        return
    odd = [score for score in run.scores if (row := stored.get(score.key)) is None or row.result != score.result]
    surplus = len(stored.keys() - run.requests.keys())
    if odd or surplus:
        yield (
            f"{path.name}: {len(odd)} rows are not what the readings give, {surplus} are of no image of this run; they "
            f"count for nothing, and 'evalsuite score {run.folder}' writes them anew"
        )


def _read_again(run: OpenRun, count: int, seed: int) -> list[str]:
    """One entry per image that was read again: what is wrong with its stored reading, or an empty text."""
    engine = engines.resolve(run.ocr.name)
    if engine.spec.digest != run.ocr.digest:
        raise EvalsuiteError(
            f"--read: {run.folder} was read by {run.ocr.name} {run.ocr.digest[:8]}, and here it is "
            f"{engine.spec.digest[:8]}; "
            "install the version that read it, or read all anew with 'evalsuite score --ocr'"
        )
    keys = sorted(run.readings)
    picked = random.Random(seed).sample(keys, min(count, len(keys)))  # noqa: S311 - a reproducible sample, not a secret
    found = []
    for key in picked:
        stored = run.readings[key]
        now = read_image(engine, key, run.store.image_path(run.generations[key]))
        same = now.error is None and [line.text for line in now.lines] == [line.text for line in stored.lines]
        request = run.requests[key]
        what = "cannot be read again" if now.error else "reads otherwise than its stored reading"
        found.append("" if same else f"{request.model} {request.prompt} seed {request.seed}: {what}")
    return found
