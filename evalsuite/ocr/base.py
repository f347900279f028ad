"""The protocol of everything that reads text in images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from evalsuite.records import OcrSpec, TextLine

if TYPE_CHECKING:
    from PIL.Image import Image


class OcrError(Exception):
    """The engine could not read this image. Recorded as the reading's error, never as an empty text."""


@runtime_checkable
class OcrEngine(Protocol):
    """Reads the text lines of one image at a time."""

    @property
    def spec(self) -> OcrSpec:
        """What reads, down to the digest of its weights and its settings."""
        ...

    def read(self, image: Image) -> tuple[TextLine, ...]:
        """The lines found in an RGB image; an empty tuple means that there is truly no text.

        Raises `OcrError` when the engine failed or answered with something that cannot be a reading.
        """
        ...


@runtime_checkable
class GpuEngine(OcrEngine, Protocol):
    """An engine that computes on a GPU. It reads when all is drawn, or it would falsify the timings of what draws."""

    def most_processes(self) -> int:
        """Processes that the GPU has memory for now, or beyond which more do not read faster."""
        ...
