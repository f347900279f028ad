"""What the verifier saw in a run, kept in its folder as `glyphs.<verifier>.jsonl`: derived, one row per image.

A row is believed only where the verifier, the image's bytes and its reading are those that it was made from. What a
verdict rests on must also bear this user's seal (`runs.score_cache`): anyone may have edited the file.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from evalsuite.glyphs.look import Sight, look_at_line
from evalsuite.glyphs.verifier import verifier_digest
from evalsuite.records import Record, digest, encode
from evalsuite.runs.progress import Progress, ignore
from evalsuite.runs.rows import RowFile
from evalsuite.runs.score_cache import load_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalsuite.glyphs.verifier import GlyphVerifier
    from evalsuite.records import Reading
    from evalsuite.runs.opened import OpenRun
    from evalsuite.runs.progress import Watcher


class SeenGlyph(Record, frozen=True, kw_only=True, array_like=True):
    """One character: its line in the reading and its place in the line's text, what was seen, and the log odds."""

    line: int
    index: int
    sight: Sight
    doubt: float | None


class SeenImage(Record, frozen=True, kw_only=True):
    """What was seen in one image. `reading` is the digest of the lines that were looked at."""

    key: str
    image_sha256: str
    reading: str
    verifier: str
    glyphs: tuple[SeenGlyph, ...]
    seal: str | None = None


def rows_of(run: OpenRun) -> RowFile[SeenImage]:
    """The file of this verifier and this run's reader."""
    return RowFile(run.folder / f"glyphs.{verifier_digest()[:8]}.{run.ocr.name}-{run.ocr.digest[:8]}.jsonl", SeenImage)


def read_seen(run: OpenRun) -> dict[str, SeenImage] | None:
    """The rows that are of the run's images and readings as they are now, by key; None where nobody has looked.

    Raises:
        DamagedRunError: The file holds what evalsuite does not write.
    """
    file = rows_of(run)
    if not file.path.exists():
        return None
    return {row.key: row for row in file.read() if _fits(run, row)}


def look_at_run(
    run: OpenRun, verifier: GlyphVerifier, *, sealed: bool = False, watch: Watcher = ignore
) -> dict[str, SeenImage]:
    """What is seen in every read image of a run, by key; rows that are there and fit are not made again.

    Args:
        run: The run. Nothing is read again and nothing is written.
        verifier: Who looks.
        sealed: Believe only rows that this user's evalsuite made.
        watch: Told after each image.

    Raises:
        EvalsuiteError: An image cannot be opened.
    """
    key = load_key()
    kept = read_seen(run) or {}
    if sealed:
        kept = {} if key is None else {each.key: each for each in kept.values() if each.seal == _seal(each, key)}
    wanted = [score.key for score in run.scores if score.key in run.readings]
    found: dict[str, SeenImage] = {}
    for number, each in enumerate(wanted, 1):
        found[each] = kept[each] if each in kept else _look(run, each, verifier, key)
        watch(Progress("look", number, len(wanted), run.requests[each].prompt))
    return found


def keep_seen(run: OpenRun, seen: Mapping[str, SeenImage]) -> None:
    """Write the rows into the run's folder, whose lock must be held."""
    rows_of(run).replace(seen.values())


def _look(run: OpenRun, key: str, verifier: GlyphVerifier, secret: bytes | None) -> SeenImage:
    pixels = pixels_of(run, key)
    reading = run.readings[key]
    glyphs = tuple(
        SeenGlyph(
            line=number,
            index=glyph.index,
            sight=glyph.sight,
            doubt=None if glyph.doubt is None else round(glyph.doubt, 2),
        )
        for number, line in enumerate(reading.lines)
        for glyph in look_at_line(verifier, pixels, line)
    )
    row = SeenImage(
        key=key,
        image_sha256=reading.image_sha256,
        reading=_digest(reading),
        verifier=verifier_digest(),
        glyphs=glyphs,
    )
    return row if secret is None else msgspec.structs.replace(row, seal=_seal(row, secret))


def pixels_of(run: OpenRun, key: str) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    """An image of the run as the reader takes it, BGR, (H, W, 3)."""
    from evalsuite.images import load_image, to_rgb

    rgb = np.asarray(to_rgb(load_image(run.store.image_path(run.generations[key]))), dtype=np.uint8)
    return np.ascontiguousarray(rgb[:, :, ::-1])


def _fits(run: OpenRun, row: SeenImage) -> bool:
    reading = run.readings.get(row.key)
    if reading is None or row.verifier != verifier_digest() or row.image_sha256 != reading.image_sha256:
        return False
    if row.reading != _digest(reading):
        return False
    texts = [line.text for line in reading.lines]
    return all(
        0 <= each.line < len(texts) and 0 <= each.index < len(texts[each.line])
        and (each.doubt is not None or each.sight in ("no reference", "no place"))
        for each in row.glyphs
    )  # fmt: skip


def _digest(reading: Reading) -> str:
    return digest([reading.engine_digest, msgspec.to_builtins(reading.lines)])


def _seal(row: SeenImage, key: bytes) -> str:
    return hmac.digest(key, encode(msgspec.structs.replace(row, seal=None)), "sha256").hex()[:32]
