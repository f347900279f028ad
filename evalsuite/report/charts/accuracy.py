"""Accuracy by slice, by the length of the string, and over the steps of a training run."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from evalsuite import stats
from evalsuite.models.training_steps import step_of
from evalsuite.report.cells import Cell, cells, label, named, word
from evalsuite.report.charts.canvas import (
    INK,
    MARKERS,
    QUIET,
    SERIES,
    Chart,
    Style,
    figure,
    interval_text,
    legend,
    styles,
    to_markup,
)
from evalsuite.report.charts.steps import AXES
from evalsuite.report.figures import ordered_values, shown_models
from evalsuite.report.i18n import translate
from evalsuite.runs.summary import FINE_REPLICATES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes

    from evalsuite.models.training_steps import Trained, Unit
    from evalsuite.records import Score
    from evalsuite.runs.summary import Dimension, ModelSummary, Slice, Summary
    from evalsuite.stats import Interval

MAX_ROWS = 30
"""Values of a dimension that a chart shows; its table shows them all."""


def by_dimension(summary: Summary, dimension: Dimension) -> Chart | None:
    """Character accuracy with its interval for each value of a dimension; None where there is one value only.

    Values stand as `ordered_values` has them, so that of more than `MAX_ROWS` categories the worst are drawn.
    """
    models = shown_models(summary)
    values = ordered_values(models, dimension)
    if len(values) < 2:
        return None
    by_value = {(model.name, each.value): each for model in models for each in model.by(dimension)}
    drawn = values[:MAX_ROWS]
    with figure(0.95 + len(drawn) * (0.14 + 0.13 * len(models)) + 0.11 * len(models)) as (drawing, (axes,)):
        for place, model in enumerate(models):
            offset = (place - (len(models) - 1) / 2) * 0.7 / max(1, len(models))
            found = [(row + offset, by_value.get((model.name, value))) for row, value in enumerate(drawn)]
            _points(axes, found, styles(summary)[model.name], named(model).text)
        _ceilings(axes, summary, [by_value[models[0].name, value] for value in drawn])
        axes.set_yticks(range(len(drawn)), [_value_label(dimension, value) for value in drawn])
        axes.set_ylim(len(drawn) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(translate("accuracy.characters"))
        axes.tick_params(length=0)
        legend(drawing, axes)
        svg = to_markup(
            drawing,
            f"by-{dimension}",
            ("accuracy.characters", "accuracy.ceiling", "length.short", "length.long", *map(named, models)),
        )
    rows = []
    for value in values:
        slices = [by_value.get((model.name, value)) for model in models]
        first = next(each for each in slices if each is not None)
        ceiling = summary.ceiling(first)
        rows.append(
            cells(
                word(f"length.{value}") if dimension == "length" else value,
                str(first.prompts),
                *(interval_text(each.intervals["character_accuracy"]) if each else "–" for each in slices),
                interval_text(ceiling.intervals["character_accuracy"]) if ceiling else word("accuracy.ceiling.none"),
            )
        )
    columns = cells(
        word(f"slices.{dimension}"),
        word("slices.prompts"),
        *map(named, models),
        word("accuracy.ceiling"),
    )
    return Chart(dimension, svg, columns, tuple(rows))


def _value_label(dimension: Dimension, value: str) -> str:
    return translate(f"length.{value}") if dimension == "length" else label(value)


def _points(axes: Axes, found: Iterable[tuple[float, Slice | None]], style: Style, text: str) -> None:
    known = [(y, each.intervals["character_accuracy"]) for y, each in found if each is not None]
    known = [(y, interval) for y, interval in known if interval.estimate is not None]
    for y, interval in known:
        # One prompt says nothing of others: its interval is nearly the whole axis, and many such hide the rest.
        if interval.low is not None and interval.high is not None and interval.n > 1:
            axes.hlines(y, max(interval.low, -0.02), min(interval.high, 1.0), color=style.colour, linewidth=1.4)
    axes.plot(
        [interval.estimate or 0.0 for _, interval in known],
        [y for y, _ in known],
        linestyle="none",
        marker=style.marker,
        markersize=5,
        color=style.colour,
        markerfacecolor=style.face,
        label=text,
    )


def _ceilings(axes: Axes, summary: Summary, slices: Sequence[Slice]) -> None:
    places = [(row, summary.ceiling(each)) for row, each in enumerate(slices)]
    known = [(row, each.rates.character_accuracy) for row, each in places if each is not None]
    if known and any(model.name != summary.ceiling_model for model in shown_models(summary)):
        axes.vlines(
            [value for _, value in known if value is not None],
            [row - 0.42 for row, value in known if value is not None],
            [row + 0.42 for row, value in known if value is not None],
            color=INK,
            linewidth=1.2,
        )
        # The legend shows the stroke upright, as it stands.
        axes.plot([], [], "|", color=INK, markersize=11, markeredgewidth=1.2, label=translate("accuracy.ceiling"))


BINS = ((1, 5), (6, 10), (11, 20), (21, 40), (41, 80), (81, None))
"""Classes of target length in graphemes after normalisation."""
_HIGHEST = [high for _, high in BINS if high is not None]


def by_string_length(summary: Summary, scores: Sequence[Score]) -> Chart | None:
    """Character accuracy of single strings by their length, over all models; the ceiling dashed."""
    models = {model.name: named(model) for model in shown_models(summary)}
    drawn = list(models)
    if summary.ceiling_model and summary.ceiling_model not in models:
        drawn.append(summary.ceiling_model)
    sums: dict[tuple[str, int], dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0, 0]))
    for score in scores:
        for target in score.result.targets:
            right = target.length - target.substitutions - target.insertions - target.deletions
            cluster = sums[score.model, _bin(target.length)][score.prompt]
            cluster[0] += right
            cluster[1] += target.length
            cluster[2] += 1
    used = [place for place in range(len(BINS)) if any((name, place) in sums for name in drawn)]
    if len(used) < 2:
        return None
    intervals = {
        key: stats.ratio_interval(*_sides(clusters.values()), replicates=FINE_REPLICATES, bounds=(0.0, 1.0))
        for key, clusters in sums.items()
    }
    with figure(3.4) as (drawing, (axes,)):
        for place, name in enumerate(drawn):
            # Side by side, so that intervals do not hide each other.
            aside = (place - (len(drawn) - 1) / 2) * min(0.1, 0.6 / len(drawn))
            is_ceiling = name == summary.ceiling_model and len(drawn) > 1
            style = CEILING if is_ceiling else styles(summary)[name]
            text = translate("accuracy.ceiling") if is_ceiling else models[name].text
            _line(axes, [(row + aside, intervals.get((name, row))) for row in used], style, text)
        axes.set_xticks(used, [_bin_text(place) for place in used])
        axes.grid(visible=False, axis="x")
        axes.set_xlabel(translate("plot.string_length.axis"))
        axes.set_ylabel(translate("accuracy.characters"))
        axes.tick_params(length=0)
        axes.margins(y=0.08)
        legend(drawing, axes)
        svg = to_markup(
            drawing,
            "string-length",
            ("plot.string_length.axis", "accuracy.characters", "accuracy.ceiling", *models.values()),
        )
    rows = []
    for row in used:
        strings = next(sum(each[2] for each in sums[name, row].values()) for name in drawn if (name, row) in sums)
        found = [intervals.get((name, row)) for name in drawn]
        rows.append(cells(_bin_text(row), str(strings), *(interval_text(each) if each else "–" for each in found)))
    head = [models.get(name, word("accuracy.ceiling")) for name in drawn]
    return Chart("string_length", svg, cells(word("plot.string_length.axis"), word("plot.strings"), *head), tuple(rows))


def _sides(pairs: Iterable[Sequence[int]]) -> tuple[list[float], list[float]]:
    listed = list(pairs)
    return [float(pair[0]) for pair in listed], [float(pair[1]) for pair in listed]


def _bin(length: int) -> int:
    return bisect_left(_HIGHEST, length)


def _bin_text(place: int) -> str:
    low, high = BINS[place]
    return f"{low}+" if high is None else f"{low}–{high}"


CEILING = Style(QUIET, "", QUIET)
"""The ceiling in line charts: dashed, without a marker."""


def _line(axes: Axes, points: Sequence[tuple[float, Interval | None]], style: Style, text: str) -> None:
    known = [(x, each) for x, each in points if each is not None and each.estimate is not None]
    spread = [(x, each) for x, each in known if each.low is not None and each.high is not None and each.n > 1]
    axes.vlines(
        [x for x, _ in spread],
        [max(each.low or 0.0, -0.02) for _, each in spread],
        [min(each.high or 0.0, 1.0) for _, each in spread],
        color=style.colour,
        linewidth=1.2,
    )
    axes.plot(
        [x for x, _ in known],
        [each.estimate or 0.0 for _, each in known],
        color=style.colour,
        linestyle="-" if style.marker else (0, (4, 3)),
        marker=style.marker or None,
        markersize=5,
        markerfacecolor=style.face,
        label=text,
    )


def series_of(name: str) -> tuple[str, Trained] | None:
    """The series that a checkpoint's name belongs to and how far it was trained; None where the name tells nothing.

    How far is the rule of `evalsuite.models.step_of`; the series is the name without that number.
    """
    trained = step_of(name)
    if trained is None:
        return None
    numbers = [match for match in re.finditer(r"\d+", name) if int(match[0]) == trained.number]
    last = numbers[-1]
    return f"{name[: last.start()]}…{name[last.end() :]}", trained


def over_steps(summary: Summary) -> Chart | None:
    """Accuracy over training steps, where at least three models are checkpoints of one training run."""
    found: dict[tuple[str, Unit], list[tuple[int, ModelSummary]]] = defaultdict(list)
    for model in summary.models:
        known = series_of(model.name)
        if known is not None:
            found[known[0], known[1].unit].append((known[1].number, model))
    whole = {key: sorted(points, key=lambda point: point[0]) for key, points in found.items() if len(points) >= 3}
    if not whole:
        return None
    # Steps and epochs are never on one axis: steps come first.
    unit: Unit = "step" if any(kind == "step" for _, kind in whole) else "epoch"
    series = {name: points for (name, kind), points in whole.items() if kind == unit}
    axis = AXES[unit]
    rows: list[tuple[Cell, ...]] = []
    with figure(3.4) as (drawing, (axes,)):
        for place, (name, points) in enumerate(series.items()):
            intervals = [(step, model.overall.intervals["character_accuracy"]) for step, model in points]
            style = Style(SERIES[place % len(SERIES)], MARKERS[place % len(MARKERS)], SERIES[place % len(SERIES)])
            _line(axes, intervals, style, label(name))
            rows += [
                cells(named(model), f"{step:,}", interval_text(each))
                for (step, model), (_, each) in zip(points, intervals, strict=True)
            ]
        axes.set_xlabel(translate(axis))
        axes.set_ylabel(translate("accuracy.characters"))
        axes.tick_params(length=0)
        largest = np.max([step for points in series.values() for step, _ in points])
        axes.set_xlim(0, float(largest) * 1.05)
        legend(drawing, axes)
        svg = to_markup(drawing, "steps", (axis, "accuracy.characters"))
    return Chart("steps", svg, cells(word("accuracy.model"), word(axis), word("accuracy.characters")), tuple(rows))
