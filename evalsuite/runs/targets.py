"""Scoring images without a suite: a folder of images and a plain list of what they must show."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from evalsuite.errors import EvalsuiteError
from evalsuite.files import FileError, read_text
from evalsuite.images import SUFFIXES
from evalsuite.models.folder import FolderModel, inside, is_image, table_rows
from evalsuite.records import MALFORMED, Prompt, SuiteRef, digest
from evalsuite.suites.load import LANGUAGE_PATTERN, MAX_TARGET_CHARS, MAX_TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterable

_SCRIPTS = {
    "ja": re.compile(r"[\u3040-\u30ff]"),
    "ko": re.compile(r"[\uac00-\ud7a3]"),
    "ar": re.compile(r"[\u0620-\u064a]"),
    "zh": re.compile(r"[\u3400-\u9fff\uf900-\ufaff]"),
}


class TargetsError(EvalsuiteError):
    """A targets file that cannot be used; the message names file, line and field."""


def read_targets(folder: Path, file: Path) -> tuple[SuiteRef, tuple[Prompt, ...], FolderModel, tuple[str, ...]]:
    """The suite, prompts and folder model for images in `folder` and the targets in `file`.

    `file` is a `.txt` (one target a line, wanted in every image of the folder), a `.jsonl` of objects with
    `image`, `targets` and perhaps `language`, or a `.csv` with the columns `image` and `target`, one row a
    target. The last value names images of the folder that the file does not mention.

    Raises:
        TargetsError, FolderError: with the line of the first thing that is wrong.
    """
    if not folder.is_dir():
        raise TargetsError(f"{folder}: no such folder of images")
    images = sorted(path for path in folder.iterdir() if is_image(path))
    if not images:
        raise TargetsError(f"{folder}: holds no images ({', '.join(SUFFIXES)})")
    wanted, languages = _wanted(folder, file, [path.name for path in images])
    for name, targets in wanted.items():
        if len(targets) > MAX_TARGETS:
            raise TargetsError(f"{file}: {name}: {len(targets):,} targets; {MAX_TARGETS} at most")
    prompts, files = [], {}
    for number, (name, targets) in enumerate(wanted.items(), start=1):
        ident = f"{number:04d}-{re.sub(r'[^A-Za-z0-9._-]', '-', name)[:80]}"
        prompts.append(
            Prompt(
                id=ident,
                suite=folder.name,
                language=languages.get(name) or _language(targets),
                category="images",
                length="short",
                text=" ".join(f'"{target}"' for target in targets),
                targets=tuple(targets),
            )
        )
        files[ident, 0] = inside(folder.resolve(), name, str(file))
    ref = SuiteRef(name=folder.name, digest=digest(prompts), prompts=len(prompts), source=str(file))
    used = set(files.values())
    surplus = tuple(path.name for path in images if Path(os.path.realpath(path)) not in used)
    return ref, tuple(prompts), FolderModel(folder.resolve(), files, by_id=True), surplus


_FIELDS = {".jsonl": {"image", "targets", "language"}, ".csv": {"image", "target"}}
"""What a row may hold, by the file's suffix."""


def _wanted(folder: Path, file: Path, images: list[str]) -> tuple[dict[str, list[str]], dict[str, str]]:
    suffix = file.suffix.lower()
    if suffix == ".txt":
        return dict.fromkeys(images, _lines(file)), {}
    if suffix not in {".jsonl", ".csv"}:
        raise TargetsError(f"{file}: targets come as .txt, .jsonl or .csv")
    wanted: dict[str, list[str]] = {}
    languages: dict[str, str] = {}
    for line, row in table_rows(file):
        image = row.get("image")
        if not isinstance(image, str) or not image:
            raise TargetsError(f"{file}:{line}: field 'image' is missing; the fields are {', '.join(row) or 'none'}")
        unknown = sorted(row.keys() - _FIELDS[suffix])
        if unknown:
            raise TargetsError(f"{file}:{line}: field {unknown[0]!r} is none of {', '.join(sorted(_FIELDS[suffix]))}")
        if suffix == ".jsonl":
            if image in wanted:
                raise TargetsError(f"{file}:{line}: image {image!r} is given twice")
            wanted[image] = _strings(file, line, "targets", row.get("targets"))
            if "language" in row:
                language = row["language"]
                if not isinstance(language, str) or not LANGUAGE_PATTERN.fullmatch(language):
                    raise TargetsError(f"{file}:{line}: field 'language': {str(language)[:40]!r} is no tag such as en")
                languages[image] = language
        else:
            wanted.setdefault(image, []).extend(_strings(file, line, "target", [row.get("target")]))
        inside(folder.resolve(), image, f"{file}:{line}")
    if not wanted:
        raise TargetsError(f"{file}: names no image")
    return wanted, languages


def _lines(file: Path) -> list[str]:
    """The targets of a text file, one a line."""
    try:
        lines = [line.strip() for line in read_text(file).split("\n")]
    except FileNotFoundError:
        raise TargetsError(f"{file}: no such file of targets") from None
    except FileError as error:
        raise TargetsError(str(error)) from error
    targets = [_strings(file, number, "target", [line])[0] for number, line in enumerate(lines, 1) if line]
    if not targets:
        raise TargetsError(f"{file}: holds no target; write one per line")
    return targets


def _strings(file: Path, line: int, field: str, value: object) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(part, str) and part.strip() for part in value):
        raise TargetsError(f"{file}:{line}: field {field!r}: expected text, got {str(value)[:200]}")
    for part in value:
        if len(part) > MAX_TARGET_CHARS or "\x00" in part:
            raise TargetsError(
                f"{file}:{line}: field {field!r}: a target has {MAX_TARGET_CHARS:,} characters at most and no NUL"
            )
        if MALFORMED in part:
            raise TargetsError(f"{file}:{line}: field {field!r}: holds U+FFFD, the sign of text decoded wrongly")
    return [str(part) for part in value]


def _language(targets: Iterable[str]) -> str:
    """A guess for the report's slices only, by the script: kana, Hangul and Arabic letters, then ideographs."""
    text = "".join(targets)
    return next((language for language, script in _SCRIPTS.items() if script.search(text)), "en")
