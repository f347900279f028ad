"""What was measured beside the text, kept in the run folder: derived, one row per image, or per image and baseline's.

`content.jsonl` holds single pictures, `content.pairs.jsonl` pictures beside a baseline's, `content.distances.jsonl` how
far they are from these by a network, `content.agreement.jsonl` how well they agree with their prompts. A row is
believed only where images and readings are those that it was made from.
What a verdict rests on must also bear this user's seal (`runs.score_cache`): anyone may have edited the file.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, TypeVar

import msgspec

from evalsuite.content import measures, regions
from evalsuite.records import Record, digest, encode
from evalsuite.runs.rows import RowFile

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from evalsuite.records import Reading

VERSION = 1
PICTURES, PAIRS, AGREEMENT = "content.jsonl", "content.pairs.jsonl", "content.agreement.jsonl"
DISTANCES = "content.distances.jsonl"


def measure_digest() -> str:
    """Digest of the rules by which pictures are measured."""
    return digest(
        [
            VERSION,
            [regions.REACH, regions.LEAST_REACH],
            [measures.WINDOW, measures.FLAT_RANGE, measures.LEAST_OUTSIDE],
        ]
    )[:16]


def reading_digest(reading: Reading) -> str:
    """Digest of what decides the text's region."""
    return digest([reading.engine_digest, [line.polygon for line in reading.lines]])[:16]


class PictureRow(Record, frozen=True, kw_only=True):
    """One picture: the share of it beside the text that is not flat ground; None where that cannot be told."""

    key: str
    image_sha256: str
    reading: str
    measure: str
    share: float | None
    seal: str | None = None


class PairRow(Record, frozen=True, kw_only=True):
    """One picture beside the baseline's of the same prompt and seed, at the pixels that are text in neither.

    `against` names the baseline for people: its run and its model. `ssim` and `mse` are None where they cannot be told.
    """

    key: str
    image_sha256: str
    reading: str
    against: str
    baseline_sha256: str
    baseline_reading: str
    measure: str
    ssim: float | None
    mse: float | None
    seal: str | None = None

    @property
    def similarity(self) -> float | None:
        """SSIM in [0, 1]: pictures that are less alike than unrelated ones count as such."""
        return None if self.ssim is None else max(0.0, self.ssim)


class AgreementRow(Record, frozen=True, kw_only=True):
    """How well one picture agrees with its prompt. `cut` says that the scorer took only the prompt's beginning."""

    key: str
    image_sha256: str
    prompt: str
    scorer: str
    scorer_digest: str
    score: float
    cut: bool
    seal: str | None = None


class DistanceRow(Record, frozen=True, kw_only=True):
    """How far one picture is from the baseline's by one measure, outside the text; None where it cannot be told."""

    key: str
    image_sha256: str
    reading: str
    against: str
    baseline_sha256: str
    baseline_reading: str
    measure: str
    scorer: str
    scorer_digest: str
    distance: float | None
    seal: str | None = None


Row = TypeVar("Row", PictureRow, PairRow, AgreementRow, DistanceRow)


def pictures_of(folder: Path) -> RowFile[PictureRow]:
    """The file of single pictures."""
    return RowFile(folder / PICTURES, PictureRow)


def pairs_of(folder: Path) -> RowFile[PairRow]:
    """The file of pairs."""
    return RowFile(folder / PAIRS, PairRow)


def agreement_of(folder: Path) -> RowFile[AgreementRow]:
    """The file of agreement with prompts, by any scorer."""
    return RowFile(folder / AGREEMENT, AgreementRow)


def distances_of(folder: Path) -> RowFile[DistanceRow]:
    """The file of distances from baselines, by any measure."""
    return RowFile(folder / DISTANCES, DistanceRow)


def sealed(row: Row, key: bytes | None) -> Row:
    """The row with this user's seal; as it is without a key."""
    return row if key is None else msgspec.structs.replace(row, seal=_seal(row, key))


def bearing_seal(rows: Iterable[Row], key: bytes | None) -> list[Row]:
    """The rows that this user's evalsuite made."""
    return [] if key is None else [row for row in rows if row.seal == _seal(row, key)]


def _seal(row: Row, key: bytes) -> str:
    return hmac.digest(key, encode(msgspec.structs.replace(row, seal=None)), "sha256").hex()[:32]
