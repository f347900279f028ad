"""The worst images of a page for paper, and for readers without JavaScript."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalsuite.scoring import Rates
from evalsuite.wording import clipped, rate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalsuite.records import ModelRole, Score
    from evalsuite.report.payload import Picture
    from evalsuite.runs.opened import OpenRun

MAX_IMAGES = 12
"""So many fit on two pages."""
MAX_CHARACTERS = 300
"""Of the targets and of the reading."""


@dataclass(frozen=True, slots=True)
class WorstImage:
    """An image with what it should say and what was read; `picture` is None where there is none to show."""

    model: str
    role: ModelRole
    prompt: str
    language: str
    seed: int
    accuracy: str
    picture: str | None
    targets: str
    read: str


def worst_images(run: OpenRun, scores: Sequence[Score], found: Mapping[str, Picture]) -> list[WorstImage]:
    """The images of lowest character accuracy that are scored, of what the run evaluates; perfect ones are left out."""
    roles = {spec.name: spec.role for spec in run.models(subjects=True)}
    known = [
        (accuracy, place, score)
        for place, score in enumerate(scores)
        if score.model in roles and score.status == "scored"
        for accuracy in [Rates(counts=run.image_counts[score.key]).character_accuracy]
        if accuracy is not None and accuracy < 1
    ]
    rows = []
    for accuracy, _, score in sorted(known)[:MAX_IMAGES]:
        prompt, reading = run.prompts[score.prompt], run.readings.get(score.key)
        rows.append(
            WorstImage(
                model=score.model,
                role=roles[score.model],
                prompt=prompt.id,
                language=prompt.language,
                seed=score.seed,
                accuracy=rate(accuracy),
                picture=found[score.key].thumbnail if score.key in found else None,
                targets=clipped(" / ".join(prompt.targets), MAX_CHARACTERS),
                read=clipped(" / ".join(line.text for line in reading.lines), MAX_CHARACTERS) if reading else "",
            )
        )
    return rows
