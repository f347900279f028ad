"""The page of a sweep: its checkpoints over the steps of a training run, with the gate's verdicts.

It is written anew after each checkpoint, from what the sweep has at hand: no run is read or summed up again for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING
from urllib.parse import quote

from evalsuite import hardware
from evalsuite.report import comparison, shell, templating
from evalsuite.report import figures as views
from evalsuite.report.cells import Cell, word
from evalsuite.report.charts import steps
from evalsuite.report.charts.canvas import Chart
from evalsuite.report.charts.steps import Point
from evalsuite.report.reasons import quoted, reason
from evalsuite.report.run_page import STYLES
from evalsuite.runs.summary import Summary
from evalsuite.wording import seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from evalsuite.gate.verdict import Verdict
    from evalsuite.models import Unit
    from evalsuite.records import Manifest, ModelRole
    from evalsuite.report.charts.steps import Mark
    from evalsuite.runs.opened import OpenRun
    from evalsuite.runs.summary import ModelSummary
    from evalsuite.stats import Interval

SCRIPTS = ("i18n.js", "dom.js", "tables.js")
MAX_NAMES = 12
"""Names that a note lists."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One checkpoint of a sweep, `step` None where its name tells none.

    `folder` is its run folder relative to the page, with `/`. A checkpoint that could not be run has an `error` and
    no `run`. `verdict` is None for the baseline, and where nothing can be gated against.
    """

    name: str
    step: int | None
    folder: str
    error: str | None = None
    run: OpenRun | None = None
    verdict: Verdict | None = None

    @property
    def summary(self) -> ModelSummary | None:
        """The checkpoint in figures; its run holds no other model."""
        return self.run.summary.models[0] if self.run is not None else None


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the checkpoints are gated against: a name for people, and what it may be called.

    `folder` is its run folder relative to the page, None where it lies elsewhere.
    """

    name: str
    role: ModelRole
    folder: str | None


@dataclass(frozen=True, slots=True)
class Swept:
    """A sweep as its page shows it: checkpoints in the order of the page, `waiting` those not written to the end yet.

    `unit` says what the checkpoints' steps count; `passed_over` is what else the folder holds, each with the reason.
    `reference` is the run of the clean typeset reference over the same prompts, in the folder `ceiling`.
    """

    folder: str
    model: str | None
    policy: str
    policy_digest: str
    baseline: Baseline | None
    checkpoints: Sequence[Checkpoint]
    reference: OpenRun | None = None
    waiting: Sequence[str] = ()
    unit: Unit = "step"
    passed_over: Sequence[tuple[str, Cell]] = ()

    @property
    def axis(self) -> str:
        """The message that names the checkpoints' steps."""
        return steps.AXES[self.unit]

    @property
    def ceiling(self) -> ModelSummary | None:
        """The reference in figures."""
        return self.reference.summary.models[0] if self.reference is not None else None


def build_sweep(swept: Swept, out: Path) -> Path:
    """Write `index.html` and `assets/` into the sweep's folder and return the path of the page.

    Links lead to the pages of the checkpoints' runs, which are not written here.

    Raises:
        EvalsuiteError: when the folder cannot be written.
    """
    shell.copy_assets(out / "assets", SCRIPTS, STYLES)
    return templating.write(out / "index.html", render(swept))


def render(swept: Swept) -> Iterator[str]:
    """The page as HTML, piece by piece."""
    known = [(each.run.manifest, each.summary) for each in swept.checkpoints if each.run and each.summary]
    manifests = [manifest for manifest, _ in known]
    is_comparable = bool(manifests) and comparison.same_machine([manifest.environment for manifest in manifests])
    points = [_point(swept, each, timed=is_comparable) for each in swept.checkpoints]
    roles = {summary.role for _, summary in known}
    rows = [_row(swept, each, point) for each, point in zip(swept.checkpoints, points, strict=True)]
    return templating.render(
        "sweep.html.j2",
        shell=shell.linked(SCRIPTS, STYLES),
        title=PurePath(swept.folder).name or swept.folder,
        swept=swept,
        # The role of what adapters and transformers are laid over is theirs.
        model_role="stand-in" if "stand-in" in roles else "model",
        manifest=manifests[0] if manifests else None,
        used=views.prompts_per_suite(manifests[0]) if manifests else {},
        hardware=_hardware(manifests),
        link=_link,
        failed=[each for each in swept.checkpoints if each.error is not None],
        incomplete=sum(bool(each.error is not None or (each.run and each.run.faults)) for each in swept.checkpoints),
        missing=_missing(swept),
        unscored=sum(each.stage != "file" for run in _runs(swept) for each in run.faults),
        lost=sum(each.stage == "file" for run in _runs(swept) for each in run.faults),
        role_notes=_role_notes(swept),
        plots=_plots(swept, points, is_comparable=is_comparable),
        rows=rows,
        is_timed=any(row.p50 for row in rows),
        untold=not is_comparable and any(summary.timing for _, summary in known),
        ceiling=_ceiling_row(swept),
        level=views.level(Summary(models=(known[0][1],), ceiling_model=None)) if known else None,
    )


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table of checkpoints. `why` is one sentence on the verdict, `mark` its message's key."""

    name: str
    role: ModelRole
    link: str | None
    step: str
    accuracy: views.Figure | None
    strings: views.Figure | None
    p50: str | None
    mark: str
    tone: str
    why: Cell


_TONES: dict[Mark, str] = {
    "PASS": "good", "FAIL": "bad", "INCOMPLETE": "bad", "failed": "bad", "INCONCLUSIVE": "open",
    "NOT COMPARABLE": "open", "baseline": "", "not gated": "",
}  # fmt: skip


def _row(swept: Swept, one: Checkpoint, point: Point) -> Row:
    intervals = one.summary.overall.intervals if one.summary else {}
    return Row(
        name=one.name,
        role=point.role,
        link=_link(one.folder) if one.summary else None,
        step="–" if one.step is None else f"{one.step:,}",
        accuracy=views.figure(intervals["character_accuracy"]) if intervals else None,
        strings=views.figure(intervals["exact_string_rate"]) if intervals else None,
        p50=None if point.p50 is None else seconds(point.p50),
        mark=steps.WORDS[point.mark],
        tone=_TONES[point.mark],
        why=_why(swept, one, point.mark),
    )


def _why(swept: Swept, one: Checkpoint, mark: Mark) -> Cell:
    if one.error is not None:
        return Cell(quoted(one.error.removeprefix(f"{swept.folder}/")))
    if one.verdict is not None:
        return reason(one.verdict)
    return word("sweep.why.baseline" if mark == "baseline" else "sweep.why.ungated")


def _mark(swept: Swept, one: Checkpoint) -> Mark:
    if one.error is not None:
        return "failed"
    if swept.baseline is not None and one.folder == swept.baseline.folder:
        return "baseline"
    if one.verdict is not None:
        return one.verdict.outcome
    return "INCOMPLETE" if one.run is not None and one.run.faults else "not gated"


def _point(swept: Swept, one: Checkpoint, *, timed: bool) -> Point:
    summary = one.summary
    total = summary.timing.total if timed and summary is not None and summary.timing is not None else None
    return Point(
        name=one.name,
        role=summary.role if summary is not None else "model",
        step=one.step,
        mark=_mark(swept, one),
        intervals=_by_language(summary) if summary is not None else {},
        p50=total.p50 if total is not None else None,
        p90=total.p90 if total is not None else None,
        warm=summary.timing.warm if summary is not None and summary.timing is not None else 0,
    )


def _by_language(summary: ModelSummary) -> Mapping[str | None, Interval]:
    """Character accuracy of all images, and of each language where there are several."""
    found: dict[str | None, Interval] = {None: summary.overall.intervals["character_accuracy"]}
    languages = summary.by("language")
    if len(languages) > 1:
        found.update({each.value: each.intervals["character_accuracy"] for each in languages})
    return found


def _plots(swept: Swept, points: Sequence[Point], *, is_comparable: bool) -> list[Chart]:
    ceilings: dict[str | None, Interval] = {}
    if swept.ceiling is not None and not swept.ceiling.overall.unscored:
        ceilings.update(_by_language(swept.ceiling))
    unit = swept.unit
    found = [steps.accuracy(points, ceilings, unit), steps.latency(points, unit) if is_comparable else None]
    return [chart for chart in found if chart is not None]


def _ceiling_row(swept: Swept) -> tuple[views.Figure, views.Figure] | None:
    """Accuracy and exact strings of the reference; None where it was not drawn, or misses images."""
    if swept.ceiling is None or swept.ceiling.overall.unscored:
        return None
    intervals = swept.ceiling.overall.intervals
    return views.figure(intervals["character_accuracy"]), views.figure(intervals["exact_string_rate"])


def _runs(swept: Swept) -> list[OpenRun]:
    """The runs that the page shows: of the checkpoints, and of the reference."""
    runs = [each.run for each in swept.checkpoints]
    return [run for run in (*runs, swept.reference) if run is not None]


def _missing(swept: Swept) -> list[views.MissingImages]:
    """The checkpoints that miss images, under the names that the page calls them, and the reference if it does."""
    found = []
    for each in swept.checkpoints:
        if each.run is not None:
            names = {spec.name: each.name for spec in each.run.manifest.models}
            found += views.missing_images(each.run.faults, names)
    return found + (views.missing_images(swept.reference.missing) if swept.reference else [])


def _role_notes(swept: Swept) -> list[tuple[str, list[str]]]:
    """What must be said of checkpoints that are no real models, and of the reference."""
    names: dict[str, list[str]] = {}
    for each in swept.checkpoints:
        if each.summary is not None and each.summary.role == "stand-in":
            names.setdefault("role.stand-in.note", []).append(each.name)
    if swept.baseline is not None and swept.baseline.role == "stand-in" and swept.baseline.folder is None:
        names.setdefault("role.stand-in.note", []).append(swept.baseline.name)
    if swept.ceiling is not None:
        names["role.reference.note"] = [swept.ceiling.name]
    return [(key, all_[:MAX_NAMES] + (["…"] if len(all_) > MAX_NAMES else [])) for key, all_ in names.items()]


def _hardware(manifests: Sequence[Manifest]) -> str | Cell:
    """The machine where all checkpoints were drawn on the same; else what keeps it from being named."""
    lines = {hardware.line(manifest.environment) for manifest in manifests}
    if len(lines) > 1:
        return word("sweep.hardware.differs")
    return next(iter(lines), None) or word("facts.hardware.none")


def _link(folder: str) -> str:
    """The address of a run's page, as it stands in the page."""
    return f"{quote(folder)}/index.html"
