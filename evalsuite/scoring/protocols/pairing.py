"""PNED of LeX-Bench and GNED of TIIF-Bench: words paired at the least cost, unpaired words costing one each.

Zhao et al., LeX-Art, arXiv 2503.21749 (`evaluation/cal_pned_and_recall.py` of zhaoshitian/LeX-Art at 48a80d5);
Wei et al., TIIF-Bench, arXiv 2506.02161 (`eval/cal_gned_and_recall_models.py` of A113N-W3I/TIIF-Bench at
3aae750). With d(a, b) the Levenshtein distance over the longer length, and the words of the targets and of the
reading paired one to one so that Σ d is least:

    PNED = Σ d over the pairs + |words read - words wanted|,    GNED = PNED / max(words read, words wanted),

each averaged over images; 0 is perfect. PNED has no upper bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from evalsuite.records import TextLine
from evalsuite.scoring.protocols.base import TextProtocol, share
from evalsuite.scoring.protocols.cvtg import wanted_and_read


def pairing_cost(wanted: Sequence[str], read: Sequence[str]) -> float:
    """Σ d over the cheapest one-to-one pairing, plus one for every word left over on either side."""
    from scipy.optimize import linear_sum_assignment

    cost = cdist(wanted, read, scorer=Levenshtein.normalized_distance, dtype=np.float64)
    rows, columns = linear_sum_assignment(cost)
    return float(cost[rows, columns].sum()) + abs(len(wanted) - len(read))


def _words(targets: Sequence[str], lines: Sequence[TextLine]) -> tuple[list[str], list[str]]:
    wanted, read = wanted_and_read(targets, lines)
    return wanted, read or [""]  # the published code gives an image in which nothing was read one empty word


def _count_pned(targets: Sequence[str], lines: Sequence[TextLine], language: str) -> tuple[float, ...]:
    del language
    return pairing_cost(*_words(targets, lines)), 1


def _count_gned(targets: Sequence[str], lines: Sequence[TextLine], language: str) -> tuple[float, ...]:
    del language
    wanted, read = _words(targets, lines)
    return pairing_cost(wanted, read) / max(len(wanted), len(read)), 1


_COLUMNS = ("cost", "images")
_PNED = (
    share(
        _COLUMNS,
        "PNED",
        "cost of the cheapest pairing of words, an image",
        "cost",
        "images",
        higher_is_better=False,
        bounds=(0.0, None),
    ),
)
_GNED = (
    share(_COLUMNS, "GNED", "PNED over the larger number of words, an image", "cost", "images", higher_is_better=False),
)

LEX = TextProtocol(
    name="lex",
    version="1",
    title="LeX-Bench PNED",
    source="arXiv 2503.21749; zhaoshitian/LeX-Art evaluation at 48a80d5",
    languages=("en",),
    images=1,
    reader="paddle",
    missing="counted as empty",
    columns=_COLUMNS,
    count=_count_pned,
    metrics=lambda _: _PNED,
)

TIIF = replace(
    LEX,
    name="tiif",
    title="TIIF-Bench GNED",
    source="arXiv 2506.02161; A113N-W3I/TIIF-Bench eval at 3aae750",
    count=_count_gned,
    metrics=lambda _: _GNED,
)
