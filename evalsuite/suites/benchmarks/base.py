"""What a published benchmark is here: which files it comes in, how a row becomes a prompt, and its pinned content."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalsuite.files import FileError, parse_json, read_text
from evalsuite.records import Prompt
from evalsuite.suites.benchmarks.pins import PINS
from evalsuite.suites.suite import Suite, SuiteError, length_class

MAX_TEXT = 20_000
"""Characters of one prompt or target; the longest published one has 3,000."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What one row says: its id in the benchmark, its category, the prompt's text and the target strings."""

    where: str
    ident: str
    category: str
    text: str
    targets: tuple[str, ...]


Parse = Callable[[list[Path]], Iterable[Draft]]
"""From the paths of a part's files to its prompts; raises `SuiteError` where a row is none."""


@dataclass(frozen=True, slots=True)
class Part:
    """One suite of a benchmark: its name and language, its files, and how they are read.

    `files` are paths inside the published repository; the same names directly in the folder are found too. `skipped`
    says which rows are no prompts of the suite, and why.
    """

    suite: str
    language: str
    files: tuple[str, ...]
    parse: Parse
    skipped: str = ""

    @property
    def digest(self) -> str:
        """What the suite's content must be (`pins.PINS`)."""
        return PINS[self.suite]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A published set of prompts, loaded from its own files. `ships` where its licence lets evalsuite carry it."""

    name: str
    title: str
    source: str
    licence: str
    how_to_get: str
    parts: tuple[Part, ...]
    ships: bool = False

    def load_part(self, part: Part, folder: Path) -> Suite:
        """One suite from a folder with the published files, whose content must be the published one.

        Raises:
            SuiteError: with file and line where something is missing, is no row, or is not what was published.
        """
        paths = [self._find(folder, name) for name in part.files]
        suite = self.build(part, part.parse(paths), str(paths[0] if len(paths) == 1 else folder))
        if suite.digest != part.digest:
            raise SuiteError(
                f"{suite.source}: {len(suite.prompts)} prompts with the digest {suite.digest[:12]}…, not those of "
                f"{self.source} ({part.digest[:12]}…); {self.how_to_get}. To run other prompts, write them as a suite "
                "of your own"
            )
        return suite

    def _find(self, folder: Path, name: str) -> Path:
        for path in (folder / name, folder / Path(name).name, folder / Path(name).parent.name / Path(name).name):
            if path.is_file():
                return path
        raise SuiteError(f"{folder}: {name} is not in it; {self.how_to_get}")

    def build(self, part: Part, drafts: Iterable[Draft], source: str) -> Suite:
        """The suite that the rows make; ids must be unique and nothing empty."""
        prompts: dict[str, Prompt] = {}
        absent = 0
        for draft in drafts:
            prompt = _prompt(part, draft)
            if prompt.id in prompts:
                raise SuiteError(f"{draft.where}: {draft.ident!r} is the id of an earlier row too")
            prompts[prompt.id] = prompt
            absent += sum(target not in prompt.text for target in prompt.targets)
        warnings = []
        if absent:
            warnings.append(f"{source}: {absent} targets do not stand verbatim in their prompt; kept as published")
        if part.skipped:
            warnings.append(f"{source}: {part.skipped}")
        description = f"{self.title} ({self.licence})"
        return Suite(part.suite, description, source, tuple(prompts.values()), tuple(warnings))


def _prompt(part: Part, draft: Draft) -> Prompt:
    for what, text in (("prompt", draft.text), *(("target", target) for target in draft.targets)):
        if not text.strip() or len(text) > MAX_TEXT or "\x00" in text:
            raise SuiteError(f"{draft.where}: a {what} is empty, has over {MAX_TEXT:,} characters, or holds a NUL")
    if not draft.targets:
        raise SuiteError(f"{draft.where}: no target can be told from this row")
    return Prompt(
        id=f"{part.suite}-{draft.ident}",
        suite=part.suite,
        language=part.language,
        category=draft.category,
        length=length_class(draft.targets),
        text=draft.text,
        targets=draft.targets,
    )


# --- Reading rows ------------------------------------------------------------------------------------


def _text_of(path: Path) -> str:
    try:
        return read_text(path).removeprefix("\ufeff")
    except FileNotFoundError:
        raise SuiteError(f"{path}: no such file") from None
    except FileError as error:
        raise SuiteError(str(error)) from error


def _parsed(text: str, where: str) -> Any:
    try:
        return parse_json(text, where)
    except FileError as error:
        raise SuiteError(str(error)) from error


def json_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a JSON Lines file, or of a JSON file that holds a list, each with where it stands."""
    content = _text_of(path)
    if path.suffix == ".jsonl":
        numbered = [(f"{path}:{n}", line) for n, line in enumerate(content.split("\n"), start=1) if line.strip()]
        rows = [(where, _parsed(line, where)) for where, line in numbered]
    else:
        listing = _parsed(content, str(path))
        if isinstance(listing, dict) and len(listing) == 1:
            (listing,) = listing.values()
        if not isinstance(listing, list):
            raise SuiteError(f"{path}: expected a list of rows")
        rows = [(f"{path}: row {number}", row) for number, row in enumerate(listing, start=1)]
    for where, row in rows:
        if not isinstance(row, dict):
            raise SuiteError(f"{where}: expected an object")
        yield where, row


def csv_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a CSV file with a header, each with the line where it ends."""
    reader = csv.DictReader(io.StringIO(_text_of(path), newline=""), strict=True)
    try:
        for row in reader:
            yield f"{path}:{reader.line_num}", row
    except csv.Error as error:
        raise SuiteError(f"{path}:{reader.line_num}: broken CSV: {error}") from error


def text_field(where: str, row: dict[str, Any], key: str) -> str:
    """A field that must be text; a whole number is taken as it is written."""
    value = row.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise SuiteError(f"{where}: field {key!r}: expected text, got {value!r}")
    return value


def number_field(where: str, row: dict[str, Any], key: str) -> int:
    """A field that must be a whole number from 0."""
    value = row.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise SuiteError(f"{where}: field {key!r}: expected a whole number, got {value!r}")
    return value


def text_list(where: str, value: Any, key: str) -> tuple[str, ...]:
    """A field that must be a list of strings."""
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise SuiteError(f"{where}: field {key!r}: expected a list of strings, got {str(value)[:80]!r}")
    return tuple(value)
