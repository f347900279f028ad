"""The command `claims`, and what `--protocol` prints. Like cli.py: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalsuite.cli import console
from evalsuite.errors import EvalsuiteError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalsuite.claims import ClaimVerdict, Standing
    from evalsuite.claims.verdict import Measured
    from evalsuite.runs.api import RunResult
    from evalsuite.runs.protocol_scores import ModelScore, ProtocolScores
    from evalsuite.stats import Interval

app = typer.Typer()

ProtocolOption = Annotated[
    list[str] | None,
    typer.Option(
        "--protocol",
        help="Score by another benchmark's protocol too: longtext, longtext-fixed, oneig, cvtg, lex, tiif or anytext; "
        "repeatable.",
    ),
]

_ROLES = {"reference": "reference, no model", "stand-in": "stand-in", "model": "model"}


@app.command()
def claims(
    folder: Annotated[Path | None, typer.Argument(help="A run folder.")] = None,
    claim: Annotated[
        list[str] | None,
        typer.Option(
            "--claim",
            help="Check this claim, e.g. ernie-image-longtext; repeatable. Default: those about the run's models.",
        ),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", "-m", help="Only this model of the run; repeatable.")
    ] = None,
    ocr: Annotated[
        str | None,
        typer.Option(
            "--ocr", help="Readings of this engine; default: the published reader's if there, else the plan's."
        ),
    ] = None,
    trust_settings: Annotated[
        bool,
        typer.Option("--trust-settings", help="For images drawn elsewhere: they were drawn with the claim's settings."),
    ] = False,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write the report with the verdicts.")] = True,
    list_claims: Annotated[bool, typer.Option("--list", help="List the published figures.")] = False,
) -> None:
    """Check a run against published figures: reproduced, not reproduced, inconclusive or not comparable."""
    from evalsuite import claims as room

    if list_claims:
        _list()
        return
    if folder is None:
        raise EvalsuiteError("name a run folder, or --list for the published figures")
    spec = None
    if ocr is not None:
        from evalsuite import ocr as engines
        from evalsuite.runs.store import RunStore

        # By name alone where it has read this run, so that its weights need not be here.
        known = {each.name: each for each in RunStore.open(folder).readers()}
        spec = known.get(ocr) or engines.resolve(ocr).spec
    verdicts = room.check(folder, claim or (), models=model or (), ocr=spec, trust_settings=trust_settings)
    places = room.standings(folder, ocr=spec)
    _standings(places)
    for verdict in verdicts:
        _verdict(verdict)
    if report and (verdicts or any(place.role for place in places)):
        from evalsuite.claims.rows import report_rows, standing_rows
        from evalsuite.report import build_report, keep_claims
        from evalsuite.runs.store import RunStore

        store = RunStore.open(folder)
        keep_claims(store, spec or room.reader(store), report_rows(verdicts), standing_rows(places))
        console.say(f"\nReport: {build_report(folder)}")
    if not verdicts:
        console.say(
            "No published figure speaks of this run's models. Name one with --claim, e.g. ernie-image-longtext."
        )
    raise typer.Exit(room.exit_code(verdicts, named=bool(claim)))


def show_protocols(result: RunResult, names: Sequence[str] | None) -> None:
    """Print the scores of a run under other benchmarks' protocols, a table each."""
    from evalsuite.runs.protocol_scores import score_run

    for name in names or ():
        _protocol(score_run(result.store, name, ocr=result.ocr))


def check_protocols(names: Sequence[str] | None) -> None:
    """Raise `EvalsuiteError` for an unknown protocol, before anything is drawn."""
    from evalsuite.scoring.protocols import protocol_named

    for name in names or ():
        protocol_named(name)


def _protocol(scores: ProtocolScores) -> None:
    from evalsuite.report.text import CONSERVATIVE, MEANS

    names = list(scores.models[0].languages[0].scores)
    others = [f"{name} (lower is better)" if name in scores.lower_is_better else name for name in names[1:]]
    columns = ("model", "role", "language", "images", names[0], "ceiling", *others)
    rows = [row for model in scores.models for row in _protocol_rows(scores, model, names)]
    _table(f"{scores.title} ({scores.protocol} {scores.version})", columns, rows, right=columns[3:])
    left_out = sorted(scores.left_out.items())
    notes = [
        f"Source: {scores.source}. Intervals: 95 %, over prompts ({CONSERVATIVE}: {MEANS}).",
        *(f"{count} prompts in {name} are left out: the protocol is not defined for them." for name, count in left_out),
    ]
    if not scores.engine.startswith(scores.published_reader):
        notes.append(
            f"Read by {scores.engine}; published figures of this protocol were read by {scores.published_reader}, so "
            "these are not comparable with them."
        )
    if scores.images_a_prompt != scores.images_asked:
        notes.append(
            f"The protocol asks for {scores.images_asked} images a prompt; this run has {scores.images_a_prompt}."
        )
    console.say(" ".join(notes))


def _protocol_rows(scores: ProtocolScores, model: ModelScore, names: Sequence[str]) -> list[tuple[str, ...]]:
    rows = []
    for part in model.languages:
        ceiling = scores.ceiling(part.language)
        lacking = f" ({len(part.lacking)} lacking)" if part.lacking else ""
        rows.append(
            (
                model.model,
                _ROLES[model.role],
                part.language,
                f"{part.images}{lacking}",
                _interval(part.scores[names[0]]),
                _point(ceiling.scores[names[0]]) if ceiling else "not measured",
                *(_interval(part.scores[name]) for name in names[1:]),
            )
        )
    if model.average is not None:
        above = next((each.average for each in scores.models if each.model == scores.ceiling_model), None)
        images = str(sum(part.images for part in model.languages))
        ceiling_text = _point(above) if above else "not measured"
        rows.append(
            (model.model, _ROLES[model.role], "average", images, _interval(model.average), ceiling_text)
            + ("",) * (len(names) - 1)
        )
    return rows


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> None:
    """A table whose lines are never folded: ids stay whole for copying."""
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    if title:
        console.say(f"\n{title}")
    for row in (columns, *rows):
        cells = (
            cell.rjust(width) if name in right else cell.ljust(width)
            for name, cell, width in zip(columns, row, widths, strict=True)
        )
        console.say("  ".join(cells).rstrip())


def _list() -> None:
    from evalsuite.claims import published

    facts = published()
    scores = [
        (
            each.id,
            each.model,
            each.average.text,
            *(each.languages[key].text for key in ("en", "zh")),
            each.source.citation,
        )
        for each in facts.scores
    ]
    _table("LongText-Bench", ("claim", "model", "average", "en", "zh", "source"), scores, right=("average", "en", "zh"))
    speeds = [
        (each.id, each.model, f"{each.text} {each.quantity}", each.gpu or "any NVIDIA GPU", each.source.citation)
        for each in facts.speeds
    ]
    _table("Speed and memory", ("claim", "model", "published", "hardware", "source"), speeds)


def _standings(rows: Sequence[Standing]) -> None:
    if all(row.role is None for row in rows):
        return
    table = [
        (
            f"→ {row.rank or '–'}" if row.role else str(row.rank),
            row.model if row.role in (None, "model") else f"{row.model} ({_ROLES[row.role]})",
            f"{row.average:.4f}" + (f" {_bracket(row.interval)}" if row.interval else ""),
            *(f"{row.languages[key]:.4f}" if key in row.languages else "–" for key in ("en", "zh")),
            row.source,
        )
        for row in rows
    ]
    _table(
        "LongText-Bench: published scores and this run (→)",
        ("place", "model", "average", "en", "zh", "source"),
        table,
        right=("place", "average", "en", "zh"),
    )
    reasons = dict.fromkeys(f"{each.kind}: {each.text}" for row in rows for each in row.differences)
    if reasons:
        console.notice(f"this run's rows do not compare with the published ones: {'; '.join(reasons)}")


def _verdict(verdict: ClaimVerdict) -> None:
    console.say(f"\n{verdict.outcome.upper()}: {verdict.claim.model} ({verdict.claim.id}), against {verdict.model}")
    if verdict.figures:
        _table(
            "",
            (
                "",
                "published",
                "measured",
                "less published",
                "faults mended",
                "character accuracy",
                "ceilings of the three",
            ),
            [_figure(figure) for figure in verdict.figures],
            right=("published", "measured", "less published", "faults mended", "character accuracy"),
        )
    console.say(verdict.text)
    if verdict.settings_vouched:
        console.say("The settings are taken on your word.")
    console.say(
        f"Source: {verdict.claim.source.citation}{f', {verdict.claim.source.url}' if verdict.claim.source.url else ''}"
    )


def _figure(figure: Measured) -> tuple[str, ...]:
    from evalsuite.claims.scores import NAMES, signed

    ceilings = (figure.ceiling, figure.fixed_ceiling, figure.accuracy_ceiling)
    return (
        NAMES.get(figure.of, figure.of),
        figure.text,
        _interval(figure.measured),
        signed(figure),
        _interval(figure.fixed),
        _interval(figure.accuracy) if figure.accuracy else "–",
        " ".join(_point(each) if each else "–" for each in ceilings) if any(ceilings) else "not measured",
    )


def _interval(interval: Interval) -> str:
    """The score with its interval, or with the reason why there is none."""
    return f"{_point(interval)} {_bracket(interval) or f'[{interval.method}]'}"


def _point(interval: Interval) -> str:
    return "undefined" if interval.estimate is None else f"{interval.estimate:.4f}"


def _bracket(interval: Interval) -> str:
    from evalsuite.claims.rows import bracket

    return bracket(interval)
