"""The report's plots: matplotlib SVG in the page's own colours, each with its numbers in a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.report.cells import Cell
from evalsuite.report.charts.accuracy import by_dimension, by_string_length, over_steps, series_of
from evalsuite.report.charts.canvas import Chart
from evalsuite.report.charts.errors import confusions
from evalsuite.report.charts.speed import by_phase, trade_off
from evalsuite.report.charts.wealth import wealth

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalsuite.records import Generation, Score
    from evalsuite.runs.stop import Stop
    from evalsuite.runs.summary import Summary

__all__ = ["Cell", "Chart", "draw_all", "series_of"]


def draw_all(
    summary: Summary, scores: Sequence[Score], generations: Mapping[str, Generation], stop: Stop | None = None
) -> list[Chart]:
    """Every plot that this run has numbers for, in the order of the page."""
    charts = (
        wealth(stop) if stop is not None else None,
        trade_off(summary),
        over_steps(summary),
        by_dimension(summary, "category"),
        by_dimension(summary, "length"),
        by_string_length(summary, scores),
        by_phase(summary, generations),
        confusions(summary, scores),
    )
    return [chart for chart in charts if chart is not None]
