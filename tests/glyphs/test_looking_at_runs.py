"""A run looked at glyph by glyph, through the command, its page and the Python function."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

import evalsuite
from evalsuite.cli.main import app

pytest.importorskip("paddleocr", reason="PaddleOCR is not installed (evalsuite[ocr])")

SUITE = """\
suite: small
language: en
prompts:
  - id: one
    category: sign
    length: short
    text: It says "Please keep this entrance clear at all times"
    targets: [Please keep this entrance clear at all times]
  - id: two
    language: zh
    category: sign
    length: short
    text: “前方施工车辆慢行注意安全”
    targets: [前方施工车辆慢行注意安全]
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("glyphs")
    (folder / "small.yaml").write_text(SUITE, encoding="utf-8")
    models = ["typeset", "typeset:malformed=0.2"]
    asked = {"out": folder / "run", "workers": 1, "ceiling": False, "report": False}
    evalsuite.run(models, [str(folder / "small.yaml")], **asked)
    return folder / "run"


def test_planted_glyphs_are_found_and_sound_ones_left_alone(run):
    result = evalsuite.glyphs(run, report=False)
    seen = {(each.model, each.language): each for each in result.found.counts}
    assert result.found.images == 4
    assert seen["typeset", "en"].judged == 37  # the letters of the sentence
    assert seen["typeset", "zh"].judged == 12
    assert seen["typeset", "en"].seen["suspicious"] == seen["typeset", "zh"].seen["suspicious"] == 0
    for language in ("en", "zh"):
        assert seen["typeset:malformed=0.2", language].seen["suspicious"] >= 1
    models = {result.run.generations[each.key].model for each in result.found.suspicions}
    assert models == {"typeset:malformed=0.2"}
    doubts = [each.glyph.doubt for each in result.found.suspicions]
    assert doubts == sorted(doubts, reverse=True)
    assert "0 of 37 suspicious" in repr(result)


def test_the_command_writes_its_page_and_changes_no_row(run):
    before = {path.name: path.read_bytes() for path in run.glob("*.jsonl")}
    done = CliRunner().invoke(app, ["glyphs", str(run)])
    assert done.exit_code == 0, done.output
    assert "cannot tell" in done.stdout
    page = (run / "glyphs.html").read_text(encoding="utf-8")
    assert page.count("<li><a href=") == len(evalsuite.glyphs(run, report=False).found.suspicions)
    assert "data:image/png;base64," in page
    assert {path.name: path.read_bytes() for path in run.glob("*.jsonl")} == before


def test_no_run_is_one_clear_line(tmp_path):
    done = CliRunner().invoke(app, ["glyphs", str(tmp_path)])
    assert done.exit_code != 0
    assert "no run here" in str(done.output) + str(done.exception)
