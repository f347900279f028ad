"""Measuring a run and keeping what was found in its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.content.agreement import keep_agreement, measure_agreement, open_scorer, read_agreement
from evalsuite.content.distances import keep_distances, measure_distances, open_ruler, read_distances
from evalsuite.content.figures import report_of
from evalsuite.content.measuring import keep, measure_pairs, measure_pictures, read_pairs, read_pictures
from evalsuite.errors import EvalsuiteError, NotComparableError
from evalsuite.runs.comparable import unlike

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalsuite.content.figures import ContentReport
    from evalsuite.content.rows import AgreementRow, DistanceRow, PairRow
    from evalsuite.runs.opened import OpenRun
    from evalsuite.runs.progress import Watcher


def measure(
    run: OpenRun,
    baseline: OpenRun | None,
    *,
    baseline_model: str | None,
    agreement: Sequence[str],
    distance: Sequence[str],
    watch: Watcher,
) -> ContentReport:
    """Measure every read image of a run, beside a baseline's where there is one, and keep the rows in the run's folder.

    Args:
        run: The run. A run may be its own baseline, where it has several models.
        baseline: Whose images of the same prompts and seeds are the standard.
        baseline_model: Its model; may be left out where it has one besides references.
        agreement: `clip:FOLDER`, `vqa:FOLDER`: measure agreement with the prompts too, by each.
        distance: `lpips:FOLDER`, `dino:FOLDER`: measure the distance from the baseline too, by each.
        watch: Told after each image.

    Raises:
        NotComparableError: The runs differ in prompts, seeds or OCR.
        EvalsuiteError: An image cannot be opened, the folder cannot be written, or what this needs is not there.
    """
    if distance and baseline is None:
        raise EvalsuiteError(f"--distance {distance[0]} goes with --baseline, from which it is measured")
    scorers, rulers = [open_scorer(each) for each in agreement], [open_ruler(each) for each in distance]
    pairs: dict[str, PairRow] = {}
    apart: list[DistanceRow] = []
    if baseline is not None:
        found = unlike(baseline.measured_by, run.measured_by)
        if found:
            raise NotComparableError(
                f"{run.folder} cannot be compared with {baseline.folder}: {'; '.join(each.text for each in found)}"
            )
        standard = _model_of(baseline, baseline_model)
        itself = baseline.folder.resolve() == run.folder.resolve()
        models = [spec.name for spec in run.models(subjects=True) if not (itself and spec.name == standard)]
        if not models:
            raise EvalsuiteError(f"{run.folder}: holds no model besides {standard} to compare with it")
        for model in models:
            pairs |= measure_pairs(run, model, baseline, standard, watch=watch)
            for ruler in rulers:
                apart += measure_distances(run, model, baseline, standard, ruler, watch=watch)
    elif baseline_model is not None:
        raise EvalsuiteError("--baseline-model goes with --baseline")
    pictures = measure_pictures(run, watch=watch)
    scores: list[AgreementRow] = []
    for scorer in scorers:
        scores += measure_agreement(run, scorer, watch=watch)
    with run.store.writing():
        keep(run, pictures, pairs)
        if scores:
            keep_agreement(run, scores)
        if apart:
            keep_distances(run, apart)
    return measured(run)


def measured(run: OpenRun) -> ContentReport:
    """The figures of what the folder holds.

    Raises:
        DamagedRunError: A file of rows is damaged.
    """
    return report_of(
        run, read_pictures(run), read_pairs(run).values(), read_agreement(run), read_distances(run).values()
    )


def _model_of(run: OpenRun, named: str | None) -> str:
    names = [spec.name for spec in run.manifest.models]
    if named is not None:
        if named not in names:
            raise EvalsuiteError(f"{run.folder}: holds no model {named!r}; it has {', '.join(names)}")
        return named
    subjects = [spec.name for spec in run.models(subjects=True)]
    if len(subjects) != 1:
        raise EvalsuiteError(f"{run.folder}: holds several models ({', '.join(names)}); name one with --baseline-model")
    return subjects[0]
