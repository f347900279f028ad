"""What the templates show: figures as text, in the order of the page. Nothing is computed here but layout."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalsuite.report.cells import Cell, message
from evalsuite.report.sensitivity_tables import beside_ceiling
from evalsuite.runs.figures import NARROW, too_few_prompts
from evalsuite.runs.summary import MEAN
from evalsuite.scoring import Counts, Rates, total
from evalsuite.wording import between, clipped, ends, rate, seconds, size

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from evalsuite.records import Manifest, ModelRole, ModelSpec
    from evalsuite.runs.corrected import Correction
    from evalsuite.runs.evidence import Missing
    from evalsuite.runs.judgement import Judgement
    from evalsuite.runs.opened import OpenRun
    from evalsuite.runs.summary import ModelSummary, Slice, Summary
    from evalsuite.runs.timing import TimingSummary
    from evalsuite.stats import Interval

MAX_NAMES = 40
"""Missing images that a page names at once; the rest are counted, and the gallery lists them all."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A rate as it is shown: its text, its interval's text or the reason why there is none, and the numbers."""

    text: str
    interval: str | None
    reason: str | None
    value: float | None
    low: float | None
    high: float | None


def figure(interval: Interval) -> Figure:
    """An interval of `stats` as text. `reason` is the key of a message."""
    bounds = ends(interval)
    return Figure(
        text=rate(interval.estimate),
        interval=bounds or None,
        reason=None if bounds else REASONS[interval.method],
        value=interval.estimate,
        low=interval.low,
        high=interval.high,
    )


REASONS = {
    "none: no data": "interval.no_data",
    "none: too few prompts": "interval.few",
    "none: no spread": "interval.no_spread",
    "studentised bootstrap": "interval.no_data",
}
"""The message that says why there is no interval, by the method of `stats`."""


@dataclass(frozen=True, slots=True)
class AccuracyRow:
    """A line of the summary table: one model in one language, or in all of them pooled (`language` None).

    `accuracy` is pooled over all characters; `mean` is the mean over prompts, None where the two read alike.
    The sensitivities are the values of the message `sensitivity.line`, empty where they were not measured.
    """

    model: str
    role: ModelRole
    language: str | None
    is_ceiling: bool
    is_styled_ceiling: bool
    first: bool
    prompts: int
    images: int
    missing: int
    accuracy: Figure
    mean: Figure | None
    corrected: Figure | None
    ceiling: Figure | None
    styled: Figure | None
    strings: Figure
    all_exact: Figure
    strict: Figure
    sensitivity: Mapping[str, str]
    styled_sensitivity: Mapping[str, str]


def few_prompts(run: OpenRun) -> Cell | None:
    """What a run with too few prompts decides, and what to ask for; None where the prompts are enough."""
    found = too_few_prompts(run)
    if found is None:
        return None
    there = sum(suite.prompts for suite in run.manifest.suites)
    key = "accuracy.few" if found.wanted <= there else "accuracy.few.suites"
    values = {
        "n": str(found.prompts),
        "width": f"{found.width:.2f}",
        "wanted": f"{found.wanted}",
        "target": f"{NARROW:g}",
        "there": str(there),
    }
    return message(key, **values)


def accuracy_rows(run: OpenRun, correction: Correction | None = None) -> list[AccuracyRow]:
    """A block a model: its languages, and where there are several, all of them pooled first."""
    summary = run.summary
    judged = {(each.model, each.language): each.corrected for each in (correction.figures if correction else ())}
    rows = []
    for model in _real_first(summary):
        languages = model.by("language")
        slices = ([model.overall] if len(languages) != 1 else []) + list(languages)
        for place, each in enumerate(slices):
            ceiling, styled = summary.ceiling(each), summary.styled_ceiling(each)
            language = None if each.dimension == "all" else each.value
            corrected = judged.get((model.name, language if len(languages) > 1 else None))
            rows.append(
                AccuracyRow(
                    model=model.name,
                    role=model.role,
                    language=language,
                    is_ceiling=model.name in summary.ceilings.values(),
                    is_styled_ceiling=model.name in summary.styled_ceilings.values(),
                    first=place == 0,
                    prompts=each.prompts,
                    images=each.images,
                    missing=each.missing,
                    accuracy=figure(each.intervals["character_accuracy"]),
                    mean=_where_it_differs(each),
                    corrected=figure(corrected) if corrected else None,
                    ceiling=figure(ceiling.intervals["character_accuracy"]) if ceiling else None,
                    styled=figure(styled.intervals["character_accuracy"]) if styled else None,
                    strings=figure(each.intervals["exact_string_rate"]),
                    all_exact=figure(each.intervals["all_exact_image_rate"]),
                    strict=figure(each.intervals["strict_accuracy"]),
                    sensitivity=beside_ceiling(run, model.name, language, styled=False),
                    styled_sensitivity=beside_ceiling(run, model.name, language, styled=True),
                )
            )
    return rows


def _where_it_differs(part: Slice) -> Figure | None:
    pooled, mean = part.intervals["character_accuracy"], part.intervals[MEAN]
    return figure(mean) if rate(pooled.estimate) != rate(mean.estimate) else None


def _real_first(summary: Summary) -> list[ModelSummary]:
    """Models before stand-ins before references, else in the run's order."""
    order = {"model": 0, "stand-in": 1, "reference": 2}
    return sorted(summary.models, key=lambda model: order[model.role])


@dataclass(frozen=True, slots=True)
class Axis:
    """A horizontal scale from `low` to `high` over `width` units, with the places of its ticks."""

    low: float
    high: float
    width: float = 180.0
    margin: float = 6.0

    def place(self, value: float) -> float:
        """Where a value stands; values beyond the ends stand at the ends."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.margin + share * (self.width - 2 * self.margin), 2)

    @property
    def ticks(self) -> list[tuple[str, float]]:
        """Text and place of the ends and the middle."""
        middle = (self.low + self.high) / 2
        return [(f"{value:g}", self.place(value)) for value in (self.low, middle, self.high)]


def axis_for(rows: Iterable[AccuracyRow]) -> Axis:
    """A scale up to 1 that begins at a round figure below everything that is shown on it."""
    # The ceiling is a line on the scale, without its interval. An interval may reach below 0 where a lone prompt
    # failed; the scale then ends at 0 unless the rate does not.
    shown = [row.accuracy for row in rows]
    values = [each.value for row in rows for each in (row.accuracy, row.ceiling) if each and each.value is not None]
    lowest = min([*values, *(max(0.0, each.low) for each in shown if each.low is not None)], default=0.0)
    for start in (0.98, 0.96, 0.9, 0.8, 0.6, 0.4):
        if lowest >= start + (1 - start) * 0.05:
            return Axis(start, 1.0)
    return Axis(0.0 if lowest >= 0 else -math.ceil(-lowest), 1.0)


@dataclass(frozen=True, slots=True)
class SpeedRow:
    """A line of the speed table."""

    model: str
    role: ModelRole
    warm: int
    warmup: int
    p50: str
    p90: str
    throughput: str
    steps: str | None
    warmup_seconds: str | None
    memory: list[tuple[str, str]]
    batches: str
    phases: list[tuple[str, str, float]]


_MEMORY = (("allocated", "memory.allocated"), ("reserved", "memory.reserved"), ("driver", "memory.driver"))


def speed_rows(summary: Summary) -> list[SpeedRow]:
    """A line a timed model. References are drawn by no model, so their speed says nothing and is left out."""
    return [
        _speed(model.name, model.role, model.timing)
        for model in _real_first(summary)
        if model.timing is not None and model.role != "reference"
    ]


def _speed(name: str, role: ModelRole, timing: TimingSummary) -> SpeedRow:
    memory = [(key, size(getattr(timing.memory, field))) for field, key in _MEMORY if getattr(timing.memory, field)]
    if timing.memory.process:
        memory.append(("memory.process", size(timing.memory.process)))
    rate_text = "–" if timing.images_per_second is None else f"{timing.images_per_second:.3g}"
    return SpeedRow(
        model=name,
        role=role,
        warm=timing.warm,
        warmup=timing.warmup,
        p50=seconds(timing.total.p50 if timing.total else None),
        p90=seconds(timing.total.p90 if timing.total else None),
        throughput=rate_text,
        steps=f"{timing.step_count} × {seconds(timing.steps.p50)}" if timing.steps else None,
        warmup_seconds=seconds(timing.warmup_seconds.p50) if timing.warmup_seconds else None,
        memory=memory,
        batches=", ".join(str(batch) for batch in timing.batches),
        phases=[(phase.name, seconds(phase.seconds.mean), phase.share) for phase in timing.phases],
    )


def shown_models(summary: Summary) -> list[ModelSummary]:
    """The models that stand beside the ceilings, references last; the ceilings themselves where there is no other."""
    return [model for model in _real_first(summary) if model.name not in summary.measuring] or list(summary.models)


def ordered_values(models: Sequence[ModelSummary], dimension: str) -> list[str]:
    """The values of a dimension in the order in which tables and charts show them.

    Suites and length classes keep the run's order. Categories, which may be many and have no order of their own,
    stand worst first: by the character accuracy of all of `models` that are no reference, pooled; of equals, in the
    run's order.
    """
    slices = _of(models, dimension)
    values = list(dict.fromkeys(each.value for each in slices))
    if dimension != "category":
        return values
    judged = {model.name for model in models if model.role != "reference"} or {model.name for model in models}
    pooled = {
        value: total(each.rates.counts for each in slices if each.value == value and each.model in judged)
        for value in values
    }
    return sorted(values, key=lambda value: _accuracy(pooled[value]))


def _of(models: Sequence[ModelSummary], dimension: str) -> list[Slice]:
    return [each for model in models for each in model.slices if each.dimension == dimension]


def _accuracy(counts: Counts) -> float:
    accuracy = Rates(counts=counts).character_accuracy
    return math.inf if accuracy is None else accuracy


@dataclass(frozen=True, slots=True)
class SliceRow:
    """A line of the per-suite, per-category or per-length table: one value, one figure a model."""

    value: str
    prompts: int
    figures: list[Figure | None]
    ceiling: Figure | None


def slice_table(summary: Summary, dimension: str) -> tuple[list[ModelSummary], list[SliceRow]]:
    """The models in columns, the values of a dimension in lines; the clean reference is the ceiling's column."""
    shown = shown_models(summary)
    rows = []
    for value in ordered_values(shown, dimension):
        slices = [each for each in _of(shown, dimension) if each.value == value]
        ceiling = summary.ceiling(slices[0])
        rows.append(
            SliceRow(
                value=value,
                prompts=slices[0].prompts,
                figures=[figure(each.intervals["character_accuracy"]) for each in slices],
                ceiling=figure(ceiling.intervals["character_accuracy"]) if ceiling else None,
            )
        )
    return shown, rows


@dataclass(frozen=True, slots=True)
class MissingImages:
    """A model's images that are missing: the first, those with one reason on one line, and how many more there are."""

    model: str
    lines: Sequence[str]
    more: int


def missing_images(missing: Iterable[Missing], names: Mapping[str, str] | None = None) -> list[MissingImages]:
    """What is missing by model, with at most `MAX_NAMES` images each; `names` are what a page calls the models."""
    by_model: dict[str, list[Missing]] = {}
    for each in missing:
        by_model.setdefault(each.model, []).append(each)
    return [
        MissingImages((names or {}).get(model, model), _by_reason(lost[:MAX_NAMES]), max(0, len(lost) - MAX_NAMES))
        for model, lost in by_model.items()
    ]


def _by_reason(missing: Iterable[Missing]) -> list[str]:
    """`neon-001 seed 0, neon-001 seed 1: not drawn`, in the order of the first of each."""
    images: dict[str, list[str]] = {}
    for each in missing:
        images.setdefault(clipped(each.why, 300), []).append(clipped(each.image, 100))
    return [f"{', '.join(names)}: {why}" for why, names in images.items()]


def prompts_per_suite(manifest: Manifest) -> dict[str, int]:
    """How many prompts of each suite the run takes."""
    used = {ref.name: 0 for ref in manifest.suites}
    for prompt in manifest.prompts:
        used[prompt.suite] = used.get(prompt.suite, 0) + 1
    return used


def role_notes(specs: Iterable[ModelSpec]) -> list[tuple[str, list[str]]]:
    """What must be said of models that are none: a message, and whom it is about."""
    groups: dict[str, list[str]] = {}
    for spec in specs:
        if spec.role == "stand-in":
            groups.setdefault("role.stand-in.note", []).append(spec.name)
        elif spec.kind == "editor":
            faulty = "role.faults.note" if spec.settings.get("faults") else "role.editor.note"
            groups.setdefault("role.source.note" if spec.is_source else faulty, []).append(spec.name)
        elif spec.role == "reference":
            planted = "role.malformed.note" if spec.is_malformed else "role.planted.note"
            styled = "role.styled.note" if spec.is_styled_ceiling else planted
            groups.setdefault("role.reference.note" if spec.is_ceiling else styled, []).append(spec.name)
    return list(groups.items())


def level(summary: Summary) -> str:
    """The intervals' level in per cent."""
    return f"{100 * summary.models[0].overall.intervals['character_accuracy'].level:g}"


@dataclass(frozen=True, slots=True)
class CorrectedRow:
    """A line of the table of a judged sample."""

    model: str
    language: str | None
    judged: int
    images: int
    read: Figure
    corrected: Figure | None
    misread_images: Figure
    misread_strings: Figure


def corrected_rows(correction: Correction) -> list[CorrectedRow]:
    """The figures of a judged sample."""
    return [
        CorrectedRow(
            model=each.model,
            language=each.language,
            judged=each.judged,
            images=each.images,
            read=figure(each.read),
            corrected=figure(each.corrected) if each.corrected else None,
            misread_images=figure(each.misread_images),
            misread_strings=figure(each.misread_strings),
        )
        for each in correction.figures
    ]


@dataclass(frozen=True, slots=True)
class Judged:
    """What a person's marks say of the OCR, and each model's accuracy before and after them."""

    rate: str
    interval: str | None
    misread: int
    total: int
    charged: int
    remaining: int
    models: list[tuple[ModelSummary, Figure, Figure]]


def judged(summary: Summary, judgement: Judgement) -> Judged:
    """The section on a person's corrections, which `summary` is with."""
    errors = judgement.errors
    before = {model.name: model.overall for model in judgement.before.models}
    return Judged(
        rate=rate(errors.rate),
        interval=None if errors.low is None or errors.high is None else between(errors.low, errors.high),
        misread=errors.misread,
        total=errors.judged,
        charged=errors.charged,
        remaining=errors.remaining,
        models=[
            (
                model,
                figure(before[model.name].intervals["character_accuracy"]),
                figure(model.overall.intervals["character_accuracy"]),
            )
            for model in _real_first(summary)
        ],
    )
