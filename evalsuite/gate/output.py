"""Where a verdict goes: files for CI, and the job's summary page."""

from __future__ import annotations

import inspect
import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from evalsuite.errors import EvalsuiteError
from evalsuite.files import make_folder, write_atomically
from evalsuite.gate.junit import junit
from evalsuite.gate.markdown import markdown
from evalsuite.gate.verdict import Verdict
from evalsuite.records import encode

if TYPE_CHECKING:
    from evalsuite.records import Json


def write(
    verdict: Verdict,
    *,
    json_file: Path | None = None,
    junit_file: Path | None = None,
    markdown_file: Path | None = None,
) -> None:
    """Write the verdict to the files named, and append it to `$GITHUB_STEP_SUMMARY` where that is set.

    Raises:
        EvalsuiteError: A file cannot be written.
    """
    for path, content in (
        (json_file, msgspec.json.format(encode(verdict), indent=2) + b"\n"),
        (junit_file, junit(verdict)),
        (markdown_file, markdown(verdict).encode()),
    ):
        if path is None:
            continue
        make_folder(path.parent)
        write_atomically(path, content)
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        try:
            with Path(summary).open("a", encoding="utf-8") as file:
                file.write(markdown(verdict))
        except OSError as error:
            raise EvalsuiteError(f"GITHUB_STEP_SUMMARY={summary}: cannot be written: {error.strerror}") from error


def schema() -> dict[str, Json]:
    """The JSON Schema (2020-12) of a verdict, as it is published in docs/verdict.schema.json."""
    generated = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "evalsuite gate verdict",
        **msgspec.json.schema(Verdict),
    }
    for definition in generated["$defs"].values():
        definition["description"] = inspect.cleandoc(definition["description"])
    plain: dict[str, Json] = msgspec.json.decode(msgspec.json.encode(generated))
    return plain
