"""What readers make of malformed characters, as tables: defects in rows, languages in columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalsuite.models.typeset.defects import KINDS
from evalsuite.runs.sensitivity import beside, by_readers, per_hundred, per_hundred_ends

if TYPE_CHECKING:
    from evalsuite.runs.opened import OpenRun
    from evalsuite.runs.sensitivity import Noticed, Sensitivity
    from evalsuite.stats import Interval


@dataclass(frozen=True, slots=True)
class SensitivityCell:
    """So many of 100 as text, with their interval over prompts, and the characters that were counted.

    `reason` is there for the template's macro of figures: an interval of characters never lacks one.
    """

    text: str
    interval: str
    count: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class SensitivityRow:
    """One kind of defect, all of them, or the sound characters; `key` is its message. A cell a language, or None."""

    key: str
    cells: tuple[SensitivityCell | None, ...]


@dataclass(frozen=True, slots=True)
class SensitivityTable:
    """One reader and one malformed reference. Of `languages`, None stands for all together."""

    found: Sensitivity
    languages: tuple[str | None, ...]
    rows: tuple[SensitivityRow, ...]


def sensitivity_tables(run: OpenRun) -> list[SensitivityTable]:
    """A table for each reader of the run and each reference with malformed glyphs; none without such a reference."""
    return [_table(found) for found in by_readers(run)]


def _table(found: Sensitivity) -> SensitivityTable:
    own = tuple(each.language for each in found.figures if each.kind is None and each.language is not None)
    languages = own if len(own) == 1 else (None, *own)
    rows = [SensitivityRow("sensitivity.all", tuple(_noticed(found.figure(each)) for each in languages))]
    for kind in KINDS:
        cells = tuple(_noticed(found.figure(each, kind)) for each in languages)
        if any(cells):
            rows.append(SensitivityRow(f"glyph.{kind}", cells))
    rows.append(SensitivityRow("sensitivity.sound", tuple(_doubted(found.figure(each)) for each in languages)))
    return SensitivityTable(found, languages, tuple(rows))


def _noticed(figure: Noticed | None) -> SensitivityCell | None:
    return _cell(figure.noticed_share, figure.malformed) if figure is not None and figure.malformed else None


def _doubted(figure: Noticed | None) -> SensitivityCell | None:
    return _cell(figure.doubted_share, figure.sound) if figure is not None and figure.sound else None


def _cell(share: Interval, count: int) -> SensitivityCell:
    return SensitivityCell(per_hundred(share), per_hundred_ends(share), count)


def beside_ceiling(run: OpenRun, model: str, language: str | None, *, styled: bool) -> dict[str, str]:
    """The values of the message `sensitivity.line` for a model's row; empty where that was not measured.

    The malformed references themselves have none: their own score says it.
    """
    found = None if model in run.summary.malformed else beside(run, model, styled=styled)
    figure = None if found is None else found.figure(language)
    if figure is None or not figure.malformed:
        return {}
    return {"noticed": per_hundred(figure.noticed_share), "doubted": per_hundred(figure.doubted_share)}
