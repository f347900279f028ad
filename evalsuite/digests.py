"""Digests of weight files: which bytes drew the images.

A digest covers the content and the relative name of every file that a pipeline reads, so one changed weight,
tokenizer entry or scheduler setting changes it, and a copy of the folder does not. Hashes of single files are
cached by size, times and inode, since a checkpoint of 16 GB takes some ten seconds to read.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from evalsuite.datafiles import cache_root
from evalsuite.errors import EvalsuiteError
from evalsuite.records import digest

_SETTLED_SECONDS = 2.0
"""A file changed this recently may change again within its time stamp's grain, so its hash is not cached."""


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    size: int
    modified_ns: int
    changed_ns: int
    inode: int
    sha256: str


def cache_folder() -> Path:
    """Where hashes are cached."""
    return cache_root() / "digests"


def files_digest(files: Mapping[str, Path]) -> str:
    """SHA-256 (64 hex digits) over the names and contents of files, whatever the order they come in.

    Args:
        files: Path of each file by the name that counts for the digest (its place in the checkpoint).

    Raises:
        EvalsuiteError: A file cannot be read.
    """
    names = sorted(files)
    # hashlib lets go of the interpreter lock, so several shards are read at a time.
    with ThreadPoolExecutor(max_workers=4) as pool:
        hashes = list(pool.map(cached_sha256, (files[name] for name in names)))
    return digest([list(pair) for pair in zip(names, hashes, strict=True)])


def file_sha256(path: Path) -> str:
    """SHA-256 (64 hex digits) of a file's content, read whole."""
    # Without waiting: a pipe would block here for good, and a device would never end.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "no regular file", str(path))
        return hashlib.file_digest(file, "sha256").hexdigest()


def cached_sha256(path: Path) -> str:
    """SHA-256 (64 hex digits) of a file's content, from the cache where size, times and inode are unchanged.

    Raises:
        EvalsuiteError: The file cannot be read.
    """
    try:
        path = Path(os.path.realpath(path, strict=True))  # an OSError for a loop of links too, on every Python
        before = path.stat()
        slot = cache_folder() / (hashlib.sha256(str(path).encode()).hexdigest()[:32] + ".json")
        known = _read(slot)
        if known is not None and _matches(known, before):
            return known.sha256
        sha256 = file_sha256(path)
        after = path.stat()
    except OSError as error:
        raise EvalsuiteError(f"{path}: cannot be read to hash it: {error.strerror or error}") from error
    entry = _Entry(after.st_size, after.st_mtime_ns, after.st_ctime_ns, after.st_ino, sha256)
    if not _matches(entry, before):
        raise EvalsuiteError(f"{path}: changed while it was being hashed; wait until it is complete and start again")
    if time.time_ns() - max(after.st_mtime_ns, after.st_ctime_ns) > _SETTLED_SECONDS * 1e9:
        _write(slot, entry)
    return sha256


def _matches(entry: _Entry, status: os.stat_result) -> bool:
    # The change time cannot be set by hand, so a file that was altered and given its old time back is caught.
    return (entry.size, entry.modified_ns, entry.changed_ns, entry.inode) == (
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_ino,
    )


def _read(slot: Path) -> _Entry | None:
    try:
        return msgspec.json.decode(slot.read_bytes(), type=_Entry)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # absent or damaged: hash again
        return None


def _write(slot: Path, entry: _Entry) -> None:
    # The cache only saves time: where it cannot be written (read-only home), hashing goes on without it.
    with contextlib.suppress(OSError):
        slot.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=slot.parent, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(msgspec.json.encode(entry))
            Path(name).replace(slot)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
