"""Time and memory of the full-size architectures, with random weights, by the suite's own instruments.

    nox -s bench -- full_size --out full_size.json            (a GPU of 48 GB or more)
    nox -s bench -- full_size --shallow --out shallow.json    (any CPU: the same code on small copies)

The values of weights change neither speed nor memory, so FLUX.2 [klein] 4B and ERNIE-Image 8B with random
bfloat16 weights are timed as truly as the real ones. Each is drawn first by a plain loop over the pipeline,
then by `DiffusionModel` in the same process; speed options are ratios to that plain loop.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from benchmarks._full_size_parts import FAMILIES, Family, build_pipeline, count_operations, matmul_rate
from evalsuite import hardware, suites
from evalsuite.errors import EvalsuiteError
from evalsuite.models.diffusion import DiffusionModel
from evalsuite.models.options import free_memory, prepare_pipeline, set_attention
from evalsuite.models.presets import load_presets
from evalsuite.records import Json, Memory, ModelSpec, Prompt, Timing

console = Console(width=160)

BASE_IMAGES = 3
WARM_UP = 2
BASE_WARM_UP = 1
ATTENTION = ("_native_cudnn", "_native_flash", "_native_efficient", "flash", "_flash_3")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One way of drawing: seconds an image (median and 90th percentile over the warm ones), by phase.

    `ratio` is the median over that of the plain loop of the same preset, batch size divided out. `error` says
    why an option could not be had; then there are no figures.
    """

    preset: str
    option: str
    images: int = 0
    p50: float | None = None
    p90: float | None = None
    ratio: float | None = None
    phases: dict[str, float] = {}
    utilisation: dict[str, float] = {}
    memory: Memory | None = None
    warm_up: float | None = None
    error: str | None = None


class Results(msgspec.Struct, kw_only=True):
    """All that one run of this benchmark measured, with the machine that it ran on."""

    hardware: dict[str, Json]
    line: str
    shallow: bool
    matmul_flops: float
    build_seconds: dict[str, float] = {}
    operations: dict[str, dict[str, float]] = {}
    enhancer_seconds_per_token: float | None = None
    rows: list[Row] = []


def percentile_90(seconds: list[float]) -> float:
    """The 90th percentile, linear between the two nearest values."""
    return statistics.quantiles(seconds, n=10, method="inclusive")[-1] if len(seconds) > 1 else seconds[0]


def spec_of(preset: str, size: str, **runtime: Json) -> ModelSpec:
    """The spec of a preset with its published settings at `size`, without the enhancer."""
    settings = {**load_presets().presets[preset].settings, "size": size, "precision": "bf16", "enhance": "off"}
    return ModelSpec(
        name=f"{preset} (random weights)",
        kind="diffusion",
        role="stand-in",
        source="random weights of the full-size architecture",
        weights_digest="random",
        settings=settings,
        runtime=runtime,
    )


def plain_loop(pipeline: Any, spec: ModelSpec, prompts: list[Prompt], images: int, warm_up: int) -> list[float]:
    """Seconds an image of a loop as anyone would write it around the pipeline, after warming up."""
    import torch

    from evalsuite.models.session import call_arguments

    call = call_arguments(pipeline, spec)
    wait: Callable[[], None] = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    seconds = []
    for number in range(warm_up + images):
        wait()
        started = time.perf_counter()
        generator = torch.Generator("cpu").manual_seed(number)
        pipeline(prompt=prompts[number % len(prompts)].text, generator=generator, **call)
        wait()
        seconds.append(time.perf_counter() - started)
    return seconds[warm_up:]


def through_the_suite(
    pipeline: Any, spec: ModelSpec, requests: list[tuple[Prompt, int]], warm_up: int
) -> tuple[list[Timing], Memory | None, float]:
    """Timings of the warm images, the largest memory, and the seconds of the first image."""
    with DiffusionModel.from_pipeline(pipeline, spec) as model:
        drawings = list(model.draw(requests))
    failed = next((drawing.error for drawing in drawings if drawing.error), None)
    if failed:
        raise EvalsuiteError(failed)
    timings = [drawing.timing for drawing in drawings if drawing.timing]
    warm = [timing for timing in timings[warm_up:] if not timing.warmup]
    memory = max((d.memory for d in drawings if d.memory), key=lambda m: m.allocated or m.process or 0, default=None)
    return warm, memory, timings[0].total


class Bench:
    """Draws with one family and keeps the rows."""

    def __init__(self, results: Results, out: Path, family: Family, prompts: list[Prompt], *, shallow: bool) -> None:
        self.results, self.out, self.family, self.prompts, self.shallow = results, out, family, prompts, shallow
        self.size = "128x128" if shallow else "1024x1024"
        started = time.perf_counter()
        self.pipeline = build_pipeline(family, shallow=shallow)
        results.build_seconds[family.name] = time.perf_counter() - started
        self.plain: dict[str, float] = {}

    def measure_preset(self, preset: str, images: int, warm_up: int) -> None:
        """A preset by the plain loop, then by the suite, with its operations counted."""
        if "is_distilled" in self.pipeline.config:  # klein's pipeline leaves guidance out where it is set
            self.pipeline.register_to_config(is_distilled=preset == "flux2-klein-4b")
        spec = spec_of(preset, self.size)
        seconds = plain_loop(self.pipeline, spec, self.prompts, images, warm_up)
        self.plain[preset] = statistics.median(seconds)
        self.keep(
            Row(
                preset=preset,
                option="plain loop",
                images=images,
                p50=self.plain[preset],
                p90=percentile_90(seconds),
                ratio=1.0,
            )
        )
        self.results.operations[preset] = count_operations(self.pipeline, spec, self.prompts[0].text)
        self.measure(preset, "suite", images, warm_up=warm_up)

    def measure(
        self,
        preset: str,
        option: str,
        images: int,
        *,
        warm_up: int = WARM_UP,
        one_prompt: bool = False,
        **runtime: Json,
    ) -> None:
        """One way of drawing a preset, through the suite; a failure becomes a row that says why."""
        batch = int(runtime.get("batch", 1))
        count, first_warm = images * batch, warm_up * batch
        prompts = self.prompts[:1] if one_prompt else self.prompts
        requests = [(prompts[number % len(prompts)], number) for number in range(first_warm + count)]
        try:
            spec = spec_of(preset, self.size, **runtime)
            timings, memory, first = through_the_suite(self.pipeline, spec, requests, first_warm)
        except EvalsuiteError as error:
            self.keep(Row(preset=preset, option=option, error=" ".join(str(error).split())[:300]))
            return
        total = [timing.total for timing in timings]
        phases = {
            phase.name: statistics.median(p.seconds for t in timings for p in t.phases if p.name == phase.name)
            for phase in timings[0].phases
        }
        operations = self.results.operations[preset]
        rate = self.results.matmul_flops
        self.keep(
            Row(
                preset=preset,
                option=option,
                images=len(timings),
                p50=statistics.median(total),
                p90=percentile_90(total),
                ratio=statistics.median(total) / self.plain[preset],
                phases=phases,
                utilisation={
                    name: operations[name] / seconds / rate
                    for name, seconds in phases.items()
                    if seconds > 0 and name in operations and not (name == "text_encoding" and "encode_once" in runtime)
                },
                memory=memory,
                warm_up=first,
            )
        )

    def measure_options(self, preset: str, images: int) -> None:
        """Each speed option alone, then those that helped together, then FP8 storage on a fresh pipeline."""
        self.measure(preset, "encode once", images, one_prompt=True, encode_once=True)
        for batch in (2, 4):
            self.measure(preset, f"batch {batch}", max(3, images // batch), batch=batch)
        for name in ATTENTION:
            with self.attention(preset, name) as there:
                if there:
                    self.measure(preset, f"attention {name}", images, attention=name)
        prepare_pipeline(self.pipeline, {}, {"compile": True})
        self.measure(preset, "compile", images, compile=True)
        self.measure(preset, "compile, encode once", images, one_prompt=True, compile=True, encode_once=True)
        self.measure(
            preset,
            "compile, encode once, batch 4",
            max(3, images // 4),
            one_prompt=True,
            compile=True,
            encode_once=True,
            batch=4,
        )
        self.pipeline = None
        free_memory()
        self.pipeline = build_pipeline(self.family, shallow=self.shallow)
        prepare_pipeline(self.pipeline, {"precision": "fp8"}, {})
        self.measure(preset, "FP8 storage", images)

    @contextmanager
    def attention(self, preset: str, name: str) -> Iterator[bool]:
        """The transformer with another attention back-end; a row says why where it is not to be had."""
        try:
            set_attention(self.pipeline, name)
        except EvalsuiteError as error:
            self.keep(Row(preset=preset, option=f"attention {name}", error=" ".join(str(error).split())[:300]))
            yield False
            return
        try:
            yield True
        finally:
            self.pipeline.transformer.reset_attention_backend()

    def measure_enhancer(self, tokens: int) -> None:
        """Seconds a token of the prompt enhancer, which rewrites a prompt before it is drawn."""
        if getattr(self.pipeline, "pe", None) is None:
            return
        self.pipeline.pe_tokenizer.model_max_length = tokens
        device = self.pipeline._execution_device  # noqa: SLF001 - diffusers has no public name for it
        for _ in range(2):
            started = time.perf_counter()
            self.pipeline._enhance_prompt_with_pe(self.prompts[0].text, device)  # noqa: SLF001 - likewise
            elapsed = time.perf_counter() - started
        self.results.enhancer_seconds_per_token = elapsed / tokens

    def keep(self, row: Row) -> None:
        """Keep a row, in the file too, and print it: a run that is cut short has still told what it knew."""
        self.results.rows.append(row)
        self.out.write_bytes(msgspec.json.format(msgspec.json.encode(self.results), indent=1))
        told = row.error or f"p50 {row.p50:.3f} s, p90 {row.p90:.3f} s, {row.ratio:.3f} of the plain loop"
        console.print(f"{row.preset}: {row.option}: {told}", markup=False, soft_wrap=True)


def show(results: Results) -> None:
    """Print the rows as a table."""
    table = Table(title=results.line, title_justify="left", box=None)
    for name in ("preset", "option", "images", "p50 s", "p90 s", "ratio", "phases (s; share of the matmul rate)", "GB"):
        table.add_column(name)
    for row in results.rows:
        phases = " ".join(
            f"{name} {seconds:.3f}" + (f" ({row.utilisation[name]:.0%})" if name in row.utilisation else "")
            for name, seconds in row.phases.items()
        )
        memory = row.memory and (row.memory.reserved or row.memory.process)
        figures = (f"{value:.3f}" if value is not None else "–" for value in (row.p50, row.p90, row.ratio))
        table.add_row(
            row.preset,
            row.option,
            str(row.images),
            *figures,
            row.error or phases,
            f"{memory / 1e9:.1f}" if memory else "–",
        )
    console.print(table)


def main(
    out: Annotated[Path, typer.Option(help="Where the JSON of all figures goes.")],
    family: Annotated[list[str] | None, typer.Option(help=f"Only these of {', '.join(FAMILIES)}.")] = None,
    images: Annotated[int, typer.Option(min=2, help="Warm images for the models of few steps.")] = 12,
    shallow: Annotated[bool, typer.Option("--shallow", help="Small copies at 128×128, for a CPU.")] = False,
    base: Annotated[bool, typer.Option("--base/--no-base", help="The models of fifty steps too.")] = True,
    options: Annotated[bool, typer.Option("--options/--no-options", help="The speed options too.")] = True,
) -> None:
    """Build, draw, time; write the figures as JSON after every row."""
    prompts = list(suites.sample([prompt for suite in suites.load("signage-en") for prompt in suite.prompts], 8))
    here = hardware.describe(accelerator=True)
    rate = matmul_rate(512 if shallow else 8192)
    results = Results(hardware=here, line=hardware.line(here), shallow=shallow, matmul_flops=rate)
    console.print(f"{results.line}\nbfloat16 matrix product: {rate / 1e12:.1f} TFLOP/s", soft_wrap=True)
    for name in family or FAMILIES:
        bench = Bench(results, out, FAMILIES[name], prompts, shallow=shallow)
        fast, fifty_steps = FAMILIES[name].presets
        bench.measure_preset(fast, images, WARM_UP)
        if base:
            bench.measure_preset(fifty_steps, BASE_IMAGES, BASE_WARM_UP)
        bench.measure_enhancer(16 if shallow else 128)
        if options:
            bench.measure_options(fast, images)
        del bench
        free_memory()
    show(results)


if __name__ == "__main__":
    typer.run(main)
