"""What the gallery knows of each image, as compact JSON inside the page.

Rows are lists, not objects, and repeated strings are numbers into tables: 10,000 images stay below 15 MB.
`assets/data.js` names the places again; FORMAT changes whenever a place does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import msgspec
from markupsafe import Markup

from evalsuite.records import digest
from evalsuite.report.commands import again, suite_option
from evalsuite.wording import clipped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from evalsuite.records import Generation, Json, Prompt, Reading, Score, TargetScore
    from evalsuite.runs.opened import OpenRun

FORMAT = 2

EDIT_KINDS = ("equal", "case", "substitute", "delete", "insert")
STATUSES = ("scored", "missing", "unreadable")
EXTRA_KINDS = ("duplicate", "other")


@dataclass(frozen=True, slots=True)
class Picture:
    """Where the page finds an image: the full file and its thumbnail, as URLs relative to the page, or None."""

    full: str | None = None
    thumbnail: str | None = None


@dataclass(slots=True)
class Table:
    """Strings numbered in the order of their first use."""

    values: list[str] = field(default_factory=list)
    _places: dict[str, int] = field(default_factory=dict)

    def place(self, value: str) -> int:
        """The number of `value`."""
        if value not in self._places:
            self._places[value] = len(self.values)
            self.values.append(value)
        return self._places[value]


def script_json(value: Json) -> Markup:
    """JSON that can stand inside `<script type="application/json">`: no `<`, so nothing can end the element."""
    return Markup(msgspec.json.encode(value).replace(b"<", b"\\u003c").decode())  # noqa: S704 - `<` is escaped above


ROWS_AT_ONCE = 100


def _script_list(rows: Iterable[Json]) -> Iterator[Markup]:
    """A list as `script_json`, piece by piece."""
    yield Markup("[")
    rest, comma = iter(rows), Markup("")
    while some := list(islice(rest, ROWS_AT_ONCE)):
        yield comma + script_json(some)[1:-1]
        comma = Markup(",")
    yield Markup("]")


@dataclass(frozen=True, slots=True)
class Side:
    """One run's part in a page: the rows shown, and each of its models that the page shows by the name shown for it."""

    run: OpenRun
    scores: Sequence[Score]
    pictures: Mapping[str, Picture]
    names: Mapping[str, str]


class Gallery:
    """The page's two blocks as JSON, made while the page is written, so that no page lies in memory as a whole.

    All sides have the same prompts; a page of one run has one side. `more` is what the page says besides.
    """

    def __init__(self, sides: Sequence[Side], **more: Json) -> None:
        self._sides: list[tuple[Side, dict[str, int]]] = []
        self._models: list[Json] = []
        for side in sides:
            places = {}
            for spec in side.run.manifest.models:
                if spec.name in side.names:
                    places[spec.name] = len(self._models)
                    found = msgspec.to_builtins(again(spec, side.run.manifest))
                    self._models.append({"name": side.names[spec.name], "role": spec.role, "again": found})
            self._sides.append((side, places))
        self._more = more

    def data(self) -> Iterator[Markup]:
        """Models, prompts and rows, and the tables that prompts and rows point into."""
        first = self._sides[0][0].run
        tables = {name: Table() for name in ("suites", "languages", "categories", "errors", "phases")}
        head: dict[str, Json] = {
            "format": FORMAT,
            "run": digest(first.manifest),
            "engine": first.ocr.digest,
            "models": self._models,
            "commands": {ref.name: suite_option(ref) for ref in first.manifest.suites},
            "prompts": [_prompt(prompt, tables) for prompt in first.manifest.prompts],
        }
        yield script_json(head)[:-1] + Markup(',"rows":')
        yield from _script_list(self._rows(tables))
        # The rows have filled the tables.
        yield Markup(",") + script_json({**{name: table.values for name, table in tables.items()}, **self._more})[1:]

    def boxes(self) -> Iterator[Markup]:
        """The OCR lines of each row, which the page parses only on demand."""
        return _script_list(
            _boxes(score, side.run.readings.get(score.key))
            for side, places in self._sides
            for score in side.scores
            if score.model in places
        )

    def _rows(self, tables: Mapping[str, Table]) -> Iterator[Json]:
        prompts = {prompt.id: place for place, prompt in enumerate(self._sides[0][0].run.manifest.prompts)}
        for side, places in self._sides:
            drawn = side.run.evidence.drawn
            lost = {each.key: each.why for each in side.run.missing if each.stage == "file"}
            empty = {each.key for each in side.run.missing if each.stage in ("not-finite", "blank")}
            for score in side.scores:
                if score.model in places:
                    picture = side.pictures.get(score.key, Picture())
                    row = _row(score, side.run.generations.get(score.key), picture, tables)
                    # A person can judge an image only where it is there to be looked at, and shows anything.
                    sha = drawn[score.key].sha256 if score.key in drawn and score.key not in empty else None
                    yield [places[score.model], prompts[score.prompt], *row, sha, lost.get(score.key)]


def _prompt(prompt: Prompt, tables: Mapping[str, Table]) -> Json:
    return [
        prompt.id,
        tables["suites"].place(prompt.suite),
        tables["languages"].place(prompt.language),
        tables["categories"].place(prompt.category),
        prompt.length,
        clipped(prompt.text),
        [clipped(target) for target in prompt.targets],
    ]


def _row(score: Score, generation: Generation | None, picture: Picture, tables: Mapping[str, Table]) -> list[Json]:
    edits = sum(target.distance for target in score.result.targets)
    return [
        score.seed,
        score.key,
        STATUSES.index(score.status),
        picture.full,
        picture.thumbnail,
        [generation.width, generation.height] if generation and generation.width else None,
        sum(target.length for target in score.result.targets),
        edits,
        sum(extra.length for extra in score.result.extras),
        [target_row(target) for target in score.result.targets],
        [[EXTRA_KINDS.index(extra.kind), clipped(extra.text)] for extra in score.result.extras],
        [
            [tables["errors"].place(error.kind), clipped(error.wanted), clipped(error.read), error.malformed_suspected]
            for error in score.result.errors
        ],
        _timing(generation, tables),
        [[finding.code, clipped(finding.message)] for finding in generation.findings] if generation else [],
        clipped(score.detail) if score.detail else None,
        clipped(generation.revised_prompt) if generation and generation.revised_prompt else None,
        score.result.exact_search,
    ]


def target_row(target: TargetScore) -> Json:
    """0 for a target that was read letter for letter, else [matched, errors, case errors, exact, edits]."""
    if target.exact and all(edit.kind == "equal" and edit.target == edit.read for edit in target.edits):
        return 0
    return [
        int(target.matched),
        target.distance,
        target.case_errors,
        int(target.exact),
        [[EDIT_KINDS.index(edit.kind), clipped(edit.target), clipped(edit.read)] for edit in target.edits],
    ]


def _timing(generation: Generation | None, tables: Mapping[str, Table]) -> Json:
    if generation is None or generation.timing is None:
        return None
    timing = generation.timing
    return [
        round(timing.total, 5),
        int(timing.warmup),
        timing.batch,
        [[tables["phases"].place(phase.name), round(phase.seconds, 5)] for phase in timing.phases],
        len(timing.steps),
    ]


EXACT, WITH_ERRORS, NO_TARGET = 0, 1, 2


def _boxes(score: Score, reading: Reading | None) -> Json:
    """Each OCR line: what it became, its text, its confidence, its polygon as x, y, x, y, … in pixels."""
    if reading is None:
        return []
    state = dict.fromkeys(range(len(reading.lines)), NO_TARGET)
    for target in score.result.targets:
        for span in target.spans:
            clean = target.exact and not target.case_errors
            state[span.line] = EXACT if clean and state.get(span.line) != WITH_ERRORS else WITH_ERRORS
    for extra in score.result.extras:
        if state.get(extra.span.line) == EXACT:
            state[extra.span.line] = WITH_ERRORS
    return [
        [
            state[place],
            clipped(line.text),
            None if line.confidence is None else round(line.confidence, 3),
            None if line.polygon is None else [round(value) for point in line.polygon for value in point],
        ]
        for place, line in enumerate(reading.lines)
    ]
