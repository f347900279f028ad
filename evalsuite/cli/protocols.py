"""What `--protocol` prints: a run under other benchmarks' protocols."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.cli import console
from evalsuite.wording import images_per_prompt, point, with_ends

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalsuite.runs.protocol_scores import ModelScore, ProtocolScores
    from evalsuite.stats import Interval

ROLES = {"reference": "reference, not a model", "stand-in": "stand-in", "model": "model"}


def show_protocols(scores: Sequence[ProtocolScores]) -> None:
    """Print the scores of a run under other benchmarks' protocols, a table each."""
    for each in scores:
        _protocol(each)


def _protocol(scores: ProtocolScores) -> None:
    from evalsuite.scoring.protocols import protocol_named

    names = list(scores.models[0].languages[0].scores)
    others = [f"{name} (lower is better)" if name in scores.lower_is_better else name for name in names[1:]]
    columns = ("model", "role", "language", "images", names[0], "ceiling", *others)
    rows = [row for model in scores.models for row in _protocol_rows(scores, model, names)]
    console.table(f"{scores.title} ({scores.protocol} {scores.version})", columns, rows, right=columns[3:])
    left_out = sorted(scores.left_out.items())
    forgiving = f"{names[0]} is a recall, which forgives extra text; strict accuracy and the extra ratio do not."
    notes = [
        f"Source: {scores.source}. Intervals: 95 %, over prompts.",
        *([forgiving] if protocol_named(scores.protocol).recall else []),
        *(f"{count} prompts in {name} are left out: the protocol is not defined for them." for name, count in left_out),
    ]
    if not scores.engine.startswith(scores.published_reader):
        notes.append(
            f"Read by {scores.engine}; published figures of this protocol were read by {scores.published_reader}, so "
            "these are not comparable with them."
        )
    if scores.images_per_prompt != scores.images_asked:
        notes.append(
            f"The protocol asks for {images_per_prompt(scores.images_asked)}; this run has {scores.images_per_prompt}."
        )
    console.say(" ".join(notes))


def _protocol_rows(scores: ProtocolScores, model: ModelScore, names: Sequence[str]) -> list[tuple[str, ...]]:
    rows = []
    for part in model.languages:
        ceiling = scores.ceiling(part.language)
        missing = f" ({len(part.missing)} missing)" if part.missing else ""
        rows.append(
            (
                model.model,
                ROLES[model.role],
                part.language,
                f"{part.images}{missing}",
                score_text(part.scores[names[0]]),
                point(ceiling.scores[names[0]]) if ceiling else "not measured",
                *(score_text(part.scores[name]) for name in names[1:]),
            )
        )
    if model.average is not None:
        above = next((each.average for each in scores.models if each.model == scores.ceiling_model), None)
        images = str(sum(part.images for part in model.languages))
        ceiling_text = point(above) if above else "not measured"
        rows.append(
            (model.model, ROLES[model.role], "average", images, score_text(model.average), ceiling_text)
            + ("",) * (len(names) - 1)
        )
    return rows


def score_text(interval: Interval, digits: int | None = None) -> str:
    """A score with its interval, or with the reason why there is none; `digits` are those of a published figure."""
    text = with_ends(interval, digits)
    return text if "[" in text else f"{text} [{interval.method}]"
