"""One model of a stored run as the gate sees it: its score and timing rows, checked, and what is missing."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import msgspec

from evalsuite.errors import EvalsuiteError, IncompleteError
from evalsuite.gate.verdict import RunRef
from evalsuite.records import Generation, Manifest, ModelSpec, Record, Score, ScorerSpec, digest
from evalsuite.runs.rows import DamagedRunError, RowFile
from evalsuite.runs.store import RunStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from evalsuite.records import Request

Slot = tuple[str, int]
"""Prompt id and seed."""

Row = TypeVar("Row", bound=Record)

_NOT_FINITE = re.compile(rb"[:,\[]\s*-?(NaN|Infinity)\b")


class NotFiniteError(EvalsuiteError):
    """A stored row holds NaN or infinity; the message names file and line."""


@dataclass(frozen=True, slots=True)
class RunView:
    """One model of a run. `scores` holds the rows that count; `missing` names the images that have none, and why.

    `drawn` are the images of all of the run's models in the order drawn, failures left out.
    """

    folder: Path
    manifest: Manifest
    model: ModelSpec
    scorer: ScorerSpec
    scores: Mapping[Slot, Score]
    drawn: tuple[Generation, ...]
    missing: tuple[str, ...]
    digest: str

    @property
    def ref(self) -> RunRef:
        """How the verdict names this side."""
        return RunRef(
            folder=self.folder.as_posix(),
            digest=self.digest,
            model=self.model.name,
            role=self.model.role,
            model_digest=self.model.digest,
            created_at=self.manifest.created_at,
        )

    @property
    def generations(self) -> dict[Slot, Generation]:
        """This model's drawn images by prompt and seed, the last of each."""
        return {(row.prompt, row.seed): row for row in self.drawn if row.model == self.model.name}


def open_view(folder: Path, model: str | None = None) -> RunView:
    """Open a run folder and check the stored rows of one of its models. Nothing is drawn, read or written.

    Args:
        folder: The run folder.
        model: The model's name in the run; may be left out where there is one besides the typeset reference.

    Raises:
        IncompleteError: The run was never scored.
        NotFiniteError: A row holds NaN.
        EvalsuiteError: There is no run, a file is damaged, or the model is not in it or not the only one.
    """
    store = RunStore.open(folder)
    manifest = store.manifest
    spec = _pick(folder, manifest, model)
    file = store.scores(manifest.ocr, manifest.scorer)
    if not file.path.is_file():
        raise IncompleteError(f"{file.path}: not there, so this run was not scored; run 'evalsuite score {folder}'")
    rows = [row for row in _read(file) if row.model == spec.name]
    requests = {request.key: request for request in manifest.requests if request.model == spec.name}
    _check_rows(file.path, rows, requests, manifest)
    # The last row of a key decides: a failure after an image means that the image was lost.
    last: dict[str, Generation] = {}
    for row in _read(store.generations):
        last.pop(row.key, None)  # so that the order is that of the last drawing
        last[row.key] = row
    drawn = tuple(row for row in last.values() if row.error is None)
    read = {(row.key, row.image_sha256) for row in _read(store.readings(manifest.ocr)) if row.error is None}
    images = {row.key: row.sha256 for row in drawn}
    scored = {row.key: row for row in rows}
    torn = [path.name for path in (store.generations.path, file.path) if _is_torn(path)]
    good: dict[Slot, Score] = {}
    missing = []
    for key, request in requests.items():
        lack = _lack(scored.get(key), last.get(key), images.get(key), read, file.path)
        if lack is None:
            good[request.prompt, request.seed] = scored[key]
        else:
            missing.append(f"{request.prompt} seed {request.seed}: {lack}")
    if missing and torn:
        missing.insert(0, f"{folder}: the last row of {' and '.join(torn)} is cut off")
    scorer = rows[0].scorer if rows else manifest.scorer
    own = {row.key: row for row in drawn if row.key in requests}
    return RunView(
        folder=folder,
        manifest=manifest,
        model=spec,
        scorer=scorer,
        scores=good,
        drawn=drawn,
        missing=tuple(missing),
        digest=digest([manifest, spec.name, sorted(scored.items()), sorted(own.items())]),
    )


def _pick(folder: Path, manifest: Manifest, name: str | None) -> ModelSpec:
    names = [spec.name for spec in manifest.models]
    if name is not None:
        for spec in manifest.models:
            if spec.name == name:
                return spec
        raise EvalsuiteError(f"{folder}: holds no model {name!r}; it has {', '.join(names)}")
    if len(manifest.models) == 1:
        return manifest.models[0]
    # The clean typeset reference rides along in every run; it is the ceiling, not what was evaluated.
    subjects = [spec for spec in manifest.models if not (spec.kind == "typeset" and not spec.settings.get("errors"))]
    if len(subjects) != 1:
        raise EvalsuiteError(
            f"{folder}: holds several models ({', '.join(names)}); name one with --baseline-model or --candidate-model"
        )
    return subjects[0]


def _check_rows(path: Path, rows: list[Score], requests: Mapping[str, Request], manifest: Manifest) -> None:
    targets = {prompt.id: len(prompt.targets) for prompt in manifest.prompts}
    again = f"'evalsuite score {path.parent}' writes the file anew"
    for key, times in Counter(row.key for row in rows).items():
        if times > 1:
            raise DamagedRunError(f"{path}: row {key} stands there {times} times; {again}")
    for row in rows:
        request = requests.get(row.key)
        if request is None or (row.prompt, row.seed) != (request.prompt, request.seed):
            raise DamagedRunError(f"{path}: row {row.key} ({row.prompt} seed {row.seed}) is not of this run; {again}")
        if len(row.targets) != targets[row.prompt]:
            raise DamagedRunError(
                f"{path}: row {row.key} scores {len(row.targets)} targets of {targets[row.prompt]}; {again}"
            )
        if row.engine_digest != manifest.ocr.digest:
            raise DamagedRunError(f"{path}: row {row.key} was read by another OCR engine than its file says; {again}")
        if row.scorer != rows[0].scorer:
            raise DamagedRunError(f"{path}: its rows are of two scorers or versions; {again}")


def _lack(
    score: Score | None, row: Generation | None, image: str | None, read: set[tuple[str, str]], path: Path
) -> str | None:
    """Why an image cannot count, None where it can."""
    if row is None or image is None:
        return (row.error if row is not None else None) or "not drawn"
    if score is None:
        return f"no row in {path.name}"
    if score.status != "scored":
        return score.detail or score.status
    if (score.key, image) not in read:
        return "its image was drawn again and not read since"
    return None


def _is_torn(path: Path) -> bool:
    """True where a file does not end with a newline: a crash, or a cut copy."""
    if not path.is_file() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) != b"\n"


def _read(file: RowFile[Row]) -> list[Row]:
    """All rows; NaN in one gets a message of its own."""
    try:
        return file.read()
    except DamagedRunError:
        for number, line in _lines(file.path):
            if _NOT_FINITE.search(line) and not _is_json(line):
                raise NotFiniteError(
                    f"{file.path}:{number}: holds NaN or infinity, which no score or timing may be; 'evalsuite score "
                    f"{file.path.parent}' writes scores anew, and a timing must be measured again"
                ) from None
        raise


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        yield from enumerate(file, start=1)


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True
