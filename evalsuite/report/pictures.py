"""Where a page finds the images of a run: in the run folder, copied beside the page, or inside it."""

from __future__ import annotations

import os
from base64 import b64encode
from typing import TYPE_CHECKING

from evalsuite import scoring
from evalsuite.files import make_folder, read_file, write_atomically, writing_to
from evalsuite.images import MAX_FILE_BYTES, ImageError
from evalsuite.report import thumbnails
from evalsuite.report.payload import Picture

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from evalsuite.records import Generation, Score
    from evalsuite.runs.opened import OpenRun

SINGLE_FILE_BYTES = 8 * 2**20
"""What the pictures of a single file may weigh together as base64: the whole stays fit for mail."""


def linked(run: OpenRun) -> dict[str, Picture]:
    """Links to the run's own images, for a page in the run folder, and thumbnails in its assets."""
    drawn = _drawn(run)
    failed = _thumbnails(run, drawn, run.store.folder)
    return {key: _picture(f"{row.image}?v={sha[:12]}", sha, failed) for key, (sha, row) in drawn.items()}


def copied(run: OpenRun, folder: Path, models: Collection[str]) -> dict[str, Picture]:
    """The images of some models beside a page in `folder`, named by their content, and thumbnails in its assets.

    They are copies: an edit of what is shared must not change the run. What is there already is not copied again.
    """
    drawn = {key: (sha, row) for key, (sha, row) in _drawn(run).items() if row.model in models}
    failed = _thumbnails(run, drawn, folder)
    images = folder / "images"
    make_folder(images)
    with writing_to(images), os.scandir(images) as entries:
        there = {entry.name for entry in entries if entry.is_file()}
    found = {}
    for key, (sha, row) in drawn.items():
        name = copy_of(sha)
        if name not in there and sha not in failed:
            content = read_file(run.store.image_path(row), limit=MAX_FILE_BYTES, follow=False)
            write_atomically(images / name, content, durably=False)
            there.add(name)
        found[key] = Picture() if sha in failed else _picture(f"images/{name}", sha, failed)
    return found


def copy_of(sha256: str) -> str:
    """The file name of an image's copy beside a page in another folder than its run's."""
    return f"{sha256[:20]}.png"


def inlined(run: OpenRun) -> dict[str, Picture]:
    """Thumbnails as addresses that hold the picture itself: the worst images, until they weigh too much.

    What is left out has no entry; what was not drawn, or cannot be decoded, has an empty one.
    """
    roles = {spec.name: spec.role for spec in run.manifest.models}
    found: dict[str, Picture] = {}
    weight = 0
    for score in sorted(run.scores, key=lambda score: (roles[score.model] == "reference", _accuracy(score))):
        row = run.evidence.drawn.get(score.key)
        found[score.key] = Picture()
        if row is None:
            continue
        try:
            address = "data:image/webp;base64," + b64encode(thumbnails.encode(run.store.image_path(row))).decode()
        except ImageError:
            continue
        weight += len(address)
        if weight > SINGLE_FILE_BYTES:
            del found[score.key]
            break
        found[score.key] = Picture(thumbnail=address)
    return found


def _drawn(run: OpenRun) -> dict[str, tuple[str, Generation]]:
    """The images that are there as they were drawn, by key, with their hash."""
    return {key: (row.sha256, row) for key, row in run.evidence.drawn.items() if row.sha256 is not None}


def _thumbnails(run: OpenRun, drawn: Mapping[str, tuple[str, Generation]], folder: Path) -> Mapping[str, str]:
    thumbs = folder / "assets" / "thumbs"
    missing = thumbnails.missing((sha for sha, _ in drawn.values()), thumbs)
    return thumbnails.make({sha: run.store.image_path(row) for sha, row in drawn.values() if sha in missing}, thumbs)


def _picture(full: str, sha: str, failed: Mapping[str, str]) -> Picture:
    return Picture(full, None if sha in failed else f"assets/thumbs/{thumbnails.file_name(sha)}")


def _accuracy(score: Score) -> float:
    accuracy = scoring.rates(score.result).character_accuracy
    return 0.0 if accuracy is None else accuracy
