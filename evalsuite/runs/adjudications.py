"""Judging the judge: a person's marks on readings, checked against the run and applied to its scores.

A mark says of one image either that the OCR misread it, and what it really says, or that the model misdrew it, so
that the reading stands. Marked scores are another measurement: they carry a scorer of their own name, so that nothing
compares them with unmarked ones by mistake.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import msgspec

from evalsuite import scoring
from evalsuite.errors import EvalsuiteError
from evalsuite.files import read_file, write_atomically
from evalsuite.records import MAX_READING_CHARS, Record, ScorerSpec, TextLine, digest
from evalsuite.runs.judgement import Judgement, OcrErrors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evalsuite.records import ImageScore
    from evalsuite.runs.opened import OpenRun

FORMAT = 1
MAX_FILE_BYTES = 64 * 2**20
MAX_LINES, MAX_LINE_CHARS = 500, 4_000
LEVEL = 0.95
_SUFFIX = "+adjudicated-"
_STAMP = re.compile(r"[0-9a-f]{8}")


class AdjudicationError(EvalsuiteError):
    """Marks that cannot be used, or that are of other images or another reader; the message names which."""


class Mark(Record, frozen=True, kw_only=True):
    """One judged image. `reading` is what it says, line by line; it is given where the OCR misread it.

    `image_sha256` ties the mark to the bytes that were looked at.
    """

    key: str
    model: str
    prompt: str
    seed: int
    image_sha256: str
    verdict: Literal["ocr-misread", "model-misdrew"]
    reading: tuple[str, ...] | None = None
    marked_at: str


class Adjudications(Record, frozen=True, kw_only=True):
    """The marks of one run's images and one OCR engine's readings, as the report exports them.

    `run` is the digest of the manifest, `engine_digest` that of the OCR whose readings were judged.
    """

    format: int
    run: str
    engine_digest: str
    marks: tuple[Mark, ...]


def load(path: Path) -> Adjudications:
    """Read marks from a file that the report exported.

    Raises:
        AdjudicationError: when it cannot be read, or is no such file.
    """
    try:
        found = msgspec.json.decode(read_file(path, limit=MAX_FILE_BYTES), type=Adjudications)
    except FileNotFoundError:
        raise AdjudicationError(f"{path}: no such file of marks") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise AdjudicationError(f"{path}: no marks exported by a report: {error}") from error
    if found.format != FORMAT:
        raise AdjudicationError(f"{path}: marks of format {found.format}; this evalsuite reads format {FORMAT}")
    return found


def scorer_for(scorer: ScorerSpec, marks: Sequence[Mark]) -> ScorerSpec:
    """The scorer that marked scores name: the plain one, and which marks."""
    stamp = digest([[mark.key, mark.image_sha256, mark.verdict, mark.reading] for mark in _sorted(marks)])[:8]
    return msgspec.structs.replace(scorer, name=f"{scorer.name}{_SUFFIX}{stamp}")


def apply(run: OpenRun, adjudications: Adjudications) -> OpenRun:
    """The run with the corrected readings scored, under a scorer of its own. Nothing is written; see `keep`.

    Raises:
        AdjudicationError: when the marks are of another run or reader, name an image that is not there or has
            changed since, or contradict themselves.
    """
    marks = check(run, adjudications)
    marked = scorer_for(run.scorer, adjudications.marks)
    rows = []
    charged = remaining = 0
    for score in run.scores:
        mark = marks.get(score.key)
        row = msgspec.structs.replace(score, scorer=marked, seal=None)
        if mark is not None and mark.reading is not None and mark.verdict == "ocr-misread":
            result = read_by(run, score.prompt, mark.reading)
            row = msgspec.structs.replace(row, status="scored", result=result, detail="read by a person")
        if mark is not None:
            charged += scoring.count(score.result).edits
            remaining += scoring.count(row.result).edits
        rows.append(row)
    errors = _errors(list(marks.values()), charged, remaining)
    read = {key for key, mark in marks.items() if mark.verdict == "ocr-misread"}
    return replace(
        run,
        evidence=run.evidence.read_by_a_person(read),
        scorer=marked,
        scores=tuple(rows),
        judgement=Judgement(errors=errors, before=run.summary),
    )


def keep(run: OpenRun, adjudications: Adjudications) -> None:
    """Write the marks beside the rows, with the scores that follow from them. The folder's lock must be held."""
    content = msgspec.json.format(msgspec.json.encode(adjudications), indent=1)
    write_atomically(run.folder / f"adjudications.{run.scorer.name.partition(_SUFFIX)[2]}.json", content)
    run.keep_scores()


def read_by(run: OpenRun, prompt: str, lines: Sequence[str]) -> ImageScore:
    """The score of an image of a prompt as a person reads it, line by line."""
    before = next((each for (ident, _), each in run.befores.items() if ident == prompt and each is not None), None)
    kept = [] if before is None else [line.text for line in before.keep]
    read = [TextLine(text=line) for line in lines]
    return scoring.score_edited(run.prompts[prompt].targets, kept, read, run.scorer.profile)


def check(run: OpenRun, adjudications: Adjudications) -> dict[str, Mark]:
    """The marks by key, checked against the run.

    Raises:
        AdjudicationError: when they are of another run or reader, name an image that is not there or has changed since,
            or contradict themselves.
    """
    if adjudications.run != digest(run.manifest):
        raise AdjudicationError(
            f"the marks are of another run than {run.folder}; export them from this run's own report"
        )
    if adjudications.engine_digest != run.ocr.digest:
        raise AdjudicationError(
            f"the marks judge readings of another OCR ({adjudications.engine_digest[:8]}) than {run.ocr.name} "
            f"({run.ocr.digest[:8]}); score with the OCR that was judged"
        )
    lost = {each.key: each for each in run.missing if each.stage in ("image", "not-finite", "blank")}
    marks: dict[str, Mark] = {}
    for mark in _sorted(adjudications.marks):
        where = f"mark of {mark.prompt} seed {mark.seed} by {mark.model}"
        request = run.requests.get(mark.key)
        if request is None or (request.model, request.prompt, request.seed) != (mark.model, mark.prompt, mark.seed):
            raise AdjudicationError(f"{where}: the run has no such image")
        if mark.key in marks:
            raise AdjudicationError(f"{where}: marked twice; keep one")
        generation = run.generations.get(mark.key)
        if generation is None or generation.sha256 != mark.image_sha256:
            raise AdjudicationError(f"{where}: the image has changed since it was judged; judge it again")
        if mark.key in lost:
            remedy = "draw it again and judge that" if lost[mark.key].stage == "image" else "there is nothing to read"
            raise AdjudicationError(f"{where}: {lost[mark.key].why}; {remedy}")
        reading = run.readings.get(mark.key)
        _check_reading(where, mark, None if reading is None else [line.text for line in reading.lines])
        marks[mark.key] = mark
    return marks


def _check_reading(where: str, mark: Mark, read: Sequence[str] | None) -> None:
    if mark.verdict == "model-misdrew":
        if read is None:
            raise AdjudicationError(f"{where}: there is no reading that could stand")
        return
    if mark.reading is None:
        raise AdjudicationError(f"{where}: the OCR is said to have misread it, but not what it says")
    if len(mark.reading) > MAX_LINES or any(len(line) > MAX_LINE_CHARS for line in mark.reading):
        raise AdjudicationError(f"{where}: {MAX_LINES} lines of {MAX_LINE_CHARS} characters at most")
    if sum(map(len, mark.reading)) > MAX_READING_CHARS:
        raise AdjudicationError(f"{where}: {MAX_READING_CHARS:,} characters at most")
    if read is not None and list(mark.reading) == list(read):
        raise AdjudicationError(f"{where}: the corrected reading is what the OCR read; correct it or drop the mark")


def _errors(marks: Sequence[Mark], charged: int, remaining: int) -> OcrErrors:
    misread = sum(mark.verdict == "ocr-misread" for mark in marks)
    low = high = None
    if marks:
        from scipy.stats import binomtest

        interval = binomtest(misread, len(marks)).proportion_ci(confidence_level=LEVEL, method="exact")
        low, high = float(interval.low), float(interval.high)
    return OcrErrors(judged=len(marks), misread=misread, low=low, high=high, charged=charged, remaining=remaining)


def _sorted(marks: Sequence[Mark]) -> list[Mark]:
    return sorted(marks, key=lambda mark: mark.key)
