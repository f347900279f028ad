"""Verdicts and claims as a page shows them. The rooms that conclude fill these rows; the report concludes nothing.

What a gate or a check of claims said of a run is kept in its folder (`conclusions.json`), so that a page built later
shows it too; and only as long as the images and readings are those that it rests on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from evalsuite.errors import EvalsuiteError
from evalsuite.files import FileError, read_file, write_atomically
from evalsuite.records import ModelRole, Record, digest, encode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evalsuite.runs.opened import OpenRun
    from evalsuite.runs.store import RunStore

FILE = "conclusions.json"


class GateLabel(Record, frozen=True, kw_only=True):
    """What a gate is called: its id, and what the id leaves out."""

    id: str
    average: Literal["macro", "micro"] | None = None
    floor: bool = False


class VerdictRow(Record, frozen=True, kw_only=True):
    """What a gate says of a model of this run: its outcome, one sentence, and a line for each of its gates.

    All texts are shown as they are. `columns` and `gates` are a table: one cell per column, the first names the
    gate, as does its place in `labels`, which pages translate.
    `question` tells gates apart: a later answer to the same question replaces the earlier one.
    """

    outcome: Literal["PASS", "FAIL", "INCONCLUSIVE", "INCOMPLETE", "NOT COMPARABLE"]
    question: str
    title: str
    text: str
    columns: tuple[str, ...] = ()
    gates: tuple[tuple[str, ...], ...] = ()
    labels: tuple[GateLabel, ...] = ()


class ClaimRow(Record, frozen=True, kw_only=True):
    """What a run says of one published figure.

    `measured` and `interval` are None where nothing may be compared; `text` then says what differs. `source` is a
    citation, shown as text.
    """

    outcome: Literal["reproduced", "not reproduced", "inconclusive", "not comparable"]
    claim: str
    published: str
    measured: str | None
    interval: str | None
    ceiling: str | None
    protocol: str
    text: str
    source: str


class StandingRow(Record, frozen=True, kw_only=True):
    """A place among published scores: a published one, or a model of this run (`role` set).

    `figures` are the score of each language by its name, then the average; `note` says what keeps a model of the run
    from being compared with the others, or what became of a statement about a published score's place.
    """

    rank: int | None
    model: str
    role: ModelRole | None
    figures: tuple[tuple[str, str], ...]
    interval: str | None
    source: str
    note: str = ""


class Verdicts(Record, frozen=True, kw_only=True):
    """What gates said of a run. `basis` is the digest of the rows that they rest on, `engine` of the OCR that read."""

    engine: str
    basis: str
    rows: tuple[VerdictRow, ...]


class ClaimChecks(Record, frozen=True, kw_only=True):
    """What the last check of published figures said of a run, and where its models stand among them."""

    engine: str
    basis: str
    rows: tuple[ClaimRow, ...]
    standings: tuple[StandingRow, ...]


class Conclusions(Record, frozen=True, kw_only=True):
    """All that was concluded of a run; None where nothing was."""

    verdicts: Verdicts | None = None
    claims: ClaimChecks | None = None


def store_verdict(run: OpenRun, row: VerdictRow) -> None:
    """Keep what a gate said, beside what gates with another question said of the same rows.

    Raises:
        EvalsuiteError: when another process is writing to the run, or the folder cannot be written.
    """
    with run.store.writing():
        before = read(run.store)
        found = Verdicts(engine=run.ocr.digest, basis=_basis(run), rows=(row,))
        kept = before.verdicts
        if kept is not None and (kept.engine, kept.basis) == (found.engine, found.basis):
            others = [each for each in kept.rows if each.question != row.question]
            found = msgspec.structs.replace(found, rows=(*others, row))
        _write(run.store, msgspec.structs.replace(before, verdicts=found))


def store_claims(run: OpenRun, rows: Iterable[ClaimRow], standings: Iterable[StandingRow]) -> None:
    """Keep what a check of published figures said, in place of the one before.

    Raises:
        EvalsuiteError: when another process is writing to the run, or the folder cannot be written.
    """
    with run.store.writing():
        found = ClaimChecks(engine=run.ocr.digest, basis=_basis(run), rows=tuple(rows), standings=tuple(standings))
        _write(run.store, msgspec.structs.replace(read(run.store), claims=found))


def read(store: RunStore) -> Conclusions:
    """What is kept in a run's folder.

    Raises:
        EvalsuiteError: when the file is there and cannot be read.
    """
    path = store.folder / FILE
    try:
        return msgspec.json.decode(read_file(path, follow=False), type=Conclusions)
    except FileNotFoundError:
        return Conclusions()
    except (FileError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EvalsuiteError(
            f"{path}: cannot be read ({error}); delete it, then run the gate or 'evalsuite claims' again"
        ) from error


def is_current(run: OpenRun, found: Verdicts | ClaimChecks) -> bool:
    """Whether the run's images and readings are still those that a conclusion rests on."""
    if found.engine == run.ocr.digest:
        return _basis(run) == found.basis
    engine = next((spec for spec in run.store.engines() if spec.digest == found.engine), None)
    return engine is not None and _basis(run.read_by(engine)) == found.basis


def _basis(run: OpenRun) -> str:
    missing = [[each.key, each.stage] for each in run.missing]
    return digest([[run.evidence.digest_of(spec.name) for spec in run.manifest.models], missing])


def _write(store: RunStore, found: Conclusions) -> None:
    write_atomically(store.folder / FILE, msgspec.json.format(encode(found), indent=1))


def tone(outcome: str) -> str:
    """`good`, `bad` or `open`: how an outcome is coloured; its word always stands beside the colour."""
    if outcome in {"PASS", "reproduced"}:
        return "good"
    return "bad" if outcome in {"FAIL", "not reproduced", "INCOMPLETE"} else "open"


def message(outcome: str) -> str:
    """The key of an outcome's word."""
    return f"outcome.{outcome.lower().replace(' ', '-')}"
