"""How far a run has come, for whoever watches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Stage = Literal["plan", "load", "draw", "take", "read", "score", "look", "content", "merge"]
"""`load` counts models whose weights are brought in; `take` is drawing where the images exist already."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage has come: `done` of `total`, and the item that was just finished; of `plan`, a notice."""

    stage: Stage
    done: int
    total: int
    item: str = ""


Watcher = Callable[[Progress], None]


def ignore(_: Progress) -> None:
    """The watcher of a caller that does not watch."""
