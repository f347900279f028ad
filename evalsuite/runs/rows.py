"""Append-only files of JSON rows that survive a crash at any byte."""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Generic, TypeVar

import msgspec

from evalsuite.errors import EvalsuiteError
from evalsuite.records import Record, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from io import BufferedReader

MAX_ROW_BYTES = 32 * 2**20
_NOT_FINITE = re.compile(rb"[:,\[]\s*-?(NaN|Infinity)\b")

Row = TypeVar("Row", bound=Record)


class DamagedRunError(EvalsuiteError):
    """A file of a run folder is not what the suite wrote; the message names file and line."""


class NotFiniteError(DamagedRunError):
    """A stored row holds NaN or infinity; the message names file and line."""


class RowFile(Generic[Row]):
    """One JSON object per line. A torn last line (a crash while writing) is dropped; other damage is an error."""

    def __init__(self, path: Path, kind: type[Row]) -> None:
        self.path = path
        self._kind = kind
        self._decoder = msgspec.json.Decoder(kind)

    def read(self) -> list[Row]:
        """All whole rows, in the order written; an absent file has none.

        Raises:
            DamagedRunError: for a line that is no row, unless it is the last and has no newline, and for a path that
                is no regular file.
            NotFiniteError: for a row that holds NaN or infinity.
        """
        return [row for row, _ in self._scan()]

    @property
    def is_torn(self) -> bool:
        """True where the file does not end with a newline: a crash while writing, or a cut copy."""
        if not self.path.is_file() or not self.path.stat().st_size:
            return False
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"

    def _scan(self) -> Iterator[tuple[Row, int]]:
        """Each row with the offset of the byte after it."""
        if not self.path.exists():
            return
        end = 0
        with open_regular(self.path) as file:
            for number, line in enumerate(file, start=1):
                end += len(line)
                if not line.endswith(b"\n"):
                    return  # torn: the crash came before the newline, so what the row names may not exist either
                if len(line) > MAX_ROW_BYTES:
                    raise DamagedRunError(
                        f"{self.path}:{number}: a row of {len(line):,} bytes; {MAX_ROW_BYTES:,} at most"
                    )
                try:
                    yield self._decoder.decode(line), end
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    if _NOT_FINITE.search(line) and not _is_json(line):
                        raise NotFiniteError(
                            f"{self.path}:{number}: holds NaN or infinity, which no row may; delete this line to have "
                            "its work done again"
                        ) from error
                    raise DamagedRunError(
                        f"{self.path}:{number}: not a {self._kind.__name__} row: {error}; restore the "
                        "file from a copy, or delete this line to have its work done again"
                    ) from error

    @contextmanager
    def writer(self) -> Iterator[RowWriter[Row]]:
        """A writer that appends after the last whole row; a torn tail is cut off first."""
        whole = max((end for _, end in self._scan()), default=0)
        with self.path.open("ab") as file:
            file.truncate(whole)
            yield RowWriter(file)

    def replace(self, rows: Iterable[Row]) -> None:
        """Write all rows at once, atomically: for derived files, which are rebuilt and not appended to."""
        write_atomically(self.path, b"".join(encode(row) + b"\n" for row in rows))


def open_regular(path: Path) -> BufferedReader:
    """Open a file of a run folder for reading, which must be a regular file: no link, pipe or device.

    Raises:
        DamagedRunError: It is none, or cannot be opened.
    """
    try:
        # Without waiting: a pipe would block here for good.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        what = "is a link, which a run folder may not hold" if error.errno == errno.ELOOP else error.strerror
        raise DamagedRunError(f"{path}: cannot be read: {what}") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise DamagedRunError(f"{path}: is no regular file")
    return os.fdopen(handle, "rb")


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


class RowWriter(Generic[Row]):
    """Appends rows; each is on disk when `append` returns."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def append(self, row: Row) -> None:
        """Write one row and wait until it is on disk."""
        self._file.write(encode(row) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that readers see the old content or the new, never a part: temporary, fsync, rename."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with scratch.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` durable, where the platform can open folders."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
