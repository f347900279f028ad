"""A run against a published score: what it measured, the verdict, and how many more images would settle it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evalsuite import scoring
from evalsuite.claims.comparable import score_differences
from evalsuite.claims.verdict import ClaimVerdict, Difference, Gap, Measured, MoreImages, Outcome
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
"""More images per prompt than this are called out of reach."""

UNSEEN = 0.5
"""So much of an image at the far end stands for the seeds that were not drawn, as in Jeffreys' interval of a share."""

_ONE_SIDED = 1.645
_TWO_SIDED = 1.96


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
    gap = None if differences or average is None else seed_gap(average, claim, model)
    outcome = _outcome(claim, gap)
    more = more_images(gap, claim, model) if gap is not None and outcome == "inconclusive" else None
    rank, of = (None, None) if gap is None else _rank(average, published)
    return ClaimVerdict(
        claim=claim,
        model=model.spec.name,
        outcome=outcome,
        text=_text(claim, outcome, figures, differences, gap, more, len(manifest.seeds), (rank, of)),
        engine=run.ocr.name,
        images_per_prompt=len(manifest.seeds),
        figures=figures,
        gap=gap,
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


def seed_gap(average: Measured, claim: ScoreClaim, model: ModelFigures) -> Gap | None:
    """Measured less published, with the standard error that it has over the same prompts and other seeds.

    The prompts are the benchmark's own on both sides, so how they differ among themselves is no part of it; the seeds
    are, on both sides: se² = σ²ʷ (1/k + 1/k_published), with σ²ʷ the variance of the score within prompts at one image
    each (`stats.strata.components`). With one image per prompt all variance is taken for that of seeds, which is too
    much rather than too little.
    """
    if average.difference is None:
        return None
    return Gap(
        value=average.difference,
        standard_error=math.sqrt(_within(claim, model) * (1 / _images(model) + 1 / claim.samples)),
    )


def _within(claim: ScoreClaim, model: ModelFigures) -> float:
    strata = headline_strata(model.parts, protocol_named(claim.protocol))
    parts = components(strata, [part.single() for part in model.parts], unseen=UNSEEN)
    return parts.between if parts.within is None else parts.within


def _images(model: ModelFigures) -> int:
    return int(model.parts[0].single().shape[1])


def _outcome(claim: ScoreClaim, gap: Gap | None) -> Outcome:
    """Not reproduced: surely further apart than labs are. Reproduced: surely within the tolerance (TOST).

    Two one-sided tests at 0.05 each (Schuirmann, J. Pharmacokinetics and Biopharmaceutics 15, 1987): a figure is not
    reproduced for want of evidence against it, but for evidence that the gap is small.
    """
    if gap is None:
        return "not comparable"
    if abs(gap.value) - claim.average.rounding - _TWO_SIDED * gap.standard_error > claim.labs_differ:
        return "not reproduced"
    if abs(gap.value) + claim.average.rounding + _ONE_SIDED * gap.standard_error < claim.tolerance:
        return "reproduced"
    return "inconclusive"


def more_images(gap: Gap, claim: ScoreClaim, model: ModelFigures) -> MoreImages:
    """How many images per prompt it takes, if the gap stays what it is, for the claim to be decided either way."""
    distance, rounding = abs(gap.value), claim.average.rounding
    allowed = max(
        (claim.tolerance - distance - rounding) / _ONE_SIDED, (distance - rounding - claim.labs_differ) / _TWO_SIDED
    )
    images, within = _images(model), _within(claim, model)
    left = allowed**2 - within / claim.samples
    if allowed <= 0 or left <= 0:
        theirs = _TWO_SIDED * math.sqrt(within / claim.samples)
        return MoreImages(
            images=None,
            at_least=False,
            text=f"no number of images would settle it: the {claim.samples} images per prompt of the published figure "
            f"alone leave ±{theirs:.4f}",
        )
    wanted = max(images + 1, math.floor(within / left) + 1)
    if wanted > MOST_IMAGES:
        return MoreImages(
            images=None, at_least=False, text=f"more than {MOST_IMAGES} images per prompt would be needed"
        )
    most = "at most " if images == 1 else ""
    return MoreImages(
        images=wanted,
        at_least=False,
        text=f"{most}{wanted} images per prompt in all ({wanted - images} more) would settle it, if the gap stays",
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
    gap: Gap | None,
    more: MoreImages | None,
    images: int,
    place: tuple[int | None, int | None],
) -> str:
    if gap is None:
        return "; ".join(f"{each.kind}: {each.text}" for each in differences) or "the average cannot be formed"
    average = figures[-1]
    figure = claim.average.text + ("" if claim.average_printed else " (computed from its languages)")
    found = {
        "reproduced": f"surely within the tolerance of {claim.tolerance:.4f}",
        "not reproduced": f"surely more than the {claim.labs_differ:.4f} by which labs differ on one model",
        "inconclusive": f"neither surely within the tolerance of {claim.tolerance:.4f} nor surely more than the "
        f"{claim.labs_differ:.4f} by which labs differ",
    }[outcome]
    measured = f"The run's average is {average.measured.estimate:.4f}, the published one {figure}"
    apart = f"{_signed(gap.value)} ± {gap.reach:.4f} over the same prompts with other seeds"
    sentences = [f"{measured}: {apart}, {found}"]
    if outcome == "not reproduced":
        parts = (f"{NAMES.get(each.of, each.of)} {signed(each)}" for each in figures[:-1])
        sentences.append(f"Measured less published: {', '.join(parts)}")
    if more is not None:
        sentences.append(more.text[0].upper() + more.text[1:])
    if images < claim.samples:
        sentences.append(f"The benchmark draws {claim.samples} images per prompt, this run {images}")
    if place[0] is not None:
        sentences.append(f"It would take place {place[0]} among {place[1]} published scores")
    return ". ".join(sentences) + "."


def signed(figure: Measured) -> str:
    """A difference with its interval, e.g. `−0.0123 [−0.0171, −0.0075]`."""
    if figure.difference is None:
        return "undefined"
    around = figure.difference_interval
    return _signed(figure.difference) + (f" [{_signed(around[0])}, {_signed(around[1])}]" if around else "")


def _signed(value: float) -> str:
    """A difference with the four decimals of the published figures."""
    return f"{value:+.4f}".replace("-", "\u2212")
