"""A run in figures: accuracy by slice with intervals and the OCR ceiling, and speed. No I/O, no rendering.

Every front end (terminal, page, exports) takes its numbers from here, so that they cannot disagree.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Literal

import msgspec

from evalsuite import scoring, stats
from evalsuite.records import ModelRole, Record
from evalsuite.runs.timing import TimingSummary, time_model
from evalsuite.scoring import Counts, Rates

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from evalsuite.records import Generation, Manifest, Prompt, Score

Dimension = Literal["all", "language", "suite", "category", "length"]
DIMENSIONS: tuple[Dimension, ...] = ("all", "language", "suite", "category", "length")

HEADLINE = ("character_accuracy", "strict_accuracy", "exact_string_rate", "all_exact_image_rate")
"""The rates that carry an interval."""

RANGES: dict[str, stats.Bounds] = dict.fromkeys(HEADLINE, (0.0, 1.0)) | {"strict_accuracy": (None, 1.0)}
"""The least and greatest value of each: a drawing can hold any amount of extra text, each of which costs."""

MEAN = "mean_character_accuracy"
"""The mean over prompts of their own character accuracy, which gates and comparisons rest on, beside the pooled
`character_accuracy`, where a long prompt counts more. Whole runs and languages have it."""

FINE_REPLICATES = 1_999
"""Bootstrap replicates for suites, categories and length classes: enough to draw an interval by. Whole runs and
languages, which are quoted, take the full number of `stats`."""


class Slice(Record, frozen=True, kw_only=True):
    """One model's images in one slice of the prompts. `prompts` counts distinct texts, the sampling units.

    `missing` counts the images that `OpenRun.missing` names; `unscored` those of them that count as wholly wrong, which
    is all but those of which only the file is gone. `intervals` hold the rates of `HEADLINE`, and `MEAN` of a whole
    run and a language; a rate that is undefined has none.
    """

    model: str
    dimension: Dimension
    value: str
    prompts: int
    images: int
    missing: int
    unscored: int
    rates: Rates
    intervals: dict[str, stats.Interval]

    @property
    def incomplete(self) -> bool:
        """True where an image that the plan promises is missing, blank or unread, or cannot be checked any more."""
        return self.missing > 0


class ModelSummary(Record, frozen=True, kw_only=True):
    """One model of a run: `slices` start with that of all images (`dimension` "all")."""

    name: str
    role: ModelRole
    slices: tuple[Slice, ...]
    timing: TimingSummary | None

    @property
    def overall(self) -> Slice:
        """All images of this model."""
        return self.slices[0]

    def by(self, dimension: Dimension) -> tuple[Slice, ...]:
        """The slices of one dimension, in the order of the run's prompts."""
        return tuple(each for each in self.slices if each.dimension == dimension)


class Summary(Record, frozen=True, kw_only=True):
    """A run in figures. `ceiling_model` is the name of the (first) clean typeset reference, or None when not drawn.

    `ceilings` and `styled_ceilings` name the reference beside each model (`Manifest.ceiling_of`), by the model's name;
    `malformed` the references with malformed glyphs, and `sources` what stands for the source pictures of edits.
    """

    models: tuple[ModelSummary, ...]
    ceiling_model: str | None
    ceilings: dict[str, str] = msgspec.field(default_factory=dict)
    styled_ceilings: dict[str, str] = msgspec.field(default_factory=dict)
    malformed: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def incomplete(self) -> bool:
        """True where any model misses an image."""
        return any(model.overall.incomplete for model in self.models)

    def ceiling(self, of: Slice) -> Slice | None:
        """The clean typeset reference over the same prompts: what this OCR and scorer make of perfect print.

        None where the run did not draw it, or where images of it have no score: then the ceiling is not measured.
        """
        return self._same(of, self.ceilings.get(of.model))

    def styled_ceiling(self, of: Slice) -> Slice | None:
        """The styled reference over the same prompts: what they make of perfect, designed lettering. See `ceiling`."""
        return self._same(of, self.styled_ceilings.get(of.model))

    @property
    def measuring(self) -> frozenset[str]:
        """The names of all references that stand beside models: as ceilings, with malformed glyphs, or as sources."""
        return frozenset((*self.ceilings.values(), *self.styled_ceilings.values(), *self.malformed, *self.sources))

    def _same(self, of: Slice, name: str | None) -> Slice | None:
        for model in self.models:
            if model.name == name:
                for each in model.slices:
                    if (each.dimension, each.value) == (of.dimension, of.value) and not each.unscored:
                        return each
        return None


def summarise(
    manifest: Manifest,
    scores: Sequence[Score],
    generations: Mapping[str, Generation],
    units: Mapping[str, str],
    missing: AbstractSet[str] = frozenset(),
) -> Summary:
    """Sum up a run from its scores and its stored timings.

    `units` gives the sampling unit of each prompt id: prompts with one text are one. `missing` are the keys of the
    requests whose evidence is not whole.
    """
    rows: dict[str, list[Score]] = defaultdict(list)
    for score in scores:
        rows[score.model].append(score)
    prompts = {prompt.id: prompt for prompt in manifest.prompts}
    ceiling = manifest.ceiling
    return Summary(
        models=tuple(
            ModelSummary(
                name=spec.name,
                role=spec.role,
                slices=tuple(_slices(spec.name, rows[spec.name], prompts, units, missing)),
                timing=time_model([generations[row.key] for row in rows[spec.name] if row.key in generations]),
            )
            for spec in manifest.models
        ),
        ceiling_model=ceiling.name if ceiling else None,
        ceilings=_beside(manifest, styled=False),
        styled_ceilings=_beside(manifest, styled=True),
        malformed=tuple(spec.name for spec in manifest.models if spec.is_malformed),
        sources=tuple(spec.name for spec in manifest.models if spec.is_source),
    )


def _beside(manifest: Manifest, *, styled: bool) -> dict[str, str]:
    """The ceiling's name by the model's."""
    found = {spec.name: manifest.ceiling_of(spec, styled=styled) for spec in manifest.models}
    return {name: ceiling.name for name, ceiling in found.items() if ceiling is not None}


def _slices(
    model: str,
    scores: Sequence[Score],
    prompts: Mapping[str, Prompt],
    units: Mapping[str, str],
    missing: AbstractSet[str],
) -> Iterable[Slice]:
    counted = [(score, scoring.count(score.result)) for score in scores]
    for dimension in DIMENSIONS:
        # Of a run that is drawn until a verdict, no image may be there yet.
        groups: dict[str, list[tuple[Score, Counts]]] = defaultdict(list, {"all": []} if dimension == "all" else {})
        for score, counts in counted:
            value = "all" if dimension == "all" else getattr(prompts[score.prompt], dimension)
            groups[value].append((score, counts))
        for value, group in groups.items():
            yield _slice(model, dimension, value, group, units, missing)


def _slice(
    model: str,
    dimension: Dimension,
    value: str,
    group: Sequence[tuple[Score, Counts]],
    units: Mapping[str, str],
    missing: AbstractSet[str],
) -> Slice:
    images: dict[str, list[Counts]] = defaultdict(list)
    for score, counts in group:
        images[units[score.prompt]].append(counts)
    by_prompt = [scoring.total(counts) for counts in images.values()]
    quoted = dimension in ("all", "language")
    intervals = _intervals(by_prompt, stats.REPLICATES if quoted else FINE_REPLICATES)
    if quoted:
        accuracies = [(each.length - each.edits) / each.length for each in by_prompt]
        intervals[MEAN] = stats.mean_interval(accuracies, bounds=RANGES["character_accuracy"])
    return Slice(
        model=model,
        dimension=dimension,
        value=value,
        prompts=len(by_prompt),
        images=len(group),
        missing=sum(score.key in missing for score, _ in group),
        unscored=sum(score.status != "scored" for score, _ in group),
        rates=Rates(counts=scoring.total(by_prompt)),
        intervals=intervals,
    )


def _intervals(by_prompt: Sequence[Counts], replicates: int) -> dict[str, stats.Interval]:
    pairs = {
        "character_accuracy": [(each.length - each.edits, each.length) for each in by_prompt],
        "strict_accuracy": [(each.length - each.edits - each.extra_length, each.length) for each in by_prompt],
        "exact_string_rate": [(each.exact_targets, each.targets) for each in by_prompt],
        "all_exact_image_rate": [(each.exact_images, each.images) for each in by_prompt],
    }
    found = {}
    for name in HEADLINE:
        numerators, denominators = [num for num, _ in pairs[name]], [den for _, den in pairs[name]]
        found[name] = stats.ratio_interval(numerators, denominators, replicates=replicates, bounds=RANGES[name])
    return found
