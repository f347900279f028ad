"""What must agree between two runs before anything is compared, and what only timings need to agree in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.gate.verdict import Difference

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalsuite.gate.verdict import Against
    from evalsuite.gate.view import RunView
    from evalsuite.records import Json, Prompt

_HARDWARE = ("gpus", "driver", "cpu", "cpu_threads", "memory", "platform", "cuda", "cudnn", "versions")
"""What of a run's environment decides how fast it draws."""

_SHOWN = 5


def differences(baseline: RunView, candidate: RunView, against: Against) -> tuple[Difference, ...]:
    """All that keeps two runs from being compared; empty where they may be."""
    return tuple(
        Difference(against=against, what=what, baseline=one, candidate=other)
        for what, one, other in _differing(baseline, candidate)
    )


def _differing(baseline: RunView, candidate: RunView) -> Iterator[tuple[str, str, str]]:
    one, other = baseline.manifest, candidate.manifest
    suites = [{ref.name: ref.digest for ref in manifest.suites} for manifest in (one, other)]
    for name in dict.fromkeys([*suites[0], *suites[1]]):
        if suites[0].get(name) != suites[1].get(name):
            yield f"suite {name}", _short(suites[0].get(name)), _short(suites[1].get(name))
    if suites[0] == suites[1]:
        yield from _prompts(one.prompts, other.prompts)
    if set(one.seeds) != set(other.seeds):
        yield "seeds", _seeds(one.seeds), _seeds(other.seeds)
    if one.ocr.digest != other.ocr.digest:
        weights = one.ocr.weights_digest != other.ocr.weights_digest
        yield "OCR weights" if weights else "OCR settings", _ocr(baseline), _ocr(candidate)
    mine, theirs = baseline.scorer, candidate.scorer
    if mine.normalizer != theirs.normalizer:
        yield "normaliser", mine.normalizer, theirs.normalizer
    if mine.profile != theirs.profile:
        yield "scoring profile", mine.profile, theirs.profile
    if (mine.name, mine.version) != (theirs.name, theirs.version):
        yield "scorer", f"{mine.name} {mine.version}", f"{theirs.name} {theirs.version}"


def _prompts(one: Sequence[Prompt], other: Sequence[Prompt]) -> Iterator[tuple[str, str, str]]:
    mine, theirs = ({prompt.id: prompt for prompt in prompts} for prompts in (one, other))
    if mine.keys() != theirs.keys():
        yield "prompts", _only(mine.keys() - theirs.keys(), len(mine)), _only(theirs.keys() - mine.keys(), len(theirs))
    for name in sorted(mine.keys() & theirs.keys()):
        if mine[name] != theirs[name]:
            yield f"prompt {name}", repr(mine[name].text), repr(theirs[name].text)
            return


def _only(names: set[str], count: int) -> str:
    shown = ", ".join(sorted(names)[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")
    return f"{count} prompts" + (f"; only here: {shown}" if names else "")


def _seeds(seeds: Sequence[int]) -> str:
    if len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[0] + len(seeds))):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds))


def _ocr(view: RunView) -> str:
    ocr = view.manifest.ocr
    return f"{ocr.name} {ocr.weights_digest[:12]} (with settings {ocr.digest[:12]})"


def _short(digest: str | None) -> str:
    return digest[:12] if digest else "not in the run"


def settings_notes(baseline: RunView, candidate: RunView, against: Against) -> list[str]:
    """How the two models were drawn differently: no obstacle to comparing accuracy, but worth a line."""
    changed = _changed(baseline.model.settings, candidate.model.settings)
    return [f"drawn with other settings than the {against}: {changed}"] if changed else []


def timing_mismatch(baseline: RunView, candidate: RunView) -> str | None:
    """Why timings of the two runs may not be compared: other hardware, software or settings. None where they may."""
    one, other = ({key: view.manifest.environment.get(key) for key in _HARDWARE} for view in (baseline, candidate))
    hardware = _changed(one, other)
    if hardware:
        return f"not measured on the same hardware and software: {hardware}"
    settings = _changed(
        {**baseline.model.settings, **baseline.model.runtime}, {**candidate.model.settings, **candidate.model.runtime}
    )
    if settings:
        return f"not drawn with the same settings: {settings}"
    return None


def _told(value: Json) -> str:
    return "none" if value is None else repr(value)


def _changed(one: dict[str, Json], other: dict[str, Json]) -> str:
    return "; ".join(
        f"{key} {_told(one.get(key))} → {_told(other.get(key))}"
        for key in dict.fromkeys([*one, *other])
        if one.get(key) != other.get(key)
    )


def taken_in_turns(baseline: RunView, candidate: RunView) -> bool:
    """True where one session drew both models in turns (`evalsuite run --interleave`), seen from the row order.

    Turns change the order of the models every second time (A B B A), so a block of one model's rows holds at
    most two batches. A few longer blocks, where a resumed run filled gaps, are allowed.
    """
    if baseline.folder.resolve() != candidate.folder.resolve():
        return False
    names = {baseline.model.name, candidate.model.name}
    if len(names) < 2:
        return False
    blocks: list[int] = []
    limits: list[int] = []
    previous = None
    for row in (row for row in baseline.drawn if row.model in names):
        batch = row.timing.batch if row.timing else 1
        if row.model == previous:
            blocks[-1] += 1
            limits[-1] = max(limits[-1], 2 * batch)
        else:
            blocks.append(1)
            limits.append(2 * batch)
        previous = row.model
    orderly = sum(size for size, limit in zip(blocks, limits, strict=True) if size <= limit)
    return orderly >= 0.9 * sum(blocks)
