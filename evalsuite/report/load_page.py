"""The page of a load test: its curves with their numbers, its errors, and what was served."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.report import shell, templating
from evalsuite.report.load_shown import curves, shown
from evalsuite.report.run_page import STYLES
from evalsuite.report.sweep_page import SCRIPTS

if TYPE_CHECKING:
    from pathlib import Path

    from evalsuite.load.records import LoadResult


def build_load_page(result: LoadResult, out: Path) -> Path:
    """Write `index.html` and `assets/` into the folder and return the path of the page.

    Raises:
        EvalsuiteError: when the folder cannot be written.
    """
    shell.copy_assets(out / "assets", SCRIPTS, STYLES)
    content = templating.render(
        "load.html.j2",
        shell=shell.linked(SCRIPTS, STYLES),
        title=result.model.name,
        result=result,
        spec=result.model,
        settings=", ".join(f"{key}={value}" for key, value in result.model.settings.items()),
        load=shown(result),
        plots=curves(result),
    )
    return templating.write(out / "index.html", content)
