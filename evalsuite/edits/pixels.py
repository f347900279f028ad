"""The picture elsewhere: how alike it is to the source picture outside the place of the edit.

Kept in the run folder as `edits.jsonl`: derived, one row per image, believed only with this user's seal and where
image, reading and source are those that it was made from.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from evalsuite.content.measures import GREATEST, LEAST_OUTSIDE, WINDOW, likeness, outside
from evalsuite.content.regions import LEAST_REACH, REACH, text_region
from evalsuite.images import load_image, pixels_digest
from evalsuite.records import Record, digest, encode
from evalsuite.runs.before import source_keys
from evalsuite.runs.progress import Progress, ignore
from evalsuite.runs.rows import RowFile
from evalsuite.runs.score_cache import load_key
from evalsuite.scoring import touches

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PIL.Image import Image

    from evalsuite.records import Score, TextLine
    from evalsuite.runs.opened import OpenRun
    from evalsuite.runs.progress import Watcher
    from evalsuite.scoring import Before

VERSION = 1
FILE = "edits.jsonl"

SAME_SHAPE = 0.02
"""By how much width over height may differ for a picture of another size to be compared, the source brought to it."""

RULES = digest([VERSION, REACH, LEAST_REACH, WINDOW, LEAST_OUTSIDE, SAME_SHAPE])[:16]


class PixelRow(Record, frozen=True, kw_only=True):
    """One edited picture beside its source, at the pixels outside the place of the edit.

    `ssim` in [-1, 1] and `mse` in squared levels of 256 are None where they cannot be told. `before` is the digest of
    what decides the place: the score's spans, the reading's polygons and what stood on the source.
    """

    key: str
    image_sha256: str
    source_sha256: str
    before: str
    rules: str
    ssim: float | None
    mse: float | None
    seal: str | None = None

    @property
    def similarity(self) -> float | None:
        """SSIM in [0, 1]: pictures that are less alike than unrelated ones count as such."""
        return None if self.ssim is None else max(0.0, self.ssim)


def measure(run: OpenRun, *, watch: Watcher = ignore) -> dict[str, PixelRow]:
    """The row of every read image of a run that edits, by key; kept rows that fit are not made again.

    Raises:
        EvalsuiteError: An image cannot be opened, a row file is damaged, or scikit-image is not installed.
    """
    secret = load_key()
    kept = {} if secret is None else {row.key: row for row in _rows(run).read() if row.seal == _seal(row, secret)}
    lost = {each.key for each in run.missing}
    keys = source_keys(run.manifest)
    wanted = [score for score in run.scores if score.key not in lost and score.key in run.readings]
    found: dict[str, PixelRow] = {}
    for number, score in enumerate(wanted, 1):
        wanting = _blank(run, score)
        row = kept.get(score.key)
        if row is None or msgspec.structs.replace(row, ssim=None, mse=None, seal=None) != wanting:
            row = _measured(run, score, wanting, keys[score.prompt, score.seed], lost)
            row = row if secret is None else msgspec.structs.replace(row, seal=_seal(row, secret))
        found[score.key] = row
        watch(Progress("content", number, len(wanted), score.prompt))
    return found


def keep(run: OpenRun, rows: Mapping[str, PixelRow]) -> None:
    """Write the rows into the run's folder, whose lock must be held."""
    _rows(run).replace(rows.values())


def _rows(run: OpenRun) -> RowFile[PixelRow]:
    return RowFile(run.folder / FILE, PixelRow)


def _seal(row: PixelRow, key: bytes) -> str:
    return hmac.digest(key, encode(msgspec.structs.replace(row, seal=None)), "sha256").hex()[:32]


def _blank(run: OpenRun, score: Score) -> PixelRow:
    """The row of an image without its figures."""
    reading = run.readings[score.key]
    place = [run.befores.get((score.prompt, score.seed)) and _told(run, score), _spans(score)]
    return PixelRow(
        key=score.key,
        image_sha256=reading.image_sha256,
        source_sha256=run.manifest.sources[score.prompt].sha256,
        before=digest([place, [line.polygon for line in reading.lines]])[:16],
        rules=RULES,
        ssim=None,
        mse=None,
    )


def _told(run: OpenRun, score: Score) -> list[object]:
    before = run.befores[score.prompt, score.seed]
    return [] if before is None or before.old is None else [line.polygon for line in before.old]


def _spans(score: Score) -> list[int]:
    return sorted({span.line for row in score.result.targets for span in row.spans})


def _measured(run: OpenRun, score: Score, row: PixelRow, source_key: str, lost: set[str]) -> PixelRow:
    before = run.befores.get((score.prompt, score.seed))
    if before is None or before.old is None or source_key in lost or source_key not in run.generations:
        return row
    after = load_image(run.store.image_path(run.generations[score.key]))
    source = load_image(run.store.image_path(run.generations[source_key]))
    if pixels_digest(source) != row.source_sha256:
        return row
    region = _region(before, score, run.readings[score.key].lines, after.width, after.height)
    brought = _brought(source, after)
    if region is None or brought is None:
        return row
    there = outside(region)
    if there is None:
        return row
    found = likeness(np.asarray(brought, dtype=np.uint8), np.asarray(after, dtype=np.uint8), there)
    return msgspec.structs.replace(row, ssim=found.ssim, mse=min(found.mse, GREATEST**2))


def _region(
    before: Before, score: Score, lines: Sequence[TextLine], width: int, height: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]] | None:
    """The place of the edit: of the old text, and of new text that was set at it, which may be longer or higher."""
    old = before.scaled(width, height).old or ()
    new = [lines[at] for at in _spans(score)]
    if any(line.polygon is None for line in (*old, *new)):
        return None
    place = list(old)
    while met := [line for line in new if line not in place and any(touches(each, line) for each in place)]:
        place += met  # a second line of the new text meets the first
    return text_region(place, width, height)


def _brought(source: Image, after: Image) -> Image | None:
    """The source in the size of the edited picture; None where they differ in shape."""
    from PIL.Image import Resampling

    if source.size == after.size:
        return source
    shapes = [each.width / each.height for each in (source, after)]
    if abs(shapes[0] / shapes[1] - 1) > SAME_SHAPE:
        return None
    return source.resize(after.size, Resampling.LANCZOS)
