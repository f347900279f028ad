"""The example notebook runs, and is kept without outputs."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

from installed import skip_without_paddleocr

NOTEBOOK = Path(__file__).parents[1] / "examples" / "notebook.ipynb"


def cells() -> list[dict]:
    return [each for each in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if each["cell_type"] == "code"]


def test_the_notebook_is_kept_without_outputs():
    assert [each for each in cells() if each["outputs"] or each["execution_count"] is not None] == []


def test_every_cell_of_the_notebook_runs(tmp_path, monkeypatch):
    """One after the other in one namespace, as a kernel would; no kernel is started."""
    skip_without_paddleocr()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    names: dict[str, object] = {}
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        for each in cells():
            exec(compile("".join(each["source"]), NOTEBOOK.name, "exec"), names)
    assert ", 3 prompts" in told.getvalue()
    assert told.getvalue().count("->") == 3
    assert "<table>" in names["run"]._repr_html_()
