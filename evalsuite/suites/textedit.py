"""TextEdit's published prompts (open-compass, MIT): the text of photographs and posters, to be changed.

`textedit:FOLDER` is the miniset of 500, `textedit-full:FOLDER` all 2,148. The folder is the published repository with
the pictures of the published data set under `data/`; neither ships with evalsuite.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from evalsuite.files import FileError, parse_json, read_text
from evalsuite.images import SUFFIXES
from evalsuite.records import Editing, Prompt
from evalsuite.suites.suite import Suite, SuiteError, length_class

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = ("textedit", "textedit-full")
_SETS = {"textedit": "miniset", "textedit-full": "fullset"}
_FIELDS = ("prompt", "original_image", "source_text", "target_text")

HOW_TO_GET = (
    "clone github.com/open-compass/TextEdit, put the pictures of huggingface.co/datasets/opencompass/TextEdit under "
    "its data/ (data/1.1.1/image/original/…), and name that folder: --suite textedit:FOLDER"
)


def load(name: str) -> Suite:
    """The suite of `textedit:FOLDER` or `textedit-full:FOLDER`.

    Raises:
        SuiteError: The folder, a file or a picture is missing, or a row is none; the message says where to get them.
    """
    suite, _, given = name.partition(":")
    if not given:
        raise SuiteError(f"{suite}: its pictures do not ship with evalsuite; {HOW_TO_GET}")
    folder = Path(given).expanduser()
    listing = folder / "eval_prompts" / _SETS[suite]
    files = sorted(listing.glob("*.jsonl"))
    if not files:
        raise SuiteError(f"{folder}: no eval_prompts/{_SETS[suite]}/*.jsonl in it; {HOW_TO_GET}")
    prompts: dict[str, Prompt] = {}
    absent = []
    for path in files:
        for where, row in _rows(path):
            prompt = _prompt(suite, path.stem, where, row)
            if prompt.id in prompts:
                raise SuiteError(f"{where}: field 'id': {row['id']} is used already in this category")
            prompts[prompt.id] = prompt
            source = prompt.editing
            if source is None or source.file is None or not (folder / source.file).is_file():
                absent.append(source.file if source else prompt.id)
    if absent:
        raise SuiteError(
            f"{folder}: {len(absent)} of {len(prompts)} pictures are not in it, e.g. {absent[0]}; {HOW_TO_GET}"
        )
    return Suite(
        name=suite,
        description=f"TextEdit, {_SETS[suite]}: text in pictures, to be changed (open-compass, MIT)",
        source=str(folder),
        prompts=tuple(prompts.values()),
        pictures=folder,
    )


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        content = read_text(path)
    except FileError as error:
        raise SuiteError(str(error)) from error
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            row = parse_json(line, where)
        except FileError as error:
            raise SuiteError(str(error)) from error
        if not isinstance(row, dict):
            raise SuiteError(f"{where}: expected an object with id, {', '.join(_FIELDS)}")
        yield where, row


def _prompt(suite: str, category: str, where: str, row: dict[str, Any]) -> Prompt:
    number = row.get("id")
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise SuiteError(f"{where}: field 'id': expected a whole number, got {number!r}")
    for key in _FIELDS:
        value = row.get(key)
        if not isinstance(value, str) or not value.strip() or len(value) > 2_000 or "\x00" in value:
            raise SuiteError(f"{where}: field {key!r}: expected text, got {str(value)[:60]!r}")
    picture = PurePosixPath(row["original_image"])
    if picture.is_absolute() or ".." in picture.parts or picture.suffix.lower() not in SUFFIXES:
        raise SuiteError(
            f"{where}: field 'original_image': {str(picture)[:80]!r} is no picture within the data's folder"
        )
    targets = (row["target_text"],)
    if targets[0] not in row["prompt"]:
        raise SuiteError(f"{where}: field 'target_text': {targets[0]!r} does not stand in the prompt")
    return Prompt(
        id=f"{suite}-{category}-{number}",
        suite=suite,
        language="zh" if any("\u4e00" <= each <= "\u9fff" for each in targets[0] + row["source_text"]) else "en",
        category=f"{'virtual' if category.startswith('1') else 'real'} {category}",
        length=length_class(targets),
        text=row["prompt"],
        targets=targets,
        edit=Editing(file=str(PurePosixPath("data") / picture), old=(row["source_text"],)),
    )
