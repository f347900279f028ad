"""A run against a published score: what it measured, the verdict, and how many more images would settle it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evalsuite import scoring
from evalsuite.claims.comparable import score_differences
from evalsuite.claims.verdict import ClaimVerdict, Difference, Measured, MoreImages, Outcome
from evalsuite.runs.protocol_scores import LanguageCounts, count_run, headline_strata
from evalsuite.scoring.protocols import primary, protocol_named
from evalsuite.stats import Interval
from evalsuite.stats.strata import Stratum, components, interval, ratio

if TYPE_CHECKING:
    from evalsuite.claims.published import Published, ScoreClaim
    from evalsuite.records import ModelSpec
    from evalsuite.runs.opened import OpenRun

AVERAGE = "average"
NAMES = {"en": "English", "zh": "Chinese"}
MOST_IMAGES = 1_000
"""More images a prompt than this are called out of reach."""


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """One model of a run under a claim's protocol: each language and the average, with all that stands beside them."""

    spec: ModelSpec
    missing: int
    scores: Mapping[str, Interval]
    fixed: Mapping[str, Interval]
    accuracy: Mapping[str, Interval]
    parts: Sequence[LanguageCounts]


def measure(run: OpenRun, protocol: str) -> dict[str, ModelFigures]:
    """The figures of every model of a run, from the readings that it was opened with."""
    published, fixed = protocol_named(protocol), protocol_named(f"{protocol}-fixed")
    counted, corrected = count_run(run, published), count_run(run, fixed)
    found = {}
    for spec in run.manifest.models:
        parts = counted[spec.name]
        found[spec.name] = ModelFigures(
            spec=spec,
            missing=sum(len(part.missing) for part in parts),
            scores=_by_language(
                parts, published.languages, {p.language: headline_strata([p], published)[0] for p in parts}
            ),
            fixed=_by_language(
                parts, fixed.languages, {p.language: headline_strata([p], fixed)[0] for p in corrected[spec.name]}
            ),
            accuracy=_by_language(parts, published.languages, _accuracy(run, spec.name)),
            parts=parts,
        )
    return found


def _by_language(
    parts: Sequence[LanguageCounts], wanted: Sequence[str], strata: Mapping[str, Stratum]
) -> dict[str, Interval]:
    """The interval of each language, and of their unweighted mean where all wanted ones are there."""
    found = {language: interval([stratum]) for language, stratum in strata.items() if len(stratum.counts)}
    if {part.language for part in parts} == set(wanted) == set(found):
        each = [Stratum(strata[name].counts, strata[name].statistic, 1 / len(wanted)) for name in sorted(wanted)]
        found[AVERAGE] = interval(each)
    return found


def _accuracy(run: OpenRun, model: str) -> dict[str, Stratum]:
    """The suite's own character accuracy as strata: characters right and wanted, summed over each prompt."""
    sums: dict[str, dict[str, np.ndarray]] = {}
    for row in run.scores_of(model):
        counts = scoring.count(row.result)
        own = sums.setdefault(primary(run.prompts[row.prompt].language), {})
        own.setdefault(run.units[row.prompt], np.zeros(2))
        own[run.units[row.prompt]] += (counts.length - counts.edits, counts.length)
    return {
        language: Stratum(np.array(list(prompts.values())), ratio(0, 1, bounds=(0.0, 1.0)))
        for language, prompts in sums.items()
        if prompts
    }


def check_score(
    claim: ScoreClaim,
    model: ModelFigures,
    run: OpenRun,
    ceiling: ModelFigures | None,
    published: Published,
    *,
    vouched: bool,
) -> ClaimVerdict:
    """Hold a model's score against a published one."""
    manifest = run.manifest
    differences = score_differences(manifest, model.spec, claim, run.ocr, model.missing, vouched=vouched)
    figures = tuple(
        _measured(name, claim, model, ceiling) for name in (*claim.languages, AVERAGE) if name in model.scores
    )
    average = next((figure for figure in figures if figure.of == AVERAGE), None)
    outcome, more = _outcome(claim, average, differences, model)
    rank, of = _rank(average, published)
    return ClaimVerdict(
        claim=claim,
        model=model.spec.name,
        outcome=outcome,
        text=_text(claim, outcome, figures, differences, more, len(manifest.seeds), (rank, of)),
        engine=run.ocr.name,
        images_per_prompt=len(manifest.seeds),
        figures=figures,
        differences=differences,
        more=more,
        rank=rank,
        of=of,
        settings_vouched=vouched and model.spec.kind != "diffusion",
    )


def _measured(name: str, claim: ScoreClaim, model: ModelFigures, ceiling: ModelFigures | None) -> Measured:
    figure = claim.average if name == AVERAGE else claim.languages[name]
    above = ceiling if ceiling is not None and not ceiling.missing else None
    return Measured(
        of=name,
        published=figure.value,
        text=figure.text,
        measured=model.scores[name],
        fixed=model.fixed[name],
        accuracy=model.accuracy.get(name),
        ceiling=above.scores.get(name) if above else None,
        fixed_ceiling=above.fixed.get(name) if above else None,
        accuracy_ceiling=above.accuracy.get(name) if above else None,
    )


def _outcome(
    claim: ScoreClaim, average: Measured | None, differences: Sequence[Difference], model: ModelFigures
) -> tuple[Outcome, MoreImages | None]:
    if differences or average is None or average.measured.estimate is None:
        return "not comparable", None
    low, high = ends(average.measured)
    if not low - claim.average.rounding <= claim.average.value <= high + claim.average.rounding:
        return "not reproduced", None
    if high - low < claim.tolerance:
        return "reproduced", None
    return "inconclusive", more_images(average.measured, claim, model)


def ends(found: Interval) -> tuple[float, float]:
    """The ends of an interval; without one, nothing is excluded, so that nothing can be concluded."""
    return -math.inf if found.low is None else found.low, math.inf if found.high is None else found.high


def more_images(found: Interval, claim: ScoreClaim, model: ModelFigures) -> MoreImages:
    """How many images a prompt it takes for the interval to be narrower than the tolerance.

    The width falls with the standard error, of which the part between prompts stays however many images are drawn
    (see `statistics.components`). That of a conservative bound does not: it hangs on the number of prompts.
    """
    tolerance = claim.tolerance
    low, high = ends(found)
    width = high - low
    if found.method == "Gaffke":
        return MoreImages(
            images=None,
            at_least=False,
            text=f"the interval is a conservative bound over {found.n} prompts, too few or too alike for the "
            "bootstrap; how many more images would settle it cannot be told from them",
        )
    if not math.isfinite(width):
        return MoreImages(images=None, at_least=False, text="there is no interval, so nothing can be excluded")
    strata = headline_strata(model.parts, protocol_named(claim.protocol))
    parts = components(strata, [part.single() for part in model.parts])
    if parts.within is None:
        # At best, all of the variance is between seeds.
        images = math.floor((width / tolerance) ** 2 * parts.images) + 1
        return MoreImages(
            images=images,
            at_least=True,
            text=f"at least {images} images a prompt would settle it; one a prompt does not show how much seeds vary",
        )
    spread = parts.spread(parts.images)
    floor = width * parts.spread(math.inf) / spread
    if floor >= tolerance:
        return MoreImages(
            images=None,
            at_least=False,
            text=f"no number of images would settle it: the prompts alone leave the interval {floor:.4f} wide, and "
            f"the tolerance is {tolerance:.4f}",
        )
    images = parts.images
    while width * parts.spread(images) / spread >= tolerance and images <= MOST_IMAGES:
        images += 1
    if images > MOST_IMAGES:
        return MoreImages(images=None, at_least=False, text=f"more than {MOST_IMAGES} images a prompt would be needed")
    return MoreImages(
        images=images,
        at_least=False,
        text=f"{images} images a prompt in all ({images - parts.images} more) would settle it",
    )


def _rank(average: Measured | None, published: Published) -> tuple[int | None, int | None]:
    if average is None or average.measured.estimate is None:
        return None, None
    score = average.measured.estimate
    return 1 + sum(claim.average.value > score for claim in published.scores), len(published.scores)


def _text(
    claim: ScoreClaim,
    outcome: Outcome,
    figures: Sequence[Measured],
    differences: Sequence[Difference],
    more: MoreImages | None,
    images: int,
    place: tuple[int | None, int | None],
) -> str:
    if outcome == "not comparable":
        return "; ".join(f"{each.kind}: {each.text}" for each in differences) or "the average cannot be formed"
    average = figures[-1]
    low, high = ends(average.measured)
    figure = claim.average.text + ("" if claim.average_printed else " (computed from its languages)")
    side = "outside" if outcome == "not reproduced" else "in"
    kind = ", a conservative bound" if average.measured.method == "Gaffke" else ""
    width = f"{high - low:.4f} wide{kind} (tolerance {claim.tolerance:.4f})"
    if math.isfinite(high - low):
        sentences = [f"The published average {figure} lies {side} [{low:.4f}, {high:.4f}], which is {width}"]
    else:
        estimate = average.measured.estimate
        sentences = [f"The published average is {figure}, the run's {estimate:.4f} ({average.measured.method})"]
    if outcome == "not reproduced":
        parts = (f"{NAMES.get(each.of, each.of)} {signed(each)}" for each in (average, *figures[:-1]))
        sentences.append(f"Measured less published: {', '.join(parts)}")
    if more is not None:
        sentences.append(more.text[0].upper() + more.text[1:])
    if images < claim.samples:
        sentences.append(f"The benchmark draws {claim.samples} images a prompt, this run {images}")
    sentences.append(f"It would take place {place[0]} among {place[1]} published scores")
    sentences.append(f"Labs differ by about {claim.labs_differ} on one model")
    return ". ".join(sentences) + "."


def signed(figure: Measured) -> str:
    """A difference with its interval, e.g. `-0.0123 [-0.0171, -0.0075]`."""
    if figure.difference is None:
        return "undefined"
    around = figure.difference_interval
    return f"{figure.difference:+.4f}" + (f" [{around[0]:+.4f}, {around[1]:+.4f}]" if around else "")
