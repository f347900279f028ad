"""Running every checkpoint of a folder, and gating each against the first or against a given run."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from evalsuite.errors import EvalsuiteError, InterruptedRunError
from evalsuite.files import FileError, make_folder, read_file, write_atomically
from evalsuite.gate import Policy, judge, side_of
from evalsuite.gate.draw import Yardstick, draw_until_verdict
from evalsuite.models import ModelOptions, resolve
from evalsuite.records import encode
from evalsuite.report import build_report, store_summary, store_verdict, verdict_row
from evalsuite.report.cells import message
from evalsuite.report.sweep_page import Baseline, Checkpoint, Swept, build_sweep
from evalsuite.runs import api, open_run
from evalsuite.runs.progress import Watcher, ignore
from evalsuite.sweep.checkpoints import as_text, last_change, settled, survey
from evalsuite.sweep.results import Sweep, SweepRow, markdown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalsuite.gate import Side, Verdict
    from evalsuite.models import Unit
    from evalsuite.records import Json
    from evalsuite.runs import OpenRun
    from evalsuite.sweep.checkpoints import Found, PassedOver

SETTLE_SECONDS = 10.0
"""A checkpoint that changed within this time may still be being written."""


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """What a sweep does with each checkpoint.

    `model` is what adapters and transformers are laid over (a preset, a folder, a hub id); pipelines and folders of
    images need none. `baseline` is a run to gate against; without one it is the first checkpoint in step order.
    With `ceiling`, the typeset reference is drawn once, at the checkpoints' size, as a run of its own. `samples` are
    the policy's by default. With `until_verdict`, each checkpoint but the baseline is drawn only until its gate has
    decided.
    Other fields are those of `runs.api.run`.
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
    until_verdict: bool = False
    workers: int | None = None


def run_sweep(plan: SweepPlan, *, watch: Watcher = ignore) -> Sweep:
    """Run and gate every checkpoint that is there; what was done before is not done again.

    A checkpoint that cannot be used is a row with its error and does not stop the others.

    Raises:
        EvalsuiteError: There is no checkpoint, or what they all need is wrong (a suite, the OCR, the baseline).
    """
    found = survey(plan.folder)
    if not found.found:
        raise EvalsuiteError(
            f"{plan.folder}: holds no checkpoint: no safetensors file, no folder with one, no pipeline, no images"
            + "".join(f"; {each.name} is passed over: {each.text}" for each in found.passed_over[:5])
        )
    return _Sweeper(plan, watch).take(found.found, passed_over=found.passed_over)


def follow(plan: SweepPlan, *, every: float = 30.0, watch: Watcher = ignore) -> Iterator[Sweep]:
    """`run_sweep` without end: looks every so many seconds, and yields whenever checkpoints were added or changed.

    A checkpoint is taken once its files are whole and have not changed for `SETTLE_SECONDS`.
    """
    sweeper = _Sweeper(plan, watch)
    while True:
        found = survey(plan.folder)
        ready = [each for each in found.found if sweeper.has(each) or settled(each, SETTLE_SECONDS)]
        if not all(sweeper.has(each) for each in ready):
            waiting = tuple(each.name for each in found.found if each not in ready)
            yield sweeper.take(ready, waiting, found.passed_over)
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
        self._passed_over: tuple[PassedOver, ...] = ()
        self._unit: Unit = "step"
        self._verdicts: dict[tuple[Path, str], Verdict] = {}
        self._reported: dict[str, Verdict | None] = {}
        # What is wrong with the baseline or the folder is told before anything is drawn.
        self._given = side_of(open_run(plan.baseline)) if plan.baseline is not None else None
        if (plan.out / "manifest.json").exists():
            raise EvalsuiteError(f"{plan.out}: is a run folder; name another folder for the sweep with --out")

    def has(self, one: Found) -> bool:
        """Whether this checkpoint, as it is on disk now, was taken."""
        return (one, last_change(one)) in self._rows

    def take(
        self, found: Sequence[Found], waiting: tuple[str, ...] = (), passed_over: tuple[PassedOver, ...] = ()
    ) -> Sweep:
        """Run what is new, gate all, write figures and page after each."""
        self._passed_over = passed_over
        self._unit = next((each.unit for each in found if each.step is not None), "step")
        if self._plan.ceiling and self._ceiling is None:
            self._ceiling = self._run(self._reference(found), None, CEILING)
            build_report(self._ceiling)
        keys = [(one, last_change(one)) for one in found]
        for key in self._baseline_first(keys):
            if key not in self._rows:
                self._rows[key] = self._row(key[0])
                self._store([self._rows[each] for each in keys if each in self._rows], waiting)
        return self._store([self._rows[key] for key in keys], waiting)

    def _baseline_first(self, keys: Sequence[tuple[Found, float]]) -> list[tuple[Found, float]]:
        """The order to take checkpoints in: until verdicts, what they were gated against before comes first.

        Else a checkpoint of an earlier step that appears later would become the baseline, and all gates be another's.
        """
        if not self._plan.until_verdict or self._plan.baseline is not None:
            return list(keys)
        try:
            stored = msgspec.json.decode(read_file(self._plan.out / "sweep.json", follow=False), type=Sweep).baseline
        except (FileNotFoundError, FileError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            stored = None
        return sorted(keys, key=lambda key: f"runs/{key[0].name}" != stored)

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
            finished = self._run_until_verdict(model, options, run) or self._run(model, options, run)
        except InterruptedRunError:
            raise
        except EvalsuiteError as error:
            return msgspec.structs.replace(bare, error=str(error))
        (summary,) = finished.summary.models
        self._runs[run] = finished
        timing, intervals = summary.timing, summary.overall.intervals
        return msgspec.structs.replace(
            bare,
            status="incomplete" if finished.faults else "stopped" if finished.manifest.sequential else "done",
            images=summary.overall.images,
            character_accuracy=intervals.get("character_accuracy"),
            exact_string_rate=intervals.get("exact_string_rate"),
            p50=timing.total.p50 if timing and timing.total else None,
            p90=timing.total.p90 if timing and timing.total else None,
            images_per_second=timing.images_per_second if timing else None,
            peak_memory=timing.memory.allocated if timing else None,
        )

    def _run_until_verdict(self, model: str, options: ModelOptions | None, name: str) -> OpenRun | None:
        """The run of a checkpoint up to its verdict; None where runs are drawn whole, as the baseline is."""
        plan = self._plan
        baseline = plan.baseline or next(
            (plan.out / each.run for each in self._rows.values() if each.status == "done"), None
        )
        if not plan.until_verdict or baseline is None:
            return None
        asked, _ = api.plan_run(self._options(model, options, name))
        by = Yardstick(policy=plan.policy, baseline=self._side(baseline))
        done = draw_until_verdict(asked, by, out=plan.out / name, workers=plan.workers, watch=self._watch)
        self._verdicts[baseline, name] = done.verdict
        finished = open_run(done.run.folder)
        store_summary(finished)
        return finished

    def _run(self, model: str, options: ModelOptions | None, name: str) -> OpenRun:
        finished = api.draw(self._options(model, options, name), watch=self._watch).run
        store_summary(finished)
        return finished

    def _options(self, model: str, options: ModelOptions | None, name: str) -> api.RunOptions:
        plan = self._plan
        return api.RunOptions(
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
            unit=self._unit,
            passed_over=self._passed_over,
        )
        make_folder(plan.out)
        write_atomically(plan.out / "sweep.json", msgspec.json.format(encode(result), indent=1) + b"\n")
        write_atomically(plan.out / "sweep.md", markdown(result).encode())
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
            unit=result.unit,
            passed_over=[(each.name, message(f"sweep.passed.{each.why}", of=each.of)) for each in result.passed_over],
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
        gates = verdict.gates if verdict.drawn is None else verdict.drawn.gates
        first = gates[0] if gates else None
        return msgspec.structs.replace(
            row,
            outcome=verdict.outcome,
            delta=first.delta if first else None,
            lower=first.lower if first else None,
            upper=first.upper if first else None,
            drawn=verdict.drawn.images if verdict.drawn else None,
            planned=verdict.drawn.planned if verdict.drawn else None,
        )


def _resolve(plan: SweepPlan, one: Found) -> tuple[str, ModelOptions | None]:
    """What `runs.api.run` calls this checkpoint."""
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
