"""AnyText-benchmark's sentence accuracy and normalised edit distance, over the pieces that our alignment finds.

Tuo et al., AnyText, arXiv 2311.03054 (`eval/eval_dgocr.py` of tyxsspa/AnyText at 3d4a260). AnyText is told where
every line of text goes and reads that place alone. Nothing tells a text-to-image model the place, so each
target is compared with the piece of the reading that `score_image` matched to it under the `strict` profile:

    sentence accuracy = share of targets that are exactly right,    NED = mean of 1 - d / max(|target|, |piece|).
"""

from __future__ import annotations

from collections.abc import Sequence

from evalsuite.records import TextLine
from evalsuite.scoring.metrics import count
from evalsuite.scoring.protocols.base import TextProtocol, share
from evalsuite.scoring.score import score_image

_COLUMNS = ("right", "similarity", "lines")


def _count(targets: Sequence[str], lines: Sequence[TextLine], language: str) -> tuple[float, ...]:
    del language
    counts = count(score_image(targets, lines, "strict"))
    return counts.exact_targets, counts.ned_sum, counts.targets


_METRICS = (
    share(_COLUMNS, "sentence_accuracy", "share of the targets that were read exactly", "right", "lines"),
    share(_COLUMNS, "NED", "mean of 1 - d / max(|target|, |piece|) over the targets", "similarity", "lines"),
)

ANYTEXT = TextProtocol(
    name="anytext",
    version="1",
    title="AnyText sentence accuracy and NED",
    source="arXiv 2311.03054; tyxsspa/AnyText eval at 3d4a260",
    languages=("en", "zh"),
    images=4,
    reader="the crop of each known place, by a line recogniser",
    missing="counted as empty",
    columns=_COLUMNS,
    count=_count,
    metrics=lambda _: _METRICS,
    recall=True,
)
