"""A run as a folder that `datasets` loads: images with `metadata.jsonl` beside them, split `test`, and a card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.errors import EvalsuiteError
from evalsuite.export import markdown
from evalsuite.export.tables import rows
from evalsuite.files import make_folder, read_file, write_atomically
from evalsuite.images import MAX_FILE_BYTES
from evalsuite.records import encode

if TYPE_CHECKING:
    from pathlib import Path

    from evalsuite.records import Json
    from evalsuite.runs.opened import OpenRun


def write_dataset(run: OpenRun, folder: Path) -> Path:
    """Write an image folder: `load_dataset("imagefolder", data_dir=folder)` gives its rows with their images.

    Only images that are there as they were drawn can be rows of an image folder; `missing.jsonl` lists the others.

    Raises:
        EvalsuiteError: when the folder is not empty, or is the run's own.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise EvalsuiteError(f"{folder}: not an empty folder; name a new one with --out")
    split = folder / "test"  # `datasets` names a split by its folder
    make_folder(split / "images")
    present, absent = [], []
    for row in rows(run):
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
    write_atomically(folder / "README.md", _card(run, len(present), len(absent)).encode())
    return folder


def _lines(listed: list[dict[str, Json]]) -> bytes:
    return b"".join(encode(row) + b"\n" for row in listed)


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
