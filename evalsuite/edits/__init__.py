"""Edits: whether the old text is gone, the other lines are kept, and the picture elsewhere is as it was.

Beside the accuracy of the new text, which is scored as everywhere; never mixed with it or with each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evalsuite.edits.figures import EditReport
    from evalsuite.runs.figures import RunFigures
    from evalsuite.runs.opened import OpenRun
    from evalsuite.runs.progress import Watcher

__all__ = ["edits_of", "figures_with_edits", "measure"]


def edits_of(run: OpenRun) -> EditReport | None:
    """What a run's edits are worth; None where no pictures are edited. Then nothing heavy is imported.

    What nobody has measured yet is measured; nothing is written.

    Raises:
        EvalsuiteError: A file of rows is damaged.
    """
    if not run.manifest.sources:
        return None
    from evalsuite.edits.figures import report_of

    return report_of(run)


def measure(run: OpenRun, *, watch: Watcher | None = None) -> None:
    """Measure the pixels of a run's edits and keep what was found in its folder; nothing where none are edited.

    Raises:
        EvalsuiteError: The folder cannot be written, or a file of rows is damaged.
    """
    if run.manifest.sources:
        from evalsuite.edits import pixels
        from evalsuite.runs.progress import ignore

        found = pixels.measure(run, watch=watch or ignore)
        with run.store.writing():
            pixels.keep(run, found)


def figures_with_edits(run: OpenRun) -> RunFigures:
    """A run's figures for scripts, with those of its edits."""
    import msgspec

    from evalsuite.runs.figures import run_figures

    found = edits_of(run)
    return run_figures(run) if found is None else msgspec.structs.replace(run_figures(run), edits=found.figures)
