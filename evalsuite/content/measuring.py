"""Measuring a run's pictures beside their text: each by itself, and beside a baseline's of the same prompt and seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evalsuite.content.measures import GREATEST, likeness, outside, picture_share
from evalsuite.content.regions import text_region
from evalsuite.content.rows import (
    PairRow,
    PictureRow,
    bearing_seal,
    measure_digest,
    pairs_of,
    pictures_of,
    reading_digest,
    sealed,
)
from evalsuite.images import load_image
from evalsuite.runs.progress import Progress, ignore
from evalsuite.runs.score_cache import load_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from evalsuite.records import Reading
    from evalsuite.runs.opened import OpenRun
    from evalsuite.runs.progress import Watcher

Pair = tuple[str, str]
"""An image's key, and the hash of the baseline's image."""


def measure_pictures(run: OpenRun, *, only_sealed: bool = False, watch: Watcher = ignore) -> dict[str, PictureRow]:
    """The row of every read image of a run, by key; kept rows that fit are not made again. Nothing is written.

    Args:
        run: The run.
        only_sealed: Believe only rows that this user's evalsuite made.
        watch: Told after each image.

    Raises:
        EvalsuiteError: An image cannot be opened.
    """
    secret = load_key()
    kept = read_pictures(run)
    if only_sealed:
        kept = {row.key: row for row in bearing_seal(kept.values(), secret)}
    there = present(run)
    wanted = [score.key for score in run.scores if score.key in there]
    found = {}
    for number, key in enumerate(wanted, 1):
        found[key] = kept.get(key) or sealed(_picture(run, key), secret)
        watch(Progress("content", number, len(wanted), run.requests[key].prompt))
    return found


def measure_pairs(
    run: OpenRun,
    model: str,
    baseline: OpenRun,
    baseline_model: str,
    *,
    only_sealed: bool = False,
    watch: Watcher = ignore,
) -> dict[str, PairRow]:
    """The row of every image of a model that the baseline has too (same prompt and seed) and both of which were read.

    By the image's key. The runs must be comparable (`runs.comparable`). Nothing is written.

    Raises:
        EvalsuiteError: An image cannot be opened, or scikit-image is not installed.
    """
    secret = load_key()
    kept: dict[Pair, PairRow] = dict(read_pairs(run))
    if only_sealed:
        kept = {_pair(row): row for row in bearing_seal(kept.values(), secret)}
    wanted = baseline_keys(run, model, baseline, baseline_model)
    found = {}
    against = f"{baseline.manifest.name} · {baseline_model}"
    for number, (key, other) in enumerate(wanted, 1):
        row = kept.get((key, baseline.readings[other].image_sha256))
        if row is None or row.baseline_reading != reading_digest(baseline.readings[other]):
            row = sealed(_compare(run, key, baseline, other, against), secret)
        found[key] = row
        watch(Progress("content", number, len(wanted), run.requests[key].prompt))
    return found


def baseline_keys(run: OpenRun, model: str, baseline: OpenRun, baseline_model: str) -> list[tuple[str, str]]:
    """The keys of a model's images, each with that of the baseline's of the same prompt and seed; both were read."""
    others = {(each.prompt, each.seed): each.key for each in baseline.scores_of(baseline_model)}
    here, there = present(run), present(baseline)
    found = []
    for score in run.scores_of(model):
        other = others.get((score.prompt, score.seed))
        if other is not None and other in there and score.key in here:
            found.append((score.key, other))
    return found


def read_pictures(run: OpenRun) -> dict[str, PictureRow]:
    """The kept rows that are of the run's images and readings as they are now, by key.

    Raises:
        DamagedRunError: The file holds what evalsuite does not write.
    """
    return {row.key: row for row in pictures_of(run.folder).read() if _fits(run, row)}


def read_pairs(run: OpenRun) -> dict[Pair, PairRow]:
    """The kept pairs that are of the run's images and readings as they are now, whatever the baseline.

    Raises:
        DamagedRunError: The file holds what evalsuite does not write.
    """
    return {_pair(row): row for row in pairs_of(run.folder).read() if _fits(run, row)}


def keep(run: OpenRun, pictures: Mapping[str, PictureRow], pairs: Mapping[str, PairRow]) -> None:
    """Write the rows into the run's folder, whose lock must be held; pairs with other baselines stay."""
    pictures_of(run.folder).replace(pictures.values())
    if pairs:
        rows = read_pairs(run) | {_pair(row): row for row in pairs.values()}
        pairs_of(run.folder).replace(rows.values())


def present(run: OpenRun) -> set[str]:
    """The keys of the images that were read and whose files are there."""
    lost = {each.key for each in run.missing if each.stage == "file"}
    return {key for key in run.readings if key not in lost}


def pixels_of(run: OpenRun, key: str) -> NDArray[np.uint8]:
    """An image of the run, RGB, (H, W, 3).

    Raises:
        EvalsuiteError: It cannot be opened.
    """
    return np.asarray(load_image(run.store.image_path(run.generations[key])), dtype=np.uint8)


def _pair(row: PairRow) -> Pair:
    return row.key, row.baseline_sha256


def _fits(run: OpenRun, row: PictureRow | PairRow) -> bool:
    reading = run.readings.get(row.key)
    return (
        reading is not None
        and row.measure == measure_digest()
        and row.image_sha256 == reading.image_sha256
        and row.reading == reading_digest(reading)
        and _possible(row)
    )


def _possible(row: PictureRow | PairRow) -> bool:
    """Whether the figures are such as can be measured."""
    if isinstance(row, PictureRow):
        return row.share is None or 0 <= row.share <= 1
    if row.ssim is None or row.mse is None:
        return row.ssim is None and row.mse is None
    return -1 <= row.ssim <= 1 and 0 <= row.mse <= GREATEST**2


def _picture(run: OpenRun, key: str) -> PictureRow:
    reading, pixels = run.readings[key], pixels_of(run, key)
    keep = _outside(pixels, reading)
    return PictureRow(
        key=key,
        image_sha256=reading.image_sha256,
        reading=reading_digest(reading),
        measure=measure_digest(),
        share=None if keep is None else picture_share(pixels, keep),
    )


def _compare(run: OpenRun, key: str, baseline: OpenRun, other: str, against: str) -> PairRow:
    reading, before = run.readings[key], baseline.readings[other]
    mine, theirs = pixels_of(run, key), pixels_of(baseline, other)
    keep = _outside(mine, reading, before) if mine.shape == theirs.shape else None
    found = None if keep is None else likeness(theirs, mine, keep)
    return PairRow(
        key=key,
        image_sha256=reading.image_sha256,
        reading=reading_digest(reading),
        against=against,
        baseline_sha256=before.image_sha256,
        baseline_reading=reading_digest(before),
        measure=measure_digest(),
        ssim=None if found is None else found.ssim,
        mse=None if found is None else found.mse,
    )


def _outside(pixels: NDArray[np.uint8], *readings: Reading) -> NDArray[np.bool_] | None:
    text = text_of(pixels, *readings)
    return None if text is None else outside(text)


def text_of(pixels: NDArray[np.uint8], *readings: Reading) -> NDArray[np.bool_] | None:
    """The pixels (H, W) of a picture that are text in any reading; None where one does not say where it read."""
    lines = [line for reading in readings for line in reading.lines]
    if any(line.polygon is None for line in lines):
        return None
    height, width = pixels.shape[:2]
    return text_region(lines, width, height)
