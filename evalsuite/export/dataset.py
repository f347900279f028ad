"""A run as a folder that `datasets` loads: images with `metadata.jsonl` beside them, split `test`, and a card."""

from __future__ import annotations

import os
import secrets
import shutil
from typing import TYPE_CHECKING

from evalsuite.errors import EvalsuiteError, IncompleteError
from evalsuite.export import markdown
from evalsuite.export.tables import rows
from evalsuite.files import make_folder, read_file, write_atomically
from evalsuite.images import MAX_FILE_BYTES
from evalsuite.records import encode
from evalsuite.wording import visible

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evalsuite.records import Json
    from evalsuite.runs.opened import OpenRun


def write_dataset(run: OpenRun, folder: Path, *, overwrite: bool = False, for_hub: bool = False) -> Path:
    """Write an image folder: `load_dataset("imagefolder", data_dir=folder)` gives its rows with their images.

    Only images that are there as they were drawn can be rows of an image folder; `missing.jsonl` lists the others. The
    folder appears once it is whole.

    Args:
        run: What is written.
        folder: A new folder, or an empty one.
        for_hub: Begin the card with the metadata that the Hugging Face hub reads.
        overwrite: Whether a dataset that was written by this function may be there already.

    Raises:
        EvalsuiteError: when the folder is not empty, or is the run's own.
        IncompleteError: when no image is there.
    """
    if folder.exists() and not _may_replace(folder, overwrite=overwrite):
        replace = ", or replace a dataset with --overwrite" if _is_dataset(folder) else ""
        raise EvalsuiteError(f"{folder}: not an empty folder; name a new one with --out{replace}")
    listed = list(rows(run))
    lost = [row for row in listed if row["image"] is None]
    if len(lost) == len(listed):
        why = run.faults[0].text if run.faults else "the run is empty"
        raise IncompleteError(
            f"{run.folder}: none of its {len(listed)} images is here ({why}), and a dataset holds images; csv, "
            "parquet and markdown need none"
        )
    make_folder(folder.parent)
    scratch = folder.with_name(f".{folder.name}.{os.getpid()}-{secrets.token_hex(8)}.tmp")
    try:
        _fill(run, listed, scratch, for_hub=for_hub)
        if folder.exists():
            shutil.rmtree(folder)
        scratch.rename(folder)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return folder


def _may_replace(folder: Path, *, overwrite: bool) -> bool:
    if folder.is_symlink() or not folder.is_dir():
        return False
    return not any(folder.iterdir()) or (overwrite and _is_dataset(folder))


def _is_dataset(folder: Path) -> bool:
    """Whether a folder holds what `write_dataset` writes, and nothing else."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    return "test" in (names := {path.name for path in folder.iterdir()}) and names <= {
        "test",
        "missing.jsonl",
        "README.md",
    }


def _fill(run: OpenRun, listed: Sequence[dict[str, Json]], folder: Path, *, for_hub: bool) -> None:
    split = folder / "test"  # `datasets` names a split by its folder
    make_folder(split / "images")
    present, absent = [], []
    for row in listed:
        row["phases"] = [{"name": name, "seconds": seconds} for name, seconds in row["phases"].items()]
        if row.pop("image") is None:
            absent.append(row)
            continue
        name = f"images/{row['key']}.png"
        image = run.store.image_path(run.evidence.drawn[row["key"]])
        # A copy, and never a link: an edit of the dataset must not change the run.
        write_atomically(split / name, read_file(image, limit=MAX_FILE_BYTES, follow=False), durably=False)
        present.append({"file_name": name, **row})
    write_atomically(split / "metadata.jsonl", _lines(present))
    if absent:
        write_atomically(folder / "missing.jsonl", _lines(absent))
    head = _metadata(run, len(present)) if for_hub else ""
    write_atomically(folder / "README.md", (head + _card(run, len(present), len(absent))).encode())


def _lines(listed: list[dict[str, Json]]) -> bytes:
    return b"".join(encode(row) + b"\n" for row in listed)


_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
"""The hub's categories of size, each with the number of rows that it lies below."""


def _metadata(run: OpenRun, images: int) -> str:
    """The YAML block that the hub reads: languages, task, size, and the split's files.

    No licence is among it: that of the pictures is the models' makers' and the uploader's to state.
    """
    import yaml

    block: Json = {
        "pretty_name": f"evalsuite {visible(run.manifest.name)}",
        "language": list(dict.fromkeys(prompt.language for prompt in run.manifest.prompts)),
        "task_categories": ["text-to-image"],
        "tags": ["evalsuite", "text-rendering", "ocr"],
        "size_categories": [next((name for limit, name in _SIZES if images < limit), "1M<n<10M")],
        "configs": [{"config_name": "default", "data_files": [{"split": "test", "path": "test/**"}]}],
    }
    return f"---\n{yaml.safe_dump(block, allow_unicode=True, sort_keys=False, width=120)}---\n\n"


def _card(run: OpenRun, present: int, absent: int) -> str:
    left_out = f" Missing images are listed in `missing.jsonl` with the reason: {absent}." if absent else ""
    return (
        f"# {markdown.escape(run.manifest.name)}\n\n"
        f"{present} images with their prompts, target strings, OCR readings, counts and timings.{left_out} "
        "One row per image; rates of any slice are ratios of the summed counts.\n\n"
        "```python\nfrom datasets import load_dataset\n\n"
        'rows = load_dataset("imagefolder", data_dir=".", split="test")\n```\n\n'
        f"{markdown.summary(run)}"
    )
