"""A run that is going on, followed through its files while another process writes them.

Row files are append-only: what was read stays, and only what was added since is read. The last line may be torn, as the
writer is in the middle of it; it is taken up when it is whole.
"""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from evalsuite import scoring, stats
from evalsuite.records import Generation, ImageScore, Reading, Record
from evalsuite.runs import RunStore
from evalsuite.runs.evidence import why_failed
from evalsuite.runs.journal import FILE as LOG
from evalsuite.runs.promises import sampling_units
from evalsuite.runs.rows import DamagedRunError, open_regular
from evalsuite.runs.summary import FINE_REPLICATES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evalsuite.scoring import Counts

LATEST = 24
"""Images that a page about a run in progress shows."""
SILENT = 600.0
"""Seconds without an event after which a run whose process cannot be seen from here counts as stopped."""
MOST_AT_ONCE = 64 * 2**20
"""Bytes that are read of a file at a time."""

Row = TypeVar("Row")


class _Event(msgspec.Struct, frozen=True):
    """What is wanted of a line of `log.jsonl`; other fields are left aside."""

    at: str
    event: str
    process: int | None = None


class Tail(Generic[Row]):
    """The rows of a file that another process appends to; each `read` gives those that are new."""

    def __init__(self, path: Path, kind: type[Row]) -> None:
        self._path = path
        self._decoder = msgspec.json.Decoder(kind)
        self._offset = 0
        self._file: tuple[int, int] | None = None

    def read(self) -> tuple[bool, list[Row]]:
        """Whether the file is another one than before (then all its rows come again), and the new rows.

        Raises:
            DamagedRunError: A whole line is no such row, or the file is no regular file.
        """
        if not self._path.exists() and not self._path.is_symlink():
            anew = self._file is not None
            self._offset, self._file = 0, None
            return anew, []
        with open_regular(self._path) as file:
            state = os.fstat(file.fileno())
            anew = self._file is not None and (
                self._file != (state.st_dev, state.st_ino) or state.st_size < self._offset
            )
            if anew:
                self._offset = 0
            self._file = state.st_dev, state.st_ino
            file.seek(self._offset)
            content = file.read(MOST_AT_ONCE)
        whole = content[: content.rfind(b"\n") + 1]
        rows = []
        for line in whole.splitlines():
            try:
                rows.append(self._decoder.decode(line))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise DamagedRunError(f"{self._path}: a line that is not a row of it: {error}") from error
        self._offset += len(whole)
        return anew, rows


class ModelNow(Record, frozen=True, kw_only=True):
    """One model so far: its images drawn and read of those planned, and its accuracy over those that are scored.

    `failed` came to nothing and count as wholly wrong, as they will in the end.
    """

    model: str
    role: str
    planned: int
    drawn: int
    scored: int
    failed: int
    accuracy: stats.Interval


class ImageNow(Record, frozen=True, kw_only=True):
    """An image as it arrived. `accuracy` is None until it is read; `failed` says why there is nothing to see."""

    key: str
    model: str
    prompt: str
    seed: int
    text: str
    shown: bool
    accuracy: float | None
    failed: str | None


class Now(Record, frozen=True, kw_only=True):
    """A run at this moment.

    `state` is `running`, `stopped` (not whole, and nobody is at work) or `done`. `elapsed` are the seconds since this
    session began, `left_drawing` and `left_reading` what the two stages will take at their pace so far, None where
    that is not known yet.
    """

    state: str
    planned: int
    drawn: int
    read: int
    failed: int
    elapsed: float | None
    left_drawing: float | None
    left_reading: float | None
    models: tuple[ModelNow, ...]
    latest: tuple[ImageNow, ...]


@dataclass(slots=True)
class _Session:
    """When the last session began, the process behind it, and its last event."""

    began: float | None = None
    process: int | None = None
    ended: bool = True
    last: float = 0.0


@dataclass
class Follower:
    """Follows one run folder. Its methods may be called from any thread."""

    store: RunStore
    generations: dict[str, Generation] = field(default_factory=dict)
    _readings: dict[tuple[str, str], Reading] = field(default_factory=dict)
    _counts: dict[tuple[str, str | None], Counts] = field(default_factory=dict)
    _session: _Session = field(default_factory=_Session)
    _drawn_at: list[float] = field(default_factory=list)
    _read_at: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        folder, ocr = self.store.folder, self.store.manifest.ocr
        self._tails = (
            Tail(self.store.generations.path, Generation),
            Tail(self.store.readings(ocr).path, Reading),
            Tail(folder / LOG, _Event),
        )
        self._units = sampling_units(self.store.manifest.prompts)
        self._lock = threading.RLock()
        self._intervals: dict[str, tuple[object, stats.Interval]] = {}

    def generation(self, key: str) -> Generation | None:
        """The last generation of a key; None where it is not drawn, or no key of this run."""
        with self._lock:
            self._catch_up()
            return self.generations.get(key)

    def now(self) -> Now:
        """The run at this moment.

        Raises:
            DamagedRunError: A file of it is damaged.
        """
        with self._lock:
            self._catch_up()
            return self._now()

    def _catch_up(self) -> None:
        drawing, reading, log = self._tails
        anew, generations = drawing.read()
        if anew:
            self.generations.clear()
            self._drawn_at.clear()
        for row in generations:
            if row.key in self.store.requests:
                self.store.request_of(row)
                self.generations.pop(row.key, None)
                self.generations[row.key] = row
                self._drawn_at.append(_seconds(row.drawn_at))
        anew, readings = reading.read()
        if anew:
            self._readings.clear()
            self._read_at.clear()
        for each in readings:
            self._readings[each.key, each.image_sha256] = each
            self._read_at.append(_seconds(each.read_at))
        try:
            anew, events = log.read()
        except DamagedRunError:
            events = []  # the log is no evidence: without it, only the times are not known
        for event in events:
            self._take(event)

    def _take(self, event: _Event) -> None:
        at = _seconds(event.at)
        if event.event == "opened":
            self._session = _Session(at, event.process, ended=False, last=at)
        self._session.last = at
        if event.event in ("closed", "stopped"):
            self._session.ended = True

    def _now(self) -> Now:
        scores = {key: self._score(row) for key, row in self.generations.items()}
        planned = len(self.store.requests)
        drawn = sum(row.error is None for row in self.generations.values())
        read = sum(counts is not None for counts, _ in scores.values())
        failed = sum(why is not None for _, why in scores.values())
        running = self._is_running()
        began = self._session.began
        state = "done" if read == planned and not running else "running" if running else "stopped"
        return Now(
            state=state,
            planned=planned,
            drawn=drawn,
            read=read,
            failed=failed,
            elapsed=time.time() - began if running and began is not None else None,
            left_drawing=_left(self._drawn_at, began, planned - drawn) if running else None,
            left_reading=_left(self._read_at, began, planned - read) if running else None,
            models=tuple(self._model(spec.name, spec.role, scores) for spec in self.store.manifest.models),
            latest=tuple(self._image(key, *scores[key]) for key in reversed(list(self.generations)[-LATEST:])),
        )

    def _is_running(self) -> bool:
        session = self._session
        if session.ended or session.process is None:
            return False
        import psutil

        # A run on another machine that shares the folder shows by its events alone.
        return psutil.pid_exists(session.process) or time.time() - session.last < SILENT

    def _score(self, row: Generation) -> tuple[Counts | None, str | None]:
        """The counts of an image, None where it is not read yet, and why it came to nothing, where it did."""
        prompt, profile = self.store.prompts[row.prompt], self.store.manifest.scorer.profile
        reading = self._readings.get((row.key, row.sha256 or ""))
        lack = why_failed(row)
        failed = row.error or (lack[1] if lack is not None else None)
        if failed is None and reading is not None:
            failed = reading.error
        if failed is None and reading is None:
            return None, None
        key = (row.key, None if failed is not None else row.sha256)
        if key not in self._counts:
            if failed is not None or reading is None:
                result = ImageScore(targets=scoring.unread_targets(prompt.targets, profile))
            else:
                kept = prompt.editing.keep if prompt.editing is not None else ()
                result = scoring.score_edited(prompt.targets, kept, reading.lines, profile)
            self._counts[key] = scoring.count(result)
        return self._counts[key], failed

    def _model(self, name: str, role: str, scores: dict[str, tuple[Counts | None, str | None]]) -> ModelNow:
        own = {key: scores[key] for key, row in self.generations.items() if row.model == name}
        counted: dict[str, list[Counts]] = defaultdict(list)
        for key, (counts, _) in own.items():
            if counts is not None:
                counted[self._units[self.generations[key].prompt]].append(counts)
        return ModelNow(
            model=name,
            role=role,
            planned=sum(request.model == name for request in self.store.requests.values()),
            drawn=sum(self.generations[key].error is None for key in own),
            scored=sum(counts is not None for counts, _ in own.values()),
            failed=sum(why is not None for _, why in own.values()),
            accuracy=self._interval(name, [scoring.total(each) for each in counted.values()]),
        )

    def _interval(self, model: str, by_prompt: Sequence[Counts]) -> stats.Interval:
        pairs = tuple((each.length - each.edits, each.length) for each in by_prompt)
        kept = self._intervals.get(model)
        if kept is None or kept[0] != pairs:
            found = stats.ratio_interval(
                [hits for hits, _ in pairs], [all_ for _, all_ in pairs], replicates=FINE_REPLICATES, bounds=(0.0, 1.0)
            )
            kept = self._intervals[model] = pairs, found
        return kept[1]

    def _image(self, key: str, counts: Counts | None, failed: str | None) -> ImageNow:
        row = self.generations[key]
        return ImageNow(
            key=key,
            model=row.model,
            prompt=row.prompt,
            seed=row.seed,
            text=" · ".join(self.store.prompts[row.prompt].targets)[:200],
            shown=row.image is not None,
            accuracy=None if counts is None or failed else (counts.length - counts.edits) / counts.length,
            failed=failed,
        )


def _seconds(text: str) -> float:
    """A moment as seconds since 1970; 0 for what is no moment."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _left(moments: Sequence[float], began: float | None, missing: int) -> float | None:
    """Seconds for the missing ones at the pace of this session after its first, which waited for the weights."""
    own = [at for at in moments if began is not None and at >= began]
    if missing <= 0:
        return 0.0
    return None if len(own) < 2 else (own[-1] - own[0]) / (len(own) - 1) * missing
