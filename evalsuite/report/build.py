"""A run folder's page: `index.html` with its data inside, and `assets/` beside it.

Everything that comes from a run is untrusted: Jinja escapes it, `visible` writes control characters out, the data
block cannot end its script element, and the page's Content-Security-Policy allows no script but the report's own.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import jinja2

import evalsuite
from evalsuite import adjudications, scoring
from evalsuite.errors import EvalsuiteError
from evalsuite.images import ImageError
from evalsuite.report import charts, conclusions, i18n, payload, shell, thumbnails, views
from evalsuite.report.payload import Picture
from evalsuite.report.summary import is_ceiling, summarise
from evalsuite.report.text import visible
from evalsuite.runs.store import RunStore

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from evalsuite.records import Generation, Manifest, OcrSpec, Reading, Score, ScorerSpec
    from evalsuite.report.conclusions import ClaimRow, VerdictRow
    from evalsuite.report.summary import Summary
    from evalsuite.report.views import AccuracyRow

SHARED = ("i18n.js", "dom.js", "data.js", "address.js", "grid.js", "diff.js", "picture.js")
SCRIPTS = (*SHARED, "marks.js", "filters.js", "gallery.js", "viewer.js", "main.js")
STYLES = ("report.css",)

SINGLE_FILE_BYTES = 8 * 2**20
"""What the pictures of a single file may weigh together as base64: the whole stays fit for mail."""


def build(
    folder: Path,
    *,
    single_file: bool = False,
    ocr: OcrSpec | None = None,
    scorer: ScorerSpec | None = None,
    verdicts: Sequence[VerdictRow] = (),
    claims: Sequence[ClaimRow] = (),
) -> Path:
    """Write the report of the run in `folder` and return the path of its page.

    With `single_file`, that is `report.html`, which needs nothing beside it: it holds all figures, and of the
    images the worst, as thumbnails, up to `SINGLE_FILE_BYTES`. Otherwise it is `index.html` with `assets/`.
    The rows of `ocr` and `scorer` are shown; by default those that the run was planned with.
    `verdicts` and `claims` are what gates and claim checks concluded; they stand above the figures.

    Raises:
        EvalsuiteError: when there is no run, its rows cannot be read, or the folder cannot be written.
    """
    store = RunStore.open(folder)
    run = _load(store, ocr or store.manifest.ocr, scorer or store.manifest.scorer)
    said = (tuple(verdicts), tuple(claims))
    try:
        if single_file:
            page = folder / "report.html"
            _write(page, render(run, _inline_pictures(run, store), shell.inlined(SCRIPTS, STYLES), said))
        else:
            shell.copy_assets(folder / "assets", SCRIPTS, STYLES)
            page = folder / "index.html"
            _write(page, render(run, _pictures(run, store), shell.linked(SCRIPTS, STYLES), said))
    except OSError as error:
        raise EvalsuiteError(f"{folder}: the report cannot be written: {error.strerror}") from error
    return page


def _write(page: Path, content: str) -> None:
    # Lone surrogates cannot be encoded; they can only come from file names, and are shown as question marks.
    page.write_text(content, encoding="utf-8", errors="replace")


Conclusions = tuple[tuple["VerdictRow", ...], tuple["ClaimRow", ...]]


@dataclass(frozen=True, slots=True)
class Run:
    """A stored run as the page needs it. `readings` are the last good ones for the images as they are now."""

    manifest: Manifest
    ocr: OcrSpec
    scorer: ScorerSpec
    scores: Sequence[Score]
    generations: Mapping[str, Generation]
    readings: Mapping[str, Reading]
    summary: Summary
    judged: tuple[adjudications.Applied, Summary] | None = None


def _load(store: RunStore, ocr: OcrSpec, scorer: ScorerSpec) -> Run:
    applied = adjudications.stored(store, ocr, scorer)
    scores = applied.scores if applied else _scores(store, ocr, scorer)
    generations = store.last_generations()
    readings = {
        row.key: row
        for row in store.readings(ocr).read()
        if row.error is None and row.key in generations and generations[row.key].sha256 == row.image_sha256
    }
    return Run(
        store.manifest,
        ocr,
        scorer,
        scores,
        generations,
        readings,
        summarise(store, scores),
        _judged(store, ocr, applied),
    )


def _judged(
    store: RunStore, ocr: OcrSpec, applied: adjudications.Applied | None
) -> tuple[adjudications.Applied, Summary] | None:
    """The marks that were applied, and the run without them."""
    if applied is None:
        return None
    plain = store.scores(ocr, adjudications.plain(applied.scorer)).read()
    return applied, summarise(store, plain)


def _scores(store: RunStore, ocr: OcrSpec, scorer: ScorerSpec) -> Sequence[Score]:
    """The stored rows; where they do not cover the plan (a run that was stopped), they are derived anew."""
    scores = store.scores(ocr, scorer).read()
    if {score.key for score in scores} == {request.key for request in store.manifest.requests}:
        return scores
    from evalsuite.runs.runner import rescore

    with store.writing():
        return rescore(store, ocr, scorer)


def _pictures(run: Run, store: RunStore) -> dict[str, Picture]:
    """Links to the run's own images, and thumbnails beside them."""
    drawn = {row.key: (row.sha256, row) for row in run.generations.values() if row.error is None and row.sha256}
    wanted = [(sha, store.image_path(row)) for sha, row in drawn.values()]
    failed = thumbnails.make(wanted, store.folder / "assets" / "thumbs")
    return {
        key: Picture(
            full=f"{row.image}?v={sha[:12]}",
            thumbnail=None if sha in failed else f"assets/thumbs/{thumbnails.file_name(sha)}",
        )
        for key, (sha, row) in drawn.items()
    }


def _inline_pictures(run: Run, store: RunStore) -> dict[str, Picture]:
    """Thumbnails inside the page: the worst images first, until they weigh too much."""
    roles = {spec.name: spec.role for spec in run.manifest.models}
    ranked = sorted(run.scores, key=lambda score: (roles[score.model] == "reference", _accuracy(score)))
    found: dict[str, Picture] = {}
    weight = 0
    for score in ranked:
        row = run.generations.get(score.key)
        if row is None or row.error is not None:
            found[score.key] = Picture()
            continue
        try:
            address = "data:image/webp;base64," + b64encode(thumbnails.encode(store.image_path(row))).decode()
        except ImageError:
            found[score.key] = Picture()
            continue
        weight += len(address)
        if weight > SINGLE_FILE_BYTES:
            break
        found[score.key] = Picture(thumbnail=address)
    return found


def _accuracy(score: Score) -> float:
    accuracy = scoring.rates(score).character_accuracy
    return 0.0 if accuracy is None else accuracy


def render(run: Run, pictures: Mapping[str, Picture], parts: shell.Shell, said: Conclusions = ((), ())) -> str:
    """The page as HTML, with its data inside. Images without an entry in `pictures` failed, or are left out."""
    kept = [score for score in run.scores if parts.is_folder or score.key in pictures]
    data, boxes = payload.gallery(run.manifest, run.ocr, kept, run.generations, run.readings, pictures)
    summary = run.summary
    accuracy = views.accuracy_rows(summary)
    real = [spec.name for spec in run.manifest.models if spec.role != "reference"]
    heading = real or [spec.name for spec in run.manifest.models]
    used: dict[str, int] = {ref.name: 0 for ref in run.manifest.suites}
    for prompt in run.manifest.prompts:
        used[prompt.suite] = used.get(prompt.suite, 0) + 1
    return (
        _environment()
        .get_template("index.html.j2")
        .render(
            title=" · ".join(heading),
            heading=heading,
            version=evalsuite.__version__,
            shell=parts,
            verdicts=said[0],
            claims=said[1],
            kept=len(kept),
            languages=i18n.LANGUAGES,
            words=payload.script_json({code: i18n.catalogue(code) for code in i18n.LANGUAGES}),
            data=payload.script_json(data),
            boxes=payload.script_json(boxes),
            manifest=run.manifest,
            ocr=run.ocr,
            ocr_models=[run.ocr.settings[key] for key in ("detection", "recognition") if key in run.ocr.settings],
            scorer=run.scorer,
            hardware=views.hardware_line(run.manifest),
            used=used,
            total=len(run.scores),
            unscored=sum(score.status != "scored" for score in run.scores),
            missing=views.missing(summary),
            role_notes=_role_notes(run.manifest),
            accuracy=accuracy,
            axis=views.axis_for(each for row in accuracy for each in (row.accuracy, row.ceiling)),
            level=f"{100 * summary.models[0].overall.intervals['character_accuracy'].level:g}",
            slices=[
                (dimension, *views.slice_table(summary, dimension)) for dimension in ("suite", "category", "length")
            ],
            judged=views.judged(summary, *run.judged) if run.judged else None,
            speed=views.speed_rows(summary),
            plots=charts.draw_all(summary, run.scores, run.generations),
        )
    )


def _role_notes(manifest: Manifest) -> list[tuple[str, list[str]]]:
    """What must be said of models that are none, by message."""
    groups: dict[str, list[str]] = {}
    for spec in manifest.models:
        if spec.role == "stand-in":
            groups.setdefault("role.stand-in.note", []).append(spec.name)
        elif spec.role == "reference":
            groups.setdefault("role.reference.note" if is_ceiling(spec) else "role.planted.note", []).append(spec.name)
    return list(groups.items())


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("evalsuite.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["visible"] = _visible
    environment.filters["groupby_model"] = lambda rows: [
        list(group) for _, group in groupby(rows, lambda row: row.model)
    ]
    environment.globals.update(
        t=i18n.element,
        ta=i18n.attribute,
        known_words=i18n.catalogue(i18n.DEFAULT),
        tone=conclusions.tone,
        message=conclusions.message,
    )
    return environment


def _by_model(rows: Sequence[AccuracyRow]) -> list[list[AccuracyRow]]:
    return [list(group) for _, group in groupby(rows, lambda row: row.model)]


def _visible(value: object) -> str:
    return visible(str(value))
