"""A reader and models for runs that several processes draw: small, quick, and the same in every process.

Other processes import this module by its own name; the folder `tests` is on their path.
"""

from __future__ import annotations

import hashlib
import os
import signal
import time
from pathlib import Path

from evalsuite.models.typeset.model import TypesetModel
from evalsuite.records import OcrSpec, TextLine

WORDS = ("NIGHT", "NOODLES", "OPEN", "SOUP", "4.50", "NOODES", "OPEM")


class PixelReader:
    """Reads a word that the pixels decide: other pixels give another text, and so another score."""

    spec = OcrSpec(name="pixels", weights_digest="1" * 64)

    def read(self, image):
        number = hashlib.sha256(image.tobytes()).digest()[0]
        return (TextLine(text=WORDS[number % len(WORDS)], polygon=((0, 0), (9, 0), (9, 9), (0, 9)), confidence=0.9),)


class MortalReader(PixelReader):
    """The same, whose process dies once at an image that is no page of proof."""

    def __init__(self, folder: str) -> None:
        self._died = Path(folder) / "reader-died"

    def read(self, image):
        if image.size == (256, 256) and not self._died.exists():
            self._died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(image)


def resolve(_name):
    """The reader, whatever its name."""
    return PixelReader()


class Mortal(TypesetModel):
    """The typeset reference whose process dies while it draws some prompts: once for each image, or every time."""

    def __init__(self, folder: Path, *prompts: str, once: bool = True, batch: int = 1) -> None:
        super().__init__(width=256, height=256)
        self._folder, self._prompts, self._once = folder, prompts, once
        self._spec.runtime["batch"] = batch

    def draw(self, requests):
        for prompt, seed in requests:
            died = self._folder / f"{prompt.id}-{seed}"
            if prompt.id in self._prompts and not (self._once and died.exists()):
                died.touch()
                time.sleep(0.2)  # what is being sent is on its way
                os.kill(os.getpid(), signal.SIGKILL)
            yield from super().draw([(prompt, seed)])


class Unloadable(TypesetModel):
    """A model that cannot be loaded."""

    def __enter__(self):
        raise MemoryError("no room for the weights")


def told(run):
    """All of a run that other processes must not change: the images by their hash, what was read, and the scores."""
    return {
        score.key: (
            score.model, score.prompt, score.seed, run.generations[score.key].sha256,
            run.readings[score.key].lines, score.result,
        )
        for score in run.scores
    }  # fmt: skip
