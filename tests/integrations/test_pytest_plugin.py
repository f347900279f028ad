"""The pytest plugin in a pytest of its own, with the real reader, which is started once."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from installed import skip_without_paddleocr
from PIL import Image, ImageDraw

from evalsuite.models.typeset.fonts import LATIN_FACES, font

ROOT = Path(__file__).parents[2]

TESTS = """
from evalsuite.integrations.pytest_plugin import assert_text_rendering as imported

def test_exact(assert_text_rendering):
    assert assert_text_rendering is imported
    assert assert_text_rendering("sign.png", ["GRAND OPENING"])[0].character_accuracy == 1.0

def test_worse(assert_text_rendering):
    assert_text_rendering("sign.png", ["GRAND REOPENING"])

def test_damaged(assert_text_rendering):
    assert_text_rendering("damaged.png", ["GRAND OPENING"], at_least=0.1)
"""


def test_the_fixture_passes_fails_with_the_edits_and_breaks_on_what_is_broken(tmp_path):
    skip_without_paddleocr()
    image = Image.new("RGB", (480, 120), "white")
    ImageDraw.Draw(image).text((30, 30), "GRAND OPENING", fill="black", font=font(LATIN_FACES[0], 44))
    image.save(tmp_path / "sign.png")
    (tmp_path / "damaged.png").write_bytes((tmp_path / "sign.png").read_bytes()[:200])
    (tmp_path / "test_signs.py").write_text(TESTS, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "evalsuite.integrations.pytest_plugin", "-p", "no:cacheprovider"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert "1 passed" in ran.stdout, ran.stdout + ran.stderr
    assert "2 failed" in ran.stdout
    # GRANDREOPENING has 14 characters, of which RE was not drawn: 12/14.
    assert "AssertionError: character accuracy 0.857, wanted 0.95 (read by paddle, profile standard)" in ran.stdout
    assert re.search(r"target +GRAND REOPENING\nE +reading +GRAND OPENING\nE +edits +GRAND \[-RE\]OPENING", ran.stdout)
    assert "UnreadImageError: damaged.png: not a readable image" in ran.stdout


def test_pytest_finds_it_by_itself():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"evalsuite": "evalsuite.integrations.pytest_plugin"}


def test_loading_it_imports_nothing_heavy():
    """pytest does so at every start, also where no test wants it."""
    heavy = "import sys, evalsuite.integrations.pytest_plugin; print({'numpy', 'PIL', 'msgspec'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True, cwd=ROOT)
    assert ran.stdout == "set()\n"
