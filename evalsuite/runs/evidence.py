"""What a run folder holds as evidence: the last generation of each request, its image, the reading of those very bytes.

The rows are joined to the requests and to the bytes here and nowhere else. What does not fit is either damage (an
error that names the file) or missing work (named, and counted against the model).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeVar

import msgspec

from evalsuite.digests import file_sha256
from evalsuite.records import MAX_READING_CHARS, Reading, Record, digest, digest_of_parts
from evalsuite.runs.rows import DamagedRunError, open_regular

if TYPE_CHECKING:
    from pathlib import Path

    from evalsuite.records import Generation, OcrSpec, Request
    from evalsuite.runs.rows import RowFile
    from evalsuite.runs.store import RunStore

Stage = Literal["image", "not-finite", "blank", "reading", "file", "turn", "shard"]
"""What is missing: the image, finite values in it, anything on it, its reading, or only the file of an image that was
read.

"turn": the image's turn has not come, in a run that is drawn until a gate's verdict (`Manifest.sequential`).
"shard": another shard draws it (`Manifest.shard`).
"""

NOT_DUE: tuple[Stage, ...] = ("turn", "shard")
"""What is missing by plan: it was not to be drawn here, or not yet."""

_FAILED: dict[str, tuple[Stage, str]] = {
    "nan-image": ("not-finite", "the image holds values that are not finite"),
    "blank-image": ("blank", "the image is blank"),
}
"""Findings of a drawing that came to nothing, as stages and reasons; of an image with both, the first counts."""

_BLOCK_BYTES = 2**16

Row = TypeVar("Row", "Generation", "Reading")


class Missing(Record, frozen=True, kw_only=True):
    """A request whose evidence is not whole, and why: the run is incomplete.

    It counts as wholly wrong, except where only the file is gone (`stage` "file"): then the reading of it still counts
    in the figures, but nobody can check it any more, so that no gate and no claim rests on it.
    """

    key: str
    model: str
    prompt: str
    seed: int
    stage: Stage
    why: str

    @property
    def image(self) -> str:
        """Which image: `neon-001 seed 0`."""
        return f"{self.prompt} seed {self.seed}"

    @property
    def text(self) -> str:
        """The image and the reason: `neon-001 seed 0: not drawn`."""
        return f"{self.image}: {self.why}"


class StoredReadings(Mapping[str, Reading]):
    """Readings by key, each decoded whenever it is asked for: as records, those of a run take four times the memory."""

    def __init__(self, file: RowFile[Reading], lines: Mapping[str, bytes]) -> None:
        self._file, self._lines = file, lines

    def __getitem__(self, key: str) -> Reading:
        return self._file.decode(self._lines[key])

    def __contains__(self, key: object) -> bool:
        return key in self._lines

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)


@dataclass(frozen=True)
class Evidence:
    """The rows of a run that count, for one OCR engine.

    `generations` holds the last row of each key, failures included, in the order drawn; `readings` the good reading of
    the very bytes that were drawn; `missing` what is not whole, in the order of the plan. `torn` names row files
    whose last line is cut off.
    """

    store: RunStore
    ocr: OcrSpec
    generations: Mapping[str, Generation]
    readings: Mapping[str, Reading]
    missing: tuple[Missing, ...]
    torn: tuple[str, ...]
    _digests: dict[str, str] = field(init=False, repr=False, compare=False, default_factory=dict)

    @cached_property
    def drawn(self) -> dict[str, Generation]:
        """The generations whose image is there, as it was drawn."""
        lost = {each.key for each in self.missing if each.stage in ("image", "file", *NOT_DUE)}
        return {key: row for key, row in self.generations.items() if key not in lost}

    def read_by_a_person(self, keys: AbstractSet[str]) -> Evidence:
        """The evidence where a person read some images, so that an OCR failure there is no lack."""
        kept = tuple(each for each in self.missing if each.stage != "reading" or each.key not in keys)
        return replace(self, missing=kept)

    def fingerprint(self) -> dict[str, str]:
        """SHA-256 of the plan and of each row file of this engine, and of all images together, by name.

        For whoever must know later that nothing was replaced, an image and its rows together included.
        """
        store = self.store
        files = (store.folder / "manifest.json", store.generations.path, store.readings(self.ocr).path)
        images = [[key, row.sha256] for key, row in sorted(self.drawn.items())]
        return {
            **{path.name: file_sha256(path) for path in files if path.exists()},
            "images": digest(images),
        }

    def digest_of(self, model: str) -> str:
        """Digest of all that a verdict on a model rests on: the plan, its generations with image hashes, readings."""
        if model not in self._digests:
            own = [request.key for request in self.store.requests.values() if request.model == model]
            generations, readings = map(self.generations.get, own), map(self.readings.get, own)
            self._digests[model] = digest_of_parts([self.store.manifest, model], generations, readings)
        return self._digests[model]


def read_evidence(store: RunStore, ocr: OcrSpec) -> Evidence:
    """Read a run's rows, hash its images, and join them.

    Raises:
        DamagedRunError: A file is damaged, or holds rows that are not of this run or engine.
    """
    generations = _last_generations(store)
    by_bytes = _readings(store, ocr)
    read_keys = {key for key, _ in by_bytes}
    readings: dict[str, bytes] = {}
    missing = []
    for key, request in store.requests.items():
        generation = generations.get(key)
        lack = _image_lack(store, generation)
        if generation is None and store.manifest.sequential is not None:
            lack = "turn", "not drawn: the run is drawn only until a gate's verdict"
        if generation is None and key not in store.own_requests:
            lack = "shard", f"not drawn here: the folder holds {store.manifest.shard}"
        if generation is not None and (lack is None or lack[0] != "image"):
            found = by_bytes.get((key, generation.sha256 or ""))
            if found is not None and found.error is None:
                readings[key] = found.line
            elif lack is None:
                lack = "reading", _reading_lack(found, again=key in read_keys)
            elif lack[0] == "file":
                lack = "image", lack[1]
        if lack is not None:
            missing.append(_missing(request, *lack))
    file = store.readings(ocr)
    torn = tuple(each.path.name for each in (store.generations, file) if each.is_torn)
    return Evidence(store, ocr, generations, StoredReadings(file, readings), tuple(missing), torn)


def _last_generations(store: RunStore) -> dict[str, Generation]:
    """The last row of each key, in the order of the last drawing: a failure after an image means that it was lost."""
    last: dict[str, Generation] = {}
    for row, _ in _of_run(store, store.generations):
        request = store.request_of(row)
        last.pop(row.key, None)
        # The request's own strings, which are in memory already.
        last[request.key] = msgspec.structs.replace(row, key=request.key, model=request.model, prompt=request.prompt)
    return last


@dataclass(frozen=True, slots=True)
class _Found:
    """A row of readings: the error where it failed, and the line that holds it."""

    error: str | None
    line: bytes


def _readings(store: RunStore, ocr: OcrSpec) -> dict[tuple[str, str], _Found]:
    """The reading of each key and image hash. A failure does not replace one that succeeded for the same bytes."""
    file, engine = store.readings(ocr), (ocr.name, ocr.digest)
    found: dict[tuple[str, str], _Found] = {}
    for row, line in _of_run(store, file):
        if (row.engine, row.engine_digest) != engine:
            raise DamagedRunError(f"{file.path}: row {row.key} was read by another OCR engine than its file says")
        length = sum(len(line.text) for line in row.lines)
        if length > MAX_READING_CHARS:
            raise DamagedRunError(
                f"{file.path}: row {row.key} has {length:,} characters; {MAX_READING_CHARS:,} can be scored; delete "
                "this line to have the image read again"
            )
        before = found.get((row.key, row.image_sha256))
        if row.error is None or before is None or before.error is not None:
            found[row.key, row.image_sha256] = _Found(row.error, line)
    return found


def _of_run(store: RunStore, file: RowFile[Row]) -> Iterator[tuple[Row, bytes]]:
    """The rows of a file with their lines; raises where the file is damaged or some are of another run."""
    foreign = []
    for row, line in file.scan():
        if row.key in store.requests:
            yield row, line
        else:
            foreign.append(row.key)
    if foreign:
        raise DamagedRunError(
            f"{file.path}: {len(foreign)} rows are not of this run, e.g. {foreign[0]}; restore the file from a copy, "
            "or delete those lines"
        )


def _missing(request: Request, stage: Stage, why: str) -> Missing:
    return Missing(key=request.key, model=request.model, prompt=request.prompt, seed=request.seed, stage=stage, why=why)


def _image_lack(store: RunStore, row: Generation | None) -> tuple[Stage, str] | None:
    """Why a request's image cannot count, None where it can. Every image is hashed."""
    if row is None:
        return "image", "not drawn"
    if row.error is not None:
        return "image", row.error
    path = store.image_path(row)
    problem = check_image(path, row.sha256)
    if problem is None:
        return why_failed(row)
    if not path.is_symlink() and not path.exists():
        return "file", "its image file is missing"
    return "image", problem


def why_failed(row: Generation) -> tuple[Stage, str] | None:
    """Why a drawing came to nothing although there is an image, with its stage; None where it shows something."""
    codes = {finding.code for finding in row.findings}
    return next((lack for code, lack in _FAILED.items() if code in codes), None)


def _reading_lack(failure: _Found | None, *, again: bool) -> str:
    if failure is not None:
        return failure.error or "the OCR failed"
    return "the bytes that were read are not those that were drawn" if again else "not read"


def check_image(path: Path, sha256: str | None) -> str | None:
    """What is wrong with the file of a stored image, None where its bytes are as recorded."""
    try:
        actual = hashlib.sha256()
        with open_regular(path) as file:
            # Not `hashlib.file_digest`, which makes a buffer of 256 KiB for each of 10,000 images.
            while block := file.read(_BLOCK_BYTES):
                actual.update(block)
    except (DamagedRunError, OSError) as error:
        return f"its image file cannot be read: {str(error).rpartition(': ')[2]}"
    return None if actual.hexdigest() == sha256 else "its image file has changed since it was drawn"
