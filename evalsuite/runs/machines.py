"""The machines that drew a run: the manifest's, and those that other rows name (shards, nodes of a cluster).

Timings are one sample only where these are alike (`hardware.differences`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from evalsuite import hardware
from evalsuite.records import Environment, Machine, Place, Timing, digest
from evalsuite.runs.rows import RowFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from evalsuite.records import Generation

FILE = "machines.jsonl"
_DIGITS = 12


def machine_of(environment: Environment) -> Machine:
    """An environment under its digest."""
    return Machine(digest=digest(environment)[:_DIGITS], environment=environment)


def machine_rows(folder: Path) -> RowFile[Machine]:
    """The machines other than the manifest's, in a run folder."""
    return RowFile(folder / FILE, Machine)


def placed(row: Generation, *, device: str | None = None, machine: str | None = None) -> Generation:
    """The row with the place where it was drawn; what is None stays as it is."""
    if row.timing is None:
        return row
    before = row.timing.place or Place()
    place = Place(device=device or before.device, machine=machine or before.machine)
    return msgspec.structs.replace(row, timing=_at(row.timing, place))


def _at(timing: Timing, place: Place) -> Timing:
    return msgspec.structs.replace(timing, place=place)


def machines_named(rows: Iterable[Generation]) -> list[str | None]:
    """The machines of timed rows, each once in the order of the first: digests, None for the manifest's."""
    return list(
        dict.fromkeys(
            row.timing.place.machine if row.timing.place else None
            for row in rows
            if row.timing is not None and row.error is None
        )
    )


def environments(rows: Iterable[Generation], own: Environment, others: Sequence[Machine]) -> tuple[Environment, ...]:
    """The environments that timed rows were drawn in; the plan's `own` where there are none.

    A machine that is named and not described is an empty environment, which is like no other.
    """
    known: dict[str | None, Environment] = {each.digest: each.environment for each in others}
    named = machines_named(rows)
    return tuple(own if name is None else known.get(name, Environment()) for name in named) or (own,)


def timing_differences(found: Sequence[Environment]) -> list[str]:
    """What keeps timings that were taken in these environments from being one sample; empty where they may be."""
    for other in found[1:]:
        differences = hardware.differences(found[0], other)
        if differences:
            return differences
    return []
