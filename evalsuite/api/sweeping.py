"""Every checkpoint of a training run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalsuite.api.arguments import Names, Settings, StrPath, names_of, path_of, policy_of, settings_of
from evalsuite.runs.progress import Watcher, ignore

if TYPE_CHECKING:
    from evalsuite.gate import Policy
    from evalsuite.results import SweepResult
    from evalsuite.sweep import SweepPlan


def sweep(folder: StrPath, model: str | None = None, *, watch: Watcher = ignore, **options: Any) -> SweepResult:
    """Run and gate every checkpoint of a folder in step order. Resumes by itself.

    Args:
        folder: Checkpoints, adapters, pipelines or folders of images.
        model: What adapters and transformers were trained on.
        watch: Called with the progress.
        options: Further options, as `plan_sweep` takes them.

    Raises:
        EvalsuiteError: There is no checkpoint, or what they all need is wrong.
    """
    from evalsuite.results import SweepResult
    from evalsuite.sweep import run_sweep

    plan = plan_sweep(folder, model, **options)
    return SweepResult(run_sweep(plan, watch=watch), plan.out / "index.html")


def plan_sweep(
    folder: StrPath,
    model: str | None = None,
    *,
    suites: Names = "all",
    out: StrPath | None = None,
    baseline: StrPath | None = None,
    policy: StrPath | Policy = "default",
    samples: int | None = None,
    seed: int = 0,
    limit: int | None = None,
    settings: Settings = (),
    ocr: str = "paddle",
    profile: str = "standard",
    ceiling: bool = True,
    until_verdict: bool = False,
    workers: int | None = None,
) -> SweepPlan:
    """What a sweep does with each checkpoint.

    `out` defaults to `reports/sweep-FOLDER`, `baseline` (a run folder to gate against) to the first checkpoint, and
    `samples` to the policy's images per prompt. With `until_verdict`, each but the baseline is drawn only until its
    gate has decided. The other options are those of `run`.

    Raises:
        EvalsuiteError: The policy or a setting cannot be used.
    """
    from evalsuite.sweep import SweepPlan

    path = Path(folder)
    return SweepPlan(
        folder=path,
        out=path_of(out) or Path("reports") / f"sweep-{path.resolve().name}",
        policy=policy_of(policy),
        model=model,
        suites=names_of(suites),
        baseline=path_of(baseline),
        settings=settings_of(settings),
        samples=samples,
        seed=seed,
        limit=limit,
        ocr=ocr,
        profile=profile,
        ceiling=ceiling,
        until_verdict=until_verdict,
        workers=workers,
    )
