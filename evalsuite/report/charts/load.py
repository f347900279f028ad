"""Images per second and latency of a server over the load on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.load.records import seconds_of
from evalsuite.report.cells import Cell, cells, word
from evalsuite.report.charts.canvas import Chart, colour, figure, legend, to_markup
from evalsuite.report.i18n import translate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from evalsuite.load.records import LevelFigures

_QUANTILES = ("p50", "p90", "p99")


def over_load(figures: Sequence[LevelFigures], *, by_rate: bool) -> Chart:
    """The levels of one kind, by concurrency or by rate of arrivals: throughput with interval above, latency below."""
    axis = "plot.load.rate" if by_rate else "plot.load.concurrency"
    load = [float(each.level.rate if by_rate else each.level.concurrency or 0) for each in figures]  # type: ignore[arg-type]
    name = "load_rate" if by_rate else "load_concurrency"
    with figure(5.2, rows=2, sharex=True) as (drawing, (upper, lower)):
        _throughput(upper, load, figures)
        for place, quantile in enumerate(_QUANTILES):
            shown = [
                (x, getattr(each.latency, quantile)) for x, each in zip(load, figures, strict=True) if each.latency
            ]
            lower.plot(*zip(*shown, strict=True), marker="osD"[place], color=colour(place + 1), label=quantile)
        lower.set_ylim(0, 1.08 * max((each.latency.p99 for each in figures if each.latency), default=1.0))
        lower.set_xlabel(translate(axis))
        lower.set_ylabel(translate("plot.load.latency"))
        lower.set_xticks(load, [f"{x:g}" for x in load])
        for axes in (upper, lower):
            axes.tick_params(length=0)
        legend(drawing, lower)
        svg = to_markup(drawing, name, [axis, "plot.load.latency", "plot.load.throughput"])
    columns = cells(
        word(axis), word("plot.load.throughput"), *_QUANTILES, word("plot.load.service"), word("plot.load.queueing"),
        word("plot.load.images"), word("plot.load.errors"),
    )  # fmt: skip
    return Chart(name, svg, columns, tuple(_row(x, each) for x, each in zip(load, figures, strict=True)))


def _throughput(axes: Axes, load: Sequence[float], figures: Sequence[LevelFigures]) -> None:
    axes.plot(load, [each.throughput for each in figures], marker="o", color=colour(0))
    for x, each in zip(load, figures, strict=True):
        if each.low is not None and each.high is not None:
            axes.plot([x, x], [each.low, each.high], color=colour(0), linewidth=3, alpha=0.4)
    axes.set_ylim(0, 1.08 * (max((each.high or each.throughput for each in figures), default=1.0) or 1.0))
    axes.set_ylabel(translate("plot.load.throughput"))


def _row(load: float, each: LevelFigures) -> tuple[Cell, ...]:
    ends = "" if each.low is None or each.high is None else f" [{each.low:.3g},\u00a0{each.high:.3g}]"
    return cells(
        f"{load:g}",
        f"{each.throughput:.3g}{ends}",
        *(seconds_of(each.latency, quantile) for quantile in _QUANTILES),
        seconds_of(each.service, "p50"),
        seconds_of(each.queueing, "p50"),
        f"{each.images}/{each.requests}",
        str(sum(each.errors.values())),
    )
