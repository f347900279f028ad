"""Calls of diffusers and transformers while loading: what they raise is one line, what they only warn of an error."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

from evalsuite.errors import EvalsuiteError

_TELLING = re.compile(
    r"newly initialized|not initialized from|were not used when|MISSING|UNEXPECTED|MISMATCH|CONVERSION"
    r"|will be filtered out|filter out the keys|[Uu]nsupported keys|No LoRA keys|Could not load|Skipping loading"
)
"""Warnings that mean that what is loaded is not what the files hold."""


@contextmanager
def refusing(where: str, what: str) -> Iterator[None]:
    """Turn whatever a library raises while loading into one line that names the file and the part.

    Args:
        where: The folder or file that is being loaded.
        what: What is loaded from it, e.g. the class's name.

    Raises:
        EvalsuiteError: The library raised something, or warned that tensors are missing or left over.
    """
    warned: list[str] = []
    try:
        with _listening(warned):
            yield
    except EvalsuiteError:
        raise
    except (Exception, SystemExit) as error:
        # A constructor of a library may raise anything at all on files that it does not expect.
        raise EvalsuiteError(
            f"{where}: cannot be loaded as {what}: {type(error).__name__}: {one_line(error)}"
        ) from error
    if warned:
        raise EvalsuiteError(f"{where}: {what} was not loaded as its files say: {warned[0]}")


def one_line(error: object, limit: int = 300) -> str:
    """What an error says, on one line that is no longer than `limit`."""
    text = re.sub(r"\s+", " ", re.sub(r"\x1b\[[0-9;]*m", "", str(error))).strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


@contextmanager
def _listening(warned: list[str]) -> Iterator[None]:
    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            text = record.getMessage()
            if _TELLING.search(text):
                warned.append(one_line(text))

    listener = Listener(logging.WARNING)
    libraries = [logging.getLogger(name) for name in ("diffusers", "transformers")]
    for library in libraries:
        library.addHandler(listener)
    try:
        yield
    finally:
        for library in libraries:
            library.removeHandler(listener)
