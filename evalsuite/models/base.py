"""The protocol of everything that draws: diffusion pipelines, the typeset reference, folders of images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from evalsuite.records import Finding, Memory, ModelSpec, PlantedGlyph, Prompt, Timing

if TYPE_CHECKING:
    from types import TracebackType

    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class Drawing:
    """One drawn image, or the error that took its place, with what it cost.

    `image` is an RGB Pillow image; `planted` are the malformed characters on it, where some were planted. Exactly one
    of `image` and `error` is set.
    """

    prompt: Prompt
    seed: int
    image: Image | None = None
    timing: Timing | None = None
    memory: Memory | None = None
    revised_prompt: str | None = None
    findings: tuple[Finding, ...] = field(default=())
    planted: tuple[PlantedGlyph, ...] = ()
    error: str | None = None

    def __post_init__(self) -> None:
        if (self.image is None) == (self.error is None):
            raise ValueError("a Drawing holds either an image or an error")


@runtime_checkable
class ImageModel(Protocol):
    """What draws. Opening resolves and hashes the weights; entering the context loads them; leaving frees them.

    `spec` is available before the weights are loaded, so that a run is planned without a GPU.
    """

    @property
    def spec(self) -> ModelSpec:
        """What this model is, down to the digest of its weights."""
        ...

    @property
    def uses_cpu(self) -> bool:
        """True where drawing competes with OCR for the CPU; then the run reads only after drawing."""
        ...

    def notices(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> Sequence[str]:
        """What is worth telling before this model draws these prompts, e.g. files that are missing.

        Raises:
            EvalsuiteError: It can draw none of them.
        """
        ...

    def draw(self, requests: Sequence[tuple[Prompt, int]]) -> Iterator[Drawing]:
        """Draw each (prompt, seed) and yield exactly one `Drawing` for it, in the order given.

        A failure of one image is yielded as a `Drawing` with `error`; an `EvalsuiteError` is raised only
        for what makes all further drawing pointless.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@runtime_checkable
class Foreseeing(Protocol):
    """A model that works ahead where it knows what will be drawn: it rewrites prompts in batches."""

    def foresee(self, requests: Sequence[tuple[Prompt, int]]) -> None:
        """Say, inside the model's context, what `draw` will be called with in parts, in this order."""
        ...


@runtime_checkable
class PlaceableModel(ImageModel, Protocol):
    """A model that other processes can draw with, several at a time: it can be pickled before it is loaded."""

    def placed(self, device: str) -> Self | None:
        """The same model, to be loaded on a torch device such as `cuda:1` or `cpu`; None where it uses none such."""
        ...

    def check_weights(self) -> None:
        """See, on another machine, that the weights there are those of the spec. What is unchanged is not read anew.

        Raises:
            EvalsuiteError: They are others, or are not there.
        """
        ...
