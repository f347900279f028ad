"""Score rows as a cache: believed only where this user's evalsuite sealed them for the very same reading.

Scores follow from readings, so a stored score file proves nothing: anyone may have edited it. Each row therefore
carries a seal, an HMAC (RFC 2104) over the row, the reading's lines and the prompt's targets, with a key that lies in
the user's cache folder and in no run folder. A row whose seal does not fit (edited, copied from elsewhere, of another
reading or scorer, made on another machine) is computed anew.
"""

from __future__ import annotations

import hmac
import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from evalsuite.datafiles import cache_root
from evalsuite.records import Score, encode
from evalsuite.runs.rows import MAX_ROW_BYTES, DamagedRunError, open_regular

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evalsuite.records import Prompt, Reading

KEY_BYTES = 32


def seal(score: Score, reading: Reading, prompt: Prompt, key: bytes, kept: Sequence[str] = ()) -> str:
    """The seal of a score, 32 hex digits: what it says, what it was computed from, and that this user computed it.

    `kept` are the lines beside the targets that took part in the alignment.
    """
    parts = [encode(msgspec.structs.replace(score, seal=None)), encode(reading.lines), encode(prompt.targets)]
    content = b"\n".join([*parts, encode(kept)] if kept else parts)
    return hmac.digest(key, content, "sha256").hex()[:32]


def load_key() -> bytes | None:
    """This user's key, made when first asked for; None where the cache folder cannot be used: no cache then."""
    path = cache_root() / "scores.key"
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        return _make_key(path)
    except OSError:
        return None
    return key if len(key) == KEY_BYTES else None


def _make_key(path: Path) -> bytes | None:
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
        with suppress(FileExistsError):  # another process was first: its key holds
            os.link(scratch, path)
        return path.read_bytes()
    except OSError:
        return None
    finally:
        scratch.unlink(missing_ok=True)


def read_cache(path: Path) -> dict[str, Score]:
    """The rows of a score file by key. What is no row, or stands there twice, is as if it were absent."""
    rows: dict[str, Score] = {}
    twice = set()
    decoder = msgspec.json.Decoder(Score)
    try:
        if not path.exists():
            return {}
        with open_regular(path) as file:
            for line in file:
                if len(line) > MAX_ROW_BYTES:
                    continue
                with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    row = decoder.decode(line)
                    if row.key in rows:
                        twice.add(row.key)
                    rows[row.key] = row
    except (DamagedRunError, OSError):
        return {}
    return {key: row for key, row in rows.items() if key not in twice}
