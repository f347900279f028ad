from __future__ import annotations

import pytest

from evalsuite import files
from evalsuite.report import templating


def test_a_page_that_fails_half_way_leaves_the_former_one_whole(tmp_path):
    page = templating.write(tmp_path / "index.html", ["<p>", "former", "</p>"])

    def broken():
        yield "x" * (2 * files.BLOCK_BYTES)  # more than one call writes
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        templating.write(page, broken())
    assert page.read_text() == "<p>former</p>"
    assert list(tmp_path.iterdir()) == [page]


def test_pieces_come_out_whole_and_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "BLOCK_BYTES", 4)
    page = templating.write(tmp_path / "index.html", ["a", "", "招牌", "b" * 9, "\udcff"])
    assert page.read_text(encoding="utf-8") == "a招牌bbbbbbbbb?"
