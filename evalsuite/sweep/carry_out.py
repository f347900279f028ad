"""Running every checkpoint of a folder, and gating each against the first or against a given run."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from evalsuite.errors import EvalsuiteError, InterruptedRunError
from evalsuite.gate import Policy, judge, side_of
from evalsuite.models import ModelOptions, resolve
from evalsuite.report import build_report, store_summary, store_verdict, verdict_row
from evalsuite.report.sweep_page import Baseline, Checkpoint, Swept, build_sweep
from evalsuite.runs import api, open_run
from evalsuite.runs.progress import Watcher, ignore
from evalsuite.runs.rows import write_atomically
from evalsuite.sweep.checkpoints import as_text, find, last_change, settled
from evalsuite.sweep.results import Sweep, SweepRow, markdown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalsuite.gate import Side, Verdict
    from evalsuite.records import Json
    from evalsuite.runs import OpenRun
    from evalsuite.sweep.checkpoints import Found

SETTLE_SECONDS = 10.0
"""A checkpoint that changed within this time may still be being written."""


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """What a sweep does with each checkpoint.

    `model` is what adapters and transformers are laid over (a preset, a folder, a hub id); pipelines and folders of
    images need none. `baseline` is a run to gate against; without one it is the first checkpoint in step order.
    With `ceiling`, the typeset reference is drawn once, at the checkpoints' size, as a run of its own. `samples` are
    the policy's by default.
    Other fields are those of `runs.session.run`.
    """

    folder: Path
    out: Path
    policy: Policy
    model: str | None = None
    suites: tuple[str, ...] = ("all",)
    baseline: Path | None = None
    settings: dict[str, Json] | None = None
    samples: int | None = None
    seed: int = 0
    limit: int | None = None
    ocr: str = "paddle"
    profile: str = "standard"
    ceiling: bool = True
    workers: int | None = None


def run_sweep(plan: SweepPlan, *, watch: Watcher = ignore) -> Sweep:
    """Run and gate every checkpoint that is there; what was done before is not done again.

    A checkpoint that cannot be used is a row with its error and does not stop the others.

    Raises:
        EvalsuiteError: There is no checkpoint, or what they all need is wrong (a suite, the OCR, the baseline).
    """
    found = find(plan.folder)
    if not found:
        raise EvalsuiteError(
            f"{plan.folder}: holds no checkpoint: no safetensors file, no folder with one, no pipeline, no images"
        )
    return _Sweeper(plan, watch).take(found)


def follow(plan: SweepPlan, *, every: float = 30.0, watch: Watcher = ignore) -> Iterator[Sweep]:
    """`run_sweep` without end: looks every so many seconds, and yields whenever checkpoints were added or changed.

    A checkpoint is taken once its files are whole and have not changed for `SETTLE_SECONDS`.
    """
    sweeper = _Sweeper(plan, watch)
    while True:
        found = find(plan.folder)
        ready = [each for each in found if sweeper.has(each) or settled(each, SETTLE_SECONDS)]
        if not all(sweeper.has(each) for each in ready):
            yield sweeper.take(ready, tuple(each.name for each in found if each not in ready))
        time.sleep(every)


CEILING = "ceiling"
"""The run of the typeset reference, within the sweep's folder."""


class _Sweeper:
    """Carries out a plan and remembers, so that looking again costs nothing for checkpoints that are done."""

    def __init__(self, plan: SweepPlan, watch: Watcher) -> None:
        self._plan = plan
        self._watch = watch
        self._rows: dict[tuple[Found, float], SweepRow] = {}
        self._runs: dict[str, OpenRun] = {}
        self._ceiling: OpenRun | None = None
        self._verdicts: dict[tuple[Path, str], Verdict] = {}
        self._reported: dict[str, Verdict | None] = {}
        # What is wrong with the baseline or the folder is told before anything is drawn.
        self._given = side_of(open_run(plan.baseline)) if plan.baseline is not None else None
        if (plan.out / "manifest.json").exists():
            raise EvalsuiteError(f"{plan.out}: is a run folder; name another folder for the sweep with --out")

    def has(self, one: Found) -> bool:
        """Whether this checkpoint, as it is on disk now, was taken."""
        return (one, last_change(one)) in self._rows

    def take(self, found: Sequence[Found], waiting: tuple[str, ...] = ()) -> Sweep:
        """Run what is new, gate all, write figures and page after each."""
        if self._plan.ceiling and self._ceiling is None:
            self._ceiling = self._run(self._reference(found), None, CEILING)
            build_report(self._ceiling)
        keys = [(one, last_change(one)) for one in found]
        for key in keys:
            if key not in self._rows:
                self._rows[key] = self._row(key[0])
                self._store([self._rows[each] for each in keys if each in self._rows], waiting)
        return self._store([self._rows[key] for key in keys], waiting)

    def _reference(self, found: Sequence[Found]) -> str:
        """The typeset reference at the size that the first checkpoint draws, or at its own where that is not known."""
        for one in found:
            try:
                if one.problem is None:
                    model, options = _resolve(self._plan, one)
                    spec = resolve(model, options=options).spec
                    return api.ceilings_for([spec], styled=False)[0].spec.name
            except EvalsuiteError:
                continue  # its own row says what is wrong with it
        return api.CEILING

    def _row(self, one: Found) -> SweepRow:
        run = f"runs/{one.name}"
        bare = SweepRow(
            name=one.name,
            step=one.step,
            kind=one.kind,
            path=as_text(one.path),
            run=run,
            status="failed",
            error=one.problem,
        )
        if one.problem is not None:
            return bare
        try:
            model, options = _resolve(self._plan, one)
            finished = self._run(model, options, run)
        except InterruptedRunError:
            raise
        except EvalsuiteError as error:
            return msgspec.structs.replace(bare, error=str(error))
        (summary,) = finished.summary.models
        self._runs[run] = finished
        timing, intervals = summary.timing, summary.overall.intervals
        return msgspec.structs.replace(
            bare,
            status="incomplete" if finished.missing else "done",
            images=summary.overall.images,
            character_accuracy=intervals.get("character_accuracy"),
            exact_string_rate=intervals.get("exact_string_rate"),
            p50=timing.total.p50 if timing and timing.total else None,
            p90=timing.total.p90 if timing and timing.total else None,
            images_per_second=timing.images_per_second if timing else None,
            peak_memory=timing.memory.allocated if timing else None,
        )

    def _run(self, model: str, options: ModelOptions | None, name: str) -> OpenRun:
        plan = self._plan
        asked = api.RunOptions(
            models=(model,),
            suites=plan.suites,
            out=plan.out / name,
            model_options=options,
            samples=plan.samples or plan.policy.samples,
            seed=plan.seed,
            limit=plan.limit,
            ocr=plan.ocr,
            profile=plan.profile,
            ceiling=False,
            workers=plan.workers,
        )
        finished = api.draw(asked, watch=self._watch).run
        store_summary(finished)
        return finished

    def _store(self, rows: Sequence[SweepRow], waiting: tuple[str, ...]) -> Sweep:
        plan = self._plan
        baseline = plan.baseline
        if baseline is None:
            baseline = next((plan.out / row.run for row in rows if row.status == "done"), None)
        named = None
        if baseline is not None:
            rows = [self._gated(baseline, row) for row in rows]
            named = baseline.relative_to(plan.out).as_posix() if baseline.is_relative_to(plan.out) else str(baseline)
        verdicts = [self._verdicts.get((baseline, row.run)) if baseline else None for row in rows]
        result = Sweep(
            folder=str(plan.folder),
            model=plan.model,
            samples=plan.samples or plan.policy.samples,
            policy=plan.policy.name,
            policy_digest=plan.policy.digest,
            baseline=named,
            rows=tuple(rows),
            waiting=waiting,
        )
        try:
            plan.out.mkdir(parents=True, exist_ok=True)
            write_atomically(
                plan.out / "sweep.json", msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n"
            )
            write_atomically(plan.out / "sweep.md", markdown(result).encode())
        except OSError as error:
            raise EvalsuiteError(f"{plan.out}: cannot be written: {error.strerror}") from error
        for row, verdict in zip(rows, verdicts, strict=True):
            self._report(row, verdict)
        build_sweep(self._swept(result, verdicts), plan.out)
        return result

    def _report(self, row: SweepRow, verdict: Verdict | None) -> None:
        """Write the page of a checkpoint's own run, once with each verdict."""
        if row.run not in self._runs or (row.run in self._reported and self._reported[row.run] == verdict):
            return
        run = self._runs[row.run]
        if verdict is not None:
            store_verdict(run, verdict_row(verdict))
        build_report(run)
        self._reported[row.run] = verdict

    def _swept(self, result: Sweep, verdicts: Sequence[Verdict | None]) -> Swept:
        """The sweep as its page shows it."""
        checkpoints = []
        for row, verdict in zip(result.rows, verdicts, strict=True):
            checkpoints.append(Checkpoint(row.name, row.step, row.run, row.error, self._runs.get(row.run), verdict))
        return Swept(
            folder=result.folder,
            model=result.model,
            policy=result.policy,
            policy_digest=result.policy_digest,
            baseline=self._named(result),
            checkpoints=checkpoints,
            reference=self._ceiling,
            waiting=result.waiting,
        )

    def _named(self, result: Sweep) -> Baseline | None:
        if result.baseline is None:
            return None
        for row in result.rows:
            if row.run == result.baseline:
                return Baseline(row.name, self._runs[row.run].summary.models[0].role, row.run)
        if self._given is None:
            return None
        return Baseline(f"{self._given.model.name} ({result.baseline})", self._given.model.role, None)

    def _side(self, baseline: Path) -> Side:
        if self._given is not None:
            return self._given
        return side_of(next(run for name, run in self._runs.items() if self._plan.out / name == baseline))

    def _gated(self, baseline: Path, row: SweepRow) -> SweepRow:
        if row.status == "failed" or self._plan.out / row.run == baseline:
            return row
        if (baseline, row.run) not in self._verdicts:
            self._verdicts[baseline, row.run] = judge(
                self._side(baseline), side_of(self._runs[row.run]), self._plan.policy
            )
        verdict = self._verdicts[baseline, row.run]
        first = verdict.gates[0] if verdict.gates else None
        return msgspec.structs.replace(
            row,
            outcome=verdict.outcome,
            delta=first.delta if first else None,
            lower=first.lower if first else None,
            upper=first.upper if first else None,
        )


def _resolve(plan: SweepPlan, one: Found) -> tuple[str, ModelOptions | None]:
    """What `runs.session.run` calls this checkpoint."""
    settings = plan.settings or {}
    if one.kind == "images":
        if settings:
            raise EvalsuiteError(f"{one.path}: is a folder of images, which --set cannot change")
        return f"folder:{one.path}", None
    if one.kind == "pipeline":
        return str(one.path), ModelOptions(settings=settings)
    if plan.model is None:
        raise EvalsuiteError(f"{one.path}: is a {one.kind} alone; name what it was trained on with --model")
    if one.kind == "lora":
        return plan.model, ModelOptions(settings=settings, lora=(str(one.path),))
    return plan.model, ModelOptions(settings=settings, transformer=str(one.path))
