"""What the functions of the Python API return: figures at hand, short in a console, a table in a notebook."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING

from evalsuite.content.figures import PAIR_COLUMNS, PICTURE_COLUMNS, pair_cells, picture_cells
from evalsuite.gate.drawn_words import COLUMNS, about, bounds, wager_cells
from evalsuite.glyphs.rows import GLYPH_COLUMNS, glyph_rows
from evalsuite.runs.figures import JUDGED_COLUMNS, correction_rows, figures_of
from evalsuite.wording import one_sided, p_value, point, rate, signed, visible, with_ends

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evalsuite.claims import ClaimVerdict, Standing
    from evalsuite.content.figures import ContentReport
    from evalsuite.gate import Policy
    from evalsuite.gate.baseline import BaselineLock
    from evalsuite.gate.foresee import Forecast
    from evalsuite.gate.verdict import Verdict
    from evalsuite.glyphs.corrected import GlyphCorrection
    from evalsuite.glyphs.counts import GlyphReport
    from evalsuite.report.comparison import Contestant, Difference
    from evalsuite.runs.corrected import Correction
    from evalsuite.runs.evidence import Missing
    from evalsuite.runs.figures import RunFigure
    from evalsuite.runs.opened import OpenRun
    from evalsuite.runs.summary import Summary
    from evalsuite.stats import Interval
    from evalsuite.sweep.results import Sweep


COMPARED = ("model", "language", "accuracy above the first", "better", "worse", "alike", "sign test")
"""The columns of `ComparisonResult.rows`; better, worse and alike are prompts."""


def html_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A plain table for notebooks; every cell is escaped."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(visible(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


@dataclass(frozen=True, repr=False)
class RunResult:
    """A run with its figures. `page` is its report, None where none was written; `resumed`: it was there before.

    `verdict` is that of the gate where the run was drawn until one.
    """

    run: OpenRun
    page: Path | None = None
    notices: tuple[str, ...] = ()
    resumed: bool = False
    verdict: Verdict | None = None

    @property
    def folder(self) -> Path:
        """Where the run lies."""
        return self.run.folder

    @cached_property
    def figures(self) -> tuple[RunFigure, ...]:
        """Accuracy per model and language with interval, OCR ceiling, exact strings and timing."""
        return figures_of(self.run)

    @property
    def summary(self) -> Summary:
        """All slices of the run: languages, suites, categories, length classes."""
        return self.run.summary

    @property
    def missing(self) -> tuple[Missing, ...]:
        """The images that cannot count, and why."""
        return self.run.missing

    @property
    def complete(self) -> bool:
        """True where every image that the plan promises was drawn, read and scored; False where a gate stopped it."""
        return not self.run.missing

    def accuracy(self, model: str | None = None, language: str | None = None) -> Interval:
        """Character accuracy of one model, over all prompts or in one language.

        Raises:
            KeyError: There is no such model or language, or several models and none was named.
        """
        found = [
            each
            for each in self.figures
            if each.language == language and (each.model == model if model else each.role != "reference")
        ] or [each for each in self.figures if each.language == language and model is None]
        if len(found) != 1:
            known = ", ".join(dict.fromkeys(f"{each.model}/{each.language or 'all'}" for each in self.figures))
            raise KeyError(f"model {model!r}, language {language!r}: one of {known}")
        return found[0].accuracy

    def __repr__(self) -> str:
        heads = [f"{each.model} {with_ends(each.accuracy)}" for each in self.figures if each.language is None]
        lost = f", {len(self.run.faults)} missing" if self.run.faults else ""
        images = self.run.mark or f"{len(self.run.scores)} images"
        return f"<evalsuite run {self.folder}: {images}{lost}; {'; '.join(heads)}>"

    def _repr_html_(self) -> str:
        rows = [
            (
                each.model if each.role == "model" else f"{each.model} ({each.role})",
                each.language or "all",
                f"{each.images}" + (f" ({each.missing} missing)" if each.missing else ""),
                with_ends(each.accuracy),
                point(each.ceiling) if each.ceiling else "not measured",
                point(each.styled_ceiling) if each.styled_ceiling else "not measured",
                with_ends(each.exact),
                "–" if each.p50 is None else f"{each.p50:.2f}",
            )
            for each in self.figures
        ]
        columns = (
            "model",
            "language",
            "images",
            "character accuracy",
            "OCR ceiling",
            "styled ceiling",
            "exact strings",
            "p50 s",
        )
        mark = f"<p><strong>{escape(self.run.mark)}</strong></p>" if self.run.mark else ""
        return mark + html_table(columns, rows)


@dataclass(frozen=True, repr=False)
class JudgeResult:
    """A run with its judged sample. `page` is where the sampled images are judged, None where it was not written."""

    run: OpenRun
    correction: Correction
    page: Path | None = None

    @property
    def complete(self) -> bool:
        """True where all of the sample is judged and there are corrected figures."""
        return self.correction.withheld is None

    def __repr__(self) -> str:
        heads = [
            f"{row[0]} {row[3]}, corrected {row[4]}" for row in correction_rows(self.correction) if row[1] == "all"
        ]
        told = self.correction.withheld or "; ".join(heads)
        done = f"{self.correction.judged} of {len(self.correction.keys)} judged"
        return f"<evalsuite judge {self.run.folder}: {done}; {told}>"

    def _repr_html_(self) -> str:
        return html_table(JUDGED_COLUMNS, correction_rows(self.correction))


@dataclass(frozen=True, repr=False)
class GlyphsResult:
    """What the glyph verifier saw in a run. `page` is where the suspicious glyphs are shown, None where not written.

    `correction` is what a person's marks of a random sample say of it, None where no sample was drawn.
    """

    run: OpenRun
    found: GlyphReport
    page: Path | None = None
    correction: GlyphCorrection | None = None

    def __repr__(self) -> str:
        told = "; ".join(
            f"{each.model} {each.language}: {each.seen['suspicious']} of {each.judged} suspicious, "
            f"{each.cannot_tell} cannot tell"
            for each in self.found.counts
        )
        return f"<evalsuite glyphs {self.run.folder}: {told}>"

    def _repr_html_(self) -> str:
        return html_table(GLYPH_COLUMNS, glyph_rows(self.found))


@dataclass(frozen=True, repr=False)
class ContentResult:
    """What a run's pictures hold beside their text. `page` is the run's page, None where it was not written."""

    run: OpenRun
    found: ContentReport
    page: Path | None = None

    def __repr__(self) -> str:
        told = "; ".join(
            [f"{each.model} {each.language}: not flat {with_ends(each.share)}" for each in self.found.pictures]
            + [f"{each.model} {each.language}: similarity {with_ends(each.similarity)}" for each in self.found.pairs]
        )
        return f"<evalsuite content {self.run.folder}: {told}>"

    def _repr_html_(self) -> str:
        if self.found.pairs:
            return html_table(PAIR_COLUMNS, [pair_cells(each) for each in self.found.pairs])
        return html_table(PICTURE_COLUMNS, [picture_cells(each) for each in self.found.pictures])


@dataclass(frozen=True, repr=False)
class ComparisonResult:
    """Runs side by side. `differences` hold what each model's accuracy is above the first one's.

    `sentences` say the same in words, as the page does.
    """

    page: Path
    runs: tuple[OpenRun, ...]
    differences: tuple[Difference, ...]
    contestants: tuple[Contestant, ...]

    @property
    def complete(self) -> bool:
        """True where no run misses an image."""
        return not any(run.missing for run in self.runs)

    @cached_property
    def sentences(self) -> tuple[str, ...]:
        """Each model against the first in words, in English: accuracy, speed, and what cannot be told."""
        from evalsuite.report import headline

        found = headline.sentences(self.runs, self.contestants, self.differences)
        return tuple("".join(part.text for part in parts) for parts in found)

    @property
    def rows(self) -> tuple[tuple[str, ...], ...]:
        """The differences as cells of text under `COMPARED`."""
        return tuple(
            (
                each.contestant.name,
                each.language or "all",
                with_ends(each.interval, sign="+"),
                *map(str, (each.better, each.worse, each.same)),
                p_value(each.sign_test),
            )
            for each in self.differences
        )

    def __repr__(self) -> str:
        told = "; ".join(
            f"{row[0]} {row[2]}, {row[3]} prompts better, {row[4]} worse ({row[6]})"
            for row in self.rows
            if row[1] == "all"
        )
        return f"<evalsuite comparison {self.page}: {told}>"

    def _repr_html_(self) -> str:
        return html_table(COMPARED, self.rows)


@dataclass(frozen=True, repr=False)
class GateVerdict:
    """What a gate concluded. `verdict` is the whole record; `page` the candidate's report, where it was written.

    `run` is what was drawn until the verdict; None where stored runs were gated.
    """

    verdict: Verdict
    page: Path | None = None
    notices: tuple[str, ...] = ()
    run: OpenRun | None = None

    @property
    def outcome(self) -> str:
        """PASS, FAIL, INCONCLUSIVE, INCOMPLETE or NOT COMPARABLE."""
        return self.verdict.outcome

    @property
    def passed(self) -> bool:
        """True for PASS alone."""
        return self.verdict.outcome == "PASS"

    @property
    def exit_code(self) -> int:
        """What the command line leaves with."""
        return self.verdict.exit_code

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (
                each.name,
                each.decision,
                rate(each.baseline),
                rate(each.candidate),
                signed(each.delta),
                one_sided(signed(each.lower), signed(each.upper)),
                f"{each.margin:g}",
            )
            for each in self.verdict.gates
        ]

    def __repr__(self) -> str:
        drawn = self.verdict.drawn
        if drawn is not None:
            told = "; ".join(f"{each.name} {each.decision} ({bounds(each)})" for each in drawn.gates)
            after = f"after {drawn.images} of {drawn.planned} images, {drawn.claim}"
            return f"<evalsuite gate {self.outcome} {after}: {self.verdict.candidate.model}; {told}>"
        changes = "; ".join(f"{row[0]} {row[1]} {row[4]} ({row[5]})" for row in self._rows())
        reasons = [*self.verdict.missing, *(f"{each.what} differs" for each in self.verdict.differences)]
        told = changes or "; ".join(reasons[:3])
        return f"<evalsuite gate {self.outcome}: {self.verdict.candidate.model}; {told}>"

    def _repr_html_(self) -> str:
        drawn = self.verdict.drawn
        if drawn is not None:
            rows = [(name, each.decision, *rest) for each in drawn.gates for name, *rest in [wager_cells(each)]]
            heading = f"<p><strong>{escape(self.outcome)}</strong> {escape(about(drawn))}</p>"
            return heading + html_table((COLUMNS[0], "Decision", *COLUMNS[1:]), rows)
        columns = ("gate", "decision", "baseline", "candidate", "change", "bounds", "margin")
        return f"<p><strong>{escape(self.outcome)}</strong></p>" + html_table(columns, self._rows())


@dataclass(frozen=True, repr=False)
class PlanResult:
    """The images that the gates of a policy will take to their verdicts, foretold from a stored baseline."""

    forecasts: tuple[Forecast, ...]
    policy: Policy

    def _rows(self) -> list[tuple[str, ...]]:
        from evalsuite.gate.foresee import cells

        return [cells(each) for each in self.forecasts]

    def __repr__(self) -> str:
        told = "; ".join(f"{row[0]} × {row[1]}: {row[3]} of {row[2]} images at no loss" for row in self._rows())
        return f"<evalsuite plan {self.policy.name}, {self.policy.sequential.claim}: {told}>"

    def _repr_html_(self) -> str:
        from evalsuite.gate.foresee import COLUMNS as FORECAST

        return html_table(FORECAST, self._rows())


@dataclass(frozen=True, repr=False)
class ClaimsResult:
    """What a run says of published figures, and where its models stand among published scores."""

    verdicts: tuple[ClaimVerdict, ...]
    standings: tuple[Standing, ...]
    exit_code: int
    page: Path | None = None
    notices: tuple[str, ...] = ()

    def __repr__(self) -> str:
        told = "; ".join(f"{each.claim.id} {each.outcome} by {each.model}" for each in self.verdicts)
        return f"<evalsuite claims: {told or 'no published figure speaks of these models'}>"

    def _repr_html_(self) -> str:
        rows = [(each.claim.id, each.model, each.outcome, each.text) for each in self.verdicts]
        return html_table(("claim", "model", "outcome", "why"), rows)


@dataclass(frozen=True, repr=False)
class SweepResult:
    """A sweep over checkpoints, with its rows and its page."""

    sweep: Sweep
    page: Path

    @property
    def rows(self) -> tuple[object, ...]:
        """One row per checkpoint, in step order."""
        return self.sweep.rows

    def _cells(self) -> list[tuple[str, ...]]:
        from evalsuite.sweep.results import cells

        return [cells(self.sweep, row) for row in self.sweep.rows]

    def __repr__(self) -> str:
        told = "; ".join(f"{row.name} {row.outcome or row.status}" for row in self.sweep.rows)
        return f"<evalsuite sweep {self.sweep.folder}: {told}>"

    def _repr_html_(self) -> str:
        from evalsuite.sweep.results import columns

        return html_table(columns(self.sweep), self._cells())


@dataclass(frozen=True, repr=False)
class Promotion:
    """A run that became the baseline, and the verdict that admitted it (None for a first baseline)."""

    lock: BaselineLock
    verdict: Verdict | None

    def __repr__(self) -> str:
        pin = self.lock.baseline
        return f"<evalsuite baseline {pin.model} ({pin.digest[:12]}), admitted by {pin.admitted}>"
