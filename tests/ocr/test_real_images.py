"""Released pictures that nobody here made: what is read in them, that their size makes no difference, and that reading
order loses nothing that was read right but a coin's legend.

The pictures are not ours to hand on: `EVALSUITE_REAL_IMAGES` names the folder that holds them with what a person
reads in each (truth.json).
"""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import msgspec
import pytest
from installed import skip_without_paddleocr
from PIL import Image
from rapidfuzz.distance import Levenshtein

from evalsuite.images import load_image
from evalsuite.ocr.paddle import PaddleReader
from evalsuite.records import TextLine
from evalsuite.scoring import score_image
from evalsuite.scoring.normalize import normalize, profile_named

skip_without_paddleocr()


STANDARD = profile_named("standard")


class Pictures:
    """The pictures by name, what a person reads in each, and what is read, once at a picture's own size."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._reader = folder, PaddleReader.parse()
        images = msgspec.json.decode((folder / "truth.json").read_bytes())["images"]
        self.files = {image["file"].partition(".")[0]: image["file"] for image in images}
        self.strings = {image["file"].partition(".")[0]: image["strings"] for image in images}
        self._read: dict[str, tuple[TextLine, ...]] = {}

    def clear(self, name: str) -> list[str]:
        """The strings that a person reads without a doubt."""
        return [text["text"] for text in self.strings[name] if not text["doubtful"]]

    def read(self, name: str, side: int | None = None) -> tuple[TextLine, ...]:
        """With the long side brought to `side` pixels."""
        picture = load_image(self._folder / self.files[name])
        if side is not None and side != max(picture.size):
            scale = side / max(picture.size)
            size = round(picture.width * scale), round(picture.height * scale)
            return self._reader.read(picture.resize(size, Image.Resampling.LANCZOS))
        if name not in self._read:
            self._read[name] = self._reader.read(picture)
        return self._read[name]


@pytest.fixture(scope="module")
def pictures(real_images) -> Pictures:
    return Pictures(real_images)


@pytest.mark.parametrize("side", [512, 1024, 2048, 3072])
@pytest.mark.parametrize(
    ("name", "lines"),
    [
        # A single pass loses "CHASING THE" at 2,048 pixels and everything at 3,072.
        ("easytext_2", ["CHASING", "MOMENT", "THE"]),
        # Tilted neon: a single pass finds two lines of six, and "BEST" as "ES" and "BE" at 2,048 pixels.
        ("easytext_3", ["BEST", "BETHE", "BIG", "DREAM", "HEALTHY", "STAY"]),
        ("glyph_scene_3", ["CORRECT", "Words on sign are", "exactly with Glyph ByT5"]),
    ],
)
def test_the_same_lines_at_every_size(pictures, name, lines, side):
    assert sorted(line.text for line in pictures.read(name, side)) == sorted(lines)


@pytest.mark.slow
def test_the_size_hardly_moves_the_accuracy(pictures):
    names = ("glyph_design_3", "glyph_paragraph_2", "glyph_cn_1", "ovis_title", "hidream_tshirt")
    spreads = []
    for name in names:
        accuracies = []
        for side in (512, 1024, 3072):
            scores = score_image(pictures.clear(name), pictures.read(name, side)).targets
            edits = sum(score.substitutions + score.insertions + score.deletions for score in scores)
            accuracies.append(1 - edits / sum(score.length for score in scores))
        spreads.append(max(accuracies) - min(accuracies))
    assert sum(spreads) / len(spreads) <= 0.01
    assert max(spreads) <= 0.05


@pytest.mark.slow
def test_every_clear_line_of_plain_print_is_read_without_an_error(pictures):
    """What is left of pictures with plain, large or thin print, on photographs and posters, in both languages."""
    for name in ("glyph_cn_1", "glyph_cn_3", "glyph_design_1", "hy21_cat", "hy21_top", "at_ref10"):
        scores = score_image(pictures.clear(name), pictures.read(name)).targets
        wrong = [score.target for score in scores if not score.exact]
        assert (name, wrong) == (name, [])


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
def test_no_string_is_lost_to_order(pictures) -> None:
    lost = {}
    length = edits = 0
    for name, strings in pictures.strings.items():
        lines = pictures.read(name)
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
    assert lost == {("at_ref12", "康熙通寶"): (2, 1)}
    assert 1 - edits / length >= 0.98
