"""The page of a load test: its curves with their numbers, its errors, and what was served."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.report import shell, templating
from evalsuite.report.charts.load import over_load
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
    kinds = [
        ([each for each in result.figures if (each.level.rate is not None) is by_rate], by_rate)
        for by_rate in (False, True)
    ]
    content = templating.render(
        "load.html.j2",
        shell=shell.linked(SCRIPTS, STYLES),
        title=result.model.name,
        result=result,
        spec=result.model,
        settings=", ".join(f"{key}={value}" for key, value in result.model.settings.items()),
        best=max(result.figures, key=lambda each: each.throughput),
        plots=[over_load(figures, by_rate=by_rate) for figures, by_rate in kinds if figures],
        errors=[(each.level.name, reason, n) for each in result.figures for reason, n in each.errors.items()],
        late=[each.level.name for each in result.figures if not each.keeps_up],
    )
    return templating.write(out / "index.html", content)
