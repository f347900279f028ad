"""The published figures of `data/claims.toml`: facts with their source, and what a run must be to speak to them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec

from evalsuite.datafiles import data_dir
from evalsuite.errors import EvalsuiteError
from evalsuite.files import parse_toml
from evalsuite.records import Json, Record
from evalsuite.wording import did_you_mean

Weights = Literal["open", "closed"]
"""Whether anybody can have the weights; None where it was not checked."""

Quantity = Literal["s per image", "images/s", "GB of GPU memory"]

ABOUT = 0.1
"""What "about" leaves: a tenth to either side."""


class Source(Record, frozen=True, kw_only=True):
    """Where a figure stands and when it was first there. `traced` is False where no primary source was found."""

    title: str
    url: str | None = None
    published: dt.date | None = None
    traced: bool = True

    @property
    def citation(self) -> str:
        """The source on one line."""
        return ", ".join([self.title, *([self.published.isoformat()] if self.published else [])])


class Figure(Record, frozen=True, kw_only=True):
    """A published number as it was printed. `rounding` is half a unit of its last digit."""

    text: str
    value: float
    rounding: float

    @staticmethod
    def of(number: Decimal) -> Figure:
        """The figure that a decimal with its trailing zeros stands for."""
        exponent = number.as_tuple().exponent
        digits = -exponent if isinstance(exponent, int) else 0
        return Figure(text=f"{number:f}", value=float(number), rounding=0.5 * 10.0**-digits)


class Claim(Record, frozen=True, kw_only=True):
    """What all claims have. `variant` and `repository` say of which model they speak, `settings` how it was drawn."""

    id: str
    model: str
    source: Source
    repository: str | None = None
    variant: dict[str, Json] = msgspec.field(default_factory=dict)
    settings: dict[str, Json] = msgspec.field(default_factory=dict)


class ScoreClaim(Claim, frozen=True, kw_only=True):
    """A benchmark score: the figure of each language, and their unweighted average.

    `average` is computed from the languages where none was printed (`average_printed` False).
    """

    protocol: str
    samples: int
    tolerance: float
    labs_differ: float
    languages: dict[str, Figure]
    average: Figure
    average_printed: bool
    weights: Weights | None = None
    licence: str | None = None


class Statement(Record, frozen=True, kw_only=True):
    """What a source says of a score's place: that no model with open weights has a higher one than `subject`."""

    id: str
    text: str
    source: Source
    subject: str


class WegenFigures(Record, frozen=True, kw_only=True):
    """A row of WeGenBench-Text's table. It is listed and not checked: its OCR service is not public."""

    id: str
    model: str
    source: Source
    edit_sim: Figure
    sen_acc: Figure
    quality: Figure
    gned: Figure
    char_f1: Figure


class SpeedClaim(Claim, frozen=True, kw_only=True):
    """A time, a throughput or a memory figure on a GPU whose name holds `gpu` (None: any NVIDIA GPU).

    The published range is [`least`, `most`], `least` being None for "under". `serving` names a server that the
    figure was measured through.
    """

    quantity: Quantity
    gpu: str | None = None
    serving: str | None = None
    least: float | None = None
    most: float | None = None
    text: str


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class _Benchmark(_Table, frozen=True, kw_only=True):
    protocol: str
    samples: int
    tolerance: Decimal
    labs_differ: Decimal


class _Sourced(_Table, frozen=True, kw_only=True):
    id: str
    source: str


class _Row(_Sourced, frozen=True, kw_only=True):
    model: str
    repository: str | None = None
    variant: dict[str, Json] = {}
    settings: dict[str, Json] = {}


class _Score(_Row, frozen=True, kw_only=True):
    en: Decimal
    zh: Decimal
    average: Decimal | None = None
    weights: Weights | None = None
    licence: str | None = None


class _Statement(_Sourced, frozen=True, kw_only=True):
    text: str
    subject: str


class _Wegen(_Sourced, frozen=True, kw_only=True):
    model: str
    edit_sim: Decimal
    sen_acc: Decimal
    quality: Decimal
    gned: Decimal
    char_f1: Decimal


class _Speed(_Row, frozen=True, kw_only=True):
    quantity: Quantity
    gpu: str | None = None
    serving: str | None = None
    least: Decimal | None = None
    most: Decimal | None = None
    about: Decimal | None = None


class _File(_Table, frozen=True, kw_only=True):
    benchmark: _Benchmark = msgspec.field(name="longtext-bench")
    sources: dict[str, Source]
    scores: tuple[_Score, ...]
    speeds: tuple[_Speed, ...] = ()
    statements: tuple[_Statement, ...] = ()
    wegen: tuple[_Wegen, ...] = ()


class Published(Record, frozen=True, kw_only=True):
    """All published figures."""

    scores: tuple[ScoreClaim, ...]
    speeds: tuple[SpeedClaim, ...]
    statements: tuple[Statement, ...] = ()
    wegen: tuple[WegenFigures, ...] = ()

    @property
    def all(self) -> tuple[ScoreClaim | SpeedClaim, ...]:
        """Scores, then speeds."""
        return (*self.scores, *self.speeds)

    def named(self, name: str) -> ScoreClaim | SpeedClaim:
        """The claim with that id; raises `EvalsuiteError` with close matches where there is none."""
        if name in {row.id for row in self.wegen}:
            raise EvalsuiteError(
                f"{name} is a figure of WeGenBench-Text, which is listed and cannot be checked: the OCR service "
                "that read it is not public. --protocol wegen gives the formulas over this run's readings"
            )
        known = {claim.id: claim for claim in self.all}
        if name not in known:
            raise EvalsuiteError(
                f"unknown claim {name!r}: {did_you_mean(name, known, listed=False)}'evalsuite claims --list' lists them"
            )
        return known[name]


@cache
def published() -> Published:
    """The figures that ship with evalsuite."""
    return load(data_dir() / "claims.toml")


def load(path: Path) -> Published:
    """Read and check a file of claims.

    Raises:
        EvalsuiteError: for what cannot be read, unknown keys, unknown sources, ids given twice, and averages that are
            not those of their languages.
    """
    try:
        file = msgspec.convert(parse_toml(path, parse_float=Decimal), _File)
    except FileNotFoundError:
        raise EvalsuiteError(f"{path}: no such file of claims") from None
    except msgspec.ValidationError as error:
        raise EvalsuiteError(f"{path}: {error}") from error
    seen: set[str] = set()
    rows: tuple[_Sourced, ...] = (*file.scores, *file.speeds, *file.statements, *file.wegen)
    for row in rows:
        if row.source not in file.sources:
            raise EvalsuiteError(f"{path}: claim {row.id!r}: no source is called {row.source!r}")
        if row.id in seen:
            raise EvalsuiteError(f"{path}: two claims are called {row.id!r}")
        seen.add(row.id)
    subjects = {row.id for row in file.scores}
    for statement in file.statements:
        if statement.subject not in subjects:
            raise EvalsuiteError(f"{path}: statement {statement.id!r}: no score is called {statement.subject!r}")
    return Published(
        scores=tuple(_score(path, row, file) for row in file.scores),
        speeds=tuple(_speed(path, row, file) for row in file.speeds),
        statements=tuple(
            Statement(id=row.id, text=row.text, source=file.sources[row.source], subject=row.subject)
            for row in file.statements
        ),
        wegen=tuple(_wegen(row, file) for row in file.wegen),
    )


def _wegen(row: _Wegen, file: _File) -> WegenFigures:
    columns = ("edit_sim", "sen_acc", "quality", "gned", "char_f1")
    figures = {column: Figure.of(getattr(row, column)) for column in columns}
    return WegenFigures(id=row.id, model=row.model, source=file.sources[row.source], **figures)


def _common(row: _Row, file: _File) -> dict[str, Any]:
    return {
        "id": row.id,
        "model": row.model,
        "source": file.sources[row.source],
        "repository": row.repository,
        "variant": row.variant,
        "settings": {key: float(v) if isinstance(v, Decimal) else v for key, v in row.settings.items()},
    }


def _score(path: Path, row: _Score, file: _File) -> ScoreClaim:
    mean = (row.en + row.zh) / 2
    if row.average is not None and abs(row.average - mean) > Decimal(str(Figure.of(row.average).rounding)):
        raise EvalsuiteError(f"{path}: claim {row.id!r}: average {row.average} is not that of {row.en} and {row.zh}")
    computed = Figure(text=f"{mean:f}", value=float(mean), rounding=Figure.of(row.en).rounding)
    return ScoreClaim(
        **_common(row, file),
        protocol=file.benchmark.protocol,
        samples=file.benchmark.samples,
        tolerance=float(file.benchmark.tolerance),
        labs_differ=float(file.benchmark.labs_differ),
        languages={"en": Figure.of(row.en), "zh": Figure.of(row.zh)},
        average=computed if row.average is None else Figure.of(row.average),
        average_printed=row.average is not None,
        weights=row.weights,
        licence=row.licence,
    )


def _speed(path: Path, row: _Speed, file: _File) -> SpeedClaim:
    if (row.about is None) == (row.most is None):
        raise EvalsuiteError(f"{path}: claim {row.id!r}: give either 'about', or 'most' with or without 'least'")
    ends = (row.least, row.most)
    if row.about is not None:
        # 0.9 and 1.1 times the figure, in decimals.
        spare = row.about * Decimal(str(ABOUT))
        ends, text = (row.about - spare, row.about + spare), f"about {row.about.normalize():f}"
    elif row.least is None:
        text = f"under {ends[1]:f}".removesuffix(".0")
    else:
        text = "–".join(f"{end.normalize():f}" for end in ends if end is not None)
    least, most = (None if end is None else float(end) for end in ends)
    return SpeedClaim(
        **_common(row, file),
        quantity=row.quantity,
        gpu=row.gpu,
        serving=row.serving,
        least=least,
        most=most,
        text=text,
    )
