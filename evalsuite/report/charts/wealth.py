"""The wagers of a gate over the images of a run that was drawn until its verdict."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matplotlib.ticker import FuncFormatter, NullFormatter

from evalsuite.report.cells import Cell, cells, label, word
from evalsuite.report.charts.canvas import BAD, GOOD, INK, Chart, figure, legend, to_markup
from evalsuite.report.conclusions import message
from evalsuite.report.i18n import translate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from evalsuite.runs.stop import Stop, WealthPath

MOST_PANELS = 8
"""Wagers that are drawn; the table beneath has all."""


def wealth(stop: Stop) -> Chart | None:
    """One panel a wager: both wealths over the images, the lines that decide, and where it was decided."""
    paths = [path for path in stop.wagers if path.points][:MOST_PANELS]
    if not paths:
        return None
    with figure(0.9 + 1.5 * len(paths), len(paths), sharex=True, sharey=True) as (drawing, panels):
        least = min(0.0, *(min(each.log_pass, each.log_fail) for path in paths for each in path.points))
        top = max(max(path.need_pass, path.need_fail) for path in paths)
        for axes, path in zip(panels, paths, strict=True):
            _panel(axes, path, top)
        # Lost wealth tells little: a tenth of a thousandth is as good as nothing.
        panels[0].set_ylim(math.exp(max(least, math.log(1e-4))) / 1.5, math.exp(top) * 3)
        panels[-1].set_xlim(0, stop.images * 1.04)
        panels[-1].set_xlabel(translate("plot.wealth.axis"))
        legend(drawing, panels[0])
        words = ["plot.wealth.axis", "plot.wealth.within", "plot.wealth.beyond"]
        svg = to_markup(drawing, "wealth", words)
    columns = cells(
        word("plot.wealth.gate"),
        word("plot.wealth.decision"),
        word("plot.wealth.after"),
        word("plot.wealth.final.pass"),
        word("plot.wealth.final.fail"),
    )
    return Chart("wealth", svg, columns, tuple(_row(path) for path in stop.wagers))


def _panel(axes: Axes, path: WealthPath, top: float) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    images = [0, *(point.images for point in path.points)]
    room = math.exp(top) * 3
    for shade, dashes, key, logs, need in (
        (GOOD, "-", "within", [point.log_pass for point in path.points], path.need_pass),
        (BAD, (0, (5, 2)), "beyond", [point.log_fail for point in path.points], path.need_fail),
    ):
        heights = [1.0, *(min(room, math.exp(max(-20.0, min(20.0, log)))) for log in logs)]
        axes.step(images, heights, where="post", color=shade, linestyle=dashes, label=translate(f"plot.wealth.{key}"))
        axes.axhline(math.exp(need), color=shade, linewidth=1, linestyle=(0, (1, 2)))
    if path.images_to_decision is not None:
        axes.axvline(path.images_to_decision, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    axes.set_title(label(path.name), loc="left", fontsize=10, fontweight="bold")
    axes.tick_params(length=0, which="both")


def _row(path: WealthPath) -> tuple[Cell, ...]:
    last = path.points[-1] if path.points else None
    return cells(
        label(path.name),
        word(message(path.decision or "INCONCLUSIVE")),
        "–" if path.images_to_decision is None else str(path.images_to_decision),
        _against(last.log_pass if last else 0.0, path.need_pass),
        _against(last.log_fail if last else 0.0, path.need_fail),
    )


def _against(log: float, need: float) -> str:
    """A wealth beside what it needs: `412 (20)`."""
    return f"{_figure(log)} ({_figure(need)})"


def _figure(log: float) -> str:
    if log > math.log(1e6):
        return "> 10⁶"
    return f"{math.exp(log):.3g}" if log > math.log(1e-6) else "< 10⁻⁶"
