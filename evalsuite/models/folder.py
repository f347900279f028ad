"""Images that exist already: a folder of files named by prompt id and sample, or a table that maps them.

File names follow LongText-Bench: `{id}_{n}.png|jpg|webp`, or `{id}.png` for a single sample; `n` counts from
0, or from 1 where no file has a 0. An id may be given without its suite's name and leading zeros
(`7_0.png` for `signage-en-007`). The names that two serving engines give their images are in `listed_folder`.
All files are decoded once before anything is scored.
"""

from __future__ import annotations

import csv
import io
import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from evalsuite.digests import file_sha256
from evalsuite.files import FileError, parse_json, read_text
from evalsuite.images import SUFFIXES, load_image
from evalsuite.models.base import Drawing
from evalsuite.models.folder_error import FolderError
from evalsuite.models.listed_folder import ListedFiles, read_listed
from evalsuite.records import ModelSpec, Prompt, digest
from evalsuite.wording import listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType


_NAME = re.compile(r"(?P<id>.+?)(?:_(?P<sample>\d{1,4}))?")


@dataclass(frozen=True, slots=True)
class Match:
    """How files and requests meet: files that no prompt wants, and requests without a file."""

    surplus: tuple[str, ...]
    missing: tuple[str, ...]


class FolderModel:
    """Answers each (prompt, seed) with the file of that prompt's sample number `seed`.

    The weights digest covers the bytes of all image files, so that a changed image is another model.
    """

    uses_cpu = True

    def __init__(
        self,
        source: Path,
        files: dict[tuple[str, int], Path],
        *,
        by_id: bool,
        listed: ListedFiles | None = None,
        listing: Path | None = None,
    ) -> None:
        self._files = files
        self._by_id = by_id
        self._listed = listed
        contents = []
        for (ident, sample), path in sorted(files.items()):
            load_image(path)
            contents.append([ident, sample, file_sha256(path)])
        self._spec = ModelSpec(
            name=f"folder:{source.name}",
            kind="folder",
            role="model",
            source=str(source) if listing is None else f"{source},prompts={listing}",
            weights_digest=digest(contents),
            settings={"files": len(files)},
        )

    @classmethod
    def parse(cls, arguments: str) -> Self:
        """The model for `folder:DIR`, or for `folder:TABLE` with a JSONL or CSV of image, prompt and seed.

        `folder:DIR,prompts=LIST` is a folder of SGLang or vLLM-Omni with the list that it was drawn from.

        Raises:
            FolderError: when there is nothing to read.
            ImageError: when a file is no image that can be decoded.
        """
        source = Path(arguments).expanduser()
        place, separator, listing = arguments.rpartition(",prompts=")
        if separator and not source.exists():
            return cls._listed_in(Path(place).expanduser(), Path(listing).expanduser())
        if not arguments or not source.exists():
            raise FolderError(f"folder:{arguments}: no such folder or table")
        if source.is_file():
            return cls(source, read_table(source), by_id=True)
        return cls(source.resolve(), _scan(source), by_id=False)

    @classmethod
    def _listed_in(cls, folder: Path, listing: Path) -> Self:
        if not folder.is_dir():
            raise FolderError(f"{folder}: no such folder of images")
        listed = read_listed(listing, _images(folder))
        return cls(folder.resolve(), listed.files, by_id=False, listed=listed, listing=listing.resolve())

    @property
    def spec(self) -> ModelSpec:
        """The folder and the digest of all its images."""
        return self._spec

    def match(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> Match:
        """Which files no prompt wants, and which requests have no file; both by name.

        Raises:
            FolderError: when a short name stands for prompts of two suites.
        """
        wanted = {(prompt.id, seed): self._find(prompt, seed) for prompt in prompts for seed in seeds}
        owners: dict[Path, str] = {}
        for (ident, seed), path in wanted.items():
            other = owners.setdefault(path, ident) if path is not None else ident
            if other != ident:
                raise FolderError(f"{path}: is sample {seed} of both {other} and {ident}; name it by the whole id")
        used = set(owners)
        surplus = tuple(sorted(path.name for path in set(self._files.values()) - used))
        missing = tuple(f"{ident}_{seed}" for (ident, seed), path in wanted.items() if path is None)
        return Match(surplus, missing)

    def notices(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> tuple[str, ...]:
        """What files are missing for the prompts, and which are left over.

        Raises:
            FolderError: when no file fits any prompt.
        """
        match = self.match(prompts, seeds)
        if len(match.missing) == len(prompts) * len(seeds):
            raise FolderError(
                f"{self._spec.name}: no file fits a prompt, e.g. {match.missing[0]}.png; files there: "
                f"{listed(match.surplus)}"
            )
        pairs = (("missing", match.missing), ("surplus", match.surplus))
        return tuple(f"{len(names)} {kind}: {listed(names, 8)}" for kind, names in pairs if names)

    def _find(self, prompt: Prompt, seed: int) -> Path | None:
        if self._listed is not None:
            return self._listed.find(prompt, seed)
        if self._by_id:
            return self._files.get((prompt.id, seed))
        short = prompt.id.removeprefix(f"{prompt.suite}-")
        names = dict.fromkeys((prompt.id, short, short.lstrip("0") or "0"))
        found = [self._files[name, seed] for name in names if (name, seed) in self._files]
        if len(found) > 1:
            raise FolderError(
                f"{found[0].parent}: {' and '.join(path.name for path in found)} are both sample {seed} of "
                f"{prompt.id}; keep one"
            )
        return found[0] if found else None

    def draw(self, requests: Sequence[tuple[Prompt, int]]) -> Iterator[Drawing]:
        """The image of each request; a missing file is yielded as an error that names it."""
        for prompt, seed in requests:
            path = self._find(prompt, seed)
            if path is None:
                yield Drawing(prompt, seed, error=f"no file for sample {seed} of prompt {prompt.id}")
            else:
                yield Drawing(prompt, seed, image=load_image(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


def _images(folder: Path) -> list[Path]:
    try:
        paths = sorted(path for path in folder.iterdir() if is_image(path))
    except OSError as error:
        raise FolderError(f"{folder}: cannot be read: {error.strerror}") from error
    if not paths:
        raise FolderError(f"{folder}: holds no images ({', '.join(SUFFIXES)})")
    return paths


def _scan(folder: Path) -> dict[tuple[str, int], Path]:
    found: dict[tuple[str, int], Path] = {}
    paths = _images(folder)
    for path in paths:
        parts = _NAME.fullmatch(path.stem)
        if parts is None:
            raise FolderError(f"{path}: name images by prompt id and sample, such as signage-en-001_0.png")
        slot = parts["id"], int(parts["sample"] or 0)
        if slot in found:
            raise FolderError(f"{path}: {found[slot].name} is sample {slot[1]} of {slot[0]} already; keep one")
        found[slot] = path
    numbered = [path.stem for path in paths if re.search(r"_\d{1,4}$", path.stem)]
    if numbered and not any(re.search(r"_0{1,4}$", stem) for stem in numbered):
        return _from_zero(found)
    return found


def is_image(path: Path) -> bool:
    """Whether a file is an image by its name; macOS leaves `._NAME` beside each file on foreign disks."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith("._") and path.is_file()


def _from_zero(found: dict[tuple[str, int], Path]) -> dict[tuple[str, int], Path]:
    """Files that count their samples from 1, by samples from 0.

    Raises:
        FolderError: A file without a number and the first numbered one are both the first sample.
    """
    counted: dict[tuple[str, int], Path] = {}
    for (ident, sample), path in found.items():
        slot = ident, max(sample - 1, 0)
        if slot in counted:
            raise FolderError(
                f"{path.parent}: {counted[slot].name} and {path.name} are both the first sample of {ident}; keep one"
            )
        counted[slot] = path
    return counted


def read_table(table: Path) -> dict[tuple[str, int], Path]:
    """A JSONL or CSV table of `image` (path beside the table), `prompt` (id) and `seed` (0 if left out).

    Raises:
        FolderError: with the line of the first row that is wrong. Paths that leave the table's folder are.
    """
    base = table.parent.resolve()
    found: dict[tuple[str, int], Path] = {}
    for line, row in table_rows(table):
        unknown = set(row) - {"image", "prompt", "seed"}
        if unknown or "image" not in row or "prompt" not in row:
            raise FolderError(
                f"{table}:{line}: expected the fields image, prompt and perhaps seed; found {sorted(row)}"
            )
        try:
            slot = str(row["prompt"]), int(str(row.get("seed") or 0))
        except (ValueError, OverflowError):
            raise FolderError(f"{table}:{line}: field 'seed': {str(row['seed'])[:40]!r} is no number") from None
        if not 0 <= slot[1] < 2**63:
            raise FolderError(f"{table}:{line}: field 'seed': {slot[1]} is no seed; 0 to 2**63 - 1 are")
        if slot in found:
            raise FolderError(f"{table}:{line}: sample {slot[1]} of {slot[0]} is given twice")
        found[slot] = inside(base, str(row["image"]), f"{table}:{line}")
    if not found:
        raise FolderError(f"{table}: the table is empty")
    return found


def table_rows(table: Path) -> Iterator[tuple[int, dict[str, object]]]:
    """The rows of a JSONL or CSV file with their line numbers."""
    try:
        content = read_text(table)
    except FileNotFoundError:
        raise FolderError(f"{table}: no such table") from None
    except FileError as error:
        raise FolderError(str(error)) from error
    if table.suffix.lower() == ".csv":
        yield from _csv_rows(table, content)
        return
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = parse_json(line, f"{table}:{number}")
        except FileError as error:
            raise FolderError(str(error)) from error
        if not isinstance(value, dict):
            raise FolderError(f"{table}:{number}: expected an object")
        yield number, value


def _csv_rows(table: Path, content: str) -> Iterator[tuple[int, dict[str, object]]]:
    # As the format has it: a line ends at CR and LF alone, and a quoted cell may hold either.
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    try:
        names = next(reader, [])
        if len(names) == 1 and (other := next((sign for sign in ";\t|" if sign in names[0]), None)):
            raise FolderError(f"{table}:1: its columns are separated by {other!r}; save it with commas")
        if len(set(names)) != len(names):
            raise FolderError(f"{table}:1: column {_repeated(names)!r} is there twice")
        for row in filter(None, reader):
            if len(row) != len(names):
                raise FolderError(f"{table}:{reader.line_num}: the row does not have the header's number of columns")
            yield reader.line_num, dict(zip(names, row, strict=True))
    except csv.Error as error:
        raise FolderError(f"{table}:{reader.line_num}: is no CSV: {error}") from error


def _repeated(names: Sequence[str]) -> str:
    return next(name for name in names if names.count(name) > 1)


def inside(base: Path, name: str, where: str) -> Path:
    """The file `name` below `base`; names that lead elsewhere, or to no file, are refused.

    Accents count alike however they are written: macOS stores them apart from their letters, tables mostly do not.
    """
    for form in (name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)):
        try:
            path = Path(os.path.realpath(base / form))
            if path.is_relative_to(base) and path.is_file():
                return path
        except (OSError, ValueError):  # longer than a name may be, or with a zero byte
            break
    raise FolderError(f"{where}: {name[:200]!r} is no file in {base}")
