"""Runs side by side: what keeps them from being compared, and what differs, prompt by prompt. No rendering."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite import stats
from evalsuite.errors import NotComparableError
from evalsuite.records import ModelRole, Record
from evalsuite.runs.comparable import unlike
from evalsuite.runs.machines import timing_differences

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalsuite.records import Environment
    from evalsuite.runs.opened import OpenRun
    from evalsuite.scoring import Counts


class Contestant(Record, frozen=True, kw_only=True):
    """One side of a comparison: a model of one of the runs, and the name that the page calls it."""

    run: int
    model: str
    name: str
    role: ModelRole


class Difference(Record, frozen=True, kw_only=True):
    """What a contestant's character accuracy is above the first one's, over the prompts of one language, or of all.

    `interval` is of the mean over prompts of the difference of the two accuracies, each over all seeds of the prompt.
    `sign_test` is the p-value of the exact two-sided sign test of `better` against `worse`, None where no prompt
    differs.
    """

    contestant: Contestant
    language: str | None
    interval: stats.Interval
    better: int
    worse: int
    same: int
    sign_test: float | None


def check_comparable(runs: Sequence[OpenRun]) -> None:
    """Refuse runs that differ in prompts, seeds, OCR or scorer.

    Raises:
        NotComparableError: naming each difference from the first run.
    """
    for run in runs:
        if run.not_whole is not None:
            raise NotComparableError(f"{run.folder}: compare complete runs. {run.not_whole}")
    first = runs[0]
    for other in runs[1:]:
        found = unlike(first.measured_by, other.measured_by)
        if found:
            raise NotComparableError(
                f"{other.folder} cannot be compared with {first.folder}: {'; '.join(each.text for each in found)}"
            )


def same_machine(environments: Sequence[Environment]) -> bool:
    """True where timings that were taken in all of these may be compared, by the rule of the gate."""
    return not timing_differences([environments[0], *environments])


def contestants(runs: Sequence[OpenRun]) -> list[Contestant]:
    """The models to compare, run by run: all that are no reference, or the references where a run has nothing else.

    A model that stands in several runs is called by its run too.
    """
    found = []
    for place, run in enumerate(runs):
        found += [(place, spec) for spec in run.models(subjects=True)]
    names = [spec.name for _, spec in found]
    titles = [run.manifest.name for run in runs]
    called = []
    for place, spec in found:
        title = titles[place] if titles.count(titles[place]) == 1 else f"{titles[place]} ({place + 1})"
        name = spec.name if names.count(spec.name) == 1 else f"{spec.name} · {title}"
        called.append(Contestant(run=place, model=spec.name, name=name, role=spec.role))
    if len(called) < 2:
        raise NotComparableError(f"{runs[0].folder}: one model alone is nothing to compare; name a second run")
    return called


def accuracy(counts: Counts) -> float:
    """Character accuracy; targets are never empty."""
    return (counts.length - counts.edits) / counts.length


def compare_all(runs: Sequence[OpenRun], called: Sequence[Contestant]) -> list[Difference]:
    """Every contestant but the first against the first: over all prompts, then by language where there are several."""
    counted = [runs[each.run].counts[each.model] for each in called]
    languages = {prompt.id: prompt.language for prompt in runs[0].manifest.prompts}
    several = list(dict.fromkeys(languages.values()))
    groups: list[str | None] = [None, *several] if len(several) > 1 else [None]
    return [
        _difference(other, counted[0], own, languages, group)
        for other, own in zip(called[1:], counted[1:], strict=True)
        for group in groups
    ]


def _difference(
    other: Contestant,
    base: Mapping[str, Counts],
    against: Mapping[str, Counts],
    languages: Mapping[str, str],
    group: str | None,
) -> Difference:
    chosen = [ident for ident in base if group is None or languages[ident] == group]
    deltas = [accuracy(against[ident]) - accuracy(base[ident]) for ident in chosen]
    better, worse = sum(delta > 0 for delta in deltas), sum(delta < 0 for delta in deltas)
    return Difference(
        contestant=other,
        language=group,
        interval=stats.mean_interval(deltas, bounds=(-1.0, 1.0)),
        better=better,
        worse=worse,
        same=len(deltas) - better - worse,
        sign_test=stats.sign_test(better, worse),
    )
