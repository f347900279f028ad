"""Prompts as serving engines' own benchmarks take them, whose images `folder:DIR,prompts=LIST` reads back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from evalsuite.errors import EvalsuiteError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evalsuite.records import Prompt


def write_sglang_manifest(file: str | Path, prompts: Iterable[Prompt], seeds: Sequence[int] = (0,)) -> Path:
    """A request manifest for SGLang's `bench_offline_throughput --request-manifest`: each prompt with each seed.

    The row of a prompt's n-th seed is called `ID_n`; other settings (steps, size) come from SGLang's options.
    """
    rows = [
        json.dumps({"request_id": f"{prompt.id}_{number}", "prompt": prompt.text, "seed": seed}, ensure_ascii=False)
        for prompt in prompts
        for number, seed in enumerate(seeds)
    ]
    return write_lines(file, rows)


def write_vllm_omni_prompts(file: str | Path, prompts: Iterable[Prompt]) -> Path:
    """Prompts one per line, as vLLM-Omni's accuracy tools read them.

    Raises:
        EvalsuiteError: A prompt spans lines, or stands there twice: its images could not be told apart.
    """
    rows: dict[str, str] = {}
    for prompt in prompts:
        text = prompt.text.strip()
        if "\n" in text:
            raise EvalsuiteError(f"{prompt.id}: its text spans lines, and the file has one prompt per line")
        if text in rows:
            raise EvalsuiteError(f"{prompt.id}: has the text of {rows[text]}; leave one out")
        rows[text] = prompt.id
    return write_lines(file, list(rows))


def write_lines(file: str | Path, rows: Sequence[str]) -> Path:
    """Write rows as lines of UTF-8, in a folder that is made where it is missing; where they are then.

    Raises:
        EvalsuiteError: There are none, or the file cannot be written.
    """
    if not rows:
        raise EvalsuiteError(f"{file}: no prompt to write")
    path = Path(file)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    except OSError as error:
        raise EvalsuiteError(f"{file}: cannot be written: {error.strerror}") from error
    return path
