"""Append-only files of JSON rows that survive a crash at any byte."""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from evalsuite.errors import EvalsuiteError
from evalsuite.files import NO_LINK, sync_folder, write_all, write_atomically, writing_to
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
        return [row for row, _ in self.scan()]

    @property
    def is_torn(self) -> bool:
        """True where the file does not end with a newline: a crash while writing, or a cut copy."""
        if not self.path.exists():
            return False
        with open_regular(self.path) as file:
            if not file.seek(0, os.SEEK_END):
                return False
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"

    def decode(self, line: bytes) -> Row:
        """The row on a line that `scan` found to be one."""
        return self._decoder.decode(line)

    def scan(self) -> Iterator[tuple[Row, bytes]]:
        """Each whole row with the line that holds it, in the order written; raises what `read` does."""
        if not self.path.exists():
            return
        with open_regular(self.path) as file:
            for number, line in enumerate(iter(lambda: file.readline(MAX_ROW_BYTES + 1), b""), start=1):
                if len(line) > MAX_ROW_BYTES:
                    raise DamagedRunError(f"{self.path}:{number}: a row of more than {MAX_ROW_BYTES:,} bytes")
                if not line.endswith(b"\n"):
                    return  # torn: the crash came before the newline, so what the row names may not exist either
                try:
                    yield self._decoder.decode(line), line
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
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
        whole = sum(len(line) for _, line in self.scan())
        with writing_to(self.path):
            new = not self.path.exists()
            # Without following a link, which may have been put here since.
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | NO_LINK, 0o666)
        writer: RowWriter[Row] = RowWriter(self.path, handle, whole)
        try:
            with writing_to(self.path):
                os.ftruncate(handle, whole)
                os.lseek(handle, 0, os.SEEK_END)
                if new:
                    sync_folder(self.path.parent)
            yield writer
        finally:
            writer.close()

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
        handle = os.open(path, os.O_RDONLY | NO_LINK | getattr(os, "O_NONBLOCK", 0))
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
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


class RowWriter(Generic[Row]):
    """Appends rows; they are on disk when `append` or `extend` returns. One thread at a time uses it."""

    def __init__(self, path: Path, handle: int, end: int) -> None:
        self._path, self._handle, self._end = path, handle, end

    def append(self, row: Row) -> None:
        """Write one row and wait until it is on disk. See `extend`."""
        self.extend([row])

    def extend(self, rows: Iterable[Row]) -> None:
        """Write rows and wait, once, until they are on disk.

        Raises:
            WriteError: They cannot be written; no part of them stays in the file.
        """
        content = b"".join(encode(row) + b"\n" for row in rows)
        with writing_to(self._path):
            try:
                write_all(self._handle, content)
                os.fsync(self._handle)
            except BaseException:  # a signal too: no row may follow half of another
                with suppress(OSError):
                    os.ftruncate(self._handle, self._end)
                    os.lseek(self._handle, self._end, os.SEEK_SET)
                raise
        self._end += len(content)

    def close(self) -> None:
        """Close the file; a thread that still writes is refused, and writes into no other file."""
        handle, self._handle = self._handle, -1
        os.close(handle)
