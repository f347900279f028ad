"""How many malformed characters a reader notices, and how many sound ones it doubts.

Counted on the typeset references with malformed glyphs (`typeset:malformed=0.1`), whose every malformed character is
known. A reader notices a character where the score charges an error at it: it is read as another, or not at all. So
this is what a score can see of malformed glyphs.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import regex

from evalsuite import stats
from evalsuite.errors import EvalsuiteError
from evalsuite.models.typeset.defects import KINDS, can_be_malformed
from evalsuite.records import Record
from evalsuite.scoring import profile_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from evalsuite.records import Generation, ModelSpec, Prompt, Score, TargetScore
    from evalsuite.runs.opened import OpenRun


class Noticed(Record, frozen=True, kw_only=True):
    """Characters in one language (None: in all) and of one kind of defect (None: of all, and the sound ones).

    `noticed` of `malformed` characters, and `doubted` of `sound` ones, are read as something else or not at all; sound
    are the other letters, digits and ideographs of the same pages. The shares carry intervals over prompts. A kind of
    defect has no sound characters.
    """

    language: str | None
    kind: str | None
    malformed: int
    noticed: int
    sound: int
    doubted: int
    noticed_share: stats.Interval
    doubted_share: stats.Interval


class Sensitivity(Record, frozen=True, kw_only=True):
    """What one reader makes of one reference with malformed glyphs.

    `figures` start with those of all kinds: all languages together, then each. `unread` pages have no score and are not
    counted; where there are any, the figures are of a part of the pages.
    """

    reader: str
    reference: str
    styled: bool
    rate: float
    severity: float
    pages: int
    unread: int
    figures: tuple[Noticed, ...]

    def figure(self, language: str | None = None, kind: str | None = None) -> Noticed | None:
        """The figure of a language and a kind; None where no such character was planted."""
        return next((each for each in self.figures if (each.language, each.kind) == (language, kind)), None)


def sensitivities(run: OpenRun) -> tuple[Sensitivity, ...]:
    """For each reference with malformed glyphs of the run, what the run's reader makes of it.

    Empty where the run has none, and where a person's marks are among the readings: those are no reader's.

    Raises:
        EvalsuiteError: A row names a planted character that its target does not have.
    """
    if run.judgement is not None:
        return ()
    return tuple(_sensitivity(run, spec) for spec in run.manifest.models if spec.is_malformed)


def beside(run: OpenRun, model: str, *, styled: bool = False) -> Sensitivity | None:
    """What the run's reader makes of the malformed reference beside a model (`Manifest.malformed_of`), or None."""
    spec = next(spec for spec in run.manifest.models if spec.name == model)
    reference = run.manifest.malformed_of(spec, styled=styled)
    return next((each for each in run.sensitivities if reference and each.reference == reference.name), None)


def by_readers(run: OpenRun) -> tuple[Sensitivity, ...]:
    """`sensitivities` of the run's reader, then of each other engine that has read the run."""
    if not any(spec.is_malformed for spec in run.manifest.models):
        return ()
    others = [ocr for ocr in run.store.engines() if ocr.digest != run.ocr.digest]
    read = [run.read_by(ocr) for ocr in others if run.store.readings(ocr).path.exists()]
    return tuple(each for one in (run, *read) for each in one.sensitivities)


def per_hundred(share: stats.Interval) -> str:
    """A share as so many of 100: `34`, below 10 with a decimal: `0.6`; a dash where there is none."""
    return "–" if share.estimate is None else _hundredths(share.estimate)


def per_hundred_ends(share: stats.Interval) -> str:
    """The ends of its interval alike: `[29, 40]`; empty where it has none."""
    if share.low is None or share.high is None:
        return ""
    return f"[{_hundredths(share.low)}, {_hundredths(share.high)}]"


def _hundredths(share: float) -> str:
    return f"{100 * share:.1f}" if round(share, 4) < 0.0995 else f"{100 * share:.0f}"


def _sensitivity(run: OpenRun, spec: ModelSpec) -> Sensitivity:
    charge_case = profile_named(run.scorer.profile).charge_case
    # By language and kind, and in these by unit of sampling: malformed, noticed, sound, doubted.
    sums: dict[tuple[str, str | None], dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0, 0, 0]))
    pages = unread = 0
    for score in run.scores_of(spec.name):
        generation = run.generations.get(score.key)
        if score.status != "scored" or generation is None:
            unread += 1
            continue
        pages += 1
        prompt, unit = run.prompts[score.prompt], run.units[score.prompt]
        for kind, is_charged in _characters(prompt, score, generation, charge_case=charge_case):
            for each in (None,) if kind is None else (None, kind):
                row = sums[prompt.language, each][unit]
                row[2 if kind is None else 0] += 1
                row[3 if kind is None else 1] += is_charged
    return Sensitivity(
        reader=run.ocr.name,
        reference=spec.name,
        styled=spec.is_styled,
        rate=_number(spec, "malformed"),
        severity=_number(spec, "severity"),
        pages=pages,
        unread=unread,
        figures=tuple(_figures(sums)),
    )


def _number(spec: ModelSpec, setting: str) -> float:
    value = spec.settings.get(setting)
    if not isinstance(value, int | float):
        raise EvalsuiteError(f"manifest.json: {spec.name}: {setting}={value!r} is no number; draw the run again")
    return float(value)


def _characters(
    prompt: Prompt, score: Score, generation: Generation, *, charge_case: bool
) -> Iterable[tuple[str | None, bool]]:
    """Each letter, digit and ideograph of the targets: its defect, or None, and whether an error is charged at it."""
    planted = {(each.target, each.index): each for each in generation.planted}
    for number, (text, target) in enumerate(zip(prompt.targets, score.result.targets, strict=True)):
        charged = _charged(text, target, charge_case=charge_case)
        for index, (grapheme, is_charged) in enumerate(zip(regex.findall(r"\X", text), charged, strict=True)):
            defect = planted.pop((number, index), None)
            if defect is not None and defect.character != grapheme:
                raise _no_such(generation, number, index)
            if can_be_malformed(grapheme):
                yield (None if defect is None else defect.kind), is_charged
    for number, index in planted:
        raise _no_such(generation, number, index)


def _no_such(generation: Generation, target: int, index: int) -> EvalsuiteError:
    return EvalsuiteError(
        f"generations.jsonl: {generation.key}: names a malformed character {index} of target {target} that prompt "
        f"{generation.prompt} does not have there; draw the page again"
    )


def _charged(text: str, target: TargetScore, *, charge_case: bool) -> list[bool]:
    """For every grapheme of a target whether the alignment charges an error at it, or at a part of it."""
    charging = {"substitute", "delete", *(["case"] if charge_case else [])}
    codes = iter([edit.kind in charging for edit in target.edits for _ in edit.target])
    return [any([next(codes) for _ in cluster]) for cluster in regex.findall(r"\X", text)]  # noqa: C419 - all are taken


def _figures(sums: Mapping[tuple[str, str | None], Mapping[str, Sequence[int]]]) -> Iterable[Noticed]:
    languages = list(dict.fromkeys(language for language, _ in sums))
    for kind in (None, *KINDS):
        for language in (None, *languages):
            units: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
            for own in languages if language is None else (language,):
                for unit, row in sums.get((own, kind), {}).items():
                    units[unit] = [one + other for one, other in zip(units[unit], row, strict=True)]
            if units and not (language is None and len(languages) == 1 and kind is not None):
                yield _noticed(language, kind, list(units.values()))


def _noticed(language: str | None, kind: str | None, rows: Sequence[Sequence[int]]) -> Noticed:
    malformed, noticed, sound, doubted = zip(*rows, strict=True)
    return Noticed(
        language=language,
        kind=kind,
        malformed=sum(malformed),
        noticed=sum(noticed),
        sound=sum(sound),
        doubted=sum(doubted),
        noticed_share=stats.ratio_interval(noticed, malformed, bounds=(0.0, 1.0)),
        doubted_share=stats.ratio_interval(doubted, sound, bounds=(0.0, 1.0)),
    )
