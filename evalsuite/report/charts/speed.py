"""Accuracy against latency, and where the time of an image goes."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from evalsuite.report.cells import Cell, cells, label, named, word
from evalsuite.report.charts.canvas import QUIET, Chart, Style, figure, interval_text, legend, styles, to_markup
from evalsuite.report.i18n import catalogue, translate
from evalsuite.wording import seconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from evalsuite.records import Generation
    from evalsuite.runs.summary import ModelSummary, Summary
    from evalsuite.runs.timing import Spread


def trade_off(summary: Summary) -> Chart | None:
    """Each timed model: its accuracy with interval over its median latency, with a line to the 90th percentile."""
    timed = [(model, model.timing.total) for model in _timed(summary) if model.timing and model.timing.total]
    if not timed:
        return None
    ceiling = summary.ceiling(timed[0][0].overall)
    with figure(3.6) as (drawing, (axes,)):
        for model, total in timed:
            _model_point(axes, model, total, styles(summary)[model.name])
        if ceiling is not None and ceiling.rates.character_accuracy is not None:
            axes.axhline(
                ceiling.rates.character_accuracy,
                color=QUIET,
                linewidth=1,
                linestyle=(0, (4, 3)),
                label=translate("accuracy.ceiling"),
            )
        _log_seconds(axes, [value for _, total in timed for value in (total.p50, total.p90)])
        axes.set_xlabel(translate("plot.trade_off.axis"))
        axes.set_ylabel(translate("accuracy.characters"))
        axes.margins(y=0.12)
        axes.tick_params(length=0, which="both")
        legend(drawing, axes)
        words: list[str | Cell] = [
            "plot.trade_off.axis",
            "accuracy.characters",
            "accuracy.ceiling",
            *(named(model) for model, _ in timed),
        ]
        svg = to_markup(drawing, "trade-off", words)
    rows = tuple(
        cells(
            named(model),
            interval_text(model.overall.intervals["character_accuracy"]),
            seconds(total.p50),
            seconds(total.p90),
            str(model.timing.warm if model.timing else 0),
        )
        for model, total in timed
    )
    columns = cells(
        word("speed.model"), word("accuracy.characters"), word("speed.p50"), word("speed.p90"), word("speed.images")
    )
    return Chart("trade_off", svg, columns, rows)


def _timed(summary: Summary) -> list[ModelSummary]:
    return [model for model in summary.models if model.role != "reference" and model.timing is not None]


def _model_point(axes: Axes, model: ModelSummary, total: Spread, style: Style) -> None:
    interval = model.overall.intervals["character_accuracy"]
    if interval.estimate is None:
        return
    if interval.low is not None and interval.high is not None:
        axes.vlines(total.p50, max(interval.low, -0.02), min(interval.high, 1.0), color=style.colour, linewidth=1.4)
    axes.hlines(interval.estimate, total.p50, total.p90, color=style.colour, linewidth=1.4)
    axes.plot(
        total.p50,
        interval.estimate,
        marker=style.marker,
        markersize=8,
        color=style.colour,
        linestyle="none",
        label=named(model).text,
    )


def _log_seconds(axes: Axes, values: Sequence[float]) -> None:
    """A logarithmic axis of seconds with plain labels, at least a factor of four wide."""
    low, high = min(values), max(values)
    middle = float(np.sqrt(low * high))
    axes.set_xscale("log")
    axes.set_xlim(min(low / 1.3, middle / 2), max(high * 1.3, middle * 2))
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def by_phase(summary: Summary, generations: Mapping[str, Generation]) -> Chart | None:
    """The distribution of each phase's seconds over the warm images of each timed model."""
    models = {model.name: named(model) for model in _timed(summary)}
    times: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in models}
    for row in generations.values():
        if row.model in times and row.error is None and row.timing is not None and not row.timing.warmup:
            per_phase: dict[str, float] = {}
            for phase in row.timing.phases:
                per_phase[phase.name] = per_phase.get(phase.name, 0.0) + phase.seconds
            for name, value in per_phase.items():
                times[row.model][name].append(value)
            times[row.model]["total"].append(row.timing.total)
    times = {name: phases for name, phases in times.items() if any(max(each) > 0 for each in phases.values())}
    if not times:
        return None
    lines = [(model, phase, values) for model, phases in times.items() for phase, values in phases.items()]
    heights = [len(phases) for phases in times.values()]
    drawing_height = 0.7 + sum(heights) * 0.27 + 0.42 * len(heights)
    with figure(drawing_height, len(heights), sharex=True, height_ratios=heights) as (drawing, panels):
        for axes, (model, phases) in zip(panels, times.items(), strict=True):
            _boxes(axes, list(phases.values()), styles(summary)[model])
            axes.set_yticks(range(len(phases)), [_phase_text(phase) for phase in phases])
            axes.set_ylim(len(phases) - 0.4, -0.6)
            axes.grid(visible=False, axis="y")
            axes.set_title(models[model].text, loc="left", fontsize=10, fontweight="bold")
            axes.tick_params(length=0, which="both")
        _log_seconds(panels[-1], [value for _, _, values in lines for value in values if value > 0])
        panels[-1].set_xlabel(translate("plot.phases.axis"))
        svg = to_markup(drawing, "phases", ("plot.phases.axis", "plot.phases.total", *_phase_keys(), *models.values()))
    rows = tuple(
        cells(
            models[model],
            word(_phase_key(phase)) if _phase_key(phase) in catalogue("en") else phase,
            str(len(values)),
            *(seconds(float(value)) for value in np.percentile(values, [0, 50, 90, 100])),
        )
        for model, phase, values in lines
    )
    columns = cells(
        word("speed.model"),
        word("plot.phases.phase"),
        word("speed.images"),
        word("plot.least"),
        word("speed.p50"),
        word("speed.p90"),
        word("plot.most"),
    )
    return Chart("phases", svg, columns, rows)


def _phase_key(phase: str) -> str:
    return "plot.phases.total" if phase == "total" else f"phase.{phase}"


def _phase_keys() -> list[str]:
    return [key for key in catalogue("en") if key.startswith("phase.")]


def _phase_text(phase: str) -> str:
    key = _phase_key(phase)
    return translate(key) if key in catalogue("en") else label(phase)


def _boxes(axes: Axes, phases: Sequence[Sequence[float]], style: Style) -> None:
    """From the 5th to the 95th percentile a line, from the quartiles a bar, the median a point."""
    for row, values in enumerate(phases):
        positive = [value for value in values if value > 0]
        if not positive:
            continue
        p5, p25, p50, p75, p95 = np.percentile(positive, [5, 25, 50, 75, 95])
        axes.hlines(row, p5, p95, color=style.colour, linewidth=1.2)
        axes.hlines(row, p25, p75, color=style.colour, linewidth=7, alpha=0.35)
        axes.plot(p50, row, marker=style.marker, markersize=5.5, color=style.colour, linestyle="none")
