"""Files: read whole but not without bound, and written so that neither a crash nor a full disk leaves half of one.

What a user names may be anything: a pipe, a device, another encoding, a terabyte. Everything that is read by name goes
through `read_file`, `read_text`, `parse_toml`, `parse_json` or `read_json_object`, and ends in one error that names it.
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import stat
import tomllib
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from evalsuite.errors import EvalsuiteError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

MAX_TEXT_BYTES = 64 * 2**20
"""Bytes of a suite, a table, a policy, a lock, marks: whatever a person or a program of ours wrote."""

MAX_DEPTH = 100
"""Lists and objects inside each other in a JSON file: far below what Python's own calls may nest."""

BLOCK_BYTES = 2**18

NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_SCRATCH = re.compile(r"\..+\.(?P<process>\d+)-[0-9a-f]{16}\.tmp")
_SURROGATE = re.compile(r"[\ud800-\udfff]|\\u[dD]")
_MARKS = ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))


class FileError(EvalsuiteError):
    """A file that cannot be read, or does not hold what it should; the message names it."""


class WriteError(EvalsuiteError):
    """A file cannot be written: the disk is full, read-only or gone. Everything finished before is kept."""


def read_file(path: Path, *, limit: int = MAX_TEXT_BYTES, follow: bool = True) -> bytes:
    """The bytes of a regular file; with `follow` False, one that is no link.

    Raises:
        FileNotFoundError: There is nothing of this name.
        FileError: It is a pipe, a device or a folder, has more than `limit` bytes, or cannot be read.
    """
    try:
        # Without waiting: a pipe would block here for good.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | (0 if follow else NO_LINK))
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise FileError(f"{path}: cannot be read: {_reason(error)}") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise FileError(f"{path}: cannot be read: no regular file")
    try:
        with os.fdopen(handle, "rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {_reason(error)}") from error
    if len(content) > limit:
        raise FileError(f"{path}: more than {limit:,} bytes")
    return content


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return "is a link" if error.errno == errno.ELOOP else error.strerror or str(error)
    return "no file can have this name"


def read_text(path: Path, *, limit: int = MAX_TEXT_BYTES) -> str:
    """The text of a regular UTF-8 file, without its byte-order mark.

    Raises:
        FileNotFoundError, FileError: see `read_file`; also for what is no UTF-8, with what it seems to be.
    """
    content = read_file(path, limit=limit)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        seems = next((name for mark, name in _MARKS if content.startswith(mark)), None)
        line = content.count(b"\n", 0, error.start) + 1
        why = f"is {seems}" if seems else f"line {line} is not UTF-8 (byte 0x{content[error.start]:02X})"
        raise FileError(f"{path}: cannot be read as UTF-8 text: {why}; save it as UTF-8") from error


def parse_toml(path: Path, *, parse_float: Callable[[str], Any] = float) -> dict[str, Any]:
    """A TOML file as a table.

    Raises:
        FileNotFoundError, FileError: see `read_text`; also for what is no TOML.
    """
    content = read_text(path)
    try:
        return tomllib.loads(content, parse_float=parse_float)
    except tomllib.TOMLDecodeError as error:
        raise FileError(f"{path}: is not valid TOML: {error}") from error
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, brackets nested without end
        raise FileError(f"{path}: cannot be read as TOML: {type(error).__name__}") from error


def parse_json(text: str | bytes, where: str) -> Any:
    """A JSON value whose objects name no field twice and whose texts can be written down; `where` is for messages.

    Raises:
        FileError: It is none, or nested too deeply, or holds a number of thousands of digits.
    """
    try:
        text = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        value = json.loads(text, object_pairs_hook=_once)
        if text.count("[") + text.count("{") > MAX_DEPTH:
            _check_depth(value)
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise FileError(f"{where}: holds half of a surrogate pair, which is no character") from error
    except RecursionError as error:
        raise FileError(f"{where}: not JSON: nested too deeply") from error
    except ValueError as error:
        raise FileError(f"{where}: not JSON: {str(error)[:200]}") from error
    return value


def read_json_object(path: Path) -> dict[str, Any]:
    """The object that a JSON file is.

    Raises:
        FileNotFoundError, FileError: see `read_text` and `parse_json`; also for what is no object.
    """
    value = parse_json(read_text(path), str(path))
    if not isinstance(value, dict):
        raise FileError(f"{path}: is not a JSON object")
    return value


def _check_depth(value: object) -> None:
    """Raise a `RecursionError` where lists and objects stand in each other more than `MAX_DEPTH` deep."""
    level = [value]
    for _ in range(MAX_DEPTH):
        inside = (each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list))
        level = [each for values in inside for each in values]
    if any(isinstance(each, dict | list) for each in level):
        raise RecursionError


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object whose names are all different: of two values, only the last would count."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"field {next(name for name in names if names.count(name) > 1)!r} is given twice")
    return found


@contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Name the file, the reason and the remedy where the operating system refuses to write.

    Raises:
        WriteError: in place of any `OSError`.
    """
    try:
        yield
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0)
        kept = f"; {remedy}" if remedy else ""
        raise WriteError(f"{path}: cannot be written: {error.strerror or error}{kept}") from error


_KEPT = "what was finished is kept: {}, then run the same command again"
_REMEDIES = {
    errno.ENOSPC: _KEPT.format("make room"),
    errno.EDQUOT: _KEPT.format("make room in your quota"),
    errno.EIO: _KEPT.format("look after the disk"),
    errno.EEXIST: "something else has this name",
    errno.ENOENT: "its folder is gone; the same command makes anew what is missing",
}


def write_all(handle: int, content: bytes) -> None:
    """Write bytes to an open file, all of them."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(handle, rest) :]


def write_atomically(
    path: Path, content: bytes | Iterable[bytes], *, durably: bool = True, sync_name: bool = True
) -> None:
    """Write a file so that readers see the old content or the new, never a part: temporary, fsync, rename.

    What is large can be given piece by piece, and is written as it is made. The temporary file is new, under a name
    that nobody can foresee: what lies in the folder, links included, is not written to. With `durably` False nothing
    waits for the disk, for what is easily made again; with `sync_name` False the content is on disk and the caller
    makes the name so, by `sync_folder`, once for several files.

    Raises:
        WriteError: It cannot be written; the file is as it was.
    """
    scratch = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(8)}.tmp")
    with writing_to(path):
        handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK, 0o666)
        try:
            try:
                for block in [content] if isinstance(content, bytes) else _blocks(content):
                    write_all(handle, block)
                if durably:
                    os.fsync(handle)
            finally:
                os.close(handle)
            scratch.replace(path)
        except BaseException:
            with suppress(OSError):
                scratch.unlink(missing_ok=True)
            raise
        if durably and sync_name:
            sync_folder(path.parent)


def _blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Pieces put together to blocks of about `BLOCK_BYTES`, each worth a call of the operating system."""
    block = bytearray()
    for piece in pieces:
        block += piece
        if len(block) >= BLOCK_BYTES:
            yield bytes(block)
            block.clear()
    yield bytes(block)


def remove_scratch(folder: Path) -> None:
    """Remove the temporary files that processes which are no more left in a folder; links to folders are left alone."""
    import psutil

    if folder.is_symlink() or not folder.is_dir():
        return
    for path in folder.iterdir():
        parts = _SCRATCH.fullmatch(path.name)
        if parts is not None and not psutil.pid_exists(int(parts["process"])):
            with suppress(OSError):
                path.unlink()


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, durably: each new entry is on disk when this returns.

    Raises:
        WriteError: It cannot be made.
    """
    with writing_to(folder):
        new = [each for each in (folder, *folder.parents) if not each.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for each in new:
            sync_folder(each.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` durable, where the platform can open folders."""
    if os.name == "nt":
        return
    with writing_to(folder):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
