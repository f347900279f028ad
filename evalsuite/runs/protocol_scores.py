"""A run under another benchmark's protocol: scores per language and model, with intervals and the ceiling.

Everything comes from the stored readings, in a second or two; nothing is drawn, read or written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evalsuite.errors import EvalsuiteError
from evalsuite.records import ModelRole, Record
from evalsuite.scoring.protocols import Metric, TextProtocol, primary, protocol_named
from evalsuite.stats import Floats, Interval
from evalsuite.stats.strata import Stratum, interval

if TYPE_CHECKING:
    from evalsuite.records import ModelSpec
    from evalsuite.runs.opened import OpenRun


class LanguageScore(Record, frozen=True, kw_only=True):
    """One model's images in one language under a protocol.

    `images` counts what the plan promises, `missing` names those that are missing or could not be read
    (`prompt seed n`). `counts` are the protocol's columns, summed; `scores` its metrics.
    """

    language: str
    prompts: int
    images: int
    missing: tuple[str, ...]
    counts: dict[str, float]
    scores: dict[str, Interval]


class ModelScore(Record, frozen=True, kw_only=True):
    """One model under a protocol. `average` is the headline's unweighted mean over the protocol's languages.

    None where the protocol quotes no average, or the run has no prompts in one of its languages.
    """

    model: str
    role: ModelRole
    languages: tuple[LanguageScore, ...]
    average: Interval | None

    @property
    def incomplete(self) -> bool:
        """True where an image that the plan promises is missing or unread."""
        return any(part.missing for part in self.languages)


class ProtocolScores(Record, frozen=True, kw_only=True):
    """A run under a protocol, read by one engine.

    `published_reader` is the one behind the protocol's published figures; with another engine the scores are
    the protocol's formula over that engine's readings. `left_out` counts the prompts in languages that the protocol
    does not cover. `ceiling_model` is the clean typeset reference, or None.
    """

    protocol: str
    version: str
    title: str
    source: str
    headline: str
    lower_is_better: tuple[str, ...]
    images_per_prompt: int
    images_asked: int
    engine: str
    published_reader: str
    left_out: dict[str, int]
    models: tuple[ModelScore, ...]
    ceiling_model: str | None

    def ceiling(self, language: str) -> LanguageScore | None:
        """What this reader and protocol make of perfect text; None where that was not measured whole."""
        for model in self.models:
            if model.model == self.ceiling_model:
                for part in model.languages:
                    if part.language == language and not part.missing:
                        return part
        return None


@dataclass(frozen=True, slots=True)
class LanguageCounts:
    """The counts of one model's images in one language: for each prompt a list of rows, one per image that has any.

    `images` is how many the plan promises; `missing` names those without a reading.
    """

    language: str
    images: int
    rows: Mapping[str, Sequence[tuple[float, ...]]]
    missing: tuple[str, ...]

    def stratum(self, metric: Metric, weight: float = 1.0) -> Stratum:
        """The prompts' summed counts, for `statistics.interval`."""
        sums = [np.sum(rows, axis=0) for rows in self.rows.values() if rows]
        counts = np.array(sums, dtype=np.float64) if sums else np.empty((0, 0))
        return Stratum(counts, metric.statistic, weight)

    def single(self) -> Floats:
        """The counts of single images, shape (prompts, images per prompt, columns); every prompt has as many."""
        return np.array(list(self.rows.values()), dtype=np.float64)


def count_run(
    run: OpenRun, protocol: TextProtocol, models: Sequence[ModelSpec] | None = None
) -> dict[str, tuple[LanguageCounts, ...]]:
    """Count every image of a run under a protocol: for each model its languages, in the order of the prompts."""
    wanted = {spec.name for spec in models or run.manifest.models}
    rows: dict[str, dict[str, dict[str, list[tuple[float, ...]]]]] = {name: {} for name in wanted}
    missing: dict[tuple[str, str], list[str]] = defaultdict(list)
    promised: dict[tuple[str, str], int] = defaultdict(int)
    lacks = {each.key: each for each in run.missing}
    for key, request in run.requests.items():
        prompt = run.prompts[request.prompt]
        if request.model not in wanted or not protocol.covers(prompt.language):
            continue
        language = primary(prompt.language)
        promised[request.model, language] += 1
        own = rows[request.model].setdefault(language, {}).setdefault(run.units[prompt.id], [])
        if key in lacks:
            missing[request.model, language].append(lacks[key].image)
        if key in lacks and lacks[key].stage != "file":
            if protocol.missing == "counted as empty":
                own.append(protocol.count(prompt.targets, (), prompt.language))
        else:
            own.append(protocol.count(prompt.targets, run.readings[key].lines, prompt.language))
    return {
        model: tuple(
            LanguageCounts(language, promised[model, language], of_prompts, tuple(missing[model, language]))
            for language, of_prompts in languages.items()
        )
        for model, languages in rows.items()
    }


def headline_strata(parts: Sequence[LanguageCounts], protocol: TextProtocol) -> tuple[Stratum, ...]:
    """The strata of the headline's unweighted mean over languages."""
    return tuple(part.stratum(protocol.metrics(part.language)[0], 1 / len(parts)) for part in parts)


def score_run(run: OpenRun, name: str) -> ProtocolScores:
    """Score a run under the protocol of that name, from the readings that it was opened with.

    Raises:
        EvalsuiteError: for an unknown protocol, or one that covers no language of the run.
    """
    protocol = protocol_named(name)
    manifest = run.manifest
    if not any(protocol.covers(prompt.language) for prompt in manifest.prompts):
        languages = ", ".join(sorted({prompt.language for prompt in manifest.prompts}))
        raise EvalsuiteError(
            f"protocol {name} is defined for {', '.join(protocol.languages)}; this run's prompts are in {languages}"
        )
    left_out: dict[str, int] = defaultdict(int)
    for prompt in manifest.prompts:
        if not protocol.covers(prompt.language):
            left_out[prompt.language] += 1
    counted = count_run(run, protocol)
    metrics = protocol.metrics(protocol.languages[0])
    return ProtocolScores(
        protocol=protocol.name,
        version=protocol.version,
        title=protocol.title,
        source=protocol.source,
        headline=metrics[0].name,
        lower_is_better=tuple(metric.name for metric in metrics if not metric.higher_is_better),
        images_per_prompt=len(manifest.seeds),
        images_asked=protocol.images,
        engine=run.ocr.name,
        published_reader=protocol.reader,
        left_out=dict(left_out),
        models=tuple(
            ModelScore(
                model=model.name,
                role=model.role,
                languages=tuple(_language(part, protocol) for part in counted[model.name]),
                average=_average(counted[model.name], protocol),
            )
            for model in manifest.models
        ),
        ceiling_model=manifest.ceiling.name if manifest.ceiling else None,
    )


def _language(part: LanguageCounts, protocol: TextProtocol) -> LanguageScore:
    rows = [row for rows in part.rows.values() for row in rows]
    sums = np.sum(rows, axis=0) if rows else np.zeros(len(protocol.columns))
    return LanguageScore(
        language=part.language,
        prompts=len(part.rows),
        images=part.images,
        missing=part.missing,
        counts=dict(zip(protocol.columns, map(float, sums), strict=True)),
        scores={metric.name: interval([part.stratum(metric)]) for metric in protocol.metrics(part.language)},
    )


def _average(parts: Sequence[LanguageCounts], protocol: TextProtocol) -> Interval | None:
    if not protocol.averaged or {part.language for part in parts} != set(protocol.languages):
        return None
    return interval(headline_strata(parts, protocol))
