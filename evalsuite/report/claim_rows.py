"""Verdicts and standings as the rows that a report shows."""

from __future__ import annotations

from collections.abc import Sequence

from evalsuite.claims.published import ScoreClaim
from evalsuite.claims.scores import AVERAGE
from evalsuite.claims.standings import Standing
from evalsuite.claims.verdict import ClaimVerdict
from evalsuite.report.conclusions import ClaimRow, StandingRow
from evalsuite.wording import ends, images_per_prompt


def report_rows(verdicts: Sequence[ClaimVerdict]) -> tuple[ClaimRow, ...]:
    """One row per verdict, for `evalsuite.report.store_claims`."""
    return tuple(_row(verdict) for verdict in verdicts)


def standing_rows(standings: Sequence[Standing]) -> tuple[StandingRow, ...]:
    """Published scores with the run's models among them; none where the run has no score to place."""
    if all(row.role is None for row in standings):
        return ()
    return tuple(_standing(row) for row in standings)


def _standing(row: Standing) -> StandingRow:
    languages = {key: _number(row.languages.get(key), 4) or "–" for key in ("en", "zh")}
    return StandingRow(
        rank=row.rank,
        model=row.model,
        role=row.role,
        figures=(*languages.items(), (AVERAGE, f"{row.average:.4f}")),
        interval=ends(row.interval, 4) or None if row.interval else None,
        source=row.source,
        note="; ".join(dict.fromkeys(f"{each.kind}: {each.text}" for each in row.differences)) or row.note,
    )


def _row(verdict: ClaimVerdict) -> ClaimRow:
    claim = verdict.claim
    if isinstance(claim, ScoreClaim):
        average = verdict.average
        measured = average.measured if average else None
        published = f"{claim.average.text} ({', '.join(f'{key} {each.text}' for key, each in claim.languages.items())})"
        ceiling = average.ceiling if average else None
        protocol = f"{claim.protocol}, read by {verdict.engine}, {images_per_prompt(verdict.images_per_prompt)}"
        digits = 4
    else:
        measured, ceiling, digits = verdict.quantity, None, 2
        published, protocol = f"{claim.text} {claim.quantity}", claim.gpu or "any NVIDIA GPU"
    return ClaimRow(
        outcome=verdict.outcome,
        claim=f"{claim.model} ({claim.id}), against {verdict.model}",
        published=published,
        measured=_number(measured.estimate, digits) if measured else None,
        interval=ends(measured, digits) or None if measured else None,
        ceiling=_number(ceiling.estimate, digits) if ceiling else None,
        protocol=protocol,
        text=verdict.text,
        source=claim.source.citation,
    )


def _number(value: float | None, digits: int) -> str | None:
    return None if value is None else f"{value:.{digits}f}"
