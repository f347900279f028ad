"""A run in figures: accuracy by slice with intervals and the OCR ceiling, and speed. No I/O, no rendering.

Every front end (terminal, page, exports) takes its numbers from here, so that they cannot disagree.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

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
    counts: Mapping[str, Counts],
    generations: Mapping[str, Generation],
    units: Mapping[str, str],
    missing: AbstractSet[str] = frozenset(),
) -> Summary:
    """Sum up a run from its scores, the counts of each by key, and its stored timings.

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
                slices=tuple(_slices(spec.name, rows[spec.name], counts, prompts, units, missing)),
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


@dataclass(slots=True)
class _Images:
    """One prompt's images of one model: their counts, and how many of them are missing or without a score."""

    counts: list[Counts] = field(default_factory=list)
    missing: int = 0
    unscored: int = 0


def _slices(
    model: str,
    scores: Sequence[Score],
    counts: Mapping[str, Counts],
    prompts: Mapping[str, Prompt],
    units: Mapping[str, str],
    missing: AbstractSet[str],
) -> Iterable[Slice]:
    images: dict[str, _Images] = defaultdict(_Images)
    for score in scores:
        own = images[score.prompt]
        own.counts.append(counts[score.key])
        own.missing += score.key in missing
        own.unscored += score.status != "scored"
    measured = _Measured(images)
    for dimension in DIMENSIONS:
        # Of a run that is drawn until a verdict, no image may be there yet.
        groups: dict[str, list[str]] = defaultdict(list, {"all": []} if dimension == "all" else {})
        for ident in images:
            groups["all" if dimension == "all" else getattr(prompts[ident], dimension)].append(ident)
        for value, group in groups.items():
            by_prompt = measured.counts(_by_unit(group, units))
            own_images = [images[ident] for ident in group]
            yield Slice(
                model=model,
                dimension=dimension,
                value=value,
                prompts=len(by_prompt),
                images=sum(len(own.counts) for own in own_images),
                missing=sum(own.missing for own in own_images),
                unscored=sum(own.unscored for own in own_images),
                rates=Rates(counts=scoring.total(by_prompt)),
                intervals=measured.intervals(by_prompt, quoted=dimension in ("all", "language")),
            )


def _by_unit(group: Iterable[str], units: Mapping[str, str]) -> list[tuple[str, ...]]:
    """The prompts of each sampling unit, of those in the group."""
    found: dict[str, tuple[str, ...]] = {}
    for ident in group:
        found[units[ident]] = (*found.get(units[ident], ()), ident)
    return list(found.values())


class _Measured:
    """What the slices of one model have in common, computed once: often a lone suite or language is the whole run."""

    def __init__(self, images: Mapping[str, _Images]) -> None:
        self._images = images
        self._totals: dict[tuple[str, ...], Counts] = {}
        self._found: dict[tuple[stats.Bounds, int, bytes], stats.Interval] = {}

    def counts(self, members: Iterable[tuple[str, ...]]) -> list[Counts]:
        """The counts of each sampling unit, given as its prompts."""
        for idents in members:
            if idents not in self._totals:
                own = (counts for ident in idents for counts in self._images[ident].counts)
                self._totals[idents] = scoring.total(own)
        return [self._totals[idents] for idents in members]

    def intervals(self, by_prompt: Sequence[Counts], *, quoted: bool) -> dict[str, stats.Interval]:
        """The intervals of a slice from the counts of its sampling units; one that is `quoted` has also the mean's."""
        replicates = stats.REPLICATES if quoted else FINE_REPLICATES
        pairs = {
            "character_accuracy": [(each.length - each.edits, each.length) for each in by_prompt],
            "strict_accuracy": [(each.length - each.edits - each.extra_length, each.length) for each in by_prompt],
            "exact_string_rate": [(each.exact_targets, each.targets) for each in by_prompt],
            "all_exact_image_rate": [(each.exact_images, each.images) for each in by_prompt],
        }
        found = {name: self._interval(pairs[name], RANGES[name], replicates) for name in HEADLINE}
        if quoted:
            accuracies = [((each.length - each.edits) / each.length, 1.0) for each in by_prompt]
            found[MEAN] = self._interval(accuracies, RANGES["character_accuracy"], replicates)
        return found

    def _interval(self, pairs: Sequence[tuple[float, float]], bounds: stats.Bounds, replicates: int) -> stats.Interval:
        table = np.asarray(pairs, dtype=np.float64).reshape(-1, 2)
        # Only an interval without both ends is drawn by lot.
        key = (bounds, replicates if None in bounds else 0, table.tobytes())
        if key not in self._found:
            numerators, denominators = table.T
            self._found[key] = stats.ratio_interval(numerators, denominators, replicates=replicates, bounds=bounds)
        return self._found[key]
