"""Benchmarks whose rows state their targets: WeGenBench, OneIG-Bench, TextAtlasEval, GenTextEval, LeX-Bench, STRICT.

What a benchmark states is kept as published, also where it does not stand in the prompt; the suite says how often.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from evalsuite.suites.benchmarks.base import Draft, csv_rows, json_rows, number_field, text_field, text_list
from evalsuite.suites.benchmarks.quoted import split_at_quotes
from evalsuite.suites.suite import SuiteError


def wegen(paths: list[Path]) -> Iterator[Draft]:
    """WeGenBench-Text: `text` is the list of segments; the category is its level of difficulty."""
    for where, row in json_rows(paths[0]):
        targets = text_list(where, row.get("text"), "text")
        category = text_field(where, row, "difficulty").lower()
        yield Draft(where, text_field(where, row, "id"), category, text_field(where, row, "prompt"), targets)


def oneig(column: str) -> Callable[[list[Path]], Iterator[Draft]]:
    """OneIG-Bench's text prompts: `text_content` is a list written as a Python literal."""

    def parse(paths: list[Path]) -> Iterator[Draft]:
        for where, row in csv_rows(paths[0]):
            targets = text_list(where, _literal(where, text_field(where, row, "text_content")), "text_content")
            yield Draft(where, text_field(where, row, "id"), "text", text_field(where, row, column), targets)

    return parse


def _literal(where: str, written: str) -> Any:
    if len(written) > 10_000 or written.count("[") > 100:  # the longest has 1,500; deep nesting would end the parser
        raise SuiteError(f"{where}: field 'text_content' is too long for a list of strings")
    try:
        return ast.literal_eval(written)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise SuiteError(f"{where}: field 'text_content' is no list of strings: {written[:60]!r}") from error


_BLEND_LINE = re.compile(r'\n\d+\. "(.*?)" in size \d+, Bbox \[[^\]]*\]', re.DOTALL)


def text_atlas(paths: list[Path]) -> Iterator[Draft]:
    """TextAtlasEval: `raw_text` is one string for the whole picture; TextVisionBlend's numbered lines make it up.

    TextVisionBlend's row 0637 lists no text to draw, so it is no prompt of the suite.
    """
    for where, row in json_rows(paths[0]):
        text, raw = text_field(where, row, "annotation"), text_field(where, row, "raw_text")
        ident, lines = text_field(where, row, "id"), tuple(_BLEND_LINE.findall(text))
        if lines and " ".join(lines) != raw:
            raise SuiteError(f"{where}: the numbered texts are not those of 'raw_text'")
        if raw.strip() or (paths[0].stem, ident) != ("textvisionblend", "0637"):
            yield Draft(where, ident, paths[0].stem, text, tuple(line for line in lines if line.strip()) or (raw,))


def gentexteval(paths: list[Path]) -> Iterator[Draft]:
    """GenTextEval: `target` joins the strings by spaces; it is cut where the pieces stand in quotes in the prompt."""
    for where, row in json_rows(paths[0]):
        text, target = text_field(where, row, "prompt"), text_field(where, row, "target")
        ident = f"{number_field(where, row, 'prompt_id'):04d}"
        yield Draft(where, ident, text_field(where, row, "dataset_type"), text, split_at_quotes(target, text))


def lex(paths: list[Path]) -> Iterator[Draft]:
    """LeX-Bench: `text` is the list of words, `combined_caption` the prompt that quotes them in that order."""
    for where, row in json_rows(paths[0]):
        text, targets = text_field(where, row, "combined_caption"), text_list(where, row.get("text"), "text")
        if any(f'"{target}"' not in text for target in targets):
            raise SuiteError(f"{where}: a string of 'text' does not stand in quotes in 'combined_caption'")
        yield Draft(where, text_field(where, row, "id"), f"{min(len(targets), 20)} texts", text, targets)


STRICT_PROMPT = "Produce an image of a typed document page with the following text: "


def strict(length: int) -> Callable[[list[Path]], Iterator[Draft]]:
    """STRICT: the first `length` characters of each Wikipedia passage, behind the published sentence."""

    def parse(paths: list[Path]) -> Iterator[Draft]:
        for where, row in json_rows(paths[0]):
            passage = text_field(where, row, "text")[:length].strip()
            yield Draft(
                where, text_field(where, row, "rowid"), f"{length} characters", STRICT_PROMPT + passage, (passage,)
            )

    return parse
