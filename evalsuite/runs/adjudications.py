"""Judging the judge: a person's marks on readings, checked against the run and applied to its scores.

A mark says of one image either that the OCR misread it, and what it really says, or that the model misdrew it, so
that the reading stands. Marked scores are another measurement: they carry a scorer of their own name, so that nothing
compares them with unmarked ones by mistake.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import msgspec

from evalsuite import scoring
from evalsuite.errors import EvalsuiteError
from evalsuite.records import Record, Score, ScorerSpec, TextLine, digest
from evalsuite.runs.rows import write_atomically
from evalsuite.runs.runner import rescore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evalsuite.records import OcrSpec
    from evalsuite.runs.store import RunStore

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


class OcrErrors(Record, frozen=True, kw_only=True):
    """The OCR's errors among the judged images.

    `misread` of `judged` images, with the two-sided Clopper-Pearson interval for their share (Clopper and Pearson,
    Biometrika 26, 1934); None for both where none was judged. `charged` errors (substitutions, insertions,
    deletions) were charged to these images by the OCR's readings, `remaining` remain after the corrections. Judged
    images are rarely a random sample: the report says so, and offers a random order to judge in.
    """

    judged: int
    misread: int
    low: float | None
    high: float | None
    charged: int
    remaining: int

    @property
    def rate(self) -> float | None:
        """Share of the judged images that were misread."""
        return self.misread / self.judged if self.judged else None


class Applied(Record, frozen=True, kw_only=True):
    """Scores with the marks applied, under their own scorer, and what the marks say of the OCR."""

    scorer: ScorerSpec
    scores: tuple[Score, ...]
    errors: OcrErrors


def load(path: Path) -> Adjudications:
    """Read marks from a file that the report exported.

    Raises:
        AdjudicationError: when it cannot be read, or is no such file.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise AdjudicationError(f"{path}: more than {MAX_FILE_BYTES:,} bytes; a report exports far less")
        found = msgspec.json.decode(path.read_bytes(), type=Adjudications)
    except OSError as error:
        raise AdjudicationError(f"{path}: cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AdjudicationError(f"{path}: no marks exported by a report: {error}") from error
    if found.format != FORMAT:
        raise AdjudicationError(f"{path}: marks of format {found.format}; this evalsuite reads format {FORMAT}")
    return found


def scorer_for(scorer: ScorerSpec, marks: Sequence[Mark]) -> ScorerSpec:
    """The scorer that marked scores name: the plain one, and which marks."""
    stamp = digest([[mark.key, mark.image_sha256, mark.verdict, mark.reading] for mark in _sorted(marks)])[:8]
    return msgspec.structs.replace(scorer, name=f"{scorer.name}{_SUFFIX}{stamp}")


def apply(store: RunStore, ocr: OcrSpec, scorer: ScorerSpec, adjudications: Adjudications) -> Applied:
    """Score a run with the corrected readings; write the rows, and the marks beside them, into the run folder.

    Raises:
        AdjudicationError: when the marks are of another run or reader, name an image that is not there or has
            changed since, or contradict themselves. Nothing is written then.
    """
    marks = _checked(store, ocr, adjudications)
    prompts = {prompt.id: prompt for prompt in store.manifest.prompts}
    marked = scorer_for(scorer, adjudications.marks)
    with store.writing():
        plain = rescore(store, ocr, scorer)
        rows = []
        charged = remaining = 0
        for score in plain:
            mark = marks.get(score.key)
            row = msgspec.structs.replace(score, scorer=marked)
            if mark is not None and mark.reading is not None and mark.verdict == "ocr-misread":
                lines = [TextLine(text=line) for line in mark.reading]
                result = scoring.score_image(prompts[score.prompt].targets, lines, scorer.profile)
                row = msgspec.structs.replace(
                    row,
                    status="scored",
                    targets=result.targets,
                    extras=result.extras,
                    errors=result.errors,
                    exact_search=result.exact_search,
                    detail="read by a person",
                )
            if mark is not None:
                charged += scoring.count(score).edits
                remaining += scoring.count(row).edits
            rows.append(row)
        content = msgspec.json.format(msgspec.json.encode(adjudications), indent=1)
        write_atomically(store.folder / f"adjudications.{marked.name.partition(_SUFFIX)[2]}.json", content)
        store.scores(ocr, marked).replace(rows)
    return Applied(scorer=marked, scores=tuple(rows), errors=_errors(list(marks.values()), charged, remaining))


def plain(scorer: ScorerSpec) -> ScorerSpec:
    """The scorer without its marks; a plain scorer as it is."""
    return msgspec.structs.replace(scorer, name=scorer.name.partition(_SUFFIX)[0])


def stored(store: RunStore, ocr: OcrSpec, scorer: ScorerSpec) -> Applied | None:
    """The marks that `scorer` names, applied before and kept in the run folder; None for a plain scorer."""
    stamp = scorer.name.partition(_SUFFIX)[2]
    if not stamp:
        return None
    if not _STAMP.fullmatch(stamp):
        raise AdjudicationError(f"{scorer.name!r} names no marks of {store.folder}")
    return apply(store, ocr, plain(scorer), load(store.folder / f"adjudications.{stamp}.json"))


def _checked(store: RunStore, ocr: OcrSpec, adjudications: Adjudications) -> dict[str, Mark]:
    if adjudications.run != digest(store.manifest):
        raise AdjudicationError(
            f"the marks are of another run than {store.folder}; export them from this run's own report"
        )
    if adjudications.engine_digest != ocr.digest:
        raise AdjudicationError(
            f"the marks judge readings of another OCR ({adjudications.engine_digest[:8]}) than {ocr.name} "
            f"({ocr.digest[:8]}); score with the OCR that was judged"
        )
    generations = store.last_generations()
    readings = {row.key: row for row in store.readings(ocr).read() if row.error is None}
    requests = {request.key: request for request in store.manifest.requests}
    marks: dict[str, Mark] = {}
    for mark in _sorted(adjudications.marks):
        where = f"mark of {mark.prompt} seed {mark.seed} by {mark.model}"
        request = requests.get(mark.key)
        if request is None or (request.model, request.prompt, request.seed) != (mark.model, mark.prompt, mark.seed):
            raise AdjudicationError(f"{where}: the run has no such image")
        if mark.key in marks:
            raise AdjudicationError(f"{where}: marked twice; keep one")
        generation = generations.get(mark.key)
        if generation is None or generation.sha256 != mark.image_sha256:
            raise AdjudicationError(f"{where}: the image has changed since it was judged; judge it again")
        reading = readings.get(mark.key)
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
