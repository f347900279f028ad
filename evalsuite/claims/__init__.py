"""Does a run reproduce a published figure? Yes, no, cannot tell because …, or not comparable because …."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evalsuite.claims.comparable import reader_differences, speaks_to
from evalsuite.claims.published import (
    Claim,
    Figure,
    Published,
    ScoreClaim,
    Source,
    SpeedClaim,
    load,
    published,
)
from evalsuite.claims.scores import AVERAGE, check_score, measure
from evalsuite.claims.speeds import check_load, check_speed
from evalsuite.claims.standings import Standing, standings_of
from evalsuite.claims.statements import StatementCheck, check_statements
from evalsuite.claims.verdict import ClaimVerdict, Difference, Measured, MoreImages, Outcome
from evalsuite.errors import EvalsuiteError, ExitCode, NotComparableError
from evalsuite.records import Record

if TYPE_CHECKING:
    from evalsuite.records import ModelSpec, OcrSpec
    from evalsuite.runs.opened import OpenRun
    from evalsuite.runs.store import RunStore

__all__ = [
    "AVERAGE",
    "Claim",
    "ClaimVerdict",
    "ClaimsCheck",
    "Difference",
    "Figure",
    "Measured",
    "MoreImages",
    "Outcome",
    "Published",
    "ScoreClaim",
    "Source",
    "SpeedClaim",
    "Standing",
    "StatementCheck",
    "check_claims",
    "check_load",
    "check_statements",
    "exit_code",
    "load",
    "published",
    "published_reader",
]


class ClaimsCheck(Record, frozen=True, kw_only=True):
    """What a run says of published figures, and where its models stand among the published scores."""

    verdicts: tuple[ClaimVerdict, ...]
    standings: tuple[Standing, ...]


def check_claims(
    run: OpenRun,
    claims: Sequence[str] = (),
    *,
    models: Sequence[str] = (),
    trust_settings: bool = False,
    figures: Published | None = None,
) -> ClaimsCheck:
    """Hold a run against published figures. Nothing is drawn or read.

    Args:
        run: The run, opened with the engine whose readings count; `published_reader` says which one is wanted.
        claims: Ids of claims to check against every model; without them, each model is checked against those that
            are about it (its repository and variant), which may be none.
        models: Only these models of the run; by default all but the typeset reference, or that where it is alone.
        trust_settings: Take settings that the run does not know (images that existed already) to be the claim's.
        figures: Other published figures than those that ship.

    Raises:
        NotComparableError: The run is a shard, or was drawn only until a gate's verdict.
        EvalsuiteError: when a claim or model is not known.
    """
    if run.not_whole is not None:
        raise NotComparableError(f"{run.folder}: published figures are of complete runs. {run.not_whole}")
    facts = figures or published()
    named = [facts.named(name) for name in claims]
    chosen = _models(run, models)
    asked = [(spec, claim) for spec in chosen for claim in named] or [
        (spec, claim) for spec in chosen for claim in facts.all if speaks_to(spec, claim)
    ]
    measured = {facts.scores[0].protocol: measure(run, facts.scores[0].protocol)}
    ranked = measured[facts.scores[0].protocol]
    verdicts = []
    for model, claim in asked:
        if isinstance(claim, SpeedClaim):
            verdicts.append(check_speed(claim, model, run, vouched=trust_settings))
            continue
        if not isinstance(claim, ScoreClaim):
            raise TypeError(f"{claim.id}: a claim is about a score or about speed")
        if claim.protocol not in measured:
            measured[claim.protocol] = measure(run, claim.protocol)
        own = measured[claim.protocol]
        ceiling = run.manifest.ceiling_of(model)
        above = own[ceiling.name] if ceiling else None
        verdicts.append(check_score(claim, own[model.name], run, above, facts, vouched=trust_settings))
    return ClaimsCheck(verdicts=tuple(verdicts), standings=standings_of(run, ranked, facts))


def exit_code(verdicts: Sequence[ClaimVerdict], *, named: bool) -> ExitCode:
    """The exit code of a check: the worst of its verdicts, FAIL before NOT COMPARABLE before INCONCLUSIVE.

    Where no claim was asked for by name, those that speak of other hardware do not count; and a run that nothing
    speaks of at all concludes nothing.
    """
    codes = {
        "not reproduced": ExitCode.FAIL,
        "not comparable": ExitCode.INCOMPLETE,
        "inconclusive": ExitCode.INCONCLUSIVE,
        "reproduced": ExitCode.OK,
    }
    counted = [
        verdict.outcome for verdict in verdicts if named or {each.kind for each in verdict.differences} != {"hardware"}
    ]
    return next((code for outcome, code in codes.items() if outcome in counted), ExitCode.INCOMPLETE)


def _models(run: OpenRun, names: Sequence[str]) -> list[ModelSpec]:
    specs = {spec.name: spec for spec in run.manifest.models}
    for name in names:
        if name not in specs:
            raise EvalsuiteError(f"{run.folder}: no model {name!r} in this run; it has {', '.join(specs)}")
    return [specs[name] for name in names] or list(run.models(subjects=True))


def published_reader(store: RunStore) -> OcrSpec:
    """The engine whose readings a check takes: the published one where it has read this run, else the plan's own."""
    known = store.engines()
    return next((spec for spec in known if not any(reader_differences(spec))), known[0])
