"""The figures of the full-size benchmark: what a row holds, how the file is kept, and the printed table."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from evalsuite.files import write_atomically
from evalsuite.records import Environment, Memory, Timing

console = Console(width=160)


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """How far images are from the plain loop's of the same prompts and seeds, in steps of 8 bits.

    `largest` and `mean` are over all values of all pixels; `deviation` is that of the plain loop's own values.
    """

    images: int
    largest: int
    mean: float
    deviation: float


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One way of drawing: seconds per image over the warm ones, by phase.

    Attributes:
        preset: The preset whose architecture and settings were drawn with.
        option: `plain loop`, `suite`, `enhancer`, or the options as the suite's settings have them.
        timings: Every warm image in order; its phases sum to its total.
        p50: Median of the totals.
        p90: Their 90th percentile, linear between the two nearest.
        ratio: p50 over that of the preset's plain loop in the same run; an image's share counts in a batch.
        phases: Median of each phase. Medians need not sum to the median.
        utilisation: Operations of a phase over its seconds, as a share of the rate of a matrix product in the precision
            that is computed in without `quantize`; float8 products are faster than that.
        memory: The largest of each kind over all images.
        warm_up: Seconds of the first image.
        tokens: How many tokens the prompt enhancer wrote an image.
        seconds_per_token: Median of its phase over them; the reading of the prompt is spread over them too.
        difference: How far its images are from those of the preset's plain loop.
        error: Why the option could not be had; then there are no figures.
    """

    preset: str
    option: str
    timings: tuple[Timing, ...] = ()
    p50: float | None = None
    p90: float | None = None
    ratio: float | None = None
    phases: dict[str, float] = {}
    utilisation: dict[str, float] = {}
    memory: Memory | None = None
    warm_up: float | None = None
    tokens: int | None = None
    seconds_per_token: float | None = None
    difference: Difference | None = None
    error: str | None = None


class Results(msgspec.Struct, kw_only=True):
    """All that one run measured, with the machine that it ran on.

    Attributes:
        hardware: What `evalsuite.hardware` says of it.
        line: The same in one line.
        shallow: Whether small copies were drawn with.
        precision: What is computed in: bf16, or fp32 for small copies on a CPU.
        matmul_flops: Operations a second of a matrix product in that precision.
        build_seconds: By family, of the last time that its pipeline was built.
        operations: By preset and phase, of one image.
        rows: In the order that they were measured in.
        left_out: What was asked for and is not there: not reached, or not begun for want of time.
    """

    hardware: Environment
    line: str
    shallow: bool
    precision: str = "bf16"
    matmul_flops: float
    build_seconds: dict[str, float] = {}
    operations: dict[str, dict[str, float]] = {}
    rows: list[Row] = []
    left_out: list[str] = []


def percentile_90(seconds: Sequence[float]) -> float:
    """The 90th percentile, linear between the two nearest values."""
    return statistics.quantiles(seconds, n=10, method="inclusive")[-1] if len(seconds) > 1 else seconds[0]


def summarise(
    row: Row,
    timings: Sequence[Timing],
    *,
    plain: float | None = None,
    operations: Mapping[str, float] | None = None,
    rate: float = 0.0,
) -> Row:
    """The row with the figures that follow from its images.

    Args:
        row: What was drawn and how, with memory.
        timings: At least one warm image.
        plain: p50 of the preset's plain loop.
        operations: Of an image by phase, for the utilisation of those phases.
        rate: Operations a second of a matrix product.
    """
    totals = [timing.total for timing in timings]
    phases = {
        phase.name: statistics.median(p.seconds for t in timings for p in t.phases if p.name == phase.name)
        for phase in timings[0].phases
    }
    p50 = statistics.median(totals)
    return msgspec.structs.replace(
        row,
        timings=tuple(timings),
        p50=p50,
        p90=percentile_90(totals),
        ratio=p50 / plain if plain else None,
        phases=phases,
        utilisation={
            name: count / phases[name] / rate for name, count in (operations or {}).items() if phases.get(name)
        },
        seconds_per_token=phases["prompt_enhancement"] / row.tokens if row.tokens else None,
    )


def largest(memories: Sequence[Memory]) -> Memory | None:
    """The largest value of each kind; None without any."""
    if not memories:
        return None

    def peak(kind: str) -> int | None:
        return max((value for memory in memories if (value := getattr(memory, kind)) is not None), default=None)

    return Memory(
        allocated=peak("allocated"), reserved=peak("reserved"), driver=peak("driver"), process=peak("process")
    )


class Journal:
    """Keeps the results in a file that is whole at any time: a run that is cut short has told what it knew."""

    def __init__(self, results: Results, path: Path) -> None:
        self.results, self._path = results, path
        self._write()

    def expect(self, names: Sequence[str]) -> None:
        """Say what is to be measured: left out until it is done."""
        self.results.left_out.extend(names)
        self._write()

    def keep(self, row: Row, done: str | None = None) -> None:
        """Keep a row and print it; with it, `done` is no longer left out."""
        self.results.rows.append(row)
        if done is not None:
            self.results.left_out.remove(done)
        self._write()
        console.print(f"{row.preset}: {row.option}: {_told(row)}", markup=False, soft_wrap=True)

    def _write(self) -> None:
        write_atomically(self._path, msgspec.json.format(msgspec.json.encode(self.results), indent=1))


def _told(row: Row) -> str:
    if row.error is not None:
        return row.error
    ratio = "" if row.ratio is None else f", {row.ratio:.3f} of the plain loop"
    token = "" if row.seconds_per_token is None else f", {row.seconds_per_token * 1000:.2f} ms per token"
    apart = row.difference
    pixels = "" if apart is None else f", pixels up to {apart.largest} apart, {apart.mean:.2f} on average"
    return f"p50 {row.p50:.3f} s, p90 {row.p90:.3f} s{ratio}{token}{pixels}"


def show(results: Results) -> None:
    """Print the rows as a table, and what was left out."""
    table = Table(title=Text(results.line), title_justify="left", box=None)
    for name in (
        "preset",
        "option",
        "images",
        "p50 s",
        "p90 s",
        "ratio",
        "phases (s; share of the 16-bit matmul rate)",
    ):
        table.add_column(name)
    table.add_column("peak GB: allocated, reserved, driver; process")
    for row in results.rows:
        phases = " ".join(
            f"{name} {seconds:.3f}" + (f" ({row.utilisation[name]:.0%})" if name in row.utilisation else "")
            for name, seconds in row.phases.items()
        )
        token = "" if row.seconds_per_token is None else f" = {row.tokens} tokens × {row.seconds_per_token:.4f}"
        figures = (f"{value:.3f}" if value is not None else "–" for value in (row.p50, row.p90, row.ratio))
        table.add_row(
            row.preset, row.option, str(len(row.timings)), *figures, row.error or phases + token, _peaks(row.memory)
        )
    console.print(table, markup=False)
    if results.left_out:
        console.print(f"Left out: {'; '.join(results.left_out)}", markup=False, soft_wrap=True)


def _peaks(memory: Memory | None) -> str:
    if memory is None:
        return "–"

    def told(count: int | None) -> str:
        return "–" if count is None else f"{count / 1e9:.1f}"

    return f"{told(memory.allocated)}, {told(memory.reserved)}, {told(memory.driver)}; {told(memory.process)}"
