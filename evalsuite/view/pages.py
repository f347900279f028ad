"""The pages as HTML: what each shows, put together from the library."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from evalsuite.errors import EvalsuiteError
from evalsuite.records import digest
from evalsuite.report import comparison, comparison_page, run_page, shell, templating
from evalsuite.report.charts import steps
from evalsuite.report.comparison_page import SCRIPTS as COMPARISON_SCRIPTS
from evalsuite.report.glyph_section import section_of
from evalsuite.report.payload import Picture
from evalsuite.runs import RunStore
from evalsuite.sweep.results import cells, columns
from evalsuite.view.library import id_of
from evalsuite.wording import point, seconds, with_ends

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from evalsuite.records import ModelRole, ModelSpec
    from evalsuite.report.charts import Chart
    from evalsuite.report.charts.steps import Mark
    from evalsuite.runs.figures import RunFigure
    from evalsuite.runs.opened import OpenRun
    from evalsuite.stats import Interval
    from evalsuite.sweep.results import Sweep, SweepRow
    from evalsuite.view.library import Entry, Library, Listed
    from evalsuite.view.live import Follower, Now
    from evalsuite.view.votes import Pair

SCRIPTS = ("i18n.js", "dom.js", "view.js", "live.js", "vote.js")
STYLES = ("report.css", "view.css")

FOLLOWED = 6
"""Runs without figures whose progress the list of runs tells; of others it tells that they are not summed up."""


@dataclass(frozen=True, slots=True)
class ModelLine:
    """A model of a run in the list: its figures over all languages as text."""

    name: str
    role: ModelRole
    accuracy: str = ""
    ceiling: str = ""
    speed: str = ""


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run in the list. `now` is set where it has no figures yet and its files were looked at."""

    entry: Entry
    listed: Listed
    date: str
    suites: str
    prompts: int
    models: tuple[ModelLine, ...]
    now: Now | None = None

    @property
    def complete(self) -> bool:
        """Whether its stored figures say that it is whole."""
        return self.listed.figures is not None and self.listed.figures.complete


def open_store(folder: Path) -> RunStore:
    """The run in a folder; raises `EvalsuiteError` where it cannot be read."""
    return RunStore.open(folder)


def _page(template: str, scripts: Sequence[str], **context: Any) -> str:
    return "".join(templating.render(template, shell=shell.served(("i18n.js", "dom.js", *scripts), STYLES), **context))


def problem(text: str) -> str:
    """A page that says why there is none."""
    return _page("view_problem.html.j2", (), title="evalsuite view", text=text)


def index(library: Library, follower: Callable[[Entry], Follower], *, can_vote: bool) -> str:
    """All runs, the last written first, with their figures as their `summary.json` tells them; sweeps; models."""
    rows, followed = [], 0
    for entry in library.entries().values():
        listed = library.listed(entry)
        now = None
        if listed.manifest is not None and listed.figures is None and followed < FOLLOWED:
            followed += 1
            try:
                now = follower(entry).now()
            except (EvalsuiteError, OSError) as error:
                listed = replace(listed, error=str(error))
        rows.append(_line(entry, listed, now))
    models = sorted(
        {spec.name for row in rows if row.listed.manifest for spec in row.listed.manifest.models if _is_subject(spec)}
    )
    return _page(
        "view_index.html.j2",
        ("view.js",),
        title="evalsuite view",
        root=str(library.root),
        rows=rows,
        sweeps=list(library.sweeps().values()),
        models=[(name, "/history?" + urlencode({"model": name})) for name in models],
        can_vote=can_vote,
        seconds=seconds,
    )


def _is_subject(spec: ModelSpec) -> bool:
    return spec.role != "reference"


def _line(entry: Entry, listed: Listed, now: Now | None) -> RunLine:
    manifest = listed.manifest
    if manifest is None:
        return RunLine(entry, listed, "", "", 0, (), None)
    overall = {each.model: each for each in listed.figures.figures if each.language is None} if listed.figures else {}
    real = [spec for spec in manifest.models if spec.role != "reference"] or list(manifest.models)
    return RunLine(
        entry,
        listed,
        date=day(manifest.created_at),
        suites=", ".join(ref.name for ref in manifest.suites),
        prompts=listed.prompts,
        models=tuple(_model(spec.name, spec.role, overall.get(spec.name)) for spec in real),
        now=now,
    )


def _model(name: str, role: ModelRole, figure: RunFigure | None) -> ModelLine:
    if figure is None:
        return ModelLine(name, role)
    return ModelLine(
        name,
        role,
        accuracy=with_ends(figure.accuracy),
        ceiling=point(figure.ceiling) if figure.ceiling else "",
        speed=seconds(figure.p50) if figure.p50 is not None else "",
    )


def day(moment: str) -> str:
    """`2026-05-04 03:02` of an ISO moment."""
    return moment[:16].replace("T", " ")


def pictures(entry: Entry, run: OpenRun, models: set[str] | None = None) -> dict[str, Picture]:
    """Where a page finds the images of a run on this server; of the `models` named, or of all."""
    return {
        key: Picture(
            f"/run/{entry.id}/images/{key}.png?v={(row.sha256 or '')[:12]}",
            f"/run/{entry.id}/thumbs/{key}.webp?v={(row.sha256 or '')[:12]}",
        )
        for key, row in run.evidence.drawn.items()
        if models is None or row.model in models
    }


def report(entry: Entry, run: OpenRun) -> str:
    """A run's report, as `evalsuite report` would write it."""
    parts = shell.served(run_page.SCRIPTS, run_page.STYLES)
    said, glyphs = run_page.current_conclusions(run), section_of(run, page=False)
    return "".join(run_page.render(run, pictures(entry, run), parts, said, glyphs))


def comparison_of(found: Sequence[tuple[Entry, OpenRun]]) -> str:
    """Runs side by side, as `evalsuite compare` would write it; raises `NotComparableError` naming what differs."""
    runs = [run for _, run in found]
    comparison.check_comparable(runs)
    called = comparison.contestants(runs)
    shown = [
        pictures(entry, run, {each.model for each in called if each.run == place})
        for place, (entry, run) in enumerate(found)
    ]
    parts = shell.served(COMPARISON_SCRIPTS, run_page.STYLES)
    return "".join(comparison_page.render(runs, called, shown, parts))


def live(entry: Entry, listed: Listed) -> str:
    """A run in progress; the page asks for its state again and again."""
    if listed.manifest is None:
        raise EvalsuiteError(listed.error or "this run cannot be read")
    return _page(
        "view_live.html.j2", ("live.js",), title=entry.name, entry=entry, manifest=listed.manifest,
        date=day(listed.manifest.created_at), suites=", ".join(ref.name for ref in listed.manifest.suites),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Group:
    """Runs of a model that may be compared: same prompts, seeds, reader, scorer and profile."""

    suites: str
    prompts: int
    reader: str
    scorer: str
    runs: tuple[tuple[Entry, Listed, RunFigure], ...]
    plots: tuple[Chart, ...]
    same_machine: bool


def history(library: Library, model: str) -> str:
    """A model's accuracy and speed over its complete runs, by what may be compared, oldest first."""
    groups: dict[str, list[tuple[Entry, Listed, RunFigure]]] = {}
    for entry in library.entries().values():
        listed = library.listed(entry)
        if listed.manifest is None or listed.figures is None or not listed.figures.complete:
            continue
        for figure in listed.figures.figures:
            if figure.model == model and figure.language is None:
                told = listed.figures
                key = digest([listed.asked, told.ocr, told.scorer, told.profile])
                groups.setdefault(key, []).append((entry, listed, figure))
    if not groups:
        raise EvalsuiteError(f"no complete run of {model} has figures here; 'evalsuite report RUN' computes them")
    return _page(
        "view_history.html.j2",
        (),
        title=model,
        groups=sorted((_group(rows) for rows in groups.values()), key=lambda group: -len(group.runs)),
        day=day,
        seconds=seconds,
        with_ends=with_ends,
    )


def _group(rows: list[tuple[Entry, Listed, RunFigure]]) -> Group:
    rows = sorted(rows, key=lambda row: row[1].manifest.created_at if row[1].manifest else "")
    manifests = [listed.manifest for _, listed, _ in rows if listed.manifest is not None]
    figures = [listed.figures for _, listed, _ in rows if listed.figures is not None]
    same = comparison.same_machine([manifest.environment for manifest in manifests])
    days = [day(manifest.created_at) for manifest in manifests]
    names = days if len(set(days)) == len(days) else [entry.name for entry, _, _ in rows]
    points = [
        steps.Point(
            name=name,
            role=figure.role,
            step=None,
            mark=_mark(listed.outcomes),
            intervals=_by_language(listed, figure.model),
            p50=figure.p50 if same else None,
            p90=figure.p90 if same else None,
            warm=figure.images,
        )
        for name, (_, listed, figure) in zip(names, rows, strict=True)
    ]
    plots: list[Chart] = []
    if len(points) > 1:
        chart = steps.accuracy(points, {}, named_by="view.run")
        plots += [replace(chart, name="history")] if chart is not None else []
        chart = steps.latency(points, named_by="view.run")
        plots += [replace(chart, name="history_latency")] if chart is not None else []
    return Group(
        suites=", ".join(ref.name for ref in manifests[0].suites),
        prompts=rows[0][1].prompts,
        reader=figures[0].ocr,
        scorer=f"{figures[0].scorer}, {figures[0].profile}",
        runs=tuple(rows),
        plots=tuple(plots),
        same_machine=same,
    )


def _by_language(listed: Listed, model: str) -> dict[str | None, Interval]:
    found = listed.figures.figures if listed.figures is not None else ()
    return {each.language: each.accuracy for each in found if each.model == model}


def _mark(outcomes: Sequence[str]) -> Mark:
    known = [mark for mark in steps.WORDS if mark in outcomes]
    return known[0] if len(set(outcomes)) == 1 and known else "not gated"


def sweep(library: Library, entry: Entry, found: Sweep) -> str:
    """A sweep's checkpoints over their steps, as its `sweep.json` tells them."""
    here = library.entries()

    def link(row: SweepRow) -> str | None:
        ident = id_of(f"{entry.name}/{row.run}" if entry.folder != library.root else row.run)
        return f"/run/{ident}" if ident in here else None

    points = [
        steps.Point(
            name=row.name,
            role="model",
            step=row.step,
            mark="failed"
            if row.status == "failed"
            else "baseline"
            if row.run == found.baseline
            else row.outcome or "not gated",
            intervals={None: row.character_accuracy} if row.character_accuracy is not None else {},
            p50=row.p50,
            p90=row.p90,
            warm=row.images,
        )
        for row in found.rows
    ]
    plots = [chart for chart in (steps.accuracy(points, {}, found.unit), steps.latency(points, found.unit)) if chart]
    return _page(
        "view_sweep.html.j2",
        ("view.js",),
        title=entry.name,
        sweep=found,
        columns=columns(found),
        rows=[(link(row), cells(found, row)) for row in found.rows],
        plots=plots,
    )


def vote(pairs: Sequence[Pair], query: str) -> str:
    """The page on which pairs are voted on; it names no model."""
    return _page("view_vote.html.j2", ("vote.js",), title="evalsuite view", total=len(pairs), query=query)
