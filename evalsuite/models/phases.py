"""Where the time of an image goes: marks set on a pipeline's own parts, so that any pipeline is measured.

A mark is a CUDA event, or a reading of the clock on a CPU. Marks are set before and after

* the language model that writes an image's first tokens (`prior_tokens`, GLM-Image),
* `encode_prompt`, or the text encoders where a pipeline has no such method (`text_encoding`),
* the denoising loop: from the first call of the transformer to the last `scheduler.step`; every
  `scheduler.step` ends a step (`denoising`),
* the autoencoder's `decode` (`decoding`);

the rest of the call is `other`. Nothing waits for the device until the image is done, and then once. The prompt
enhancer runs before the call, for several images at a time; `with_enhancement` adds an image's share of it.
"""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from evalsuite.records import Phase, Timing

PRIOR_METHOD = "generate_prior_tokens"
"""The method by which GlmImagePipeline has a language model write the tokens that the transformer draws from."""


class Clock(Protocol):
    """Sets marks on a device's time line."""

    def mark(self) -> Any:
        """A point in time, in the order of the work given to the device. Does not wait."""
        ...

    def wait(self) -> None:
        """Wait until all work given to the device is done."""
        ...

    def seconds(self, start: Any, end: Any) -> float:
        """Seconds between two marks, after `wait`."""
        ...


class HostClock:
    """The clock of a CPU, where work is done when its call returns."""

    def mark(self) -> float:
        """The monotonic clock, in seconds."""
        return time.perf_counter()

    def wait(self) -> None:
        """Nothing to wait for."""

    def seconds(self, start: float, end: float) -> float:
        """Seconds between two marks."""
        return end - start


class EventClock:
    """Timing events on the current stream of a GPU (CUDA), or in Metal's command queue."""

    def __init__(self, device: str) -> None:
        import torch

        self._cuda = torch.device(device) if device.startswith("cuda") else None

    def mark(self) -> Any:
        """An event behind all work given so far."""
        import torch

        if self._cuda is None:
            event = torch.mps.event.Event(enable_timing=True)
            event.record()
        else:
            event = torch.cuda.Event(enable_timing=True)
            event.record(torch.cuda.current_stream(self._cuda))
        return event

    def wait(self) -> None:
        """Synchronise with the device."""
        import torch

        if self._cuda is None:
            torch.mps.synchronize()
        else:
            torch.cuda.synchronize(self._cuda)

    def seconds(self, start: Any, end: Any) -> float:
        """Seconds between two events; they count in milliseconds."""
        return float(start.elapsed_time(end)) / 1000.0


def with_enhancement(timing: Timing, seconds: float) -> Timing:
    """A timing with an image's share of the prompt enhancement that went before its call."""
    phase = Phase(name="prompt_enhancement", seconds=seconds)
    return msgspec.structs.replace(timing, total=timing.total + seconds, phases=(phase, *timing.phases))


def clock_for(device: str) -> Clock:
    """The clock that measures work on a torch device."""
    return HostClock() if device.startswith("cpu") else EventClock(device)


@dataclass(slots=True)
class _Marks:
    """The marks of one call: spans by phase, the loop's start, and the end of every step."""

    spans: list[tuple[str, Any, Any]] = field(default_factory=list)
    loop: list[Any] = field(default_factory=list)
    steps: list[Any] = field(default_factory=list)


class PhaseRecorder:
    """Measures the calls of one pipeline. Attach once, then wrap every call in `measure`.

    Args:
        pipeline: A diffusers pipeline, already placed on its device.
        clock: The clock of that device.
    """

    def __init__(self, pipeline: Any, clock: Clock) -> None:
        self._pipeline = pipeline
        self._clock = clock
        self._marks: _Marks | None = None
        self._busy = False

    @contextmanager
    def attach(self) -> Iterator[PhaseRecorder]:
        """Set the marks; on leaving, every wrapped method and hook is taken away again."""
        pipeline = self._pipeline
        with ExitStack() as stack:
            if hasattr(pipeline, PRIOR_METHOD):
                stack.enter_context(wrapped(pipeline, PRIOR_METHOD, self._spanned("prior_tokens")))
            if hasattr(pipeline, "encode_prompt"):
                stack.enter_context(wrapped(pipeline, "encode_prompt", self._spanned("text_encoding")))
            else:
                for encoder in text_encoders(pipeline).values():
                    stack.enter_context(wrapped(encoder, "forward", self._spanned("text_encoding")))
            denoiser = denoiser_of(pipeline)
            if denoiser is not None:
                handle = denoiser.register_forward_pre_hook(self._loop_started)
                stack.callback(handle.remove)
            if hasattr(getattr(pipeline, "scheduler", None), "step"):
                stack.enter_context(wrapped(pipeline.scheduler, "step", self._step))
            if hasattr(getattr(pipeline, "vae", None), "decode"):
                stack.enter_context(wrapped(pipeline.vae, "decode", self._spanned("decoding")))
            yield self

    def wait(self) -> None:
        """Wait until the device is idle."""
        self._clock.wait()

    def measure(self, call: Callable[[], Any], *, images: int) -> tuple[Any, Timing]:
        """Run a call of the pipeline and say where its time went, as each image's share of it.

        The total is the time on the wall, from an idle device to an idle device.

        Args:
            call: Calls the pipeline, for `images` images.
            images: Size of the batch.

        Returns:
            What the call returned, and the seconds of one image.
        """
        marks = self._marks = _Marks()
        self._clock.wait()
        started = time.perf_counter()
        try:
            result = call()
            self._clock.wait()
            total = time.perf_counter() - started
        finally:
            self._marks = None
        return result, self._timing(marks, total, images)

    def seconds_of(self, call: Callable[[], Any]) -> tuple[Any, float]:
        """What a call returned, and its seconds on the wall, from an idle device to an idle device."""
        self._clock.wait()
        started = time.perf_counter()
        result = call()
        self._clock.wait()
        return result, time.perf_counter() - started

    def _timing(self, marks: _Marks, total: float, images: int) -> Timing:
        seconds: dict[str, float] = {}
        for name, start, end in marks.spans:
            seconds[name] = seconds.get(name, 0.0) + self._clock.seconds(start, end)
        bounds = marks.loop[:1] + marks.steps
        steps = [self._clock.seconds(start, end) for start, end in itertools.pairwise(bounds)]
        if marks.loop and steps:
            seconds["denoising"] = sum(steps)
        order = ("prior_tokens", "text_encoding", "denoising", "decoding")
        phases = [Phase(name=name, seconds=seconds[name] / images) for name in order if name in seconds]
        # Events and the clock on the wall differ by microseconds; the rest is never less than nothing.
        rest = max(0.0, total - sum(seconds.values()))
        name = "other" if phases else "drawing"
        return Timing(
            total=total / images,
            phases=(*phases, Phase(name=name, seconds=rest / images)),
            steps=tuple(step / images for step in steps) if marks.loop else (),
            batch=images,
        )

    def _spanned(self, phase: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def wrap(method: Callable[..., Any]) -> Callable[..., Any]:
            @functools.wraps(method)
            def timed(*args: Any, **kwargs: Any) -> Any:
                marks = self._marks
                if marks is None or self._busy:  # a phase within a phase counts once
                    return method(*args, **kwargs)
                self._busy = True
                start = self._clock.mark()
                try:
                    return method(*args, **kwargs)
                finally:
                    marks.spans.append((phase, start, self._clock.mark()))
                    self._busy = False

            return timed

        return wrap

    def _step(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def timed(*args: Any, **kwargs: Any) -> Any:
            result = method(*args, **kwargs)
            if self._marks is not None:
                self._marks.steps.append(self._clock.mark())
            return result

        return timed

    def _loop_started(self, *_: Any) -> None:
        if self._marks is not None and not self._marks.loop:
            self._marks.loop.append(self._clock.mark())


@contextmanager
def wrapped(owner: Any, name: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Iterator[None]:
    """Put `wrap(owner.name)` in the place of a method of one object; on leaving, put back what was there."""
    had = name in vars(owner)
    before = getattr(owner, name)
    # Past `__setattr__`: pipelines and modules keep books of what is set on them.
    object.__setattr__(owner, name, wrap(before))
    try:
        yield
    finally:
        if had:
            object.__setattr__(owner, name, before)
        else:
            object.__delattr__(owner, name)


def denoiser_of(pipeline: Any) -> Any:
    """The module that denoises: `transformer`, else `unet`, else None."""
    for name in ("transformer", "unet"):
        if getattr(pipeline, name, None) is not None:
            return getattr(pipeline, name)
    return None


def text_encoders(pipeline: Any) -> dict[str, Any]:
    """The text encoders of a pipeline by the name of their part."""
    return {
        name: part for name, part in pipeline.components.items() if name.startswith("text_encoder") and part is not None
    }
