"""A loaded pipeline with its instruments: draws one batch at a time, and says what it cost and what looks wrong."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from evalsuite.errors import EvalsuiteError
from evalsuite.models import findings as checks
from evalsuite.models.base import Drawing
from evalsuite.models.conditioning import PromptCache, SeededPrior
from evalsuite.models.enhancer import PromptEnhancer, Rewritten
from evalsuite.models.meters import MemoryMeter
from evalsuite.models.phases import PRIOR_METHOD, PhaseRecorder, clock_for, with_enhancement, wrapped
from evalsuite.models.postprocess import bytes_on_device
from evalsuite.models.settings import size_of
from evalsuite.records import Finding, ModelSpec, Prompt

if TYPE_CHECKING:
    from PIL.Image import Image

Batch = Sequence[tuple[Prompt, int]]

_CALL_NAMES = {
    "steps": "num_inference_steps",
    "guidance": "guidance_scale",
    "true_cfg": "true_cfg_scale",
    "negative_prompt": "negative_prompt",
    "max_tokens": "max_sequence_length",
}
"""Settings that are arguments of a pipeline's call, and their names there."""


class DrawingSession:
    """Draws batches with one pipeline, between `open` and the end of its block."""

    def __init__(self, pipeline: Any, spec: ModelSpec, device: str) -> None:
        self.pipeline = pipeline
        self._spec = spec
        self._size = size_of(spec.settings)
        self._call = call_arguments(pipeline, spec)
        self._meter = MemoryMeter(device)
        self._recorder = PhaseRecorder(pipeline, clock_for(device))
        self._finite = checks.FiniteWatch()
        self._encodings: list[checks.Encoding] = []
        self._enhancer: PromptEnhancer | None = None
        if self._call.get("use_pe"):
            self._enhancer = PromptEnhancer(
                pipeline,
                str(spec.settings["enhance"]),
                device,
                batch=int(spec.runtime.get("enhance_batch", 1)),
                clock=self._recorder.seconds_of,
            )
        self._prior = SeededPrior(pipeline, device) if hasattr(pipeline, PRIOR_METHOD) else None
        self._shape: tuple[int, int, int] | None = None
        self._graphs = 0

    @classmethod
    @contextmanager
    def open(cls, pipeline: Any, spec: ModelSpec, device: str) -> Iterator[DrawingSession]:
        """Set the instruments on a pipeline; when the block ends, the pipeline is as it was.

        Raises:
            EvalsuiteError: A setting is none that the pipeline takes.
        """
        pipeline.set_progress_bar_config(disable=True)
        session = cls(pipeline, spec, device)
        with ExitStack() as stack:
            stack.callback(session._meter.close)
            stack.enter_context(checks.watch_tokenizers(pipeline, session._encodings))
            if hasattr(getattr(pipeline, "vae", None), "decode"):
                stack.enter_context(wrapped(pipeline.vae, "decode", session._finite.watch))
            stack.enter_context(bytes_on_device(pipeline))
            if session._enhancer is not None:
                session._enhancer.check()
            if session._prior is not None:
                stack.enter_context(session._prior.attach())
            if spec.runtime.get("encode_once"):
                stack.enter_context(PromptCache(pipeline).attach())
            # Last, so that the recorder times the parts as they are used, caches and all.
            stack.enter_context(session._recorder.attach())
            session._recorder.wait()
            yield session

    def retune(self, spec: ModelSpec) -> None:
        """Draw from now on with the settings of the call that another spec of the same pipeline has.

        Raises:
            EvalsuiteError: The pipeline does not take one, or its enhancer was not set up when the session opened.
        """
        call = call_arguments(self.pipeline, spec)
        if call.get("use_pe") and self._enhancer is None:
            raise EvalsuiteError(f"{spec.name}: the prompt enhancer is off here; it was loaded without")
        self._spec, self._call, self._size = spec, call, size_of(spec.settings)

    def draw(self, batch: Batch, source: Image | None = None) -> list[Drawing]:
        """Draw a batch in one call of the pipeline. Whatever the pipeline raises, this raises.

        With `source`, that RGB picture is changed as the one prompt of the batch says, at its own size: cut down to
        what the pipeline takes a multiple of, which is told in a finding.
        """
        import torch

        self._meter.start()
        prompts, call = [prompt.text for prompt, _ in batch], self._call
        size = self._size
        if source is not None:
            multiple = size_multiple(self.pipeline)
            width, height = (max(multiple, side // multiple * multiple) for side in source.size)
            size = width, height
            call = {
                **call,
                "image": source,
                **{name: side for name, side in zip(("width", "height"), size, strict=True) if name in call},
            }
        enhanced: Sequence[Rewritten | None] = [None] * len(batch)
        if self._enhancer is not None and call.get("use_pe"):
            enhanced = texts = self._enhancer.rewrite(batch, size)
            prompts, call = [each.text for each in texts], {**call, "use_pe": False}
        generators = [torch.Generator("cpu").manual_seed(seed) for _, seed in batch]
        self._encodings.clear()
        if self._prior is not None:
            self._prior.expect([seed for _, seed in batch])
        output, timing = self._recorder.measure(
            lambda: self.pipeline(prompt=prompts, generator=generators, **call), images=len(batch)
        )
        memory = self._meter.read()
        timing = msgspec.structs.replace(timing, warmup=self._warms_up(len(batch), size))
        finite = self._finite.take(len(batch))
        return [
            Drawing(
                prompt=request[0],
                seed=request[1],
                image=image if image.mode == "RGB" else image.convert("RGB"),
                timing=timing if text is None else with_enhancement(timing, text.seconds),
                memory=memory,
                revised_prompt=text.text if text is not None else None,
                findings=tuple(
                    self._findings(
                        request[0],
                        text.text if text else None,
                        image,
                        source.size if source is not None else size,
                        finite=is_finite,
                    )
                ),
            )
            for request, image, text, is_finite in zip(batch, output.images, enhanced, finite, strict=True)
        ]

    def foresee(self, requests: Batch) -> None:
        """Say what will be drawn: the prompt enhancer works ahead, in full batches."""
        if self._enhancer is not None:
            self._enhancer.foresee(requests)

    def forget_shape(self) -> None:
        """After a failure: what is drawn next warms up again."""
        self._shape = None

    def _findings(
        self, prompt: Prompt, revised: str | None, image: Any, size: tuple[int, int], *, finite: bool
    ) -> Iterator[Finding]:
        if revised is not None:
            yield from checks.enhancement_findings(prompt.targets, revised)
        yield from checks.truncation_findings(revised or prompt.text, prompt.targets, self._encodings)
        yield from checks.guidance_findings(self.pipeline, self._spec.settings.get("guidance"))
        yield from checks.image_findings(image, size, finite=finite)

    def _warms_up(self, images: int, size: tuple[int, int]) -> bool:
        """Whether the call that has just ended paid for a first time: after loading, another shape, compilation."""
        shape = (images, *size)
        warms_up = shape != self._shape
        self._shape = shape
        if self._spec.runtime.get("compile"):
            from torch._dynamo.utils import counters

            graphs = counters["stats"]["unique_graphs"]
            warms_up = warms_up or graphs != self._graphs
            self._graphs = graphs
        return warms_up


def call_arguments(pipeline: Any, spec: ModelSpec) -> dict[str, Any]:
    """The arguments of every call of a pipeline that a spec's settings stand for.

    Raises:
        EvalsuiteError: The pipeline takes no such setting, or not this size.
    """
    name, settings = type(pipeline).__name__, spec.settings
    takes = inspect.signature(type(pipeline).__call__).parameters
    width, height = size_of(settings)
    multiple = size_multiple(pipeline)
    if width % multiple or height % multiple:
        raise EvalsuiteError(f"{spec.name}: size={width}x{height}: {name} takes multiples of {multiple}")
    given = {argument: settings[setting] for setting, argument in _CALL_NAMES.items() if setting in settings}
    for setting, argument in _CALL_NAMES.items():
        if argument in given and argument not in takes:
            known = ", ".join(key for key, value in _CALL_NAMES.items() if value in takes)
            raise EvalsuiteError(f"{spec.name}: {name} takes no {setting}; of these it takes {known}")
    # Some pipelines that edit draw at the size of the picture that they are given.
    sides = {
        name: side for name, side in (("width", width), ("height", height)) if name in takes or "image" not in takes
    }
    call = {"output_type": "pil", **sides, **given}
    if "use_pe" in takes:
        has_enhancer = getattr(pipeline, "pe", None) is not None
        call["use_pe"] = has_enhancer and settings.get("enhance", "off") != "off"
    return call


def size_multiple(pipeline: Any) -> int:
    """The pixels that sides must be a multiple of, as the pipeline's image processor has it."""
    config = getattr(getattr(pipeline, "image_processor", None), "config", {})
    return int(config.get("vae_scale_factor", getattr(pipeline, "vae_scale_factor", 8)))
