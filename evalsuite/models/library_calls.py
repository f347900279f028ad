"""Calls of diffusers and transformers while loading: what they raise is one line, what they only warn of an error."""

from __future__ import annotations

import ast
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from evalsuite.errors import EvalsuiteError

_TELLING = re.compile(
    r"newly initialized|not initialized from|were not used when|MISSING|UNEXPECTED|MISMATCH|CONVERSION"
    r"|will be filtered out|filter out the keys|[Uu]nsupported keys|No LoRA keys|Could not load|Skipping loading"
    r"|Unrecognized keys in `rope_parameters`"
    # A setting of the wrong type; a component of a class that is not the annotated one is common, and right.
    r"|Expected types for \w+: .* got (typing\.|<class '(int|float|str|bool|list|tuple|dict)'>)"
)
"""Warnings that mean that what is loaded is not what the files hold."""

_IGNORED = re.compile(
    r"The config attributes (?P<passed>\{.*\}) were passed to (?P<by>\w+), but are not expected"
    r"|Keyword arguments (?P<keywords>\{.*\}) are not expected by (?P<of>\w+) and will be ignored",
    re.DOTALL,
)
"""How diffusers says that a class does not know a field of its configuration, and goes on without it."""

_WITHOUT_EFFECT = frozenset(
    # What training leaves behind: the state of an exponential moving average (diffusers.training_utils.EMAModel).
    {"decay", "min_decay", "optimization_step", "update_after_step", "use_ema_warmup", "inv_gamma", "power"}
    # Which precision a pipeline decodes in where it computes in float16; ours decode in what is asked for.
    | {"force_upcast"}
)
"""Fields that change nothing where a class does not know them."""


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
            if fields := _ignored_fields(text):
                warned.append(fields)
            elif _TELLING.search(text):
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


def _ignored_fields(text: str) -> str:
    """What a warning says of fields that a class ignores and that say something, with the remedy; "" for none."""
    found = _IGNORED.search(text)
    if not found:
        return ""
    shown = found["passed"] or found["keywords"]
    try:
        fields = dict(ast.literal_eval(shown))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        fields = {shown: True}  # a value that cannot be read back from its text is not known to say nothing
    telling = [name for name, value in fields.items() if name not in _WITHOUT_EFFECT and not _is_off(value)]
    if not telling:
        return ""
    return one_line(
        f"its configuration has {', '.join(map(repr, telling))}, which {found['by'] or found['of']} of diffusers "
        f"{version('diffusers')} does not know and would ignore; install the version of diffusers that it was made "
        "for, or take the field out of the file if it has no effect"
    )


def _is_off(value: object) -> bool:
    """Whether a field says that something is not there: nothing, false, or a part that the pipeline does without."""
    return value is None or value is False or value in ([None, None], (None, None))
