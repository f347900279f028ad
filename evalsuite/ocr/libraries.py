"""Libraries that an OCR engine is made of: where one cannot be loaded, one line says so, whatever it raised."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from evalsuite.errors import EvalsuiteError
from evalsuite.ocr.base import OcrError
from evalsuite.ocr.weights import OcrUnavailableError


@contextmanager
def loading(engine: str) -> Iterator[None]:
    """Load libraries and make models in this block.

    A package may be there and still not load: a package under it is missing or of another version, a shared library
    is, or the processor does not have the instructions that it was built for.

    Raises:
        OcrUnavailableError: in place of whatever a library raised, `SystemExit` included.
    """
    try:
        yield
    except (EvalsuiteError, OcrError):
        raise
    except (Exception, SystemExit) as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise OcrUnavailableError(
            f"the OCR engine {engine} cannot be loaded on this machine ({why}); see 'evalsuite doctor'"
        ) from error
