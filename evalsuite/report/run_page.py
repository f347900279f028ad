"""A run folder's page: `index.html` with its data inside, and `assets/` beside it.

Everything that comes from a run is untrusted: Jinja escapes it, `visible` writes control characters out, the data
block cannot end its script element, and the page's Content-Security-Policy allows no script but the report's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalsuite.report import (
    charts,
    conclusions,
    content_section,
    edit_section,
    headline,
    payload,
    pictures,
    shell,
    templating,
)
from evalsuite.report import figures as views
from evalsuite.report.glyph_section import PAGE, section_of
from evalsuite.report.load_shown import curves, load_of
from evalsuite.report.sensitivity_tables import sensitivity_tables
from evalsuite.report.worst import worst_images
from evalsuite.runs.agreement import agreements
from evalsuite.runs.store import refuse_links

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from evalsuite.glyphs.looking import Looked
    from evalsuite.report.conclusions import ClaimRow, StandingRow, VerdictRow
    from evalsuite.report.glyph_section import GlyphSection
    from evalsuite.report.payload import Picture
    from evalsuite.runs.opened import OpenRun

SHARED = ("i18n.js", "dom.js", "tables.js", "data.js", "address.js", "grid.js", "zoom.js", "diff.js", "picture.js")
SCRIPTS = (*SHARED, "marks.js", "filters.js", "gallery.js", "viewer.js", "main.js")
STYLES = ("report.css",)


def build_report(
    run: OpenRun, *, single_file: bool = False, out: Path | None = None, looked: Looked | None = None
) -> Path:
    """Write the report of a run into its folder, or into `out`, and return the path of its page.

    In another folder than the run's, copies of its images lie beside the page: a run that may only be read is shown so.

    With `single_file`, that is `report.html`, which needs nothing beside it: it holds all figures, and of the images
    the worst, as thumbnails, up to `pictures.SINGLE_FILE_BYTES`. Otherwise it is `index.html` with `assets/`.
    What was seen of the glyphs is shown where somebody has looked: `looked`, or what the folder holds of it.
    What gates and claim checks concluded of the run, as `conclusions` keeps it, stands above the figures.

    Raises:
        EvalsuiteError: when the folder cannot be written.
    """
    folder = run.folder if out is None else out
    found = current_conclusions(run)
    if single_file:
        content = render(
            run,
            pictures.inlined(run),
            shell.inlined(SCRIPTS, STYLES),
            found,
            section_of(run, page=False, looked=looked),
        )
        return templating.write(folder / "report.html", content)
    refuse_links(folder)
    shell.copy_assets(folder / "assets", SCRIPTS, STYLES)
    models = {spec.name for spec in run.manifest.models}
    shown = pictures.linked(run) if out is None else pictures.copied(run, folder, models)
    glyphs = section_of(run, page=(folder / PAGE).exists(), looked=looked)
    content = render(run, shown, shell.linked(SCRIPTS, STYLES), found, glyphs)
    return templating.write(folder / "index.html", content)


@dataclass(frozen=True, slots=True)
class Current:
    """What other rooms concluded of the run. `outdated` names what rests on rows that are no longer the run's."""

    verdicts: Sequence[VerdictRow] = ()
    claims: Sequence[ClaimRow] = ()
    standings: Sequence[StandingRow] = ()
    outdated: Sequence[str] = ()


def current_conclusions(run: OpenRun) -> Current:
    """The kept conclusions that rest on the run as it is now."""
    kept = conclusions.read(run.store)
    verdicts = kept.verdicts if kept.verdicts and conclusions.is_current(run, kept.verdicts) else None
    claims = kept.claims if kept.claims and conclusions.is_current(run, kept.claims) else None
    found = {"verdicts": (kept.verdicts, verdicts), "claims": (kept.claims, claims)}
    return Current(
        verdicts=verdicts.rows if verdicts else (),
        claims=claims.rows if claims else (),
        standings=claims.standings if claims else (),
        outdated=[name for name, (before, now) in found.items() if before and not now],
    )


def render(
    run: OpenRun, found: Mapping[str, Picture], parts: shell.Shell, said: Current, glyphs: GlyphSection | None
) -> Iterator[str]:
    """The page as HTML, piece by piece, with its data inside.

    A page for a folder shows all images, another those in `found`.
    """
    kept = [score for score in run.scores if parts.is_folder or score.key in found]
    names = {spec.name: spec.name for spec in run.manifest.models}
    side = payload.Side(run, kept, found, names)
    found_agreements = agreements(run)
    source = run.manifest.source_model
    gallery = payload.Gallery(
        [side],
        differs=sorted({row.key for each in found_agreements for row in each.differing}),
        glyphs=dict(glyphs.in_images) if glyphs else {},
        glyphs_page=glyphs.page if glyphs else None,
        source=source.name if source else None,
        sample=list(run.correction.keys) if run.correction else [],
    )
    summary = run.summary
    accuracy = views.accuracy_rows(run, run.correction)
    speed = views.speed_rows(summary)
    load = load_of(run)
    heading = [spec.name for spec in run.manifest.models if spec.role != "reference"] or list(names)
    return templating.render(
        "index.html.j2",
        shell=parts,
        data=gallery.data(),
        boxes=gallery.boxes(),
        title=" · ".join(heading),
        heading=heading,
        said=said,
        answers=headline.answers(accuracy, speed),
        sentences=headline.sentences_of_run(run),
        worst=worst_images(run, kept, found),
        kept=len(kept),
        manifest=run.manifest,
        ocr=run.ocr,
        scorer=run.scorer,
        hardware=run.hardware_line,
        used=views.prompts_per_suite(run.manifest),
        drawn=drawn_of(run),
        total=len(run.scores),
        unscored=sum(each.stage != "file" for each in run.faults),
        lost=sum(each.stage == "file" for each in run.faults),
        missing=views.missing_images(run.faults),
        role_notes=views.role_notes(run.manifest.models),
        accuracy=accuracy,
        sensitivity_tables=sensitivity_tables(run),
        few=views.few_prompts(run),
        axis=views.axis_for(accuracy),
        level=views.level(summary),
        slices=[(dimension, *views.slice_table(summary, dimension)) for dimension in ("suite", "category", "length")],
        judged=views.judged(summary, run.judgement) if run.judgement else None,
        correction=run.correction,
        glyphs=glyphs,
        content=content_section.section_of(run),
        edits=edit_section.section_of(run, found),
        agreements=found_agreements,
        most_differing=views.MAX_NAMES,
        figure=views.figure,
        corrected=views.corrected_rows(run.correction) if run.correction else (),
        speed=speed,
        notices=run.standing_notices,
        load=load,
        plots=[
            *charts.draw_all(summary, run.scores, run.generations, run.stop),
            *(curves(load.result) if load is not None and load.other is None else ()),
        ],
    )


@dataclass(frozen=True, slots=True)
class DrawnUntil:
    """How far a run that is drawn until a gate's verdict is; `outcome` None before the verdict."""

    outcome: str | None
    images: int
    planned: int
    claim: str
    policy: str


def drawn_of(run: OpenRun) -> DrawnUntil | None:
    """What the page says of a run that is drawn until a gate's verdict; None for any other."""
    plan, stop = run.manifest.sequential, run.stop
    if plan is None:
        return None
    images = stop.images if stop is not None else len(run.scores)
    return DrawnUntil(stop.outcome if stop else None, images, len(run.requests), plan.claim, plan.policy)
