"""What pages show of a load test: its curves with their numbers, its errors; and the one in a run's folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalsuite.errors import EvalsuiteError
from evalsuite.load.records import other_server
from evalsuite.report.charts.load import over_load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalsuite.load.records import LevelFigures, LoadResult
    from evalsuite.records import ModelSpec
    from evalsuite.report.charts import Chart
    from evalsuite.runs.opened import OpenRun


@dataclass(frozen=True, slots=True)
class ShownLoad:
    """What pages say of a load test beside its curves: the fastest level, errors by level, levels that fall behind.

    `other` says why the test is not of a model of the run on whose page it stands; its curves are not shown then.
    """

    result: LoadResult
    best: LevelFigures
    errors: Sequence[tuple[str, str, int]]
    late: Sequence[str]
    other: str | None = None


def shown(result: LoadResult, other: str | None = None) -> ShownLoad:
    """What pages say of a result."""
    return ShownLoad(
        result,
        best=max(result.figures, key=lambda each: each.throughput),
        errors=[(each.level.name, reason, n) for each in result.figures for reason, n in each.errors.items()],
        late=[each.level.name for each in result.figures if not each.keeps_up],
        other=other,
    )


def curves(result: LoadResult) -> list[Chart]:
    """A chart for the levels of each kind: by concurrency, by rate of arrivals."""
    kinds = [
        ([each for each in result.figures if (each.level.rate is not None) is by_rate], by_rate)
        for by_rate in (False, True)
    ]
    return [over_load(figures, by_rate=by_rate) for figures, by_rate in kinds if figures]


def load_of(run: OpenRun) -> ShownLoad | None:
    """The load test in a run's folder, or None where there is none.

    Raises:
        EvalsuiteError: It cannot be read.
    """
    from evalsuite.load.api import load_result

    try:
        result = load_result(run.folder)
    except FileNotFoundError:
        return None
    if not result.figures:
        raise EvalsuiteError(f"{run.folder / 'load.json'}: has no level of load; delete it, or measure again")
    return shown(result, _other(run, result.model))


def accept_load(run: OpenRun, tested: ModelSpec) -> None:
    """Raise an `EvalsuiteError` where a server drew none of the run's models, or with other settings."""
    other = _other(run, tested)
    if other is not None:
        raise EvalsuiteError(f"{run.folder}: {other}; measure the run's own server, or name another folder with --out")


def _other(run: OpenRun, tested: ModelSpec) -> str | None:
    found = [other_server(tested, spec) for spec in run.manifest.models if spec.role != "reference"]
    if None in found:
        return None
    return next((each for each in found if each), "the run has no model of a server")
