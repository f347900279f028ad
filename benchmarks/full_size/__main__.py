"""Time and memory of the full-size architectures, with random weights, by the suite's own instruments.

    nox -s bench -- full_size --out full_size.json            (a GPU of 48 GB or more)
    nox -s bench -- full_size --shallow --out shallow.json    (any CPU: the same code on small copies)

The values of weights change neither speed nor memory, so FLUX.2 [klein] 4B and ERNIE-Image 8B with random
bfloat16 weights are timed as truly as the real ones. Each preset is drawn first by a plain loop over the
pipeline, then by `DiffusionModel` in the same process; speed options are ratios to that plain loop. Small
copies on a CPU are in float32, since bfloat16 takes tens of times as long where there are no instructions for it.

The most telling rows come first, and each is in the file as soon as it is done. Where time is short,
`--minutes 9` leaves out what would not end in time, and says so; `--family ernie-image --only precision=fp8`
measures one thing, and the plain loop that its ratio needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.full_size.bench import Bench
from benchmarks.full_size.operations import matmul_rate
from benchmarks.full_size.parts import FAMILIES, Family, built_in
from benchmarks.full_size.plan import MEASUREMENT_NAMES, Deadline, Measurement, label, plan
from benchmarks.full_size.rows import Journal, Results, console, show
from evalsuite import hardware, suites
from evalsuite.errors import EvalsuiteError
from evalsuite.models.pipeline_setup import free_memory, resolve_device

PROMPTS = 8
"""How many are drawn in turn; small copies make do with three."""

app = typer.Typer(add_completion=False)


@app.command()
def main(
    out: Annotated[Path, typer.Option(help="Where the JSON of all figures goes.")],
    family: Annotated[
        list[str] | None, typer.Option(help=f"Only this one of {', '.join(FAMILIES)}; may be repeated.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help=f"Only this measurement; may be repeated. {', '.join(MEASUREMENT_NAMES)}"),
    ] = None,
    images: Annotated[
        int, typer.Option(min=1, help="Warm images per row; the models of fifty steps draw 3 at most.")
    ] = 12,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Leave out what would not end within so many minutes.")
    ] = None,
    shallow: Annotated[bool, typer.Option("--shallow", help="Small copies at 128×128, for a CPU.")] = False,
) -> None:
    """Build, draw, time; write the figures as JSON after every row."""
    deadline = Deadline(minutes)
    if not out.parent.is_dir():
        raise typer.BadParameter(f"--out {out}: there is no folder {out.parent}; make it first")
    try:
        planned = plan(family or list(FAMILIES), only or [])
    except EvalsuiteError as error:
        raise typer.BadParameter(str(error)) from error
    here = hardware.describe(accelerator=True)
    precision = built_in(resolve_device("auto"), shallow=shallow)
    rate = matmul_rate(512 if shallow else 8192, precision)
    line = hardware.line(here) or ""
    journal = Journal(Results(hardware=here, line=line, shallow=shallow, precision=precision, matmul_flops=rate), out)
    console.print(f"{line}\n{precision} matrix product: {rate / 1e12:.1f} TFLOP/s", soft_wrap=True)
    try:
        measure_all(planned, journal, images, deadline)
    finally:
        show(journal.results)


def measure_all(
    planned: Sequence[tuple[Family, Sequence[Measurement]]], journal: Journal, images: int, deadline: Deadline
) -> None:
    """Measure what is planned, but for what would not end before the deadline."""
    signs = [prompt for suite in suites.load("signage-en") for prompt in suite.prompts]
    prompts = suites.sample(signs, 3 if journal.results.shallow else PROMPTS)
    journal.expect([label(family, one) for family, measurements in planned for one in measurements])
    for family, measurements in planned:
        bench = Bench(family, prompts, journal, images)
        for one in measurements:
            if deadline.allows(bench.expected_seconds(one)):
                bench.measure(one)
        del bench
        free_memory()


if __name__ == "__main__":
    app()
