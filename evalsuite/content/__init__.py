"""Content beside text: whether a model that draws its text keeps the picture around it.

`measure` measures a run and keeps what it found in the folder; `measured` tells what is kept. No score changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalsuite.content.figures import ContentReport
    from evalsuite.runs.opened import OpenRun
    from evalsuite.runs.progress import Watcher

__all__ = ["measure", "measured"]


def measure(
    run: OpenRun,
    baseline: OpenRun | None = None,
    *,
    baseline_model: str | None = None,
    agreement: Sequence[str] = (),
    distance: Sequence[str] = (),
    watch: Watcher | None = None,
) -> ContentReport:
    """See `content.kept.measure`."""
    from evalsuite.content import kept
    from evalsuite.runs.progress import ignore

    return kept.measure(
        run, baseline, baseline_model=baseline_model, agreement=agreement, distance=distance, watch=watch or ignore
    )


def measured(run: OpenRun) -> ContentReport | None:
    """What the folder holds; None where nobody has measured. Then nothing heavy is imported.

    Raises:
        DamagedRunError: A file of rows is damaged.
    """
    if not (run.folder / "content.jsonl").exists():
        return None
    from evalsuite.content import kept

    return kept.measured(run)
