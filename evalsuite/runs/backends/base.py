"""The protocol of what draws for a run in other processes, and which models it can draw with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

from evalsuite.errors import EvalsuiteError
from evalsuite.models.base import PlaceableModel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import TracebackType

    from evalsuite.models.base import ImageModel
    from evalsuite.ocr.base import OcrEngine
    from evalsuite.records import Request
    from evalsuite.runs.drawn import Drawn
    from evalsuite.runs.reading import OcrPool
    from evalsuite.runs.store import RunStore


class Backend(Protocol):
    """Draws in other processes. Entering it takes hold of what they need; leaving it ends them, however it is left.

    It writes nothing that counts: what it yields is kept by the process that holds the run folder.
    """

    def takes(self, model: ImageModel) -> bool:
        """Whether it draws with this model; else the run's own process does."""
        ...

    def uses_cpu(self, model: ImageModel) -> bool:
        """True where drawing competes with OCR for a CPU."""
        ...

    def draw(self, model: ImageModel, requests: Sequence[Request], store: RunStore) -> Iterator[Drawn]:
        """Draw each request once and yield it, in the order of completion.

        A process that dies costs nothing but time: what it had is drawn again.

        Raises:
            EvalsuiteError: Processes do not start, or die one after the other; what was yielded until then counts.
        """
        ...

    def pool(self, engine: OcrEngine, workers: int | None) -> OcrPool:
        """What reads the images, in `workers` processes or as many as fit."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def check_models(models: Iterable[ImageModel], option: str) -> None:
    """See that every model can be drawn with in another process.

    Raises:
        EvalsuiteError: naming the first that cannot.
    """
    for model in models:
        if not isinstance(model, PlaceableModel):
            what = "draws elsewhere" if model.spec.is_served else "holds images that exist already"
            raise EvalsuiteError(
                f"{option}: {model.spec.name} {what}, which no device here makes faster; leave out {option}, or run "
                "that model apart"
            )
