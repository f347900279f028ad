"""Other ways out of a run: tables, a dataset with images, Markdown, the evaluation block of a model card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from evalsuite.errors import EvalsuiteError
from evalsuite.wording import did_you_mean

if TYPE_CHECKING:
    from pathlib import Path

    from evalsuite.runs.opened import OpenRun

Format = Literal["parquet", "csv", "dataset", "markdown", "model-card", "glyphs"]
FORMATS: tuple[Format, ...] = get_args(Format)

_DEFAULT_NAMES: dict[Format, str] = {
    "parquet": "images.parquet",
    "csv": "images.csv",
    "dataset": "dataset",
    "markdown": "summary.md",
    "model-card": "model-card.md",
    "glyphs": "glyph-labels",
}

__all__ = ["FORMATS", "Format", "write_export"]


def write_export(run: OpenRun, form: str, *, out: Path | None = None, model: str | None = None) -> Path:
    """Write a run in another form, by default into its folder, and return where.

    `model` names the model of a model card.

    Raises:
        EvalsuiteError: for an unknown form, an unknown model, or a place that cannot be written.
        IncompleteError: for a model card of an incomplete run.
    """
    known = next((each for each in FORMATS if each == form), None)
    if known is None:
        raise EvalsuiteError(f"--to {form}: no such form; {did_you_mean(form, FORMATS)}")
    target = out or run.folder / _DEFAULT_NAMES[known]
    try:
        return _write(run, known, target, model)
    except OSError as error:
        raise EvalsuiteError(f"{target}: cannot be written: {error.strerror}") from error


def _write(run: OpenRun, form: Format, target: Path, model: str | None) -> Path:
    from evalsuite.export import dataset, markdown, tables
    from evalsuite.files import write_atomically

    if form == "dataset":
        return dataset.write_dataset(run, target)
    if form == "glyphs":
        from evalsuite.export.glyph_labels import write_labels

        return write_labels(run, target)
    if form == "parquet":
        tables.write_parquet(run, target)
        return target
    if form == "csv":
        content = tables.to_csv(run)
        # By this mark Excel tells UTF-8 from the machine's own encoding.
        content = content if content.isascii() else f"\ufeff{content}"
    elif form == "markdown":
        content = markdown.summary(run)
    else:
        content = markdown.model_card(run, model)
    write_atomically(target, content.encode("utf-8", errors="replace"))
    return target
