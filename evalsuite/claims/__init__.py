"""Does a run reproduce a published figure? Yes, no, cannot tell because …, or not comparable because …."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
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
from evalsuite.claims.scores import AVERAGE, ModelFigures, check_score, measure
from evalsuite.claims.speeds import check_speed
from evalsuite.claims.standings import Standing, standings_of
from evalsuite.claims.verdict import ClaimVerdict, Difference, Measured, MoreImages, Outcome
from evalsuite.errors import EvalsuiteError, ExitCode

if TYPE_CHECKING:
    from evalsuite.records import ModelSpec, OcrSpec, Score
    from evalsuite.runs.store import RunStore

__all__ = [
    "AVERAGE",
    "Claim",
    "ClaimVerdict",
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
    "check",
    "exit_code",
    "load",
    "published",
    "reader",
    "standings",
]


def check(
    folder: Path,
    claims: Sequence[str] = (),
    *,
    models: Sequence[str] = (),
    ocr: OcrSpec | None = None,
    trust_settings: bool = False,
    figures: Published | None = None,
) -> tuple[ClaimVerdict, ...]:
    """What a stored run says of published figures. Nothing is drawn or read.

    Args:
        folder: The run folder.
        claims: Ids of claims to check against every model; without them, each model is checked against those that
            are about it (its repository and variant), which may be none.
        models: Only these models of the run; by default all but the typeset reference, or that where it is alone.
        ocr: The engine whose readings count; by default the published reader where the run has its readings, else the
            plan's own.
        trust_settings: Take settings that the run does not know (images that existed already) to be the claim's.
        figures: Other published figures than those that ship.

    Raises:
        EvalsuiteError: when there is no run, or a claim or model is not known.
    """
    from evalsuite.runs.store import RunStore
    from evalsuite.runs.summary import is_ceiling

    store = RunStore.open(folder)
    facts = figures or published()
    named = [facts.named(name) for name in claims]
    chosen = _models(store, models)
    asked = [(spec, claim) for spec in chosen for claim in named] or [
        (spec, claim) for spec in chosen for claim in facts.all if speaks_to(spec, claim)
    ]
    spec = ocr or reader(store)
    measured: dict[str, dict[str, ModelFigures]] = {}
    ceilings = [model.name for model in store.manifest.models if is_ceiling(model)]
    verdicts = []
    for model, claim in asked:
        if isinstance(claim, SpeedClaim):
            verdicts.append(check_speed(claim, model, store, vouched=trust_settings))
            continue
        if not isinstance(claim, ScoreClaim):
            raise TypeError(f"{claim.id}: a claim is about a score or about speed")
        if claim.protocol not in measured:
            measured[claim.protocol] = measure(store, spec, claim.protocol, _score_rows(store, spec))
        own = measured[claim.protocol]
        ceiling = own[ceilings[0]] if ceilings else None
        verdicts.append(check_score(claim, own[model.name], store, spec, ceiling, facts, vouched=trust_settings))
    return tuple(verdicts)


def standings(folder: Path, *, ocr: OcrSpec | None = None, figures: Published | None = None) -> tuple[Standing, ...]:
    """The published LongText-Bench scores with the run's own placed among them, best average first.

    The run's rows say what they are (model, reader, images a prompt) and whether they are comparable; without the
    benchmark's prompts in both languages, the run has none.
    """
    from evalsuite.runs.store import RunStore

    store = RunStore.open(folder)
    spec = ocr or reader(store)
    facts = figures or published()
    return standings_of(store, spec, measure(store, spec, facts.scores[0].protocol, ()), facts)


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


def _models(store: RunStore, names: Sequence[str]) -> list[ModelSpec]:
    specs = {spec.name: spec for spec in store.manifest.models}
    for name in names:
        if name not in specs:
            raise EvalsuiteError(f"{store.folder}: no model {name!r} in this run; it has {', '.join(specs)}")
    others = [spec for spec in specs.values() if spec.role != "reference"]
    return [specs[name] for name in names] or others or list(specs.values())


def reader(store: RunStore) -> OcrSpec:
    """The engine whose readings a check takes: the published one where it has read this run, else the plan's own."""
    readers = store.readers()
    return next((spec for spec in readers if not any(reader_differences(spec))), readers[0])


def _score_rows(store: RunStore, ocr: OcrSpec) -> list[Score]:
    """The suite's own score rows over an engine's readings, if they were made."""
    return store.scores(ocr, store.manifest.scorer).read()
