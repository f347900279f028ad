"""What the first screen says: each model's accuracy and speed, and in words how the models differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalsuite.report import comparison
from evalsuite.report.cells import Cell, label, message
from evalsuite.report.comparison import Contestant
from evalsuite.wording import p_value, points

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evalsuite.records import ModelRole
    from evalsuite.report.comparison import Difference
    from evalsuite.report.figures import AccuracyRow, SpeedRow
    from evalsuite.runs.opened import OpenRun
    from evalsuite.stats import Interval

MAX_SENTENCES = 4
"""Sentences about differences; with more models, the tables tell the rest."""

EVEN = 1.05
"""Medians of which neither is more than this times the other count as even in words."""

Sentence = tuple[Cell, ...]
"""The parts of a sentence, which stand beside each other without a space."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A line of the table on the first screen: a model, its accuracy by language, its median seconds per image."""

    model: str
    role: ModelRole
    by_language: dict[str | None, AccuracyRow]
    speed: str | None
    missing: int


def answers(accuracy: Iterable[AccuracyRow], speed: Iterable[SpeedRow]) -> list[Answer]:
    """A line a model: references, which the ceiling tells of, only where there is nothing else."""
    rows = list(accuracy)
    subjects = [row for row in rows if row.role != "reference"] or rows
    seconds = {row.model: row.p50 for row in speed if row.warm}
    return [
        Answer(
            model=name,
            role=own[0].role,
            by_language={row.language: row for row in own},
            speed=seconds.get(name),
            missing=own[0].missing,
        )
        for name in dict.fromkeys(row.model for row in subjects)
        for own in [[row for row in subjects if row.model == name]]
    ]


def sentences_of_run(run: OpenRun) -> list[Sentence]:
    """What a run says of its models: each against the first, or a lone one against its ceiling."""
    if run.manifest.sequential is not None:
        return []  # drawn until a verdict, which is the answer
    subjects = run.models(subjects=True)
    if len(subjects) > 1:
        called = comparison.contestants([run])
        return sentences([run], called, comparison.compare_all([run], called))
    spec = subjects[0]
    ceiling = run.manifest.ceiling_of(spec)
    if ceiling is None or ceiling.name == spec.name:
        return []
    called = [Contestant(run=0, model=each.name, name=each.name, role=each.role) for each in (ceiling, spec)]
    if _missing([run], called):
        return [_incomplete([run], called)]
    found = comparison.compare_all([run], called)[0]
    told = _told("ceiling", found.interval, {"model": _name(called[1])})
    return [(told, message("headline.stop"), *_sign(found))]


def sentences(
    runs: Sequence[OpenRun], called: Sequence[Contestant], differences: Sequence[Difference]
) -> list[Sentence]:
    """How each contestant differs from the first, in accuracy over all prompts and in speed; or why not."""
    found: list[Sentence] = []
    first = called[0]
    for each in [each for each in differences if each.language is None][:MAX_SENTENCES]:
        pair = (first, each.contestant)
        if _missing(runs, pair):
            found.append(_incomplete(runs, pair))
            continue
        names = {"model": _name(each.contestant), "other": _name(first)}
        told = _told("pair", each.interval, names)
        found.append((told, *_speed(runs, first, each.contestant), *_sign(each)))
    return found


def _told(kind: str, interval: Interval, names: dict[str, str]) -> Cell:
    """A difference in words: fewer or more characters where the interval leaves out 0, else that none is told."""
    estimate, low, high = interval.estimate, interval.low, interval.high
    if estimate is None or low is None or high is None:
        return message(f"headline.{kind}.none", **names)
    if low <= 0.0 <= high:
        figures = {"points": points(estimate, sign="+"), "low": points(low, sign="+"), "high": points(high, sign="+")}
        return message(f"headline.{kind}.apart", **names, **figures)
    if estimate < 0:
        figures = {"points": points(-estimate), "low": points(-high), "high": points(-low)}
        return message(f"headline.{kind}.fewer", **names, **figures)
    return message(f"headline.{kind}.more", **names, points=points(estimate), low=points(low), high=points(high))


def _sign(found: Difference) -> Sentence:
    """Where the mean's interval does not tell: how many prompts scored better and worse, and whether by chance.

    Bounds on a mean of few prompts allow for rare large losses that none of them shows; the sign test asks for less.
    """
    low, high = found.interval.low, found.interval.high
    if low is None or high is None or not low <= 0.0 <= high:
        return ()
    counts = {"better": str(found.better), "worse": str(found.worse)}
    counts["n"] = str(found.better + found.worse + found.same)
    if found.sign_test is None:
        return (message("headline.sign.same", n=counts["n"]),)
    way = "even" if found.sign_test > 1 - found.interval.level else "better" if found.better > found.worse else "worse"
    return (message(f"headline.sign.{way}", **counts, p=p_value(found.sign_test)),)


def _speed(runs: Sequence[OpenRun], first: Contestant, other: Contestant) -> Sentence:
    """How the medians of the warm images compare; where they do not, why."""
    if "reference" in (first.role, other.role):
        return (message("headline.stop"),)
    specs = {each.name: each for run in (runs[first.run], runs[other.run]) for each in run.manifest.models}
    if specs[first.model].is_served or specs[other.model].is_served:
        return (message("headline.speed.served"),)
    machines = [each for side in (first, other) for each in runs[side.run].environments(side.model)]
    if not comparison.same_machine(machines):
        return (message("headline.speed.machine"),)
    medians = [_median(runs[each.run], each.model) for each in (first, other)]
    if not all(medians):
        return (message("headline.speed.untimed"),)
    times = (medians[0] or 0.0) / (medians[1] or 1.0)
    if 1 / EVEN <= times <= EVEN:
        return (message("headline.speed.even"),)
    key = "headline.speed.faster" if times > 1 else "headline.speed.slower"
    return (message(key, times=f"{max(times, 1 / times):.2g}"),)


def _median(run: OpenRun, model: str) -> float | None:
    timing = next(each.timing for each in run.summary.models if each.name == model)
    return timing.total.p50 if timing is not None and timing.total is not None else None


def _missing(runs: Sequence[OpenRun], pair: Sequence[Contestant]) -> int:
    return sum(each.stage != "file" for side in pair for each in runs[side.run].missing_of(side.model))


def _incomplete(runs: Sequence[OpenRun], pair: Sequence[Contestant]) -> Sentence:
    return (message("headline.incomplete", model=_name(pair[1]), other=_name(pair[0]), n=str(_missing(runs, pair))),)


def _name(side: Contestant) -> str:
    """The name alone; what a stand-in or a reference is, the table beneath says in the reader's language."""
    return label(side.name)
