"""One contestant's accuracy against another's, a point a prompt, each a link to its images."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from evalsuite.report.cells import Cell, cells, label, named, word
from evalsuite.report.charts.canvas import QUIET, Chart, colour, figure, to_markup
from evalsuite.wording import rate, signed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalsuite.report.cells import Named

MAX_ROWS = 200
"""Prompts in the table: those that differ most."""


def scatter(name: str, first: Named, second: Named, pairs: Mapping[str, tuple[float, float]]) -> Chart:
    """Prompts by the accuracy of two contestants; below the diagonal the second is worse.

    Points link to `#q=PROMPT`, which filters the pairs of the page.
    """
    low = min(0.9, *(min(pair) for pair in pairs.values()))
    low = max(0.0, low - 0.05 * (1 - low))
    with figure(4.6) as (drawing, (axes,)):
        axes.plot([low, 1], [low, 1], color=QUIET, linewidth=1, linestyle=(0, (4, 3)))
        points = axes.scatter(
            [pair[0] for pair in pairs.values()],
            [pair[1] for pair in pairs.values()],
            s=26,
            color=colour(0),
            alpha=0.6,
            linewidths=0,
            clip_on=False,
        )
        points.set_urls([_link(ident) for ident in pairs])
        margin = (1 - low) * 0.03
        axes.set_xlim(low, 1 + margin)
        axes.set_ylim(low, 1 + margin)
        axes.set_aspect("equal")
        axes.set_xlabel(named(first).text)
        axes.set_ylabel(named(second).text)
        axes.tick_params(length=0)
        svg = to_markup(drawing, name, [named(first), named(second)])
    order = sorted(pairs.items(), key=lambda item: (item[1][1] - item[1][0], item[0]))
    order = [item for item in order if item[1][0] != item[1][1]][:MAX_ROWS]
    rows = tuple(
        cells(Cell(ident, link=_link(ident)), rate(pair[0]), rate(pair[1]), signed(pair[1] - pair[0]))
        for ident, pair in order
    )
    columns = cells(word("compare.prompt"), named(first), named(second), word("compare.difference"))
    return Chart("scatter", svg, columns, rows, {"first": label(first.name), "second": label(second.name)})


def _link(ident: str) -> str:
    return f"#q={quote(ident)}"
