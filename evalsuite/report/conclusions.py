"""Verdicts and claims as a page shows them. The rooms that conclude fill these rows; the report concludes nothing."""

from __future__ import annotations

from typing import Literal

from evalsuite.records import ModelRole, Record


class VerdictRow(Record, frozen=True, kw_only=True):
    """What a gate says of a model of this run: its outcome, one sentence, and a line for each of its gates.

    All texts are shown as they are. `columns` and `gates` are a table: one cell a column, the first names the gate.
    """

    outcome: Literal["PASS", "FAIL", "INCONCLUSIVE", "INCOMPLETE", "NOT COMPARABLE"]
    title: str
    text: str
    columns: tuple[str, ...] = ()
    gates: tuple[tuple[str, ...], ...] = ()


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
    from being compared with the others.
    """

    rank: int
    model: str
    role: ModelRole | None
    figures: tuple[tuple[str, str], ...]
    interval: str | None
    source: str
    note: str = ""


def tone(outcome: str) -> str:
    """`good`, `bad` or `open`: how an outcome is coloured; its word always stands beside the colour."""
    if outcome in {"PASS", "reproduced"}:
        return "good"
    return "bad" if outcome in {"FAIL", "not reproduced", "INCOMPLETE"} else "open"


def message(outcome: str) -> str:
    """The key of an outcome's word."""
    return f"outcome.{outcome.lower().replace(' ', '-')}"
