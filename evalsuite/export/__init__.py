"""Other ways out of a run: tables, a dataset with images, Markdown, the evaluation block of a model card."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from evalsuite.errors import EvalsuiteError
from evalsuite.wording import did_you_mean

if TYPE_CHECKING:
    from evalsuite.runs.opened import OpenRun

Format = Literal["parquet", "csv", "dataset", "hub", "markdown", "model-card", "glyphs"]
FORMATS: tuple[Format, ...] = get_args(Format)

_DEFAULT_NAMES: dict[Format, str] = {
    "parquet": "images.parquet",
    "csv": "images.csv",
    "dataset": "dataset",
    "hub": "hub-dataset",
    "markdown": "summary.md",
    "model-card": "model-card.md",
    "glyphs": "glyph-labels",
}

__all__ = ["FORMATS", "Format", "write_export"]


def write_export(
    run: OpenRun,
    form: str,
    *,
    out: str | os.PathLike[str] | None = None,
    model: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a run in another form, by default into its folder, and return where.

    Args:
        run: What is written.
        form: One of `FORMATS`.
        out: The file; or a folder that is there, or ends in a slash, for a file with the form's own name. For
            `dataset` and `hub` the folder itself. By default the form's own name in the run folder, which is replaced.
        model: The model of a model card.
        overwrite: Whether what `out` names may be there already.

    Raises:
        EvalsuiteError: for an unknown form, an unknown model, or a place that is taken or cannot be written.
        IncompleteError: for a model card of an incomplete run, and for a dataset or hub folder without any image.
    """
    known = next((each for each in FORMATS if each == form), None)
    if known is None:
        raise EvalsuiteError(f"--to {form}: no such form; {did_you_mean(form, FORMATS)}")
    target = run.folder / _DEFAULT_NAMES[known] if out is None else _place(out, known)
    if out is not None and not overwrite and (target.is_file() or target.is_symlink()):
        raise EvalsuiteError(
            f"{target}: is there already; name another file with --out, or replace it with --overwrite"
        )
    try:
        return _write(run, known, target, model, overwrite=overwrite)
    except OSError as error:
        raise EvalsuiteError(f"{target}: cannot be written: {error.strerror}") from error


def _place(out: str | os.PathLike[str], form: Format) -> Path:
    """What `--out` names: a folder that is there or is written as one holds the file under the form's own name."""
    folder = Path(out)
    as_folder = folder.is_dir() or os.fspath(out).endswith(("/", os.sep))
    return folder / _DEFAULT_NAMES[form] if as_folder and form not in ("dataset", "hub") else folder


def _write(run: OpenRun, form: Format, target: Path, model: str | None, *, overwrite: bool) -> Path:
    from evalsuite.export import dataset, markdown, tables
    from evalsuite.files import make_folder, write_atomically

    if form in ("dataset", "hub"):
        return dataset.write_dataset(run, target, overwrite=overwrite, for_hub=form == "hub")
    if form == "glyphs":
        from evalsuite.export.glyph_labels import write_labels

        return write_labels(run, target)
    if form == "parquet":
        content = tables.to_parquet(run)
    elif form == "csv":
        text = tables.to_csv(run)
        # By this mark Excel tells UTF-8 from the machine's own encoding.
        content = (text if text.isascii() else f"\ufeff{text}").encode("utf-8", errors="replace")
    else:
        text = markdown.summary(run) if form == "markdown" else markdown.model_card(run, model)
        content = text.encode("utf-8", errors="replace")
    make_folder(target.parent)
    write_atomically(target, content)
    return target
