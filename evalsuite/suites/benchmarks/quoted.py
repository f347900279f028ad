"""Strings that stand in quotes in a prompt, and the benchmarks whose targets are told by them alone.

Nothing is guessed: where the quotes do not pair, or what is quoted is not what the row speaks of, it is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from evalsuite.files import FileError, parse_json
from evalsuite.suites.benchmarks.base import Draft, csv_rows, json_rows, number_field, text_field, text_list
from evalsuite.suites.suite import SuiteError

PAIRS = (('"', '"'), ("“", "”"), ("「", "」"), ("『", "』"), ("‘", "’"), ("«", "»"), ("'", "'"))
_QUOTED = re.compile("|".join(f"{left}([^{left}{right}]*){right}" for left, right in PAIRS[:-1]))


def quoted(text: str) -> list[str]:
    r"""What stands in double quotes of any kind, in order. An apostrophe is no quote.

    >>> quoted('A sign "OPEN", a board “Don't run” and a cup.')
    ['OPEN', "Don't run"]
    """
    return [next(each for each in match.groups() if each is not None) for match in _QUOTED.finditer(text)]


def single_quoted(text: str, where: str) -> tuple[str, ...]:
    """What stands between single quotes, as CVTG-2K's evaluator takes it; raises `SuiteError` where they do not pair.

    >>> single_quoted("A door with 'Exit' and a window with 'Open'.", "row 1")
    ('Exit', 'Open')
    >>> single_quoted("A sign that says 'Don't run'.", "row 1")
    Traceback (most recent call last):
    evalsuite.suites.suite.SuiteError: row 1: 3 single quotes do not pair, so the targets cannot be told
    """
    pieces = text.split("'")
    if len(pieces) % 2 == 0:
        raise SuiteError(f"{where}: {len(pieces) - 1} single quotes do not pair, so the targets cannot be told")
    return tuple(pieces[1::2])


def split_at_quotes(joined: str, text: str) -> tuple[str, ...]:
    """A string of several, joined by spaces, cut into the fewest that stand in quotes in `text`; whole where it cannot.

    >>> split_at_quotes("Coffee Bar OPEN", "A shop 'Coffee Bar' with a sign 'OPEN'.")
    ('Coffee Bar', 'OPEN')
    >>> split_at_quotes("Dont run", "A sign 'Don't run'.")
    ('Dont run',)
    """
    words = joined.split(" ")
    best: list[tuple[str, ...] | None] = [None] * len(words) + [()]
    for start in range(len(words) - 1, -1, -1):
        for end in range(len(words), start, -1):
            rest = best[end]
            piece = " ".join(words[start:end])
            if rest is None or not any(f"{left}{piece}{right}" in text for left, right in PAIRS):
                continue
            found = best[start]
            if found is None or len(rest) + 1 < len(found):
                best[start] = (piece, *rest)
    return best[0] or (joined,)


def cvtg(paths: list[Path]) -> Iterator[Draft]:
    """CVTG-2K: what the prompt quotes, which must be what its sentences quote; the category is set and regions.

    The prompt counts, as for its evaluator; one row's sentence has "Bestsellers" for the prompt's "Best Sellers".
    """
    for path in paths:
        for where, row in json_rows(path):
            text = text_field(where, row, "prompt")
            targets = single_quoted(text, where)
            sentences = text_list(where, row.get("sentence_list"), "sentence_list")
            if _joined(targets) != _joined(single_quoted(" ".join(sentences), where)):
                raise SuiteError(f"{where}: the prompt and its 'sentence_list' quote different strings")
            kind = path.parent.name.lower().removeprefix("cvtg").strip("-") or "plain"
            ident = f"{kind}-{path.stem}-{number_field(where, row, 'index'):04d}"
            yield Draft(where, ident, f"{kind}, {path.stem} regions", text, targets)


def _joined(strings: Sequence[str]) -> str:
    return "".join("/".join(strings).lower().split())


_QUESTION = re.compile(r"Is the text '(.*)' in the image\?")


def tiif(field: str) -> Callable[[list[Path]], Iterator[Draft]]:
    """TIIF-Bench's text prompts: the targets of its questions, which the short prompt quotes in that order."""

    def parse(paths: list[Path]) -> Iterator[Draft]:
        rows, asked = list(json_rows(paths[0])), list(json_rows(paths[1]))
        if len(rows) != len(asked):
            raise SuiteError(f"{paths[1]}: {len(asked)} rows for {len(rows)} prompts in {paths[0]}")
        for number, ((where, row), (there, questions)) in enumerate(zip(rows, asked, strict=True)):
            found = [
                _QUESTION.fullmatch(each)
                for each in text_list(there, questions.get("yn_question_list"), "yn_question_list")
            ]
            targets = tuple(match[1] for match in found if match)
            short = text_field(where, row, "short_description").rpartition("with the text on it: ")[2]
            if len(targets) < len(found) or list(targets) != quoted(short):
                raise SuiteError(f"{there}: the questions are not about the strings that {where} quotes")
            yield Draft(where, f"{number:04d}", "text", text_field(where, row, field), targets)

    return parse


def unigenbench(language: str) -> Callable[[list[Path]], Iterator[Draft]]:
    """UniGenBench's rows with a text-generation point: the quoted strings that the point's description names.

    A film's title that stands in quotes but is no point is no target; a row whose point names no text is left out.
    """
    points, described, wanted = (
        ("Testpoints", "Testpoint Description", "Text Generation")
        if language == "en"
        else ("考点", "考点对应描述", "文本生成")
    )

    def parse(paths: list[Path]) -> Iterator[Draft]:
        for where, row in csv_rows(paths[0]):
            ident, text = text_field(where, row, "index"), text_field(where, row, f"prompt_{language}")
            try:
                dims = parse_json(text_field(where, row, f"sub_dims_{language}"), where)
            except FileError as error:
                raise SuiteError(str(error)) from error
            if not isinstance(dims, dict):
                raise SuiteError(f"{where}: field 'sub_dims_{language}': expected an object")
            names = text_list(where, dims.get(points), points)
            about = text_list(where, dims.get(described), described)
            if len(names) != len(about):
                raise SuiteError(f"{where}: {len(names)} test points with {len(about)} descriptions")
            said = " ".join(each for name, each in zip(names, about, strict=True) if name == wanted)
            if wanted not in names or ident in UNIGENBENCH_WITHOUT_TEXT[language]:
                continue
            strings = quoted(text) or single_quoted(text, where)
            targets = tuple(each for each in strings if each.strip() and each in said)
            category = dims.get("Primary Categories" if language == "en" else "一级垂类")
            yield Draft(where, ident, category if isinstance(category, str) else "text", text, targets)

    return parse


UNIGENBENCH_WITHOUT_TEXT = {"en": ("575",), "zh": ()}
"""Rows with a text-generation point that speaks of no text: "logo design"."""
