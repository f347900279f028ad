"""Draws with one family of the full-size benchmark, by a plain loop and by the suite, and keeps the rows."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import msgspec
import numpy as np

from benchmarks.full_size.operations import count_operations
from benchmarks.full_size.parts import Family, build_pipeline, built_in, drawing_settings, enhancer
from benchmarks.full_size.plan import Measurement, Preparation, label
from benchmarks.full_size.rows import Difference, Journal, Row, largest, summarise
from evalsuite.errors import EvalsuiteError
from evalsuite.models.diffusion import DiffusionModel
from evalsuite.models.drawing import call_arguments
from evalsuite.models.pipeline_setup import free_memory, prepare_pipeline, resolve_device, set_attention
from evalsuite.models.presets import load_presets
from evalsuite.records import Json, Memory, ModelSpec, Prompt, Timing

WARM_UP = 2
"""Calls of the pipeline before the first that counts."""

SLOW_WARM_UP = 1
SLOW_IMAGES = 3
"""Of what takes long, the model of fifty steps and the enhancer: calls before the first that counts, and after."""

_AS_BUILT = Preparation()

Images = dict[tuple[str, int], Any]
"""What was drawn for a prompt's id and a seed, as RGB images."""


def spec_of(family: Family, measurement: Measurement, *, shallow: bool) -> ModelSpec:
    """How a measurement draws: the published settings of its preset, at the benchmark's size and in its precision."""
    name = family.preset(base=measurement.base, enhancer=measurement.enhancer)
    settings = {**load_presets().presets[name].settings, **precision_settings(measurement.preparation, shallow=shallow)}
    return ModelSpec(
        name=f"{name} (random weights)",
        kind="diffusion",
        role="stand-in",
        source=f"random weights of {'a small copy' if shallow else 'the full size'} of the architecture",
        weights_digest="random",
        settings=drawing_settings(family, settings, shallow=shallow),
        runtime=measurement.runtime,
    )


def precision_settings(preparation: Preparation, *, shallow: bool) -> dict[str, Json]:
    """The precision that a measurement draws in: that of the pipeline as built, or FP8 computing in it."""
    built = built_in(resolve_device("auto"), shallow=shallow)
    quantized: dict[str, Json] = {} if preparation.quantize == "none" else {"quantize": preparation.quantize}
    if preparation.precision == "bf16":
        return {"precision": built, **quantized}
    return {"precision": preparation.precision, "compute": built, **quantized}


def plain_loop(
    pipeline: Any, spec: ModelSpec, prompts: Sequence[Prompt], images: int, warm_up: int
) -> tuple[list[Timing], Images]:
    """Timings of a loop as anyone would write it around the pipeline, after warming up, and all that it drew."""
    import torch

    call = call_arguments(pipeline, spec)
    wait: Callable[[], None] = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    timings, drawn = [], {}
    for number in range(warm_up + images):
        wait()
        started = time.perf_counter()
        generator = torch.Generator("cpu").manual_seed(number)
        prompt = prompts[number % len(prompts)]
        output = pipeline(prompt=prompt.text, generator=generator, **call)
        wait()
        timings.append(Timing(total=time.perf_counter() - started))
        drawn[prompt.id, number] = output.images[0]
    return timings[warm_up:], drawn


def through_the_suite(
    pipeline: Any, spec: ModelSpec, requests: Sequence[tuple[Prompt, int]], warm_up: int
) -> tuple[list[Timing], Memory | None, float, Images]:
    """Timings of the images after `warm_up`, the largest memory of all, the seconds of the first image, and all images.

    Raises:
        EvalsuiteError: An image failed, or none was warm.
    """
    free_memory()  # what was cached before is no memory of this way of drawing
    timings, memories, drawn = [], [], {}
    with DiffusionModel.from_pipeline(pipeline, spec) as model:
        for drawing in model.draw(requests):
            if drawing.timing is None:
                raise EvalsuiteError(drawing.error or "an image came without its timing")
            timings.append(drawing.timing)
            memories += [drawing.memory] if drawing.memory else []
            drawn[drawing.prompt.id, drawing.seed] = drawing.image
    warm = [timing for timing in timings[warm_up:] if not timing.warmup]
    if not warm:
        raise EvalsuiteError("every image waited for a first time (compilation, say); draw more with --images")
    return warm, largest(memories), timings[0].total, drawn


def difference(images: Images, plain: Images) -> Difference | None:
    """How far images are from those of the plain loop for the same prompts and seeds; None where none are the same."""
    pairs = [(images[key], plain[key]) for key in sorted(images.keys() & plain.keys())]
    if not pairs:
        return None
    apart = [np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)) for one, other in pairs]
    spread = float(np.mean([np.asarray(other, np.float64).std() for _, other in pairs]))
    return Difference(
        images=len(pairs),
        largest=int(max(each.max() for each in apart)),
        mean=float(np.mean([each.mean() for each in apart])),
        deviation=spread,
    )


class Bench:
    """Measures one family: holds its pipeline, prepared as the measurement at hand wants it.

    Args:
        family: What is drawn with.
        prompts: What is drawn, in turn.
        journal: Where the rows go; its results say whether the copies are small.
        images: Warm images per row.
    """

    def __init__(self, family: Family, prompts: Sequence[Prompt], journal: Journal, images: int) -> None:
        self._family, self._prompts, self._journal, self._images = family, prompts, journal, images
        self._shallow = journal.results.shallow
        self._pipeline: Any = None
        self._prepared: Preparation | None = None
        self._plain: dict[str, float | None] = {}
        self._drawn: dict[str, Images] = {}

    def expected_seconds(self, measurement: Measurement) -> float:
        """About how long a measurement takes, judged by the plain loops so far; 0 before the first.

        The time of the model of fifty steps follows from that of few by the passes through the transformer.
        Building counts as it took the last time; compilation does not count.
        """
        own, few = self._family.preset(base=measurement.base), self._family.few_steps
        seconds, loops = self._plain.get(own), 1
        if own not in self._plain:
            ratio = self._passes(measurement) / self._passes(Measurement("suite"))
            seconds, loops = (self._plain.get(few) or 0.0) * ratio, 2
        builds = self._prepared not in (None, _AS_BUILT, measurement.preparation)
        build = self._journal.results.build_seconds.get(self._family.name, 0.0) if builds else 0.0
        return build + loops * sum(self._calls(measurement)) * measurement.batch * (seconds or 0.0)

    def measure(self, measurement: Measurement) -> None:
        """One way of drawing, after the plain loop of its preset; a failure becomes a row that says why."""
        if not measurement.enhancer:  # it has a preset of its own, whose ratio would say nothing
            self._measure_plain(Measurement("plain loop", base=measurement.base))
        self._keep(measurement, lambda row: self._draw(row, measurement), done=label(self._family, measurement))

    def _measure_plain(self, plain: Measurement) -> None:
        """The plain loop of a preset and its operations, once."""
        preset = self._family.preset(base=plain.base)
        if preset in self._plain:
            return
        self._plain[preset] = None

        def draw(row: Row) -> Row:
            spec, texts = spec_of(self._family, plain, shallow=self._shallow), [prompt.text for prompt in self._prompts]
            warm_up, images = self._calls(plain)
            timings, self._drawn[preset] = plain_loop(self._pipeline, spec, self._prompts, images, warm_up)
            self._plain[preset] = p50 = statistics.median(timing.total for timing in timings)
            self._journal.results.operations[preset] = count_operations(self._pipeline, spec, texts)
            return summarise(row, timings, plain=p50)

        self._keep(plain, draw)

    def _draw(self, row: Row, measurement: Measurement) -> Row:
        """The row of a measurement through the suite."""
        prompts = self._prompts[:1] if measurement.one_prompt else self._prompts
        warm_up, images = (calls * measurement.batch for calls in self._calls(measurement))
        requests = [(prompts[number % len(prompts)], number) for number in range(warm_up + images)]
        tokens = (16 if self._shallow else 128) if measurement.enhancer else None
        with ExitStack() as stack:
            if "attention" in measurement.runtime:
                stack.enter_context(self._attention(str(measurement.runtime["attention"])))
            if tokens:
                stack.enter_context(enhancer(self._pipeline, self._family, tokens, shallow=self._shallow))
            spec = spec_of(self._family, measurement, shallow=self._shallow)
            timings, memory, first, drawn = through_the_suite(self._pipeline, spec, requests, warm_up)
        operations = dict(self._journal.results.operations.get(row.preset, {}))
        if measurement.runtime.get("encode_once"):
            operations.pop("text_encoding", None)  # kept, not done
        return summarise(
            msgspec.structs.replace(
                row,
                memory=memory,
                warm_up=first,
                tokens=tokens,
                difference=difference(drawn, self._drawn.get(row.preset, {})),
            ),
            timings,
            plain=self._plain.get(row.preset),
            operations=operations,
            rate=self._journal.results.matmul_flops,
        )

    def _keep(self, measurement: Measurement, draw: Callable[[Row], Row], done: str | None = None) -> None:
        """Prepare the pipeline, draw, keep the row; what cannot be had becomes a row that says why."""
        import torch

        preset = self._family.preset(base=measurement.base, enhancer=measurement.enhancer)
        row = Row(preset=preset, option=measurement.option)
        try:
            self._prepare(measurement)
            row = draw(row)
        except (EvalsuiteError, torch.OutOfMemoryError) as error:
            row = msgspec.structs.replace(row, error=" ".join(str(error).split())[:300])
        self._journal.keep(row, done)

    def _calls(self, measurement: Measurement) -> tuple[int, int]:
        """Calls of the pipeline that warm it up, and calls that count."""
        if measurement.base or measurement.enhancer:
            return SLOW_WARM_UP, min(self._images, SLOW_IMAGES)
        return WARM_UP, max(min(self._images, 3), self._images // measurement.batch)

    def _passes(self, measurement: Measurement) -> int:
        """How often an image goes through the transformer: once a step, with guidance twice."""
        settings = spec_of(self._family, measurement, shallow=self._shallow).settings
        return int(settings["steps"]) * (2 if float(settings["guidance"]) > 1 else 1)

    def _prepare(self, measurement: Measurement) -> None:
        """Have the pipeline as a measurement wants it, built anew where it was prepared for another."""
        wanted = measurement.preparation
        if self._prepared != wanted:
            if self._prepared != _AS_BUILT:
                self._build()
            self._prepared = None  # until all of it is done
            precision = precision_settings(wanted, shallow=self._shallow)
            prepare_pipeline(self._pipeline, precision, dict.fromkeys(wanted.options, True))
            self._prepared = wanted
        if "is_distilled" in self._pipeline.config:  # klein's pipeline leaves guidance out where it is set
            self._pipeline.register_to_config(is_distilled=not measurement.base)

    def _build(self) -> None:
        self._pipeline = None
        free_memory()
        started = time.perf_counter()
        self._pipeline = build_pipeline(self._family, shallow=self._shallow)
        self._journal.results.build_seconds[self._family.name] = time.perf_counter() - started

    @contextmanager
    def _attention(self, name: str) -> Iterator[None]:
        """The transformer with another attention back-end until the block ends."""
        set_attention(self._pipeline, name)
        try:
            yield
        finally:
            self._pipeline.transformer.reset_attention_backend()
