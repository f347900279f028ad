"""What runs in Ray's worker processes: plain classes, which know nothing of Ray but what they are asked."""

from __future__ import annotations

import os
import re
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from evalsuite import hardware
from evalsuite.errors import EvalsuiteError
from evalsuite.ocr.proof import read_page
from evalsuite.runs.drawn import Drawn, drawings_of, encode, now
from evalsuite.runs.machines import placed
from evalsuite.runs.reading import read_image
from evalsuite.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from evalsuite.models.base import ImageModel, PlaceableModel
    from evalsuite.ocr.base import OcrEngine
    from evalsuite.records import Environment, Prompt, Reading, Request


MOST_TOLD = 240
"""Characters of what Ray says of a lost actor."""


class DrawingActor:
    """Loads a model once and draws batches; calls may overlap: one draws while the other encodes.

    Args:
        device: `cuda:0`, which is the one GPU that Ray lets it see, or `cpu`.
        number: Tells CPU actors apart in the rows.
        version: Of evalsuite, as the driver has it.
        folder: The driver's working directory, for paths that are relative.
    """

    def __init__(self, device: str, number: int, version: str, folder: str) -> None:
        self._device, self._number = device, number
        self._version, self._folder = version, folder
        self._drawing = threading.Lock()

    def load(self, shared: tuple[PlaceableModel, Mapping[str, Prompt], bool]) -> Environment:
        """Load the model, after seeing that its weights are here; where this is.

        The last of `shared` says whether the plan describes its machine with CUDA, as `hardware.describe` takes it.

        Raises:
            EvalsuiteError: Another version of evalsuite, or other weights.
        """
        check_version(self._version)
        with suppress(OSError):  # another machine may not have it; paths that are whole do not need it
            os.chdir(self._folder)
        model, self._prompts, with_accelerator = shared
        model.check_weights()
        here = model.placed(self._device)
        if here is None:
            raise EvalsuiteError(f"{model.spec.name} does not draw on {self._device}")
        self._model: ImageModel = here.__enter__()  # until the process ends
        return hardware.describe(accelerator=with_accelerator)

    def draw(self, batch: Sequence[Request]) -> list[Drawn]:
        """The rows and bytes of a batch."""
        with self._drawing:
            answers = [(*each, now()) for each in drawings_of(self._model, batch, self._prompts)]
        found = [encode(request, drawing, drawn_at=moment) for request, drawing, moment in answers]
        return [Drawn(placed(each.row, device=self._place()), each.content) for each in found]

    def _place(self) -> str:
        if self._device == "cpu":
            return f"cpu:{self._number}"
        return f"cuda:{os.environ.get('CUDA_VISIBLE_DEVICES', '0').partition(',')[0]}"


class ReadingActor:
    """Reads images with the engine that this machine has under the run's name for it.

    Args:
        find_engine: Resolves it.
        digest: What it must be.
        version: Of evalsuite, as the driver has it.
    """

    def __init__(self, find_engine: Callable[[], OcrEngine], digest: str, version: str) -> None:
        self._find_engine, self._digest, self._version = find_engine, digest, version

    def prove(self) -> None:
        """See that the engine is the run's and reads here.

        Raises:
            EvalsuiteError: It is another, or does not read.
        """
        check_version(self._version)
        self._engine = self._find_engine()
        if self._engine.spec.digest != self._digest:
            raise EvalsuiteError(
                f"the OCR engine {self._engine.spec.name} of machine {os.uname().nodename} has other weights or "
                "settings than the driver's; install the same versions on all machines"
            )
        read_page(self._engine)

    def read(self, key: str, path: str, content: bytes) -> Reading:
        """The reading of an image whose bytes the driver sends."""
        return read_image(self._engine, key, Path(path), content)


def check_version(driver: str) -> None:
    """See that this machine has the driver's version of evalsuite.

    Raises:
        EvalsuiteError: It has another.
    """
    if driver != __version__:
        raise EvalsuiteError(
            f"machine {os.uname().nodename} has evalsuite {__version__}, the driver {driver}; install the same on all"
        )


def how_lost(error: Exception) -> str:
    """What ended an actor, in one line: the last of what Ray tells, without its colours."""
    lines = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip().splitlines() or [type(error).__name__]
    return lines[-1].strip()[:MOST_TOLD]
