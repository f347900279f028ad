"""Folders whose files are named by a prompt's place in a list: SGLang's and vLLM-Omni's benchmarks write such.

- SGLang's `bench_offline_throughput --request-manifest LIST.jsonl --save-output-dir DIR` writes
  `{index:05d}-{request_id}.png`, where `index` counts the rows of the manifest from 0.
- vLLM-Omni's `quantization_quality.py` writes `DIR/baseline/prompt_{index}.png` and `DIR/METHOD/prompt_{index}.png`,
  where `index` counts its prompts from 0; here they come as a text file, one per line.

An image belongs to the suite's prompt whose text is that of its row, letter for letter, and nothing is paired by the
order of files: a file that is missing would shift all that follow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalsuite.files import FileError, read_text
from evalsuite.models.folder_error import FolderError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from evalsuite.records import Prompt

_SGLANG = re.compile(r"(\d+)-(.+)", re.DOTALL)
_VLLM_OMNI = re.compile(r"prompt_(\d+)()")
_NUMBERED = re.compile(r"_\d{1,4}$")


@dataclass(frozen=True, slots=True)
class Row:
    """One request of a list: where it stands, its id where it has one, its text and seed, and its image."""

    where: str
    ident: str
    text: str
    seed: int | None
    path: Path | None


class ListedFiles:
    """The images of a list's rows, found by a prompt's text. Several rows with one text are its samples, in order."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows: dict[str, list[Row]] = {}
        self._named: dict[str, list[Row]] = {}
        for row in rows:
            self._rows.setdefault(row.text, []).append(row)
            self._named.setdefault(_stem(row.ident), []).append(row)
        self.files: dict[tuple[str, int], Path] = {
            (row.text, number): row.path
            for same in self._rows.values()
            for number, row in enumerate(same)
            if row.path is not None
        }

    def find(self, prompt: Prompt, sample: int) -> Path | None:
        """The image of a prompt's sample, counted from 0; None where the list has no such row, or no image for it.

        Raises:
            FolderError: A row bears the prompt's id and another text, or two rows draw one image.
        """
        for row in self._named.get(prompt.id, ()):
            if row.text != prompt.text.strip():
                raise FolderError(f"{row.where}: is called {row.ident} but has another text than prompt {prompt.id}")
        rows = self._rows.get(prompt.text.strip(), [])
        # A text that stands in a suite under two ids: the rows that bear this id.
        rows = [row for row in rows if _stem(row.ident) == prompt.id] or rows
        seeds: dict[int | None, Row] = {}
        for row in rows:
            other = seeds.setdefault(row.seed, row)
            if other is not row:
                raise FolderError(f"{row.where}: has the prompt and the seed of {other.where}: the same image twice")
        return rows[sample].path if sample < len(rows) else None


def read_listed(listing: Path, images: Iterable[Path]) -> ListedFiles:
    """Images by the list that they were drawn from: a `.jsonl` manifest or a `.txt` of prompts.

    Raises:
        FolderError: The list is wrong, a file's name is none of its rows', or a row has two files.
    """
    if listing.suffix.lower() == ".jsonl":
        rows, pattern, named = list(_manifest(listing)), _SGLANG, "<index>-<request_id>.png"
    elif listing.suffix.lower() == ".txt":
        rows, pattern, named = list(_lines(listing)), _VLLM_OMNI, "prompt_<index>.png"
    else:
        raise FolderError(f"{listing}: prompts come as a .jsonl request manifest or as a .txt with one per line")
    if not rows:
        raise FolderError(f"{listing}: holds no prompt")
    found: dict[int, Path] = {}
    for path in images:
        parts = pattern.fullmatch(path.stem)
        if parts is None:
            raise FolderError(f"{path}: is not named {named}, as images drawn from {listing.name} are")
        index = int(parts[1])
        if index >= len(rows):
            raise FolderError(f"{path}: has index {index}, but {listing} holds {len(rows)} prompts, counted from 0")
        wanted = _as_file(rows[index].ident)
        if parts[2] != wanted:
            raise FolderError(f"{path}: row {index} of {listing} is called {wanted}; the images are of another list")
        if index in found:
            raise FolderError(f"{path}: {found[index].name} is of row {index} already; keep one")
        found[index] = path
    return ListedFiles([_with(row, found.get(index)) for index, row in enumerate(rows)])


def _with(row: Row, path: Path | None) -> Row:
    return Row(row.where, row.ident, row.text, row.seed, path)


def _manifest(listing: Path) -> Iterator[Row]:
    from evalsuite.models.folder import table_rows

    seen: dict[str, int] = {}
    for line, row in table_rows(listing):
        where = f"{listing}:{line}"
        text = _field(row, "prompt", where)
        # As SGLang has it: a row without an id is called by its line.
        ident = _field(row, "request_id", where) if "request_id" in row else f"request-{line:05d}"
        if ident in seen:
            raise FolderError(f"{where}: request_id {ident!r} is that of line {seen[ident]}")
        seen[ident] = line
        settings = row.get("sampling_params")
        seed = row.get("seed", settings.get("seed") if isinstance(settings, dict) else None)
        if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool)):
            raise FolderError(f"{where}: field 'seed': {str(seed)[:40]!r} is no number")
        yield Row(where, ident, text.strip(), seed, None)


def _field(row: Mapping[str, object], name: str, where: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise FolderError(f"{where}: field {name!r} is no text")
    return value


def _lines(listing: Path) -> Iterator[Row]:
    try:
        content = read_text(listing)
    except FileNotFoundError:
        raise FolderError(f"{listing}: no such list of prompts") from None
    except FileError as error:
        raise FolderError(str(error)) from error
    for number, line in enumerate(content.split("\n"), start=1):
        if line.strip():
            yield Row(f"{listing}:{number}", "", line.strip(), None, None)


def _as_file(ident: str) -> str:
    """A request id in a file's name, as SGLang writes it: other characters become one underscore."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", ident).strip("._") or ("request" if ident else "")


def _stem(ident: str) -> str:
    return _NUMBERED.sub("", ident)
