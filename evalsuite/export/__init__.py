"""Other ways out of a run: tables, a dataset with images, Markdown, the evaluation block of a model card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from evalsuite.errors import EvalsuiteError

if TYPE_CHECKING:
    from pathlib import Path

    from evalsuite.records import OcrSpec, ScorerSpec
    from evalsuite.report.stored import Run

Format = Literal["parquet", "csv", "dataset", "markdown", "model-card"]
FORMATS: tuple[Format, ...] = get_args(Format)

_DEFAULT_NAMES: dict[Format, str] = {
    "parquet": "images.parquet",
    "csv": "images.csv",
    "dataset": "dataset",
    "markdown": "summary.md",
    "model-card": "model-card.md",
}

__all__ = ["FORMATS", "Format", "export"]


def export(
    folder: Path,
    form: Format,
    *,
    out: Path | None = None,
    model: str | None = None,
    ocr: OcrSpec | None = None,
    scorer: ScorerSpec | None = None,
) -> Path:
    """Write the run in `folder` in another form, by default into the run folder, and return where.

    `model` names the model of a model card. The rows of `ocr` and `scorer` are taken; by default the run's own.

    Raises:
        EvalsuiteError: for an unknown form, an unknown model, or a place that cannot be written.
        IncompleteError: for a model card of an incomplete run.
    """
    from evalsuite.report import stored

    if form not in FORMATS:
        raise EvalsuiteError(f"unknown form {form!r}; known: {', '.join(FORMATS)}")
    run = stored.load(folder, ocr, scorer)
    target = out or folder / _DEFAULT_NAMES[form]
    try:
        return _write(run, form, target, model)
    except OSError as error:
        raise EvalsuiteError(f"{target}: cannot be written: {error.strerror}") from error


def _write(run: Run, form: Format, target: Path, model: str | None) -> Path:
    from evalsuite.export import dataset, markdown, tables
    from evalsuite.runs.rows import write_atomically

    if form == "dataset":
        return dataset.write_dataset(run, target)
    if form == "parquet":
        tables.write_parquet(run, target)
        return target
    if form == "csv":
        content = tables.to_csv(run)
    elif form == "markdown":
        content = markdown.summary(run)
    else:
        content = markdown.model_card(run, model)
    write_atomically(target, content.encode("utf-8", errors="replace"))
    return target
