"""Readers that take several images at a time: a model in batches, a server with many requests under way.

One process holds such a reader, since a second copy of a large model or a second queue to one server helps
nobody. What it has read comes back one by one, so that nothing waits for the last image to be written down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from evalsuite.ocr.base import OcrEngine
from evalsuite.records import Finding, TextLine

if TYPE_CHECKING:
    from PIL.Image import Image

Source = Callable[[], "Image"]
"""Gives an RGB image when it is called; raises `ImageError` where it cannot be decoded."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reader made of one image. `error` is set when it failed, which is not an empty text.

    `seconds` is the image's own time, or its share of a batch; `findings` tell of retries.
    """

    lines: tuple[TextLine, ...] = ()
    seconds: float | None = None
    findings: tuple[Finding, ...] = ()
    error: str | None = None


@runtime_checkable
class ManyReader(OcrEngine, Protocol):
    """An OCR engine that reads many images at a time."""

    def read_many(self, sources: Sequence[Source]) -> Iterator[tuple[int, Answer]]:
        """The answer to each source with its index, in the order of completion.

        Images are opened as they are needed. An image that cannot be opened or read gives an answer with an
        error.

        Raises:
            EvalsuiteError: for what would fail for every image, such as a server that is not there.
        """
        ...


def lines_of(answer: str) -> tuple[TextLine, ...]:
    """The text of a reader that gives no places, as lines without polygon and confidence; blank lines are left out.

    The words are kept as they came, with whatever the model added of its own: protocols clean, readers do not.
    """
    return tuple(TextLine(text=line) for line in answer.splitlines() if line.strip())
