"""What must agree between two runs before anything is compared, and what only timings need to agree in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.gate.copies import copied
from evalsuite.gate.verdict import Difference
from evalsuite.runs.comparable import unlike
from evalsuite.runs.machines import timing_differences

if TYPE_CHECKING:
    from evalsuite.gate.side import Side
    from evalsuite.gate.verdict import Against
    from evalsuite.records import Json


def differences(baseline: Side, candidate: Side, against: Against) -> tuple[Difference, ...]:
    """All that keeps two runs from being compared; empty where they may be."""
    found = [*unlike(baseline.run.measured_by, candidate.run.measured_by), *copied(baseline, candidate)]
    return tuple(Difference(against=against, what=each.what, baseline=each.one, candidate=each.other) for each in found)


def settings_notes(baseline: Side, candidate: Side, against: Against) -> list[str]:
    """How the two models were drawn differently: no obstacle to comparing accuracy, but worth a line."""
    changed = _changed(baseline.model.settings, candidate.model.settings)
    return [f"drawn with other settings than the {against}: {changed}"] if changed else []


def timing_mismatch(baseline: Side, candidate: Side) -> str | None:
    """Why timings of the two runs may not be compared: other hardware, software or settings. None where they may."""
    for side in (baseline, candidate):
        if side.model.is_served:
            return f"{side.model.name} was drawn by a server, whose hardware and load are not known here"
    found = timing_differences([each for side in (baseline, candidate) for each in side.environments])
    if found:
        return f"not measured on the same hardware and software: {'; '.join(found)}"
    settings = _changed(
        {**baseline.model.settings, **baseline.model.runtime}, {**candidate.model.settings, **candidate.model.runtime}
    )
    if settings:
        return f"not drawn with the same settings: {settings}"
    return None


def _told(value: Json) -> str:
    return "none" if value is None else repr(value)


def _changed(one: dict[str, Json], other: dict[str, Json]) -> str:
    return "; ".join(
        f"{key} {_told(one.get(key))} → {_told(other.get(key))}"
        for key in dict.fromkeys([*one, *other])
        if one.get(key) != other.get(key)
    )


ORDERLY = 0.9
"""Share of images in short blocks from which on two models count as drawn in turns."""


def interleaved(baseline: Side, candidate: Side) -> bool:
    """True where one session drew both models in turns (`evalsuite run --interleave`), seen from the row order.

    Turns change the order of the models every second time (A B B A), so a block of one model's rows holds at
    most two batches. A few longer blocks, where a resumed run filled gaps, are allowed.
    """
    if baseline.run.folder.resolve() != candidate.run.folder.resolve():
        return False
    names = {baseline.model.name, candidate.model.name}
    if len(names) < 2:
        return False
    blocks: list[int] = []
    limits: list[int] = []
    previous = None
    for row in (row for row in baseline.drawn if row.model in names):
        batch = row.timing.batch if row.timing else 1
        if row.model == previous:
            blocks[-1] += 1
            limits[-1] = max(limits[-1], 2 * batch)
        else:
            blocks.append(1)
            limits.append(2 * batch)
        previous = row.model
    orderly = sum(size for size, limit in zip(blocks, limits, strict=True) if size <= limit)
    return orderly >= ORDERLY * sum(blocks)
