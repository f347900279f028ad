"""Whether what a source says of a score's place still holds among the scores that have been published since."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.records import Record

if TYPE_CHECKING:
    import datetime as dt

    from evalsuite.claims.published import Published, ScoreClaim, Statement


class StatementCheck(Record, frozen=True, kw_only=True):
    """A statement with the scores above its subject's: of open weights (`above`), and where that was not checked."""

    statement: Statement
    subject: ScoreClaim
    above: tuple[ScoreClaim, ...]
    unknown: tuple[ScoreClaim, ...]

    @property
    def holds(self) -> bool | None:
        """Whether nothing open stands above; None where it cannot be told."""
        return False if self.above else None if self.unknown else True

    @property
    def since(self) -> dt.date | None:
        """When the first score above was published, as far as the sources are dated."""
        return min((each.source.published for each in self.above if each.source.published), default=None)

    @property
    def text(self) -> str:
        """The verdict in one sentence."""
        said = f"{self.subject.model} as \u201c{self.statement.text}\u201d ({self.statement.source.citation})"
        if self.holds:
            return f"{said}: true among the figures known here"
        if not self.above:
            unchecked = " and ".join(claim.model for claim in self.unknown)
            return f"{said}: cannot be told, since whether {unchecked} can be had was not checked"
        dated = f", false since {self.since.isoformat()}" if self.since else ""
        return f"{said}: no longer true{dated}. Above its {self.subject.average.text} stand {_listed(self.above)}"


def check_statements(facts: Published) -> tuple[StatementCheck, ...]:
    """Each statement against all published scores; scores of the subject's own model do not count against it."""
    scores = {claim.id: claim for claim in facts.scores}
    checks = []
    for statement in facts.statements:
        subject = scores[statement.subject]
        higher = [
            claim
            for claim in facts.scores
            if claim.average.value > subject.average.value and claim.model != subject.model
        ]
        higher.sort(key=lambda claim: -claim.average.value)
        checks.append(
            StatementCheck(
                statement=statement,
                subject=subject,
                above=tuple(claim for claim in higher if claim.weights == "open"),
                unknown=tuple(claim for claim in higher if claim.weights is None),
            )
        )
    return tuple(checks)


def _listed(claims: tuple[ScoreClaim, ...]) -> str:
    def one(claim: ScoreClaim) -> str:
        when = f", {claim.source.published.isoformat()}" if claim.source.published else ""
        return f"{claim.model} {claim.average.text} ({claim.licence or 'licence not checked'}{when})"

    return " and ".join(map(one, claims))
