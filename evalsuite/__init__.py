"""evalsuite: does this text-to-image checkpoint still draw text correctly, and how fast?

The public Python API does what the command line does. Heavy libraries load only when a function needs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.errors import EvalsuiteError, ExitCode, IncompleteError, NotComparableError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evalsuite.models import ModelOptions
    from evalsuite.runs.runner import Watcher
    from evalsuite.runs.session import RunResult

__version__ = "0.1.0"
__all__ = [
    "EvalsuiteError",
    "ExitCode",
    "IncompleteError",
    "NotComparableError",
    "build_report",
    "rescore",
    "run",
    "score",
]


def run(
    models: Sequence[str] = ("typeset",),
    suites: Sequence[str] = ("all",),
    *,
    out: Path | None = None,
    options: ModelOptions | None = None,
    samples: int = 1,
    seed: int = 0,
    limit: int | None = None,
    prompts: Sequence[str] = (),
    ocr: str = "paddle",
    profile: str = "standard",
    ceiling: bool = True,
    interleave: bool = False,
    workers: int | None = None,
    watch: Watcher | None = None,
) -> RunResult:
    """Draw, read and score; resumes where a run of the same plan stopped. See `runs.session.run`."""
    from evalsuite.runs import session

    return session.run(
        models,
        suites,
        out=out,
        options=options,
        samples=samples,
        seed=seed,
        limit=limit,
        prompts=prompts,
        ocr=ocr,
        profile=profile,
        ceiling=ceiling,
        interleave=interleave,
        workers=workers,
        watch=watch,
    )


def score(
    folder: Path,
    targets: Path,
    *,
    out: Path | None = None,
    ocr: str = "paddle",
    profile: str = "standard",
    workers: int | None = None,
    watch: Watcher | None = None,
) -> RunResult:
    """Read and score images that exist already against a plain list of targets. See `runs.session.score`."""
    from evalsuite.runs import session

    return session.score(folder, targets, out=out, ocr=ocr, profile=profile, workers=workers, watch=watch)


def rescore(
    folder: Path,
    *,
    ocr: str | None = None,
    profile: str | None = None,
    adjudications: Path | None = None,
    workers: int | None = None,
    watch: Watcher | None = None,
) -> RunResult:
    """Read a stored run with another OCR engine, with another profile, or with a person's marks; nothing is drawn."""
    from evalsuite.runs import session

    return session.rescore(folder, ocr=ocr, profile=profile, adjudications=adjudications, workers=workers, watch=watch)


def build_report(folder: Path) -> Path:
    """Build the HTML report of a run folder and return the path of its page."""
    from evalsuite.report import build

    return build(folder)
