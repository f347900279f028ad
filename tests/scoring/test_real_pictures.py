"""On released pictures that nobody here made, reading order loses nothing that was read right but a coin's legend."""

from __future__ import annotations

import json
import os
from itertools import permutations
from pathlib import Path

import pytest
from rapidfuzz.distance import Levenshtein

from evalsuite.records import TextLine
from evalsuite.scoring import score_image
from evalsuite.scoring.normalize import normalize, profile_named

STANDARD = profile_named("standard")
Picture = tuple[str, list[dict[str, object]], tuple[TextLine, ...]]


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    """File name, strings with what a person reads, and the reading of today's reader."""
    named = os.environ.get("EVALSUITE_REAL_IMAGES")
    if not named:
        pytest.skip("EVALSUITE_REAL_IMAGES does not name the folder of released pictures with their truth.json")
    pytest.importorskip("paddleocr")
    from PIL import Image

    from evalsuite import ocr

    reader = ocr.resolve("paddle")
    truth = json.loads((Path(named) / "truth.json").read_text(encoding="utf-8"))["images"]
    found = []
    for row in truth:
        with Image.open(Path(named) / row["file"]) as image:
            found.append((row["file"], row["strings"], tuple(reader.read(image.convert("RGB")))))
    return found


def key(text: str) -> str:
    return "".join(normalize(text, STANDARD).keys)


def fewest(target: str, lines: tuple[TextLine, ...]) -> int:
    """The fewest edits between a target and up to four whole lines in any order."""
    wanted = key(target)
    texts = [key(line.text) for line in lines]
    near = sorted(texts, key=lambda text: Levenshtein.distance(text, wanted) - len(wanted) - len(text))[:7]
    orders = (order for size in range(1, 5) for order in permutations(near, size))
    return min((Levenshtein.distance(wanted, "".join(order)) for order in orders), default=len(wanted))


@pytest.mark.slow
def test_no_string_is_lost_to_order(pictures: list[Picture]) -> None:
    lost = {}
    length = edits = 0
    for name, strings, lines in pictures:
        score = score_image([str(row["text"]) for row in strings], lines)
        for row, string in zip(score.targets, strings, strict=True):
            errors = row.substitutions + row.insertions + row.deletions
            if not string["doubtful"]:
                length, edits = length + row.length, edits + errors
                # Of equal strings, each in another place, the one that was read best is compared.
                if row.matched and errors > fewest(row.target, lines):
                    equal = [each for each in score.targets if each.target == row.target]
                    best = min(each.substitutions + each.insertions + each.deletions for each in equal)
                    if best > fewest(row.target, lines):
                        lost[name, row.target] = (best, fewest(row.target, lines))
    # The legend of a coin stands above, below, right and left of its hole; the right order of that is not yet found.
    assert lost == {("at_ref12.jpg", "康熙通寶"): (2, 1)}
    assert 1 - edits / length >= 0.98
