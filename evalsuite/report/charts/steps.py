"""The checkpoints of a training run over its steps: accuracy with verdicts, and latency."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from matplotlib.ticker import NullLocator

from evalsuite.report.cells import Cell, cells, label, named, word
from evalsuite.report.charts.canvas import (
    BAD,
    GOOD,
    GROUND,
    INK,
    OPEN,
    QUIET,
    Chart,
    Style,
    colour,
    figure,
    interval_text,
    legend,
    to_markup,
)
from evalsuite.report.i18n import translate
from evalsuite.wording import seconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from evalsuite.models import Unit
    from evalsuite.records import ModelRole
    from evalsuite.stats import Interval

Mark = Literal[
    "baseline", "PASS", "INCONCLUSIVE", "FAIL", "INCOMPLETE", "NOT COMPARABLE", "not gated", "failed"
]  # fmt: skip
"""What stands at a step: a gate's outcome, or why there is none."""

WORDS: dict[Mark, str] = {
    "baseline": "sweep.baseline",
    "PASS": "outcome.pass",
    "INCONCLUSIVE": "outcome.inconclusive",
    "FAIL": "outcome.fail",
    "INCOMPLETE": "outcome.incomplete",
    "NOT COMPARABLE": "outcome.not-comparable",
    "not gated": "sweep.ungated",
    "failed": "sweep.failed",
}
"""The message of each mark."""

STYLES: dict[Mark, Style] = {
    "baseline": Style(INK, "*", INK),
    "PASS": Style(GOOD, "o", GOOD),
    "INCONCLUSIVE": Style(OPEN, "D", GROUND),
    "FAIL": Style(BAD, "X", BAD),
    "INCOMPLETE": Style(BAD, "v", GROUND),
    "NOT COMPARABLE": Style(OPEN, "s", GROUND),
    "not gated": Style(QUIET, "o", GROUND),
    "failed": Style(BAD, "s", BAD),
}
"""How each mark looks: no two share a shape and its filling, so that none needs its colour to be told."""

AXES: dict[Unit, str] = {"step": "plot.steps.axis", "epoch": "plot.epochs.axis"}
"""The message that names an axis of so many training steps or epochs."""

_SIZES = {"*": 13.0, "X": 10.5, "o": 8.5, "D": 7.0, "v": 8.5, "s": 7.5}
AXIS = 340
"""About the units that the axis of a chart is wide."""
MANY = 16
"""With more checkpoints than this, the bars of their intervals are thin."""
MAX_NAME = 18
"""Characters of a checkpoint's name on the axis."""


@dataclass(frozen=True, slots=True)
class Point:
    """A checkpoint on the axis.

    `intervals` are character accuracies by language, None standing for all languages pooled; empty where it could not
    be run. `p50` and `p90` are seconds over `warm` images, None where nothing was timed.
    """

    name: str
    role: ModelRole
    step: int | None
    mark: Mark
    intervals: Mapping[str | None, Interval]
    p50: float | None = None
    p90: float | None = None
    warm: int = 0


def accuracy(
    points: Sequence[Point],
    ceilings: Mapping[str | None, Interval],
    unit: Unit = "step",
    *,
    named_by: str = "sweep.checkpoint",
) -> Chart | None:
    """Character accuracy over the steps: a panel for all languages with the verdicts, and one for each language.

    `unit` says what the points' steps count: training steps or epochs. Points keep their order. `ceilings` are the
    reference's accuracies, by language as the points' are. `named_by` is the message that says what a point is. None
    where no checkpoint has an accuracy.
    """
    groups = list(dict.fromkeys(group for point in points for group in point.intervals))
    if not groups:
        return None
    axis = _Axis.of(points, unit, named_by)
    heights = [2.6, *(1.6 for _ in groups[1:])]
    height = sum(heights) + 0.6 + axis.room
    with figure(height, len(groups), sharex=True, sharey=True, height_ratios=heights) as (drawing, panels):
        for place, (axes, group) in enumerate(zip(panels, groups, strict=True)):
            known = [
                (x, point.mark, point.intervals[group])
                for x, point in zip(axis.places, points, strict=True)
                if group in point.intervals
            ]
            _curve(axes, [(x, each) for x, _, each in known], colour(place), marker="" if place == 0 else "o")
            if place == 0:
                _marks(axes, known, axis.failed)
            ceiling = ceilings.get(group)
            if ceiling is not None and ceiling.estimate is not None:
                text = translate("accuracy.ceiling")
                axes.axhline(ceiling.estimate, color=INK, linewidth=1, linestyle=(0, (4, 3)), label=text)
            if len(groups) > 1:
                axes.set_title(_group(group).text, loc="left", fontsize=10, fontweight="bold")
            axes.margins(y=0.1)
            axes.tick_params(length=0)
        axis.style(panels[-1])
        panels[0].set_ylabel(translate("accuracy.characters"))
        legend(drawing, panels[0])
        words = ["accuracy.characters", "accuracy.ceiling", axis.key, *WORDS.values()]
        svg = to_markup(drawing, "sweep", [*words, *(_group(group) for group in groups if group is None)])
    rows = [
        cells(
            named(point),
            _step(point),
            *(interval_text(point.intervals[group]) if group in point.intervals else "–" for group in groups),
            word(WORDS[point.mark]),
        )
        for point in points
    ]
    if ceilings:
        texts = [interval_text(ceilings[group]) if group in ceilings else "–" for group in groups]
        rows.append(cells(word("accuracy.ceiling"), "–", *texts, "–"))
    # One language alone needs no heading of its own: the column says what is measured.
    heads = [_group(group) for group in groups] if len(groups) > 1 else [word("accuracy.characters")]
    columns = cells(word(named_by), word(AXES[unit]), *heads, word("sweep.verdict"))
    return Chart("sweep", svg, columns, tuple(rows))


def latency(points: Sequence[Point], unit: Unit = "step", *, named_by: str = "sweep.checkpoint") -> Chart | None:
    """Median seconds per image over the steps, with a line up to the 90th percentile; None below two timed points."""
    timed = [point for point in points if point.p50 is not None]
    if len(timed) < 2:
        return None
    axis = _Axis.of(points, unit, named_by)
    with figure(2.5 + axis.room) as (drawing, (axes,)):
        known = [(x, each.p50, each.p90) for x, each in zip(axis.places, points, strict=True) if each.p50 is not None]
        spread = [(x, p50, p90) for x, p50, p90 in known if p90 is not None]
        axes.vlines(
            [x for x, _, _ in spread], [low for _, low, _ in spread], [high for *_, high in spread], color=colour(0)
        )
        axes.plot([x for x, *_ in known], [p50 for _, p50, _ in known], color=colour(0), marker="o", markersize=5)
        axes.set_ylim(0, 1.08 * max(max(p50, p90 or 0.0) for _, p50, p90 in known))
        axes.set_ylabel(translate("plot.phases.axis"))
        axes.tick_params(length=0)
        axis.style(axes)
        svg = to_markup(drawing, "sweep-latency", ["plot.phases.axis", axis.key])
    rows = tuple(
        cells(named(point), _step(point), seconds(point.p50), seconds(point.p90), str(point.warm)) for point in timed
    )
    columns = cells(word(named_by), word(AXES[unit]), word("speed.p50"), word("speed.p90"), word("speed.images"))
    return Chart("sweep_latency", svg, columns, rows)


def _group(group: str | None) -> Cell:
    return word("accuracy.all_languages") if group is None else Cell(label(group))


def _step(point: Point) -> str:
    return "–" if point.step is None else f"{point.step:,}"


@dataclass(frozen=True, slots=True)
class _Axis:
    """Where the points stand: at their steps, or one after another where any has no step of its own."""

    places: list[float]
    failed: list[float]
    ticks: list[float]
    texts: list[str]
    key: str
    by_name: bool

    @classmethod
    def of(cls, points: Sequence[Point], unit: Unit, named_by: str) -> _Axis:
        steps = [point.step for point in points if point.step is not None]
        if len(set(steps)) == len(points):
            places, key = [float(step) for step in steps], AXES[unit]
            texts = [f"{step:,}" for step in steps]
        else:
            places, key = [float(place) for place in range(len(points))], named_by
            texts = [_short(point.name) for point in points]
        # Figures stand side by side; names, aslant, need the height of a line.
        widest = max(len(text) for text in texts)
        shown = _apart(places, (5.2 * widest + 6 if key == AXES[unit] else 24) / AXIS)
        return cls(
            places,
            [place for place, point in zip(places, points, strict=True) if point.mark == "failed"],
            [places[index] for index in shown],
            [texts[index] for index in shown],
            key,
            by_name=key == named_by,
        )

    @property
    def room(self) -> float:
        """Inches that slanted names take below the axis."""
        return 0.9 if self.by_name else 0.0

    def style(self, axes: Axes) -> None:
        """Ticks at checkpoints, as many as have room; names stand aslant."""
        slant: dict[str, Any] = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if self.by_name else {}
        axes.set_xticks(self.ticks, self.texts, **slant)
        axes.xaxis.set_minor_locator(NullLocator())
        margin = (max(self.places) - min(self.places)) * 0.05 or 1.0
        axes.set_xlim(min(self.places) - margin, max(self.places) + margin)
        axes.set_xlabel(translate(self.key))


def _short(name: str) -> str:
    text = label(name)
    return text if len(text) <= MAX_NAME else text[: MAX_NAME - 1] + "…"


def _apart(places: Sequence[float], share: float) -> list[int]:
    """The indices of the places that get a tick: the first, and each a share of the axis from the one before."""
    order = sorted(range(len(places)), key=places.__getitem__)
    least = (places[order[-1]] - places[order[0]]) * share
    shown = [order[0]]
    for index in order[1:]:
        if places[index] - places[shown[-1]] >= least:
            shown.append(index)
    return shown


def _curve(axes: Axes, points: Sequence[tuple[float, Interval]], shade: str, *, marker: str) -> None:
    """The estimates as a line, their intervals as bars and, where neighbours have one, as a band."""
    known = [(x, each.estimate, each.low, each.high) for x, each in points if each.estimate is not None]
    # Bounds are drawn on the scale of rates, which they may leave.
    bars = [
        (x, None if low is None else max(low, -0.02), None if high is None else min(high, 1.0))
        for x, _, low, high in known
    ]
    whole = [(x, low, high) for x, low, high in bars if low is not None and high is not None]
    axes.vlines(
        [x for x, *_ in whole],
        [low for _, low, _ in whole],
        [high for *_, high in whole],
        color=shade,
        linewidth=1.6 if len(whole) <= MANY else 0.7,
    )
    for (left, low, high), (right, next_low, next_high) in pairwise(bars):
        if low is not None and high is not None and next_low is not None and next_high is not None:
            axes.fill_between([left, right], [low, next_low], [high, next_high], color=shade, alpha=0.14, linewidth=0)
    axes.plot([x for x, *_ in known], [each for _, each, *_ in known], color=shade, marker=marker, markersize=4.5)


def _marks(axes: Axes, known: Sequence[tuple[float, Mark, Interval]], failed: Sequence[float]) -> None:
    """Each checkpoint's verdict at its accuracy; what could not be run has none, and stands at the foot."""
    for mark, style in STYLES.items():
        at = [(x, each.estimate) for x, is_mark, each in known if is_mark == mark and each.estimate is not None]
        foot: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "clip_on": False} if mark == "failed" else {}
        if mark == "failed":
            at = [(x, 0.035) for x in failed]
        if at:
            axes.plot(
                [x for x, _ in at],
                [y for _, y in at],
                linestyle="none",
                marker=style.marker,
                markersize=_SIZES[style.marker],
                # A filled shape is edged with the ground, so that it stands off the line.
                markeredgewidth=1.0 if style.face == style.colour else 1.6,
                markeredgecolor=GROUND if style.face == style.colour else style.colour,
                markerfacecolor=style.face,
                zorder=4,
                label=translate(WORDS[mark]),
                **foot,
            )
