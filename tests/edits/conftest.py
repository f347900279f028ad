"""A suite of two edits, and a reader for it."""

from __future__ import annotations

import pytest
from edits_by_hand import SUITE, KnowingReader

import evalsuite.ocr
from evalsuite.suites import load


@pytest.fixture(scope="session")
def suite(tmp_path_factory):
    path = tmp_path_factory.mktemp("suite") / "edits.yaml"
    path.write_text(SUITE, encoding="utf-8")
    return path


@pytest.fixture
def knowing(suite, monkeypatch):
    (found,) = load(str(suite))
    reader = KnowingReader(found.prompts)
    monkeypatch.setattr(evalsuite.ocr, "resolve", lambda _name: reader)
    return reader
