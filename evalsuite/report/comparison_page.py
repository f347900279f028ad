"""Two or more runs on one page: the same prompt and seed side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from evalsuite.errors import EvalsuiteError
from evalsuite.glyphs import looked_at
from evalsuite.report import comparison, edit_section, headline, payload, pictures, shell, templating
from evalsuite.report import figures as views
from evalsuite.report.charts.scatter import scatter
from evalsuite.report.content_section import comparison_lines
from evalsuite.report.glyph_differences import glyph_differences
from evalsuite.report.run_page import SHARED, STYLES
from evalsuite.runs.store import refuse_links

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from evalsuite.report.charts import Chart
    from evalsuite.report.comparison import Contestant
    from evalsuite.report.payload import Picture
    from evalsuite.runs.opened import OpenRun

SCRIPTS = (*SHARED, "slider.js", "pairs.js", "compare.js")


def build_comparison(runs: Sequence[OpenRun], out: Path) -> Path:
    """Write a page into `out` that compares runs, or the models of one run, and return its path.

    The first model of the first run is what the others are held against. Images are linked or copied into `out`.

    Raises:
        NotComparableError: when prompts, seeds, OCR or scorer differ, naming what; or with a single model.
        EvalsuiteError: when `out` cannot be written.
    """
    if not runs:
        raise EvalsuiteError("nothing to compare: name two run folders, or one with two models")
    if (out / "manifest.json").exists():
        raise EvalsuiteError(f"{out}: a run folder; name another folder for the comparison with --out")
    comparison.check_comparable(runs)
    called = comparison.contestants(runs)
    refuse_links(out)
    shell.copy_assets(out / "assets", SCRIPTS, STYLES)
    found = [
        pictures.copied(run, out, {each.model for each in called if each.run == place})
        for place, run in enumerate(runs)
    ]
    return templating.write(out / "index.html", render(runs, called, found))


def render(
    runs: Sequence[OpenRun],
    called: Sequence[Contestant],
    found: Sequence[Mapping[str, Picture]],
    parts: shell.Shell | None = None,
) -> Iterator[str]:
    """The page as HTML, piece by piece, with its data inside.

    `parts` are those of a page in a folder unless others are given.
    """
    sides = []
    for place, run in enumerate(runs):
        names = {each.model: each.name for each in called if each.run == place}
        sides.append(payload.Side(run, run.scores, found[place], names))
    looked = [looked_at(run) for run in runs]
    # By the page's models, in its order: two runs may have images of the same key.
    suspicious = [
        dict(each.found.suspicious_images) if (each := looked[place]) else {}
        for place, side in enumerate(sides)
        for _ in side.names
    ]
    gallery = payload.Gallery(sides, glyphs=suspicious)
    accuracy = _accuracy_rows(runs, called)
    speed = _speed_rows(runs, called)
    same_machine = comparison.same_machine([each for run in runs for each in run.environments()])
    first = runs[0]
    compared = comparison.compare_all(runs, called)
    specs = [spec for run in runs for spec in run.manifest.models]
    return templating.render(
        "compare.html.j2",
        shell=parts or shell.linked(SCRIPTS, STYLES),
        data=gallery.data(),
        boxes=gallery.boxes(),
        title=" / ".join(each.name for each in called),
        called=called,
        runs=[(run, run.hardware_line) for run in runs],
        manifest=first.manifest,
        ocr=first.ocr,
        scorer=first.scorer,
        used=views.prompts_per_suite(first.manifest),
        total=len(first.manifest.prompts) * len(first.manifest.seeds),
        missing=_missing(runs, called),
        unscored=sum(each.stage != "file" for run in runs for each in run.missing),
        lost=sum(each.stage == "file" for run in runs for each in run.missing),
        notices=list(dict.fromkeys(notice for run in runs for notice in run.notices)),
        images=sum(len(run.scores) for run in runs),
        role_notes=views.role_notes({spec.name: spec for spec in specs}.values()),
        accuracy=accuracy,
        axis=views.axis_for(accuracy),
        level=views.level(first.summary),
        differences=compared,
        # Timings of other machines stand nowhere beside each other.
        answers=headline.answers(accuracy, speed if same_machine else ()),
        sentences=headline.sentences(runs, called, compared),
        glyph_differences=glyph_differences(runs, called, looked),
        content=comparison_lines(runs, called),
        edits=edit_section.comparison_lines(runs, called),
        reasons=views.REASONS,
        speed=speed,
        same_machine=same_machine,
        plots=_plots(runs, called),
    )


def _missing(runs: Sequence[OpenRun], called: Sequence[Contestant]) -> list[views.MissingImages]:
    """What is missing, under the names that the page uses; a reference of several runs is named with its run."""
    found = []
    for place, run in enumerate(runs):
        names = {each.model: each.name for each in called if each.run == place}
        if len(runs) > 1:
            names = {spec.name: f"{spec.name} · {run.manifest.name}" for spec in run.manifest.models} | names
        found += views.missing_images(run.missing, names)
    return found


def _accuracy_rows(runs: Sequence[OpenRun], called: Sequence[Contestant]) -> list[views.AccuracyRow]:
    rows = [views.accuracy_rows(run) for run in runs]
    return [replace(row, model=each.name) for each in called for row in rows[each.run] if row.model == each.model]


def _speed_rows(runs: Sequence[OpenRun], called: Sequence[Contestant]) -> list[views.SpeedRow]:
    rows = [views.speed_rows(run.summary) for run in runs]
    return [replace(row, model=each.name) for each in called for row in rows[each.run] if row.model == each.model]


def _plots(runs: Sequence[OpenRun], called: Sequence[Contestant]) -> list[Chart]:
    first = called[0]
    base = runs[first.run].counts[first.model]
    charts = []
    for place, each in enumerate(called[1:], start=1):
        other = runs[each.run].counts[each.model]
        pairs = {
            ident: (comparison.accuracy(counts), comparison.accuracy(other[ident])) for ident, counts in base.items()
        }
        charts.append(scatter(f"scatter-{place}", first, each, pairs))
    return charts
