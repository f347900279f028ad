"""Released pictures that nobody here made: what is read in them, and that their size makes no difference.

The pictures are not ours to hand on: `EVALSUITE_REAL_IMAGES` names the folder that holds them with what a person
reads in each (truth.json).
"""

from __future__ import annotations

import msgspec
import pytest
from PIL import Image

from evalsuite.images import load_image
from evalsuite.ocr.paddle import PaddleReader
from evalsuite.scoring import score_image

pytest.importorskip("paddleocr", reason="PaddleOCR is not installed (evalsuite[ocr])")


@pytest.fixture(scope="module")
def reader() -> PaddleReader:
    return PaddleReader.parse()


@pytest.fixture(scope="module")
def truth(real_images) -> dict[str, list[str]]:
    """The clear strings of each picture by its name."""
    images = msgspec.json.decode((real_images / "truth.json").read_bytes())["images"]
    return {
        image["file"].partition(".")[0]: [text["text"] for text in image["strings"] if not text["doubtful"]]
        for image in images
    }


def read(reader, real_images, name: str, side: int | None = None):
    picture = load_image(real_images / f"{name}.jpg")
    if side is not None:
        scale = side / max(picture.size)
        size = round(picture.width * scale), round(picture.height * scale)
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    return reader.read(picture)


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
def test_the_same_lines_at_every_size(reader, real_images, name, lines, side):
    assert sorted(line.text for line in read(reader, real_images, name, side)) == sorted(lines)


@pytest.mark.slow
def test_the_size_hardly_moves_the_accuracy(reader, real_images, truth):
    names = ("glyph_design_3", "glyph_paragraph_2", "glyph_cn_1", "ovis_title", "hidream_tshirt")
    spreads = []
    for name in names:
        accuracies = []
        for side in (512, 1024, 3072):
            scores = score_image(truth[name], read(reader, real_images, name, side)).targets
            edits = sum(score.substitutions + score.insertions + score.deletions for score in scores)
            accuracies.append(1 - edits / sum(score.length for score in scores))
        spreads.append(max(accuracies) - min(accuracies))
    assert sum(spreads) / len(spreads) <= 0.01
    assert max(spreads) <= 0.05


@pytest.mark.slow
def test_every_clear_line_of_plain_print_is_read_without_an_error(reader, real_images, truth):
    """What is left of pictures with plain, large or thin print, on photographs and posters, in both languages."""
    for name in ("glyph_cn_1", "glyph_cn_3", "glyph_design_1", "hy21_cat", "hy21_top", "at_ref10"):
        scores = score_image(truth[name], read(reader, real_images, name)).targets
        wrong = [score.target for score in scores if not score.exact]
        assert (name, wrong) == (name, [])
