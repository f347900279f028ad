"""What all records have in common, and how they are written down and told apart."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

import msgspec

from evalsuite.errors import EvalsuiteError

Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""A whole number of 64 bits, which tables in other formats can hold."""

Json = Any
"""A value that JSON can hold: None, bool, int, float, str, or lists and dicts of these."""


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Base of all records: frozen, keyword-only, unknown fields are errors.

    The garbage collector leaves them alone (`gc=False`): what is frozen holds no cycle, and looking through those of
    10,000 images again and again took a fifth of a report's time.
    """


def encode(record: Json | msgspec.Struct) -> bytes:
    """JSON of a record on one line, keys in the order of the fields, no trailing newline.

    Raises:
        NotTextError: A text of it cannot be written down.
    """
    return _encode(record, None)


def digest(value: Json | msgspec.Struct) -> str:
    """SHA-256 (64 hex digits) of the canonical JSON of `value`: sorted keys, no white space, UTF-8.

    Raises:
        NotTextError: A text of it cannot be written down.
    """
    return hashlib.sha256(_encode(value, "sorted")).hexdigest()


def digest_of_parts(head: Sequence[Json | msgspec.Struct], *lists: Iterable[Json | msgspec.Struct]) -> str:
    """`digest([*head, *map(list, lists)])`, with one value of the lists in memory at a time."""
    found = hashlib.sha256(b"[" + b",".join(_encode(value, "sorted") for value in head))
    for values in lists:
        comma = b",["
        for value in values:
            found.update(comma + _encode(value, "sorted"))
            comma = b","
        found.update(b"]" if comma == b"," else b",[]")
    found.update(b"]")
    return found.hexdigest()


class NotTextError(EvalsuiteError):
    """A text that is no Unicode: bytes of a file's name that are no UTF-8, or half of a surrogate pair."""


def _encode(value: Json | msgspec.Struct, order: Literal["sorted"] | None) -> bytes:
    try:
        return msgspec.json.encode(value, order=order)
    except UnicodeEncodeError as error:
        raise NotTextError(
            f"{error.object[:200]!r}: is no UTF-8, in which runs are stored; rename the file or folder"
        ) from error
