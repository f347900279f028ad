"""A folder of small runs."""

from __future__ import annotations

import pytest
import runs_by_hand as handmade
from view_by_hand import beige, summed


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs of klein that may be compared, one of another suite, and a folder that is none."""
    root = tmp_path_factory.mktemp("reports")
    summed(handmade.make_run(root / "first", outcome=handmade.noodes))
    summed(handmade.make_run(root / "group" / "second", outcome=beige))
    summed(handmade.make_run(root / "other", prompts=handmade.PROMPTS[:1]))
    (root / "first" / "index.html").write_text("<script>alert(1)</script>stored page")
    (root / "damaged").mkdir()
    (root / "damaged" / "manifest.json").write_text("{")
    return root
