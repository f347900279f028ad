"""The gate on `sound_glyph_rate`: paired over prompts, and corrected by what a person marked in either run.

The verifier misses malformed glyphs and doubts sound ones, so its share alone proves nothing. A gate rests on it only
where both runs have a random sample of judged glyphs, all of it marked by a person; what is missing makes the gate
incomplete, with what to do.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evalsuite.errors import EvalsuiteError
from evalsuite.gate.metrics import SOUND_GLYPHS
from evalsuite.gate.slices import expand
from evalsuite.glyphs.by_prompt import Seen, by_prompt
from evalsuite.glyphs.corrected import malformed_by
from evalsuite.glyphs.counts import TOLD, Place
from evalsuite.glyphs.marks import read_marks
from evalsuite.glyphs.sample import SIZE, read_sample
from evalsuite.glyphs.seen import look_at_run, read_seen
from evalsuite.glyphs.verifier import open_verifier
from evalsuite.stats import MIN_JUDGED, Floats, bounds
from evalsuite.stats.corrected_difference import CorrectedDifference, Errors, corrected_difference

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from evalsuite.gate.policy import Policy
    from evalsuite.gate.side import Side
    from evalsuite.records import Prompt


@dataclass(frozen=True)
class JudgedGlyphs:
    """One side's glyphs: what was seen by sampling unit, and the person's errors by place.

    `wrong` is, for each sampled glyph of the model, whether it is sound by the person less whether it is so by the
    verifier: -1 for a miss, 1 for a false alarm. `told` counts the glyphs that it could tell of, by language.
    """

    units: Mapping[str, Seen]
    wrong: Mapping[Place, int]
    told: Mapping[str, int]


@dataclass(frozen=True)
class GlyphGate:
    """A slice's difference with what `accuracy.Measured` needs beside it; arrays have shape (n,)."""

    found: CorrectedDifference
    baseline: Floats
    candidate: Floats


def judged_glyphs(side: Side) -> JudgedGlyphs:
    """What the gate rests on: rows that this user's evalsuite made, a whole sample, and its marks.

    Raises:
        EvalsuiteError: Something is missing or does not fit; the message says what to do.
    """
    run, model = side.run, side.model.name
    look = f"run 'evalsuite glyphs {run.folder}'"
    if read_seen(run) is None:
        raise EvalsuiteError(f"nobody has looked at its glyphs; {look}")
    seen = look_at_run(run, open_verifier(), sealed=True)
    sample = read_sample(run, seen)
    if sample is None:
        raise EvalsuiteError(
            f"the verifier's own error is not known; {look} --sample {SIZE}, mark the sample on glyphs.html, and give "
            "the marks back with --marks"
        )
    marks = read_marks(run)
    places = [place for each in sample.places if run.requests[(place := Place(*each)).key].model == model]
    rest = sum(place not in marks for place in places)
    if rest or not places:
        raise EvalsuiteError(
            f"{rest} of its {len(places)} sampled glyphs are not marked; mark them on glyphs.html, and give the marks "
            f"back with 'evalsuite glyphs {run.folder} --marks FILE'"
        )
    sights = {
        Place(row.key, each.line, each.index): each.sight
        for row in seen.values()
        for each in row.glyphs
        if each.sight in TOLD and run.requests[row.key].model == model
    }
    return JudgedGlyphs(
        units=by_prompt(run, seen, model),
        wrong={place: (not malformed_by(marks[place])) - (sights[place] == "sound") for place in places},
        told=Counter(_language(side, place) for place in sights),
    )


def missing_glyphs(policy: Policy, sides: Sequence[tuple[str, Side]]) -> Iterable[str]:
    """What keeps the policy's gates on sound glyphs from a verdict."""
    lacks = []
    for name, side in sides:
        try:
            _ = side.glyphs
        except EvalsuiteError as error:
            lacks.append(f"{name}: {SOUND_GLYPHS}: {error}")
    yield from lacks
    if lacks:
        return
    *others, (_, candidate) = sides
    for rule in policy.gates:
        if rule.metric != SOUND_GLYPHS:
            continue
        for label, prompts in expand(rule, candidate.manifest):
            for name, side in sides:
                marked = {_unit(side, place) for place in side.glyphs.wrong} & _units(side, prompts)
                if len(marked) < MIN_JUDGED:
                    yield (
                        f"{name}: {SOUND_GLYPHS}: marked glyphs are of {len(marked)} prompts in {label}, at least "
                        f"{MIN_JUDGED} are needed; draw more with 'evalsuite glyphs {side.run.folder} --sample N'"
                    )
            for name, side in others:
                both, units = _both(side, candidate, prompts), _units(candidate, prompts)
                if 2 * len(both) < len(units):
                    yield (
                        f"{name}: {SOUND_GLYPHS}: the verifier can tell of glyphs of both runs in {len(both)} of "
                        f"{len(units)} prompts in {label}, fewer than half; look at its reasons with 'evalsuite glyphs'"
                    )


def glyph_notes(policy: Policy, sides: Sequence[tuple[str, Side]], candidate: Side) -> Iterable[str]:
    """What is to be said of prompts that these gates cannot compare."""
    for rule in policy.gates:
        for label, prompts in expand(rule, candidate.manifest) if rule.metric == SOUND_GLYPHS else ():
            for name, side in sides:
                lost = len(_units(candidate, prompts)) - len(_both(side, candidate, prompts))
                if lost:
                    yield (
                        f"{label}/{SOUND_GLYPHS} against the {name}: left out {lost} prompt{'s' * (lost > 1)} in "
                        "which the verifier cannot tell of glyphs of both runs"
                    )


def compare_glyphs(baseline: Side, candidate: Side, prompts: Sequence[Prompt]) -> GlyphGate:
    """The difference of the sound glyph rates: a mean over the prompts in which both runs have judged glyphs."""
    both = _both(baseline, candidate, prompts)
    rates = [
        np.array([1 - side.glyphs.units[unit].share for unit in both], dtype=np.float64)
        for side in (baseline, candidate)
    ]
    read = bounds.compare(rates[1] - rates[0])
    found = corrected_difference(read, *(_errors(side, both) for side in (baseline, candidate)))
    corrected = [
        np.clip(rate + errors.estimate, 0, 1)
        for rate, errors in zip(rates, (found.baseline, found.candidate), strict=True)
    ]
    return GlyphGate(found, corrected[0], corrected[1])


def _errors(side: Side, units: Sequence[str]) -> Errors:
    """A side's errors by prompt; in the mean over prompts a glyph weighs the less, the more its prompt has."""
    glyphs, wanted = side.glyphs, set(units)
    sampled = [place for place in glyphs.wrong if _unit(side, place) in wanted]
    drawn = Counter(_language(side, place) for place in glyphs.wrong)
    moved: dict[str, float] = {}
    weights: dict[str, float] = {}
    for place in sampled:
        unit, language = _unit(side, place), _language(side, place)
        weight = glyphs.told[language] / drawn[language] / glyphs.units[unit].judged
        moved[unit] = moved.get(unit, 0.0) + weight * glyphs.wrong[place]
        weights[unit] = weights.get(unit, 0.0) + weight
    share = len(sampled) / sum(glyphs.units[unit].judged for unit in units)
    return Errors(np.array(list(moved.values())), np.array(list(weights.values())), min(1.0, share))


def _both(baseline: Side, candidate: Side, prompts: Sequence[Prompt]) -> list[str]:
    units = [unit for unit in candidate.glyphs.units if unit in _units(candidate, prompts)]
    return [
        unit for unit in units if candidate.glyphs.units[unit].judged and baseline.glyphs.units.get(unit, Seen()).judged
    ]


def _units(side: Side, prompts: Sequence[Prompt]) -> set[str]:
    return {side.run.units[prompt.id] for prompt in prompts}


def _unit(side: Side, place: Place) -> str:
    return side.run.units[side.run.requests[place.key].prompt]


def _language(side: Side, place: Place) -> str:
    return side.run.prompts[side.run.requests[place.key].prompt].language
