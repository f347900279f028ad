"""What `--json` prints, a record per command: one JSON document each, whose schema is in docs/output.schema.json.

`format` rises with every change of meaning; fields may be added without.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Literal

import msgspec

from evalsuite.claims import Standing
from evalsuite.claims.published import Published
from evalsuite.claims.verdict import Difference as ClaimDifference
from evalsuite.claims.verdict import Gap, Measured, MoreImages, Outcome
from evalsuite.content.figures import ContentReport
from evalsuite.gate.verdict import Verdict
from evalsuite.models.servers.ignored import Trial
from evalsuite.records import Json, Prompt, Record
from evalsuite.report.comparison import Difference
from evalsuite.report.summary_file import RunSummary
from evalsuite.runs.protocol_scores import ProtocolScores
from evalsuite.stats import Interval

if TYPE_CHECKING:
    from pathlib import Path

    from evalsuite.claims import ClaimVerdict
    from evalsuite.results import ClaimsResult


class RunDocument(Record, frozen=True, kw_only=True):
    """`run --json` and `score --json`.

    `folder` is the run's, `page` its report. `resumed`: the run was there before. `summary` is what `summary.json`
    holds; `protocols` what `--protocol` asked for; `verdict` that of `--until-verdict`. `exit_code` is what the command
    leaves with.
    """

    format: Literal[1] = 1
    folder: str
    page: str | None
    resumed: bool
    exit_code: int
    summary: RunSummary
    protocols: tuple[ProtocolScores, ...] = ()
    verdict: Verdict | None = None
    notices: tuple[str, ...] = ()


class ClaimRow(Record, frozen=True, kw_only=True):
    """What a run says of one published figure; `claim` is its id, as `claims --list` gives it.

    The other fields are those of `evalsuite.claims.ClaimVerdict`.
    """

    claim: str
    model: str
    outcome: Outcome
    text: str
    engine: str | None
    images_per_prompt: int
    figures: tuple[Measured, ...]
    gap: Gap | None
    quantity: Interval | None
    differences: tuple[ClaimDifference, ...]
    more: MoreImages | None
    rank: int | None
    of: int | None
    settings_vouched: bool


def claims_document(folder: Path, result: ClaimsResult) -> ClaimsDocument:
    """What `claims RUN --json` prints of a result."""
    return ClaimsDocument(
        folder=str(folder),
        page=str(result.page) if result.page is not None else None,
        exit_code=result.exit_code,
        verdicts=tuple(_claim_row(each) for each in result.verdicts),
        standings=result.standings,
    )


def _claim_row(verdict: ClaimVerdict) -> ClaimRow:
    told = {name: getattr(verdict, name) for name in ClaimRow.__struct_fields__ if name != "claim"}
    return ClaimRow(claim=verdict.claim.id, **told)


class ClaimsDocument(Record, frozen=True, kw_only=True):
    """`claims RUN --json`: verdicts on published figures, and where the run's models stand among published scores."""

    format: Literal[1] = 1
    folder: str
    page: str | None
    exit_code: int
    verdicts: tuple[ClaimRow, ...]
    standings: tuple[Standing, ...]


class PublishedDocument(Record, frozen=True, kw_only=True):
    """`claims --list --json`: the published figures."""

    format: Literal[1] = 1
    published: Published


class ComparisonDocument(Record, frozen=True, kw_only=True):
    """`compare --json`: what each model's character accuracy is above the first one's. `folders` are the runs'.

    `sentences` say the same in English; `sign_test` of a difference is a p-value.
    """

    format: Literal[1] = 1
    page: str
    folders: tuple[str, ...]
    complete: bool
    exit_code: int
    differences: tuple[Difference, ...]
    sentences: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


class ContentDocument(Record, frozen=True, kw_only=True):
    """`content --json`: what was measured of a run's pictures beside their text, by any call of the command."""

    format: Literal[1] = 1
    folder: str
    page: str | None
    exit_code: int
    content: ContentReport


class CheckRow(Record, frozen=True, kw_only=True):
    """One part that evalsuite uses: whether it is there, and what it is or how to get it."""

    part: str
    state: Literal["ok", "missing", "optional"]
    detail: str


class DoctorDocument(Record, frozen=True, kw_only=True):
    """`doctor --json`; `exit_code` is 2 where a part is missing that every run needs."""

    format: Literal[1] = 1
    exit_code: int
    checks: tuple[CheckRow, ...]


class ServerDocument(Record, frozen=True, kw_only=True):
    """`doctor --server URL --json`: what the server does with each field; `exit_code` is 2 where it ignores one."""

    format: Literal[1] = 1
    exit_code: int
    server: str
    trials: tuple[Trial, ...]


class ModelRow(Record, frozen=True, kw_only=True):
    """A model that can be named. `settings` are its defaults; `available`: its weights are on this machine."""

    name: str
    what: str
    repository: str
    licence: str
    settings: dict[str, Json]
    needs: str
    available: bool


class ModelsDocument(Record, frozen=True, kw_only=True):
    """`models list --json`."""

    format: Literal[1] = 1
    models: tuple[ModelRow, ...]


class SuiteRow(Record, frozen=True, kw_only=True):
    """A suite: its size, its digest, and what a careful author would fix. `rows` are the prompts, where asked for."""

    name: str
    description: str
    digest: str
    prompts: int
    targets: int
    warnings: tuple[str, ...] = ()
    rows: tuple[Prompt, ...] = ()


class SuitesDocument(Record, frozen=True, kw_only=True):
    """`suites list --json`, `suites show --json` (with `rows`) and `suites validate --json`."""

    format: Literal[1] = 1
    suites: tuple[SuiteRow, ...]


DOCUMENTS: dict[str, type[msgspec.Struct]] = {
    "run": RunDocument,
    "summary.json": RunSummary,
    "claims": ClaimsDocument,
    "claims --list": PublishedDocument,
    "compare": ComparisonDocument,
    "content": ContentDocument,
    "doctor": DoctorDocument,
    "doctor --server": ServerDocument,
    "models list": ModelsDocument,
    "suites": SuitesDocument,
}
"""The documents by the commands that print them (`score` prints that of `run`), and the file that a run holds."""


def schema() -> dict[str, Json]:
    """The JSON Schema (2020-12) of every document, as it is published in docs/output.schema.json."""
    found, definitions = msgspec.json.schema_components(DOCUMENTS.values(), ref_template="#/$defs/{name}")
    for definition in definitions.values():
        if "description" in definition:
            definition["description"] = inspect.cleandoc(definition["description"])
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "what evalsuite --json prints, by command, and summary.json",
        "properties": dict(zip(DOCUMENTS, found, strict=True)),
        "$defs": definitions,
    }
    plain: dict[str, Json] = msgspec.json.decode(msgspec.json.encode(whole))
    return plain
