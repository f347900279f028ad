"""Weights & Biases, by its client `wandb`: offline with `WANDB_MODE=offline`, later sent by `wandb sync`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from evalsuite.track.base import PROJECT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from evalsuite.records import Json
    from evalsuite.track.figures import Table

STEP = "training step"
"""The axis of a sweep's figures. The client's own step only ever rises, and a checkpoint may come late."""


def begin(title: str, settings: Mapping[str, Json], folder: Path) -> WandbRun:
    """Begin a run in the project that `WANDB_PROJECT` names, or in `evalsuite`."""
    import wandb

    del folder
    return WandbRun(
        wandb.init(
            project=os.environ.get("WANDB_PROJECT") or PROJECT,
            name=title,
            config=dict(settings),
            job_type="evalsuite",
            settings=wandb.Settings(console="off", silent=True),
        )
    )


class WandbRun:
    """One run of Weights & Biases."""

    def __init__(self, run: Any) -> None:
        self._run = run
        self._place = str(run.dir if run.offline else run.url)
        run.define_metric(STEP)

    def figures(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Log figures; those of a whole run go to the summary, those of a step against the axis of steps."""
        if step is None:
            self._run.summary.update(dict(values))
            return
        for name in values:
            self._run.define_metric(name, step_metric=STEP)
        self._run.log({**values, STEP: step})

    def table(self, name: str, table: Table) -> None:
        """Log a table; its images are a column."""
        import wandb

        if table.images:
            columns = [*table.columns, "image"]
            rows = [[*row, wandb.Image(image)] for row, image in zip(table.rows, table.images, strict=True)]
        else:
            columns, rows = [*table.columns], [[*row] for row in table.rows]
        self._run.log({name: wandb.Table(columns=columns, data=rows)})

    def artefact(self, name: str, files: Sequence[Path]) -> None:
        """Log files as an artefact of type `evalsuite`."""
        import wandb

        artefact = wandb.Artifact(f"{name}-{self._run.id}", type="evalsuite")
        for file in files:
            artefact.add_file(str(file))
        self._run.log_artifact(artefact)

    def close(self) -> str:
        """Finish the run: an offline one is on the disk then, else all of it is sent."""
        self._run.finish()
        return self._place
