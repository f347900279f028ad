"""MLflow, by its client: a server, or without any a folder or a database that `MLFLOW_TRACKING_URI` names."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import time
from typing import TYPE_CHECKING, Any

from evalsuite.track.base import PROJECT, TrackError
from evalsuite.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from evalsuite.records import Json
    from evalsuite.track.figures import Table

MAX_PARAMETER = 6_000
"""Characters of a parameter's value that MLflow keeps."""
BATCH = 1_000
"""Figures in one request, MLflow's own limit."""
_NOT_TAKEN = re.compile(r"[^\w\-. :/]", re.ASCII)
"""What MLflow takes in no name of a figure."""


def begin(title: str, settings: Mapping[str, Json], folder: Path) -> MlflowRun:
    """Begin a run in the experiment that `MLFLOW_EXPERIMENT_NAME` names, or in `evalsuite`."""
    import mlflow

    del folder
    client = mlflow.MlflowClient()
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or PROJECT
    experiment = client.get_experiment_by_name(name)
    key = experiment.experiment_id if experiment is not None else client.create_experiment(name)
    run = client.create_run(key, run_name=title, tags={"evalsuite": __version__})
    opened = MlflowRun(client, run.info.run_id, mlflow.get_tracking_uri())
    opened.settings(settings)
    return opened


class MlflowRun:
    """One run of MLflow."""

    def __init__(self, client: Any, key: str, place: str) -> None:
        self._client = client
        self._key = key
        self._place = f"{place}, run {key}"

    def settings(self, values: Mapping[str, Json]) -> None:
        """Log parameters; what is no plain value is JSON."""
        for name, value in values.items():
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            self._client.log_param(self._key, name, text[:MAX_PARAMETER])

    def figures(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Log figures; a sign that MLflow takes in no name becomes `_`."""
        from mlflow.entities import Metric

        names = {name: _NOT_TAKEN.sub("_", name) for name in values}
        if len(set(names.values())) < len(names):
            raise TrackError("--track mlflow: two models differ only by signs that MLflow takes in no figure's name")
        now = int(time.time() * 1000)
        metrics = [Metric(names[name], float(value), now, step or 0) for name, value in values.items()]
        for start in range(0, len(metrics), BATCH):
            self._client.log_batch(self._key, metrics=metrics[start : start + BATCH])

    def table(self, name: str, table: Table) -> None:
        """Log a table as a CSV file, and its images in a folder beside it, named by their row."""
        place = name.replace(" ", "-")
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        columns, rows = list(table.columns), [list(row) for row in table.rows]
        if table.images:
            columns.append("image")
            for number, (row, image) in enumerate(zip(rows, table.images, strict=True), 1):
                file = f"{place}/{number:02d}.png"
                self._client.log_image(self._key, image, file)
                row.append(file)
        writer.writerows([columns, *rows])
        self._client.log_text(self._key, buffer.getvalue(), f"{place}.csv")

    def artefact(self, name: str, files: Sequence[Path]) -> None:
        """Log files in a folder of the run's artefacts."""
        for file in files:
            self._client.log_artifact(self._key, str(file), name)

    def close(self) -> str:
        """End the run."""
        self._client.set_terminated(self._key)
        return self._place
