"""Tables in the terminal: columns narrowed by wrapping at words, and where that is not enough, a block per row."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.markup import escape

from evalsuite.wording import for_log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

GAP = 2
"""Columns of the terminal between two columns of a table."""


def print_table(
    out: Console, columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str], width: int | None
) -> None:
    """Print a table whose cells are plain text on one line each.

    Args:
        out: Where to.
        columns: The headings.
        rows: Of as many cells.
        right: The columns aligned to the right, which are never wrapped.
        width: What a line may hold; None for a file or a log, where every row is one line.
    """
    widths = fit([[column, *cells] for column, *cells in zip(columns, *rows, strict=True)], columns, right, width)
    if widths is None:
        _blocks(out, columns, rows, width or 0)
        return
    for number, row in enumerate((columns, *rows)):
        cells = [wrap(cell, wide) for cell, wide in zip(row, widths, strict=True)]
        for parts in zip_longest(*cells, fillvalue=""):
            padded = [
                (" " * (wide - cell_len(part)) + part) if name in right else (part + " " * (wide - cell_len(part)))
                for name, part, wide in zip(columns, parts, widths, strict=True)
            ]
            line = for_log((" " * GAP).join(padded).rstrip())
            out.print(f"[bold]{escape(line)}[/]" if number == 0 else escape(line), soft_wrap=True)


def fit(
    cells: Sequence[Sequence[str]], columns: Sequence[str], right: Sequence[str], width: int | None
) -> list[int] | None:
    """The width of each column, its cells given with its heading; None where the words do not fit beside each other."""
    widths = [max(map(cell_len, column)) for column in cells]
    if width is None:
        return widths
    least = [
        wide if name in right else max((cell_len(word) for cell in column for word in cell.split()), default=0)
        for name, column, wide in zip(columns, cells, widths, strict=True)
    ]
    room = width - GAP * (len(widths) - 1)
    if sum(least) > room:
        return None
    while sum(widths) > room:
        widest = max((k for k in range(len(widths)) if widths[k] > least[k]), key=lambda k: widths[k])
        widths[widest] -= 1
    return widths


def _blocks(out: Console, columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> None:
    label = max(map(cell_len, columns))
    for number, row in enumerate(rows):
        if number:
            out.print()
        for column, cell in zip(columns, row, strict=True):
            if cell:
                head = column + " " * (label - cell_len(column) + GAP)
                print_wrapped(out, cell, width, first=head, rest=" " * (label + GAP))


def print_wrapped(out: Console, text: str, width: int | None, *, first: str = "", rest: str = "") -> None:
    """Print plain text, its lines broken at spaces only: a path or an id that is longer than a line stays whole."""
    for line in text.split("\n"):
        for part in wrap(line, width, first=first, rest=rest):
            out.print(for_log(part), markup=False, soft_wrap=True)


def wrap(text: str, width: int | None, *, first: str = "", rest: str = "") -> list[str]:
    """One line as lines of at most `width` cells where its words allow it; `first` and `rest` begin them."""
    if width is None or cell_len(first + text) <= width:
        return [first + text]
    lines, line, empty = [], first, True
    for word in text.split(" "):
        if not empty and cell_len(line) + 1 + cell_len(word) > width:
            lines.append(line)
            line, empty = rest, True
        line += word if empty else f" {word}"
        empty = False
    return [*lines, line]
