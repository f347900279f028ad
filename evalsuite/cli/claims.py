"""The command `claims`: a run against published figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalsuite.cli import console
from evalsuite.cli.options import JsonOption, examples
from evalsuite.cli.protocols import ROLES, score_text
from evalsuite.errors import EvalsuiteError
from evalsuite.wording import ends, point

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalsuite.claims import ClaimVerdict, Standing
    from evalsuite.claims.verdict import Measured

app = typer.Typer()

PUBLISHED = 4
"""Decimals of the published scores, and so of what stands beside them."""


@app.command(
    epilog=examples(
        "evalsuite claims --list",
        "evalsuite claims reports/mine --claim ernie-image-longtext",
        "evalsuite claims reports/mine --trust-settings --json",
    )
)
def claims(
    folder: Annotated[Path | None, typer.Argument(metavar="RUN", help="A run folder.")] = None,
    claim: Annotated[
        list[str] | None,
        typer.Option(
            "--claim",
            metavar="ID",
            help="Check this claim, e.g. ernie-image-longtext; repeatable. Default: those about the run's models.",
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", metavar="MODEL", help="Only this model of the run; repeatable."),
    ] = None,
    ocr: Annotated[
        str | None,
        typer.Option(
            "--ocr",
            metavar="ENGINE",
            help="Readings of this engine; default: the published reader's if there, else the plan's.",
        ),
    ] = None,
    trust_settings: Annotated[
        bool,
        typer.Option("--trust-settings", help="For images drawn elsewhere: they were drawn with the claim's settings."),
    ] = False,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write the report with the verdicts.")] = True,
    list_claims: Annotated[bool, typer.Option("--list", help="List the published figures.")] = False,
    json: JsonOption = False,
) -> None:
    """Check a run against published figures: reproduced, not reproduced, inconclusive or not comparable."""
    import evalsuite

    if list_claims:
        _list(json=json)
        return
    if folder is None:
        raise EvalsuiteError("name a run folder, or --list for the published figures")
    result = evalsuite.claims(
        folder, claim or (), models=model or (), ocr=ocr, trust_settings=trust_settings, report=report
    )
    for text in result.notices:
        console.notice(text)
    if json:
        from evalsuite.cli.documents import claims_document

        console.document(claims_document(folder, result))
        raise typer.Exit(result.exit_code)
    _standings(result.standings)
    for verdict in result.verdicts:
        _verdict(verdict)
    if result.page is not None:
        console.say(f"\nReport: {result.page}")
    if not result.verdicts:
        console.say(
            "No published figure speaks of this run's models. Name one with --claim, e.g. ernie-image-longtext."
        )
    raise typer.Exit(result.exit_code)


def _list(*, json: bool) -> None:
    from evalsuite.claims import check_statements, published

    facts = published()
    if json:
        from evalsuite.cli.documents import PublishedDocument

        console.document(PublishedDocument(published=facts))
        return
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
    console.table(
        "LongText-Bench", ("claim", "model", "average", "en", "zh", "source"), scores, right=("average", "en", "zh")
    )
    for check in check_statements(facts):
        console.notice(check.text)
    wegen = [
        (
            each.id,
            each.model,
            *(figure.text for figure in (each.char_f1, each.edit_sim, each.sen_acc, each.quality, each.gned)),
        )
        for each in facts.wegen
    ]
    columns = ("Char_F1", "Sim_edit", "Acc_sen", "quality", "GNED")
    console.table("WeGenBench-Text (listed, not checked)", ("row", "model", *columns), wegen, right=columns)
    speeds = [
        (each.id, each.model, f"{each.text} {each.quantity}", each.gpu or "any NVIDIA GPU", each.source.citation)
        for each in facts.speeds
    ]
    console.table("Speed and memory", ("claim", "model", "published", "hardware", "source"), speeds)


def _standings(rows: Sequence[Standing]) -> None:
    if all(row.role is None for row in rows):
        return
    table = [
        (
            f"→ {row.rank or '–'}" if row.role else str(row.rank),
            row.model if row.role in (None, "model") else f"{row.model} ({ROLES[row.role]})",
            f"{row.average:.4f}" + (f" {ends(row.interval, PUBLISHED)}" if row.interval else ""),
            *(f"{row.languages[key]:.4f}" if key in row.languages else "–" for key in ("en", "zh")),
            row.source,
        )
        for row in rows
    ]
    console.table(
        "LongText-Bench: published scores and this run (→)",
        ("place", "model", "average", "en", "zh", "source"),
        table,
        right=("place", "average", "en", "zh"),
    )
    for note in dict.fromkeys(row.note for row in rows if row.note):
        console.notice(note)
    reasons = dict.fromkeys(f"{each.kind}: {each.text}" for row in rows for each in row.differences)
    if reasons:
        console.notice(f"this run's rows do not compare with the published ones: {'; '.join(reasons)}")


def _verdict(verdict: ClaimVerdict) -> None:
    console.say(f"\n{verdict.outcome.upper()}: {verdict.claim.model} ({verdict.claim.id}), against {verdict.model}")
    if verdict.figures:
        console.table(
            "",
            (
                "",
                "published",
                "measured",
                "difference",
                "corrected scorer",
                "character accuracy",
                "OCR ceiling (each)",
            ),
            [_figure(figure) for figure in verdict.figures],
            right=("published", "measured", "difference", "corrected scorer", "character accuracy"),
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
        score_text(figure.measured, PUBLISHED),
        signed(figure),
        score_text(figure.fixed, PUBLISHED),
        score_text(figure.accuracy, PUBLISHED) if figure.accuracy else "–",
        " ".join(point(each, PUBLISHED) if each else "–" for each in ceilings) if any(ceilings) else "not measured",
    )
