"""LongText-Bench's prompts as suites: `longtext-bench-en`, `longtext-bench-zh`, and `longtext-bench` for both.

160 prompts per language with long target texts (X-Omni, arXiv 2507.22058; Apache-2.0). The project does not carry
them. They come from the hub through `datasets`, or from a folder that the name or an environment variable gives
(`longtext-bench:FOLDER`). Whatever the way, their content must be the published one, by digest.

Both files number their prompts alike, so ours are `longtext-bench-en-0007` and `longtext-bench-zh-0007`. The
number has the four digits of the file names that the benchmark asks for (`0007_1.png`), which is how a folder of
images is matched.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalsuite.extras import install_command
from evalsuite.files import FileError, parse_json, read_text
from evalsuite.records import Prompt, SuiteRef
from evalsuite.suites.suite import Suite, SuiteError

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMES = ("longtext-bench", "longtext-bench-en", "longtext-bench-zh")
"""What can be named; with `:FOLDER` where the prompts lie in one."""

REPOSITORY = "X-Omni/LongText-Bench"
REVISION = "main"
"""The hub resolves full commit hashes only, and the one of these files (429e30e…) was seen in its short form alone,
so the branch is asked for and the content is what is pinned."""
FOLDER_VARIABLE = "EVALSUITE_LONGTEXT_BENCH"


@dataclass(frozen=True, slots=True)
class _File:
    language: str
    name: str
    digest: str

    @property
    def suite(self) -> str:
        return f"longtext-bench-{self.language}"


_FILES = (
    _File("en", "text_prompts.jsonl", "738280c5c80f2205bcb0ec6be34636ebdd14c15fa03fd460ea9543699a622206"),
    _File("zh", "text_prompts_zh.jsonl", "675b9979d18acae636a00796683b372eced1452fada99bac38165ec9601f6d2f"),
)

DIGESTS = {file.suite: file.digest for file in _FILES}
"""The digest of each suite (`Suite.digest`): what a run must hold to have been made on the published prompts."""


def is_published(ref: SuiteRef) -> bool:
    """True for a suite of LongText-Bench, by name and digest."""
    return DIGESTS.get(ref.name) == ref.digest


_FIELDS = {"category": str, "length": str, "prompt": str, "text": list, "text_length": int, "prompt_id": int}


def load(name: str) -> tuple[Suite, ...]:
    """The suites that `longtext-bench[-en|-zh][:FOLDER]` stands for.

    Without a folder in the name, `$EVALSUITE_LONGTEXT_BENCH` names one, or else the hub is asked.

    Raises:
        SuiteError: when a file is missing or cannot be had, a row is no prompt, or the content is another one.
    """
    suite, colon, folder = name.partition(":")
    if suite not in NAMES:
        raise SuiteError(f"unknown suite {suite!r}: LongText-Bench is {', '.join(NAMES)}")
    place = folder if colon else os.environ.get(FOLDER_VARIABLE, "")
    if colon and not folder:
        raise SuiteError(f"{name}: name the folder after the colon, e.g. {suite}:/data/LongText-Bench")
    files = [file for file in _FILES if suite in ("longtext-bench", file.suite)]
    return tuple(_from_folder(file, Path(place).expanduser()) if place else _from_hub(file) for file in files)


def _from_folder(file: _File, folder: Path) -> Suite:
    path = folder / file.name
    try:
        content = read_text(path)
    except FileNotFoundError:
        raise SuiteError(f"{path}: no such file; {_how_to_get()}") from None
    except FileError as error:
        raise SuiteError(str(error)) from error
    rows = []
    for number, line in enumerate(content.split("\n"), start=1):
        if line.strip():
            try:
                rows.append((f"{path}:{number}", parse_json(line, f"{path}:{number}")))
            except FileError as error:
                raise SuiteError(str(error)) from error
    return _suite(file, rows, str(path))


def _from_hub(file: _File) -> Suite:
    try:
        import datasets
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        raise SuiteError(f"{file.suite}: {_how_to_get()}; to fetch it: {install_command('datasets')}") from None
    # Looked up first, because `datasets` does not find what it loaded by file name again while offline.
    cached = try_to_load_from_cache(REPOSITORY, file.name, revision=REVISION, repo_type="dataset")
    if isinstance(cached, str):
        return _from_folder(file, Path(cached).parent)
    datasets.disable_progress_bars()
    try:
        # By name: loaded together, the two files would be taken for one split of 320 rows whose ids collide.
        table = datasets.load_dataset(REPOSITORY, data_files=file.name, revision=REVISION, split="train")
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SuiteError(
            f"{file.suite}: {REPOSITORY} cannot be had from the hub ({reason}); {_how_to_get()}"
        ) from error
    source = f"hf://datasets/{REPOSITORY}@{REVISION}/{file.name}"
    return _suite(file, ((f"{source}: row {number}", row) for number, row in enumerate(table, start=1)), source)


def _how_to_get() -> str:
    return (
        f"where the hub is reachable, `hf download {REPOSITORY} --repo-type dataset --local-dir FOLDER` fetches "
        f"{' and '.join(file.name for file in _FILES)}; then name the folder: --suite longtext-bench:FOLDER, or "
        f"{FOLDER_VARIABLE}=FOLDER"
    )


def _suite(file: _File, rows: Iterable[tuple[str, Any]], source: str) -> Suite:
    prompts: dict[str, Prompt] = {}
    first: dict[str, str] = {}
    for where, row in rows:
        prompt = _prompt(file, where, row)
        if prompt.id in prompts:
            raise SuiteError(f"{where}: prompt_id {row['prompt_id']} is used already at {first[prompt.id]}")
        prompts[prompt.id], first[prompt.id] = prompt, where
    absent = sum(target not in prompt.text for prompt in prompts.values() for target in prompt.targets)
    suite = Suite(
        name=file.suite,
        description=f"LongText-Bench, {'English' if file.language == 'en' else 'Chinese'}: 8 kinds of scene, "
        "10 short and 10 long prompts each (X-Omni, Apache-2.0)",
        source=source,
        prompts=tuple(prompts.values()),
        warnings=(f"{source}: {absent} targets do not stand verbatim in their prompt; they are kept as published",)
        if absent
        else (),
    )
    if suite.digest != file.digest:
        raise SuiteError(
            f"{source}: {len(prompts)} prompts with the digest {suite.digest[:12]}…, not the published ones "
            f"({file.digest[:12]}…); {_how_to_get()}. To run other prompts, write them as a suite of your own"
        )
    return suite


def _prompt(file: _File, where: str, row: Any) -> Prompt:
    if not isinstance(row, dict):
        raise SuiteError(f"{where}: expected an object with {', '.join(_FIELDS)}")
    for key, kind in _FIELDS.items():
        if not isinstance(row.get(key), kind):
            raise SuiteError(f"{where}: field {key!r}: expected {kind.__name__}, got {row.get(key)!r}")
    targets = row["text"]
    if not targets or not all(isinstance(target, str) and target.strip() for target in targets):
        raise SuiteError(f"{where}: field 'text': expected a list of strings, got {targets!r}")
    if row["length"] not in ("short", "long"):
        raise SuiteError(f"{where}: field 'length': {row['length']!r} is neither 'short' nor 'long'")
    return Prompt(
        id=f"{file.suite}-{row['prompt_id']:04d}",
        suite=file.suite,
        language=file.language,
        category=row["category"],
        length="long" if row["length"] == "long" else "short",
        text=row["prompt"],
        targets=tuple(targets),
    )
