"""Any diffusers text-to-image or editing pipeline as an `ImageModel`: seeded, batched, timed and checked."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import msgspec

from evalsuite.errors import EvalsuiteError
from evalsuite.models.base import Drawing
from evalsuite.models.drawing import Batch, DrawingSession
from evalsuite.models.editing import refuse_pipeline
from evalsuite.models.loading import GivenPipeline, PipelineSource
from evalsuite.models.pipeline_setup import free_memory
from evalsuite.records import Json, ModelSpec, Prompt

if TYPE_CHECKING:
    from types import TracebackType

    from evalsuite.models.editing import Sources


class DiffusionModel:
    """Draws with a diffusers pipeline as `spec` says. Weights are in memory only inside its context.

    An image depends on its prompt and seed alone: its noise comes from its own CPU generator. Drawn in a batch
    it equals the same image drawn alone to rounding, since kernels for other shapes add in another order.
    """

    def __init__(self, spec: ModelSpec, source: PipelineSource, notices: Sequence[str] = ()) -> None:
        self._spec = spec
        self._source = source
        self._notices = tuple(notices)
        self._stack: ExitStack | None = None
        self._session: DrawingSession | None = None
        self._load_seconds: float | None = None
        self._load_told = False
        self._foreseen = False
        self._sources: Sources | None = None

    @classmethod
    def from_pipeline(cls, pipeline: Any, spec: ModelSpec) -> Self:
        """A model around a pipeline that is built already and stays the caller's.

        The pipeline is drawn with as it is: on its device, in its precision, compiled or not. Apply the options
        of `spec` to it first with `options.prepare_pipeline` where they are wanted. Of the spec count the
        settings of the call (size, steps, guidance, enhance, …), `batch`, `encode_once`, and `compile`, which
        marks images that waited for compilation as warm-up.

        Args:
            pipeline: A diffusers text-to-image pipeline.
            spec: What it is called and how it draws; its settings must have `size`.
        """
        return cls(spec, GivenPipeline(pipeline))

    @property
    def spec(self) -> ModelSpec:
        """What this model is, down to the digest of its weights."""
        return self._spec

    def placed(self, device: str) -> Self | None:
        """The same model, to be loaded on another device; None for a pipeline that is built already."""
        if isinstance(self._source, GivenPipeline):
            return None
        spec = msgspec.structs.replace(self._spec, runtime={**self._spec.runtime, "device": device})
        model = type(self)(spec, self._source, self._notices)
        if self._sources is not None:
            model.edit_from(self._sources)
        return model

    def check_weights(self) -> None:
        """See that the files here are those that the spec's digests are of.

        Raises:
            EvalsuiteError: They are others, or are not there.
        """
        if not isinstance(self._source, GivenPipeline):
            self._source.check(self._spec)

    def refuse_editing(self) -> str | None:
        """Why the pipeline cannot change pictures; None where it can."""
        kind = self._source.pipeline_class()
        if self._spec.runtime.get("encode_once") and "image" in inspect.signature(kind.encode_prompt).parameters:
            return f"{kind.__name__} encodes the picture with the prompt, which encode_once=true would mix up"
        return refuse_pipeline(kind)

    def edit_from(self, sources: Sources) -> None:
        """Say where the source pictures are; then each prompt's picture is changed as the prompt says."""
        self._sources = sources

    @property
    def uses_cpu(self) -> bool:
        """True where the pipeline runs on the CPU."""
        return self._source.device(self._spec).startswith("cpu")

    def notices(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> tuple[str, ...]:  # noqa: ARG002
        """What was found when it was resolved, e.g. that this CPU computes in another precision."""
        return self._notices

    @property
    def load_seconds(self) -> float | None:
        """Seconds that the last loading took, from the files to a pipeline on its device; None before it."""
        return self._load_seconds

    def __enter__(self) -> Self:
        if self._stack is not None:
            raise RuntimeError(f"{self._spec.name}: is loaded already")
        started = time.perf_counter()
        with ExitStack() as stack:
            pipeline = self._source.open(self._spec)
            device = self._source.device(self._spec)
            self._session = stack.enter_context(DrawingSession.open(pipeline, self._spec, device))
            self._stack = stack.pop_all()
        self._load_seconds = time.perf_counter() - started
        self._load_told = self._foreseen = False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session = None
        stack, self._stack = self._stack, None
        if stack is not None:
            stack.close()
        free_memory()

    def retune(self, settings: Mapping[str, Json]) -> None:
        """Draw from now on with other settings of the call, laid over the model's own: size, steps, guidance, ….

        Args:
            settings: Typed by `check_settings`; none that decides how weights are loaded.

        Raises:
            EvalsuiteError: The pipeline takes no such setting, or not this size.
            RuntimeError: The model is not loaded.
        """
        if self._session is None:
            raise RuntimeError(f"{self._spec.name}: retune inside its context, `with model:`")
        self._session.retune(msgspec.structs.replace(self._spec, settings={**self._spec.settings, **settings}))

    def foresee(self, requests: Sequence[tuple[Prompt, int]]) -> None:
        """Say what will be drawn until this is called again, where `draw` is called with a part of it at a time.

        The prompt enhancer rewrites in batches of what is foreseen. Without this, `draw` foresees what it is given.

        Raises:
            RuntimeError: The model is not loaded.
        """
        if self._session is None:
            raise RuntimeError(f"{self._spec.name}: foresee inside its context, `with model:`")
        self._foreseen = True
        self._session.foresee(requests)

    def draw(self, requests: Sequence[tuple[Prompt, int]]) -> Iterator[Drawing]:
        """Draw each (prompt, seed), `batch` at a time, or pictures to change one at a time, in the order given.

        A batch that fails is drawn again one by one, so that the error stays with the image it belongs to.

        Raises:
            EvalsuiteError: The GPU has failed, so that nothing can be drawn any more.
            RuntimeError: The model is not loaded.
        """
        if self._session is None:
            raise RuntimeError(f"{self._spec.name}: draw inside its context, `with model:`")
        if not self._foreseen:
            self._session.foresee(requests)
        # Pipelines take a list of pictures for several pictures of one prompt.
        size = int(self._spec.runtime.get("batch", 1)) if self._sources is None else 1
        for start in range(0, len(requests), size):
            batch = requests[start : start + size]
            drawings = self._attempt(self._session, batch)
            if len(batch) > 1 and drawings[0].error is not None:
                drawings = [self._attempt(self._session, [request])[0] for request in batch]
            yield from map(self._with_load_time, drawings)

    def _with_load_time(self, drawing: Drawing) -> Drawing:
        """Put the load time on record with the first timed image after it."""
        if self._load_told or drawing.timing is None:
            return drawing
        self._load_told = True
        return replace(drawing, timing=msgspec.structs.replace(drawing.timing, load=self._load_seconds))

    def _attempt(self, session: DrawingSession, batch: Batch) -> list[Drawing]:
        import torch

        try:
            source = None if self._sources is None else self._sources.open(batch[0][0])
            return session.draw(batch, source)
        except torch.OutOfMemoryError as error:
            text = (
                f"out of GPU memory with a batch of {len(batch)}: {error} Try a smaller batch, precision=fp8, "
                "offload=model or vae_tiling=true."
            )
        except torch.AcceleratorError as error:
            raise EvalsuiteError(f"{self._spec.name}: the GPU failed, start again: {error}") from error
        except Exception as error:  # noqa: BLE001 - one image's failure is put on record and must not end the run
            text = f"{type(error).__name__}: {error}"
        session.forget_shape()
        free_memory()
        return [Drawing(prompt=prompt, seed=seed, error=text) for prompt, seed in batch]
