"""Suites by name or from a YAML or JSONL file, validated with file, line and field.

A prompt whose targets do not stand in its text is an error of the suite, never a low score of a model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import yaml

from evalsuite.datafiles import data_dir
from evalsuite.files import FileError, parse_json, read_text
from evalsuite.records import MALFORMED, Editing, Prompt
from evalsuite.suites import benchmarks, longtext_bench, textedit
from evalsuite.suites.editing import editing_of
from evalsuite.suites.suite import Suite, SuiteError, length_class
from evalsuite.wording import did_you_mean

MAX_FILE_BYTES = 64 * 2**20
MAX_PROMPTS = 20_000
MAX_PROMPT_CHARS = 20_000
MAX_TARGETS = 100
MAX_TARGET_CHARS = 2_000

ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
LANGUAGE_PATTERN = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{1,8})*")
QUOTES = (
    ('"', '"'),
    ("“", "”"),
    ("「", "」"),
    ("『", "』"),
    ("'", "'"),
    ("‘", "’"),
    ("«", "»"),
    ("«\u00a0", "\u00a0»"),
    ("„", "“"),
)

_HEADER_FIELDS = ("suite", "language", "description", "licence", "prompts")
_PROMPT_FIELDS = ("id", "language", "category", "length", "text", "targets")
_EDIT_FIELDS = ("source", "lines", "size", "old", "keep")


@dataclass(frozen=True, slots=True)
class _Field:
    value: Any
    line: int


_Entry = dict[str, _Field]


def own_suites() -> tuple[str, ...]:
    """Names of the suites that ship with evalsuite, in order."""
    return tuple(sorted(path.stem for path in (data_dir() / "suites").glob("*.yaml")))


def default_suites() -> tuple[str, ...]:
    """Names of the own suites that `all` stands for: those in English and Chinese."""
    return tuple(name for name in own_suites() if name.endswith(("-en", "-zh")) and name not in edit_suites())


def edit_suites() -> tuple[str, ...]:
    """Names of the own suites whose prompts change a picture; `editing` stands for them."""
    return tuple(name for name in own_suites() if name.startswith("editing-"))


def load(name: str) -> tuple[Suite, ...]:
    """The suites that `all`, a suite's name, or a path to a YAML or JSONL file stands for.

    `all` means the own suites in English and Chinese, `languages` those in other languages, `editing` those that change
    a picture; a published one is named, e.g. `lex-bench-easy`, `longtext-bench` or `longtext-bench-zh:FOLDER`.

    Raises:
        SuiteError: for an unknown name or a file that does not validate.
    """
    if name in ("all", "languages", "editing"):
        others = [own for own in own_suites() if own not in (*default_suites(), *edit_suites())]
        chosen = {"all": default_suites(), "languages": others, "editing": edit_suites()}[name]
        return tuple(_load_own(own) for own in chosen)
    if name in own_suites():
        return (_load_own(name),)
    if name.partition(":")[0] in longtext_bench.NAMES:
        return longtext_bench.load(name)
    if name.partition(":")[0] in benchmarks.names():
        return benchmarks.load(name)
    if name.partition(":")[0] in textedit.NAMES:
        return (textedit.load(name),)
    path = Path(name).expanduser()
    if path.suffix.lower() in {".yaml", ".yml", ".jsonl"} or path.exists():
        return (load_file(path),)
    known = ("all", "languages", "editing", *own_suites(), *longtext_bench.NAMES, *benchmarks.names(), *textedit.NAMES)
    raise SuiteError(f"unknown suite {name!r}: {did_you_mean(name, known)}, or a .yaml or .jsonl file")


def _load_own(name: str) -> Suite:
    """A suite that ships with evalsuite; its source is its name, since where it is installed says nothing."""
    return replace(load_file(data_dir() / "suites" / f"{name}.yaml"), source=f"evalsuite:{name}")


def load_all(names: Sequence[str]) -> tuple[Suite, ...]:
    """All suites that the names stand for, each once; ids must be unique over all of them."""
    suites: dict[str, Suite] = {}
    for name in names:
        for suite in load(name):
            other = suites.setdefault(suite.name, suite)
            if other.digest != suite.digest:
                raise SuiteError(f"two different suites are called {suite.name!r}: {other.source} and {suite.source}")
    owner: dict[str, str] = {}
    for suite in suites.values():
        for prompt in suite.prompts:
            if prompt.id in owner:
                raise SuiteError(f"prompt id {prompt.id!r} stands in suite {owner[prompt.id]!r} and in {suite.name!r}")
            owner[prompt.id] = suite.name
    return tuple(suites.values())


def load_file(path: Path) -> Suite:
    """Load and validate one suite file, `.yaml`/`.yml` or `.jsonl`.

    Raises:
        SuiteError: with file, line and field for the first thing that is wrong.
    """
    try:
        content = read_text(path, limit=MAX_FILE_BYTES)
    except FileNotFoundError:
        raise SuiteError(f"{path}: no such suite file") from None
    except FileError as error:
        raise SuiteError(str(error)) from error
    if path.suffix.lower() == ".jsonl":
        header, entries = _read_jsonl(path, content)
    else:
        header, entries = _read_yaml(path, content)
    return _build(path, header, entries)


def _read_jsonl(path: Path, content: str) -> tuple[_Entry, list[_Entry]]:
    entries: list[_Entry] = []
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = parse_json(line, f"{path}:{number}")
        except FileError as error:
            raise SuiteError(str(error)) from error
        if not isinstance(row, dict):
            raise SuiteError(f"{path}:{number}: expected an object with {', '.join(_PROMPT_FIELDS)}")
        entries.append({key: _Field(value, number) for key, value in row.items()})
    return {"suite": _Field(path.stem, 1)}, entries


def _read_yaml(path: Path, content: str) -> tuple[_Entry, list[_Entry]]:
    try:
        root = yaml.compose(content, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SuiteError(f"{path}:{line}: broken YAML: {error.problem or error.context}") from error
    except yaml.reader.ReaderError as error:
        line = content.count("\n", 0, error.position) + 1
        raise SuiteError(f"{path}:{line}: broken YAML: U+{ord(content[error.position]):04X}: {error.reason}") from error
    except yaml.YAMLError as error:
        raise SuiteError(f"{path}: broken YAML: {error}") from error
    except RecursionError as error:
        raise SuiteError(f"{path}: broken YAML: nested too deeply") from error
    if root is None:
        raise SuiteError(f"{path}:1: the file is empty")
    seen: set[int] = set()
    header = _mapping(path, root, seen, skip="prompts")  # also says that the root is a mapping with plain keys
    listing = next((value for key, value in root.value if key.value == "prompts"), None)
    if not isinstance(listing, yaml.SequenceNode):
        raise SuiteError(f"{path}:{root.start_mark.line + 1}: field 'prompts' must be a list of prompts")
    return header, [_mapping(path, node, seen) for node in listing.value]


def _mapping(path: Path, node: yaml.Node, seen: set[int], skip: str | None = None) -> _Entry:
    line = node.start_mark.line + 1
    if not isinstance(node, yaml.MappingNode):
        found = repr(node.value[:40]) if isinstance(node, yaml.ScalarNode) else "a list"
        raise SuiteError(f"{path}:{line}: expected fields ('id: …'), found {found}")
    entry: _Entry = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise SuiteError(f"{path}:{key.start_mark.line + 1}: a field's name must be a word")
        if key.value in entry:
            raise SuiteError(f"{path}:{key.start_mark.line + 1}: field {key.value!r} is given twice")
        content = None if key.value == skip else _plain(path, value, seen)
        entry[str(key.value)] = _Field(content, key.start_mark.line + 1)
    return entry


def _plain(path: Path, node: yaml.Node, seen: set[int]) -> Any:
    # Aliases are refused: a suite needs none, and nested ones can grow a small file without bound.
    if id(node) in seen:
        raise SuiteError(f"{path}:{node.start_mark.line + 1}: YAML aliases are not allowed here; write the value out")
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode):
        try:
            return yaml.SafeLoader("").construct_object(node)
        # As the library raises for dates and numbers that are none, and for tags that it does not know.
        except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
            raise SuiteError(
                f"{path}:{node.start_mark.line + 1}: {node.value[:40]!r} is no {node.tag.rpartition(':')[2]}; put it "
                "in quotes to have it as text"
            ) from error
    if isinstance(node, yaml.SequenceNode):
        return [_plain(path, child, seen) for child in node.value]
    raise SuiteError(f"{path}:{node.start_mark.line + 1}: a mapping is not allowed here")


def _build(path: Path, header: _Entry, entries: list[_Entry]) -> Suite:
    for key, field in header.items():
        if key not in _HEADER_FIELDS:
            raise SuiteError(f"{path}:{field.line}: unknown field {key!r}; known: {', '.join(_HEADER_FIELDS)}")
    name = _text(path, header, "suite", default=path.stem)
    if not ID_PATTERN.fullmatch(name):
        raise SuiteError(f"{path}: suite name {name!r} may hold letters, digits, '.', '_' and '-' only")
    if not entries:
        raise SuiteError(f"{path}: the suite has no prompts")
    if len(entries) > MAX_PROMPTS:
        raise SuiteError(f"{path}: {len(entries):,} prompts; {MAX_PROMPTS:,} at most")
    language = header.get("language")
    prompts: list[Prompt] = []
    first_line: dict[str, int] = {}
    warnings: list[str] = []
    for entry in entries:
        first = min((field.line for field in entry.values()), default=1)
        prompt = _prompt(path, name, entry if language is None else {"language": language, **entry}, first)
        line = entry["id"].line
        if prompt.id in first_line:
            raise SuiteError(
                f"{path}:{line}: field 'id': {prompt.id!r} is used already on line {first_line[prompt.id]}"
            )
        first_line[prompt.id] = line
        prompts.append(prompt)
        warnings += [
            f"{path}:{line}: prompt {prompt.id}: target {target!r} does not stand in quotes in the text"
            for target in prompt.targets
            if not any(f"{left}{target}{right}" in prompt.text for left, right in QUOTES)
        ]
    for prompt in prompts:
        if (prompt.editing is None) != (prompts[0].editing is None):
            raise SuiteError(
                f"{path}:{first_line[prompt.id]}: prompt {prompt.id} "
                f"{'draws' if prompt.editing is None else 'changes'} a picture and {prompts[0].id} does not; put them "
                "into two suites"
            )
    return Suite(
        name,
        _text(path, header, "description", default=""),
        str(path),
        tuple(prompts),
        tuple(warnings),
        pictures=path.parent,
    )


def _prompt(path: Path, suite: str, entry: _Entry, line: int) -> Prompt:
    for key, field in entry.items():
        if key not in (*_PROMPT_FIELDS, *_EDIT_FIELDS):
            known = ", ".join((*_PROMPT_FIELDS, *_EDIT_FIELDS))
            raise SuiteError(f"{path}:{field.line}: unknown field {key!r}; known: {known}")
    for key in ("id", "language", "text", "targets"):
        if key not in entry:
            raise SuiteError(f"{path}:{line}: field {key!r} is missing")
    ident = _text(path, entry, "id")
    if not ID_PATTERN.fullmatch(ident):
        raise SuiteError(
            f"{path}:{entry['id'].line}: field 'id': {ident[:60]!r} may hold letters, digits, '.', '_' and '-' only, "
            "100 at most"
        )
    language = _text(path, entry, "language")
    if not LANGUAGE_PATTERN.fullmatch(language):
        raise SuiteError(f"{path}:{entry['language'].line}: field 'language': {language!r} is no tag such as en or zh")
    text = _text(path, entry, "text", limit=MAX_PROMPT_CHARS)
    targets = _targets(path, entry["targets"], text)
    length = _text(path, entry, "length", default=length_class(targets))
    if length not in ("short", "long"):
        raise SuiteError(f"{path}:{entry['length'].line}: field 'length': {length!r} is neither 'short' nor 'long'")
    return Prompt(
        id=ident,
        suite=suite,
        language=language,
        category=_text(path, entry, "category", default="uncategorised"),
        length="long" if length == "long" else "short",
        text=text,
        targets=targets,
        edit=_editing(path, entry, line, targets),
    )


def _editing(path: Path, entry: _Entry, line: int, targets: tuple[str, ...]) -> Editing | msgspec.UnsetType:
    """What a prompt with a source picture changes; unset for a prompt without."""
    given = [key for key in _EDIT_FIELDS if key in entry]
    if not given:
        return msgspec.UNSET
    lines = _strings(path, entry["lines"], "lines") if "lines" in entry else None
    keep = _strings(path, entry["keep"], "keep") if "keep" in entry else None
    for key in ("source", "old"):
        if key not in entry:
            raise SuiteError(
                f"{path}:{line}: field {key!r} is missing; a prompt with {given[0]!r} changes a picture, and names its "
                "source and the old text that must go"
            )
    return editing_of(
        lambda key: f"{path}:{entry[key].line if key in entry else line}: field {key!r}",
        source=_text(path, entry, "source"),
        size=_text(path, entry, "size") if "size" in entry else None,
        lines=lines,
        old=_strings(path, entry["old"], "old"),
        keep=keep,
        targets=targets,
    )


def _strings(path: Path, field: _Field, key: str) -> tuple[str, ...]:
    where = f"{path}:{field.line}: field {key!r}"
    if not isinstance(field.value, list) or not field.value:
        raise SuiteError(f"{where}: expected a list of at least one string")
    if len(field.value) > MAX_TARGETS:
        raise SuiteError(f"{where}: {len(field.value)} strings; {MAX_TARGETS} at most")
    for text in field.value:
        if not isinstance(text, str):
            raise SuiteError(f"{where}: {text!r} is not a string; put it in quotes")
        if not text.strip() or len(text) > MAX_TARGET_CHARS:
            what = "target" if key == "targets" else "line"
            raise SuiteError(f"{where}: a {what} has 1 to {MAX_TARGET_CHARS} characters, got {text[:40]!r}")
        if MALFORMED in text:
            raise SuiteError(f"{where}: {text[:40]!r} holds U+FFFD, the sign of text that was decoded wrongly")
    return tuple(field.value)


def _targets(path: Path, field: _Field, text: str) -> tuple[str, ...]:
    targets = _strings(path, field, "targets")
    for target in targets:
        if target not in text:
            raise SuiteError(f"{path}:{field.line}: field 'targets': {target!r} does not stand in the prompt's text")
    return targets


def _text(path: Path, entry: _Entry, key: str, *, default: str | None = None, limit: int = 1_000) -> str:
    if key not in entry and default is not None:
        return default
    field = entry[key]
    if not isinstance(field.value, str) or not (field.value.strip() or default is not None):
        raise SuiteError(f"{path}:{field.line}: field {key!r}: expected text, got {field.value!r}; put it in quotes")
    if len(field.value) > limit:
        raise SuiteError(f"{path}:{field.line}: field {key!r}: {len(field.value):,} characters; {limit:,} at most")
    if "\x00" in field.value:
        raise SuiteError(f"{path}:{field.line}: field {key!r}: holds a NUL character")
    return field.value
