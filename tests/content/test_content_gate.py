"""From pictures to a verdict: drawn, read, measured and gated, with changes planted beside the text."""

from __future__ import annotations

import json
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw
from typer.testing import CliRunner

import evalsuite
from evalsuite.cli.main import app
from evalsuite.models.typeset.fonts import LATIN_FACES, FontsMissingError, font
from evalsuite.ocr import proof
from evalsuite.records import OcrSpec, TextLine
from evalsuite.runs import open_run

pytest.importorskip("skimage", reason="scikit-image is not installed (evalsuite[content])")

PROMPTS, SIDE, BOX = 40, 96, (10, 10, 86, 34)
SUITE = """\
suite: planted
language: en
description: Forty signs.
licence: Apache-2.0
prompts:
"""
POLICY = """\
format = 1
name = "content"
samples = 1
[[gates]]
metric = "{metric}"
margin = 0.2
"""


class Reader:
    """Reads `OPEN` in the box, with a confidence that the pixels decide."""

    spec = OcrSpec(name="paddle", weights_digest="c" * 64)

    def read(self, image):
        if image.size == proof.page().size:
            return (TextLine(text=proof.TEXT),)
        left, top, right, bottom = map(float, BOX)
        places = ((left, top), (right, top), (right, bottom), (left, bottom))
        sure = 0.9 + zlib.crc32(image.tobytes()) / 2**32 / 10
        return (TextLine(text="OPEN", polygon=places, confidence=round(sure, 9)),)


def scene(seed: int) -> Image.Image:
    """A picture of overlapping blocks, another for every seed."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (SIDE, SIDE), (90, 120, 90))
    for x, y, w, h, *colour in rng.integers(0, (SIDE, SIDE, 30, 30, 256, 256, 256), (60, 7)).tolist():
        ImageDraw.Draw(image).rectangle((x, y, x + w, y + h), fill=tuple(colour))
    return image


def lettered(image: Image.Image, text: str, colour: str) -> Image.Image:
    try:
        face = font(LATIN_FACES[0], 20)
    except FontsMissingError as missing:
        pytest.skip(str(missing))
    pen = ImageDraw.Draw(image)
    pen.rectangle(BOX, fill="white")
    pen.text((14, 10), text, font=face, fill=colour)
    return image


CANDIDATES = {
    "new words": lambda at: lettered(scene(at), "OPEN", "darkred"),
    "another picture": lambda at: lettered(scene(1000 + at), "OPEN", "black"),
    "ground lost": lambda at: lettered(Image.new("RGB", (SIDE, SIDE), (90, 120, 90 + at)), "OPEN", "black"),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A run folder of each kind of picture, drawn, read and scored as a run is."""
    root = tmp_path_factory.mktemp("planted")
    rows = [
        f"  - {{id: planted-{at:02d}, category: signs, text: 'Sign {at}: \"OPEN\"', targets: [OPEN]}}"
        for at in range(PROMPTS)
    ]
    (root / "planted.yaml").write_text(SUITE + "\n".join(rows) + "\n")
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("evalsuite.ocr.resolve", lambda _: Reader())
        for name, draw in {"baseline": lambda at: lettered(scene(at), "OPEN", "black"), **CANDIDATES}.items():
            pictures = root / name
            pictures.mkdir()
            for at in range(PROMPTS):
                draw(at).save(pictures / f"planted-{at:02d}.png")
            found[name] = root / f"run {name}"
            evalsuite.run(
                f"folder:{pictures}", suites=str(root / "planted.yaml"), out=found[name], ceiling=False, workers=1,
                report=False,
            )  # fmt: skip
    return found


@pytest.mark.parametrize(
    ("candidate", "metric", "outcome", "code"),
    [
        ("new words", "content_similarity", "PASS", 0),
        ("another picture", "content_similarity", "FAIL", 10),
        ("another picture", "content_share", "PASS", 0),
        ("ground lost", "content_similarity", "FAIL", 10),
        ("ground lost", "content_share", "FAIL", 10),
    ],
)
def test_the_gate_on_drawn_runs(folders, tmp_path, candidate, metric, outcome, code):
    (tmp_path / "policy.toml").write_text(POLICY.format(metric=metric))
    result = CliRunner().invoke(
        app,
        [
            "gate", "--baseline", str(folders["baseline"]), "--candidate", str(folders[candidate]), "--policy",
            str(tmp_path / "policy.toml"), "--json", str(tmp_path / "verdict.json"),
        ],
    )  # fmt: skip
    assert result.exit_code == code, result.output
    verdict = json.loads((tmp_path / "verdict.json").read_text())
    assert (verdict["outcome"], [each["name"] for each in verdict["gates"]]) == (outcome, [f"all/{metric}"])


def test_accuracy_alone_would_have_let_all_of_them_through(folders):
    for folder in folders.values():
        assert open_run(folder).summary.models[0].overall.rates.character_accuracy == 1.0


def test_scripts_are_told_what_was_measured(folders):
    command = ["content", str(folders["ground lost"]), "--baseline", str(folders["baseline"]), "--json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    (picture,), (pair,) = told["content"]["pictures"], told["content"]["pairs"]
    assert picture["images"] == pair["images"] == PROMPTS
    assert picture["share"]["estimate"] < 0.05
    assert pair["similarity"]["estimate"] < 0.5
    assert json.loads((folders["ground lost"] / "summary.json").read_text())["content"] == told["content"]
