"""What a sweep found, checkpoint by checkpoint: stored as `sweep.json`, shown as `sweep.md` and in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from evalsuite import stats
from evalsuite.gate.markdown import plain
from evalsuite.gate.verdict import Outcome
from evalsuite.models import Unit
from evalsuite.records import Record
from evalsuite.sweep.checkpoints import Kind, PassedOver
from evalsuite.wording import one_sided, signed, size, with_ends

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT = 2
_LISTED = 200

COLUMNS = ("checkpoint", "character accuracy", "exact strings", "p50 s", "p90 s", "peak memory", "gate", "change")
"""The columns of the table for people, after the one of steps or epochs."""
FIGURES = ("step", "epoch", "character accuracy", "exact strings", "p50 s", "p90 s", "peak memory", "change")
"""The columns that hold figures."""

Status = Literal["done", "stopped", "incomplete", "failed"]
"""Whole, drawn only until its verdict, missing images, or not to be run at all."""


class SweepRow(Record, frozen=True, kw_only=True):
    """One checkpoint of a sweep. `step` counts what `Sweep.unit` says.

    `run` is its run folder relative to the sweep's; `error` says why it failed. Intervals are two-sided over
    prompts; `p50` and `p90` are seconds of warm images, `peak_memory` bytes. `outcome` and the rest are its gate's
    against the sweep's baseline, None for the baseline itself; `delta`, `lower` and `upper` those of its first gate. Of
    one that was drawn until its verdict, figures and intervals are of the images `drawn` of the `planned`.
    """

    name: str
    step: int | None
    kind: Kind
    path: str
    run: str
    status: Status
    error: str | None = None
    images: int = 0
    character_accuracy: stats.Interval | None = None
    exact_string_rate: stats.Interval | None = None
    p50: float | None = None
    p90: float | None = None
    images_per_second: float | None = None
    peak_memory: int | None = None
    outcome: Outcome | None = None
    delta: float | None = None
    lower: float | None = None
    upper: float | None = None
    drawn: int | None = None
    planned: int | None = None


class Sweep(Record, frozen=True, kw_only=True):
    """A sweep: its checkpoints in step order, and what they were gated against.

    `unit` says whether the steps of its rows are training steps or epochs; a sweep never holds both. `waiting` are not
    written out yet, `passed_over` is what else the folder holds.
    """

    format: int = FORMAT
    folder: str
    model: str | None
    samples: int
    policy: str
    policy_digest: str
    baseline: str | None
    rows: tuple[SweepRow, ...] = ()
    waiting: tuple[str, ...] = ()
    unit: Unit = "step"
    passed_over: tuple[PassedOver, ...] = ()

    @property
    def incomplete(self) -> bool:
        """True where a checkpoint failed or misses images."""
        return any(row.status not in ("done", "stopped") for row in self.rows)


def columns(sweep: Sweep) -> tuple[str, ...]:
    """The headings of the table for people."""
    return (sweep.unit, *COLUMNS)


def cells(sweep: Sweep, row: SweepRow) -> tuple[str, ...]:
    """A row of the table for people, one cell for each of `columns`."""
    if row.status == "failed":
        gate = f"failed: {row.error}"
    elif row.run == sweep.baseline:
        gate = "baseline"
    else:
        gate = row.outcome or "not gated"
    if row.drawn is not None:
        gate += f" after {row.drawn} of {row.planned}"
    change = "" if row.delta is None else f"{signed(row.delta)} ({one_sided(signed(row.lower), signed(row.upper))})"
    return (
        "–" if row.step is None else str(row.step),
        row.name,
        with_ends(row.character_accuracy) if row.character_accuracy else "–",
        with_ends(row.exact_string_rate) if row.exact_string_rate else "–",
        "–" if row.p50 is None else f"{row.p50:.2f}",
        "–" if row.p90 is None else f"{row.p90:.2f}",
        size(row.peak_memory),
        gate,
        change,
    )


def markdown(sweep: Sweep) -> str:
    """The sweep as a Markdown table."""
    return "\n".join(_lines(sweep)) + "\n"


def _lines(sweep: Sweep) -> Iterator[str]:
    yield f"## Sweep of {plain(sweep.folder)}"
    yield ""
    yield f"| {' | '.join(columns(sweep))} |"
    yield f"|{'---|' * len(columns(sweep))}"
    for row in sweep.rows:
        yield f"| {' | '.join(plain(cell) for cell in cells(sweep, row))} |"
    yield ""
    yield (
        "Accuracy with 95 % intervals over prompts; change with one-sided bounds of policy "
        f"{plain(sweep.policy)} ({sweep.policy_digest[:12]}) against {plain(sweep.baseline or 'nothing')}. "
        "Each checkpoint is gated by itself: of many equal ones, the best looks better than it is; gate anew the one "
        "that you choose."
    )
    if sweep.waiting:
        yield ""
        yield f"Not written to the end yet: {plain(', '.join(sweep.waiting))}"
    if sweep.passed_over:
        yield ""
        yield "Passed over:"
        yield ""
        yield from (f"- {plain(each.name)}: {plain(each.text)}" for each in sweep.passed_over[:_LISTED])
        if len(sweep.passed_over) > _LISTED:
            yield f"- … and {len(sweep.passed_over) - _LISTED} more"
