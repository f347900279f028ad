"""The final table of a run, for the terminal: the same figures as the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.cli import console
from evalsuite.report.text import CONSERVATIVE, MEANS, mark
from evalsuite.runs.summary import summarise

if TYPE_CHECKING:
    from evalsuite.runs.api import RunResult
    from evalsuite.runs.summary import ModelSummary, Slice, Summary
    from evalsuite.stats import Interval

_COLUMNS = ("model", "lang", "images", "accuracy [95 %]", "ceiling", "exact", "p50/p90 s")
_FIGURES = _COLUMNS[2:]


def show(result: RunResult) -> None:
    """Print one row a model and language, and what the figures rest on."""
    summary = summarise(result.store, result.scores)
    rows = [
        _row(summary, model, part)
        for model in summary.models
        for part in (model.by("language") if len(model.by("language")) > 1 else (model.overall,))
    ]
    manifest = result.store.manifest
    names = ", ".join(suite.name for suite in manifest.suites)
    console.table(f"{len(manifest.prompts)} prompts of {names}", _COLUMNS, rows, right=_FIGURES)
    scorer = result.scorer
    console.say(
        f"Accuracy is of characters, exact of whole strings; intervals are over prompts "
        f"({CONSERVATIVE}: {MEANS}). Scorer {scorer.name} "
        f"{scorer.version}, profile {scorer.profile}; "
        f"OCR {result.ocr.name} ({result.ocr.settings.get('recognition', result.ocr.digest[:12])})."
    )
    for model in summary.models:
        if model.role == "reference":
            console.say(
                f"{model.name} is no model: it draws the targets with real fonts, so its score is the OCR ceiling"
                + ("." if model.name == summary.ceiling_model else ", less the errors planted in it.")
            )
        elif model.role == "stand-in":
            console.say(f"{model.name} is a small stand-in checkpoint; its figures say nothing about the real model.")
    if all(model.role != "model" for model in summary.models):
        console.say("To draw with the real models: 'evalsuite models list' names them and what they need.")


def _row(summary: Summary, model: ModelSummary, part: Slice) -> tuple[str, ...]:
    ceiling = summary.ceiling(part)
    timing = model.timing.total if model.timing else None
    return (
        model.name if model.role == "model" else f"{model.name} ({model.role})",
        part.value if part.dimension == "language" else "all",
        str(part.images) + (f" ({len(part.missing) + len(part.unreadable)} lacking)" if part.incomplete else ""),
        _interval(part.intervals.get("character_accuracy")),
        _interval(ceiling.intervals.get("character_accuracy"), brief=True) if ceiling else "not measured",
        _interval(part.intervals.get("exact_string_rate"), brief=True),
        f"{timing.p50:.2f}/{timing.p90:.2f}" if timing else "–",
    )


def _interval(interval: Interval | None, *, brief: bool = False) -> str:
    if interval is None or interval.estimate is None:
        return "undefined"
    if brief or interval.low is None or interval.high is None:
        return f"{interval.estimate:.4f}"
    return f"{interval.estimate:.4f} [{interval.low:.4f}, {interval.high:.4f}]{mark(interval)}"
