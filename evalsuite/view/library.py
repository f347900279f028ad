"""The runs and sweeps below a folder: found, told apart by ids that are no paths, and opened once.

Nothing is written. What a run's `summary.json` says is shown in lists as it stands there; a page about one run is made
from its images and rows.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from evalsuite.errors import EvalsuiteError
from evalsuite.files import FileError, read_file
from evalsuite.records import digest
from evalsuite.report import conclusions
from evalsuite.report.summary_file import RunSummary
from evalsuite.runs import RunStore, open_run
from evalsuite.sweep.results import Sweep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalsuite.records import Manifest
    from evalsuite.runs.opened import OpenRun

DEPTH = 5
"""Folders below the root that are looked into."""
MOST_FOLDERS = 20_000
MOST_OPEN = 8
"""Runs kept open: each holds its rows in memory."""

Value = TypeVar("Value")


class NotHereError(EvalsuiteError):
    """A page asks for what is not below the folder, or not any more."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A run folder. `id` is a digest of its place below the root, `name` that place for people."""

    id: str
    name: str
    folder: Path


@dataclass(frozen=True, slots=True)
class Listed:
    """A run as a list shows it; `error` says why it cannot be read, and all else is then missing.

    `manifest` is without its prompts, which would fill the memory over many runs: `prompts` is their number and `asked`
    a digest of them and of the seeds. `figures` are those of its `summary.json`, None where there are none or the rows
    are newer. `outcomes` are the verdicts that gates gave.
    """

    entry: Entry
    manifest: Manifest | None = None
    prompts: int = 0
    asked: str = ""
    figures: RunSummary | None = None
    outcomes: tuple[str, ...] = ()
    error: str | None = None


class Kept:
    """Values that were made from files, kept until the files change; the least used goes first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[object, tuple[object, object]] = OrderedDict()
        self._lock = threading.Lock()
        self._making: dict[object, threading.Lock] = {}

    def get(self, key: object, stamp: object, make: Callable[[], Value]) -> Value:
        """The value of `key` as of `stamp`; made by one thread at a time, and not kept where making it fails."""
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                found = self._values.get(key)
                if found is not None and found[0] == stamp:
                    self._values.move_to_end(key)
                    return found[1]  # type: ignore[return-value]
            value = make()
            with self._lock:
                self._values[key] = stamp, value
                self._values.move_to_end(key)
                while len(self._values) > self._most:
                    gone, _ = self._values.popitem(last=False)
                    self._making.pop(gone, None)
            return value


class Library:
    """What lies below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._listed = Kept(5_000)
        self._open = Kept(MOST_OPEN)

    def entries(self) -> dict[str, Entry]:
        """The run folders by id, the one that was written to last first."""
        found = [self._entry(folder) for folder in _folders(self.root, "manifest.json")]
        found.sort(key=lambda entry: (_modified(entry.folder / "generations.jsonl"), entry.name), reverse=True)
        return {entry.id: entry for entry in found}

    def sweeps(self) -> dict[str, Entry]:
        """The folders of sweeps by id, by name."""
        found = sorted(
            (self._entry(folder) for folder in _folders(self.root, "sweep.json")), key=lambda each: each.name
        )
        return {entry.id: entry for entry in found}

    def _entry(self, folder: Path) -> Entry:
        name = folder.relative_to(self.root).as_posix()
        name = folder.resolve().name if name == "." else name
        return Entry(id_of(name), name, folder)

    def listed(self, entry: Entry) -> Listed:
        """A run as a list shows it."""
        return self._listed.get(entry.id, stamp(entry.folder), partial(_read, entry))

    def opened(self, entry: Entry) -> OpenRun:
        """A run with its images hashed and its scores; raises `EvalsuiteError` where it cannot be read."""
        return self._open.get(entry.id, stamp(entry.folder), partial(open_run, entry.folder))

    def sweep(self, entry: Entry) -> Sweep:
        """The results of a sweep; raises `EvalsuiteError` where they cannot be read."""
        try:
            content = read_file(entry.folder / "sweep.json", follow=False)
            return msgspec.json.decode(content, type=Sweep)
        except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise EvalsuiteError(f"{entry.folder / 'sweep.json'}: not what a sweep wrote: {error}") from error


def id_of(name: str) -> str:
    """The id of a run by its place below the root: 16 hexadecimal digits."""
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Changes whenever a file of the run folder itself does, or an image comes or goes."""
    found = []
    try:
        with os.scandir(folder) as entries:
            for each in entries:
                if each.name == ".lock" or each.name == "log.jsonl":
                    continue
                state = each.stat(follow_symlinks=False)
                found.append((each.name, state.st_mtime_ns, state.st_size))
    except OSError:
        return ()
    return tuple(sorted(found))


def _folders(root: Path, file: str) -> Iterator[Path]:
    """The folders that hold a file of that name. No link is followed, and no run is looked into."""
    waiting, seen = [(root, 0)], 0
    while waiting and seen < MOST_FOLDERS:
        folder, depth = waiting.pop()
        seen += 1
        try:
            with os.scandir(folder) as entries:
                inside = {each.name: each for each in entries if not each.is_symlink()}
        except OSError:
            continue
        if file in inside and inside[file].is_file(follow_symlinks=False):
            yield folder
        if "manifest.json" in inside or depth == DEPTH:
            continue
        waiting += [
            (folder / name, depth + 1)
            for name, each in inside.items()
            if not name.startswith(".") and each.is_dir(follow_symlinks=False)
        ]


def _read(entry: Entry) -> Listed:
    try:
        store = RunStore.open(entry.folder)
        kept = conclusions.read(store)
    except (EvalsuiteError, OSError) as error:
        return Listed(entry, error=str(error))
    outcomes = tuple(row.outcome for row in kept.verdicts.rows) if kept.verdicts is not None else ()
    manifest = store.manifest
    return Listed(
        entry,
        msgspec.structs.replace(manifest, prompts=()),
        len(manifest.prompts),
        digest([manifest.prompts, sorted(manifest.seeds)]),
        _figures(store),
        outcomes,
    )


def _figures(store: RunStore) -> RunSummary | None:
    path = store.folder / "summary.json"
    rows = (store.generations.path, store.readings(store.manifest.ocr).path)
    if any(_modified(each) > _modified(path) for each in rows):
        return None
    try:
        return msgspec.json.decode(read_file(path, follow=False), type=RunSummary)
    except (FileNotFoundError, FileError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _modified(path: Path) -> int:
    try:
        return path.lstat().st_mtime_ns
    except OSError:
        return 0
