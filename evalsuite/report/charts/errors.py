"""Which glyph becomes which: the commonest errors as a map."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from matplotlib.patches import Rectangle

from evalsuite.report.cells import cells, label, named, word
from evalsuite.report.charts.canvas import INK, Chart, colour, figure, to_markup
from evalsuite.report.i18n import translate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evalsuite.records import Score
    from evalsuite.runs.summary import Summary

NOTHING = "∅"
SIDE = 14
"""Glyphs a side of the map."""
LISTED = 60
"""Pairs in the table."""

_WHOLE = {"missing-word", "missing-target"}


def confusions(summary: Summary, scores: Sequence[Score]) -> Chart | None:
    """Wanted glyphs in lines, read glyphs in columns, counted over all models that are no reference.

    `∅` in a column is a dropped glyph, in a line an inserted one. The table tells each model's count, and that of
    the clean reference, which is the OCR's own share of such errors.
    """
    real = {model.name for model in summary.models if model.role != "reference"}
    real = real or {model.name for model in summary.models}
    per_model: dict[str, Counter[tuple[str, str]]] = {model.name: Counter() for model in summary.models}
    for score in scores:
        for error in score.result.errors:
            if error.kind not in _WHOLE:
                per_model[score.model][error.wanted or NOTHING, error.read or NOTHING] += 1
    pooled: Counter[tuple[str, str]] = Counter()
    for name in sorted(real):
        pooled.update(per_model[name])
    if not pooled:
        return None
    commonest = sorted(pooled.items(), key=lambda item: (-item[1], item[0]))
    wanted = _first(pair[0] for pair, _ in commonest)
    read = _first(pair[1] for pair, _ in commonest if pair[0] in wanted)
    shown = {pair: count for pair, count in commonest if pair[0] in wanted and pair[1] in read}
    # A commoner glyph may have found its place and its own errors not.
    wanted = [glyph for glyph in wanted if any(row == glyph for row, _ in shown)]
    largest = max(shown.values())
    with figure(0.9 + 0.3 * len(wanted)) as (drawing, (axes,)):
        for (row, column), count in shown.items():
            x, y = read.index(column), wanted.index(row)
            # Pale at most, so that the number stays legible on light and dark ground alike.
            axes.add_patch(_square(x, y, 0.1 + 0.35 * count / largest))
            # Inside the axes, so that the layout need not look at each.
            axes.text(x, y, str(count), ha="center", va="center", fontsize=9, color=INK, in_layout=False)
        axes.set_xticks(range(len(read)), [label(glyph) for glyph in read])
        axes.set_yticks(range(len(wanted)), [label(glyph) for glyph in wanted])
        axes.set_xlim(-0.6, max(len(read), 8) - 0.4)
        axes.set_ylim(len(wanted) - 0.4, -0.6)
        axes.tick_params(length=0, labelsize=11, labelcolor=INK)
        axes.set_xlabel(translate("plot.confusions.read"))
        axes.set_ylabel(translate("plot.confusions.wanted"))
        svg = to_markup(drawing, "confusions", ("plot.confusions.read", "plot.confusions.wanted"))
    names = [*sorted(real, key=[model.name for model in summary.models].index)]
    if summary.ceiling_model and summary.ceiling_model not in names:
        names.append(summary.ceiling_model)
    rows = tuple(
        cells(row, column, str(count), *(str(per_model[name][row, column]) for name in names))
        for (row, column), count in commonest[:LISTED]
    )
    titles = {model.name: named(model) for model in summary.models}
    head = [
        word("plot.confusions.ocr") if name == summary.ceiling_model and len(names) > 1 else titles[name]
        for name in names
    ]
    columns = cells(word("plot.confusions.wanted"), word("plot.confusions.read"), word("plot.count"), *head)
    return Chart("confusions", svg, columns, rows)


def _first(glyphs: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(glyphs))[:SIDE]


def _square(x: float, y: float, share: float) -> Rectangle:
    return Rectangle((x - 0.46, y - 0.44), 0.92, 0.88, facecolor=colour(0), alpha=share, linewidth=0, in_layout=False)
