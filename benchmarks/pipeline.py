"""What an evaluation costs beyond its drawing: the whole run beside drawing alone, and beside a plain loop.

    python -m benchmarks.pipeline --draws klein --reader busy --out pipeline.json        (a GPU of 48 GB or more)
    python -m benchmarks.pipeline --draws klein-small --images 6                         (a CPU: small copies)
    python -m benchmarks.pipeline --draws waits --reader busy                            (a CPU in place of a GPU)

`klein` is FLUX.2 [klein] 4B at full size with random weights, whose values change neither speed nor memory; its images
are replaced by pages with real text, as large to store and read as real ones, before they are encoded. The whole run
is that of the suite: encode, hash, write durably, read, score. Drawing alone is the same model drawing the same images
before and after the run; the plain loop calls the diffusers pipeline, saves, and reads with one engine in turn.

Where PaddleOCR is not installed, `--reader busy` keeps a core busy per page for the seconds that it was measured to
take (`--page-seconds`), in as many processes; it does not compete for memory bandwidth as a real reader does.
"""

from __future__ import annotations

import json
import math
import statistics
import tempfile
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks._stand_ins import BusyReader, Paged, Waiting, pages_of
from evalsuite import hardware, suites
from evalsuite.models.base import ImageModel
from evalsuite.ocr import OcrEngine, resolve
from evalsuite.records import Prompt, SuiteRef, digest
from evalsuite.runs.plan import plan_prompts
from evalsuite.runs.progress import Progress
from evalsuite.runs.reading import default_workers
from evalsuite.runs.runner import execute
from evalsuite.runs.store import RunStore

PROMPTS = 16
"""How many are drawn in turn, each with another seed."""
PLAIN = 4
"""Images of the plain loop: each costs as much as several of the run."""


class Draws(StrEnum):
    """What draws."""

    KLEIN = "klein"
    SMALL = "klein-small"
    WAITS = "waits"


class Reads(StrEnum):
    """What reads."""

    PADDLE = "paddle"
    OPENVINO = "paddle-openvino"
    CUDA = "paddle-cuda"
    BUSY = "busy"


app = typer.Typer(add_completion=False)


@app.command()
def main(
    draws: Annotated[Draws, typer.Option(help="What draws.")] = Draws.KLEIN,
    reader: Annotated[Reads, typer.Option(help="What reads.")] = Reads.PADDLE,
    images: Annotated[int, typer.Option(min=4, help="Images of the run, a multiple of 4.")] = 64,
    workers: Annotated[int | None, typer.Option(min=2, help="OCR processes; by default what a run takes.")] = None,
    compile_: Annotated[bool, typer.Option("--compile", help="Compile the transformer's blocks.")] = False,
    page_seconds: Annotated[float, typer.Option(help="Seconds of a core per page, of the busy reader.")] = 1.7,
    draw_seconds: Annotated[float, typer.Option(help="Seconds per image of the model that waits.")] = 0.53,
    out: Annotated[Path | None, typer.Option(help="Where the figures go as JSON.")] = None,
) -> None:
    """Draw alone, run, draw alone again, loop plainly; print seconds and ratios."""
    if images % 4:
        raise typer.BadParameter("--images: a multiple of 4")
    prompts = suites.sample([each for suite in suites.load("signage-en") for each in suite.prompts], PROMPTS)
    prompts, samples = (prompts, images // PROMPTS) if images % PROMPTS == 0 else (prompts[:4], images // 4)
    size = (128, 128) if draws == Draws.SMALL else (1024, 1024)
    pages = pages_of(prompts, size)
    began = time.perf_counter()
    model, pipeline = _model(draws, draw_seconds, compiled=compile_)
    built = time.perf_counter() - began
    engine: OcrEngine
    if reader == Reads.BUSY:
        engine = BusyReader(page_seconds, tuple(prompt.targets for prompt in prompts))
    else:
        engine = resolve(reader.value)
    count = default_workers(engine) if workers is None else workers
    paged = Paged(model, pages)
    told: dict[str, Any] = {
        "hardware": hardware.line(hardware.describe(accelerator=draws != Draws.WAITS)),
        "draws": f"{draws.value}{' compiled' if compile_ else ''}",
        "reader": f"busy, a stand-in: {page_seconds} s of a core per page" if reader == Reads.BUSY else reader.value,
        "ocr_workers": count,
        "images": images,
        "build_s": built,
    }
    _draw_alone(model, prompts[:2], 1)  # warms up, and compiles
    before, image_before = _draw_alone(model, prompts, samples)
    run = _whole_run(paged, engine, prompts, samples, count)
    after, image_after = _draw_alone(model, prompts, samples)
    alone = (before + after) / 2
    told |= {"drawing_alone_s": [before, after], **run, "run_over_drawing": run["run_s"] / alone}
    told["image_s"] = {
        "before": image_before,
        "in_the_run": [each.total for each in paged.timings],
        "after": image_after,
    }
    told["run_without_the_tail_over_drawing"] = run["drawn_after_s"] / alone
    per_image = _plain_loop(pipeline, model, prompts, pages, engine) if pipeline is not None else None
    if per_image is not None:
        told |= {"plain_loop_s_per_image": per_image, "plain_loop_over_drawing": per_image * images / alone}
    for name, value in told.items():
        print(f"{name:<36}{_rounded(value)}", flush=True)
    if out is not None:
        out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def _rounded(value: Any) -> Any:
    """Numbers to a thousandth, in lists and tables too."""
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return round(value, 3) if isinstance(value, float) else value


def _model(draws: Draws, seconds: float, *, compiled: bool) -> tuple[ImageModel, Any]:
    """What draws, and its diffusers pipeline where it has one."""
    if draws == Draws.WAITS:
        return Waiting(seconds, (1024, 1024)), None
    from benchmarks.full_size.bench import precision_settings, spec_of
    from benchmarks.full_size.parts import FAMILIES, build_pipeline
    from benchmarks.full_size.plan import Measurement
    from evalsuite.models.diffusion import DiffusionModel
    from evalsuite.models.pipeline_setup import prepare_pipeline

    family, shallow = FAMILIES["flux2-klein-4b"], draws == Draws.SMALL
    how = Measurement("compile", runtime={"compile": True}) if compiled else Measurement("suite")
    pipeline = build_pipeline(family, shallow=shallow)
    prepare_pipeline(pipeline, precision_settings(how.preparation, shallow=shallow), {"compile": compiled})
    return DiffusionModel.from_pipeline(pipeline, spec_of(family, how, shallow=shallow)), pipeline


def _draw_alone(model: ImageModel, prompts: Sequence[Prompt], samples: int) -> tuple[float, list[float]]:
    """Seconds from the first image asked for to the last drawn, and those of each; nothing is kept."""
    asked = [(prompt, seed) for prompt in prompts for seed in range(samples)]
    with model:
        began = time.perf_counter()
        seconds = [drawing.timing.total if drawing.timing else 0.0 for drawing in model.draw(asked)]
        return time.perf_counter() - began, seconds


def _whole_run(
    model: Paged, engine: OcrEngine, prompts: Sequence[Prompt], samples: int, workers: int
) -> dict[str, float | int]:
    """Seconds of a run by the suite, from the first image asked for; starting and proving OCR comes before, apart."""
    plan = plan_prompts(
        refs=[SuiteRef(name="signage-en", digest=digest(prompts), prompts=len(prompts), source="signage-en")],
        prompts=prompts,
        models=[model],
        engine=engine,
        profile="standard",
        samples=samples,
        seed=0,
        name="pipeline",
    )
    times: dict[str, float] = {}

    def watch(step: Progress) -> None:
        times[step.stage] = time.perf_counter()

    with tempfile.TemporaryDirectory() as place:
        store, _ = RunStore.create_or_resume(Path(place) / "run", plan.manifest)
        began = time.perf_counter()
        run = execute(plan, store, workers=workers, watch=watch)
        ended = time.perf_counter()
        sizes = [path.stat().st_size for path in (store.folder / "images").iterdir()]
        readings = [reading.seconds or 0.0 for reading in run.readings.values()]
    if run.missing:
        raise RuntimeError(f"{len(run.missing)} images are missing, e.g. {run.missing[0].text}")
    return {
        "start_of_ocr_s": model.began - began,
        "run_s": ended - model.began,
        "drawn_after_s": model.ended - model.began,
        "written_after_s": times["draw"] - model.began,
        "read_after_s": times["read"] - model.began,
        "inside_the_model_s": math.fsum(each.total for each in model.timings),
        "png_mb": statistics.mean(sizes) / 1e6,
        "reading_s_per_page": statistics.mean(readings),
    }


def _plain_loop(
    pipeline: Any, model: ImageModel, prompts: Sequence[Prompt], pages: dict[str, Any], engine: OcrEngine
) -> float:
    """Seconds per image of a loop as anyone would write it: draw, save, read with one engine."""
    import torch
    from PIL import Image

    from evalsuite.models.drawing import call_arguments

    call = call_arguments(pipeline, model.spec)
    seconds = []
    with tempfile.TemporaryDirectory() as place:
        for number in range(PLAIN + 1):
            prompt = prompts[number % len(prompts)]
            began = time.perf_counter()
            pipeline(prompt=prompt.text, generator=torch.Generator("cpu").manual_seed(number), **call)
            path = Path(place) / f"{number}.png"
            pages[prompt.id].save(path)
            with Image.open(path) as image:
                engine.read(image.convert("RGB"))
            seconds.append(time.perf_counter() - began)
    return statistics.mean(seconds[1:])


if __name__ == "__main__":
    app()
