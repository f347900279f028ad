"""Distances of pictures from a baseline's by networks in local folders: LPIPS and DINO, each outside the text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from evalsuite.content.measures import outside
from evalsuite.content.measuring import baseline_keys, pixels_of, text_of
from evalsuite.content.rows import DistanceRow, distances_of, measure_digest, reading_digest, sealed
from evalsuite.errors import EvalsuiteError
from evalsuite.runs.progress import Progress, ignore
from evalsuite.runs.score_cache import load_key

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from evalsuite.runs.opened import OpenRun
    from evalsuite.runs.progress import Watcher

Slot = tuple[str, str, str]
"""An image's key, the hash of the baseline's image, and the digest of what measured."""


class Ruler(Protocol):
    """What tells how far two pictures are apart; `digest` is that of its weights."""

    name: str
    digest: str

    def distance(
        self, before: NDArray[np.uint8], after: NDArray[np.uint8], text: NDArray[np.bool_], keep: NDArray[np.bool_]
    ) -> float | None:
        """The distance, 0 for equal pictures; None where it cannot be told."""
        ...


def open_ruler(named: str) -> Ruler:
    """What measures by `lpips:FOLDER` or `dino:FOLDER`.

    Raises:
        EvalsuiteError: It names none, or the weights cannot be used.
    """
    kind, colon, path = named.partition(":")
    if kind not in ("lpips", "dino") or not colon or not path:
        raise EvalsuiteError(f"--distance {named}: name weights on this machine as lpips:FOLDER or dino:FOLDER")
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise EvalsuiteError(f"{named}: no such folder; docs/content.md says what it must hold")
    if kind == "lpips":
        from evalsuite.content.lpips import LpipsRuler

        return LpipsRuler(folder)
    from evalsuite.content.dino import DinoRuler

    return DinoRuler(folder)


def measure_distances(
    run: OpenRun, model: str, baseline: OpenRun, baseline_model: str, ruler: Ruler, *, watch: Watcher = ignore
) -> list[DistanceRow]:
    """The rows of a model's images beside the baseline's of the same prompt and seed; kept ones are not made again.

    Raises:
        EvalsuiteError: An image cannot be opened, or the weights give no number.
    """
    kept = read_distances(run)
    wanted = baseline_keys(run, model, baseline, baseline_model)
    found = []
    for number, (key, other) in enumerate(wanted, 1):
        theirs = baseline.readings[other]
        row = kept.get((key, theirs.image_sha256, ruler.digest))
        if row is None or row.baseline_reading != reading_digest(theirs):
            row = _measure(run, key, baseline, other, ruler, f"{baseline.manifest.name} · {baseline_model}")
        found.append(row)
        watch(Progress("content", number, len(wanted), run.requests[key].prompt))
    return found


def read_distances(run: OpenRun) -> dict[Slot, DistanceRow]:
    """The kept rows that are of the run's images and readings as they are now.

    Raises:
        DamagedRunError: The file holds what evalsuite does not write.
    """
    return {_slot(row): row for row in distances_of(run.folder).read() if _fits(run, row)}


def keep_distances(run: OpenRun, rows: list[DistanceRow]) -> None:
    """Write the rows into the run's folder, whose lock must be held; other measures and baselines stay."""
    distances_of(run.folder).replace((read_distances(run) | {_slot(row): row for row in rows}).values())


def _slot(row: DistanceRow) -> Slot:
    return row.key, row.baseline_sha256, row.scorer_digest


def _fits(run: OpenRun, row: DistanceRow) -> bool:
    reading = run.readings.get(row.key)
    return (
        reading is not None
        and row.measure == measure_digest()
        and row.image_sha256 == reading.image_sha256
        and row.reading == reading_digest(reading)
        and (row.distance is None or 0 <= row.distance < float("inf"))
    )


def _measure(run: OpenRun, key: str, baseline: OpenRun, other: str, ruler: Ruler, against: str) -> DistanceRow:
    reading, before = run.readings[key], baseline.readings[other]
    mine, theirs = pixels_of(run, key), pixels_of(baseline, other)
    text = text_of(mine, reading, before) if mine.shape == theirs.shape else None
    keep = None if text is None else outside(text)
    distance = None if text is None or keep is None else ruler.distance(theirs, mine, text, keep)
    row = DistanceRow(
        key=key,
        image_sha256=reading.image_sha256,
        reading=reading_digest(reading),
        against=against,
        baseline_sha256=before.image_sha256,
        baseline_reading=reading_digest(before),
        measure=measure_digest(),
        scorer=ruler.name,
        scorer_digest=ruler.digest,
        distance=distance,
    )
    return sealed(row, load_key())
