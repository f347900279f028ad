"""What the command line prints: progress bars, tables, notices and errors."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from evalsuite.cli.stopping import STOPPED, acknowledged
from evalsuite.errors import InterruptedRunError
from evalsuite.wording import for_log

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalsuite.runs.progress import Progress as Step
    from evalsuite.runs.progress import Watcher

# No emoji codes: `:x:` in a name or a text stays what it is.
out = Console(highlight=False, emoji=False)
err = Console(stderr=True, highlight=False, emoji=False)

_STAGES = {"draw": "Drawing", "read": "Reading", "score": "Scoring", "look": "Looking", "merge": "Merging"}


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Watcher]:
    """A watcher that shows one bar per stage on the error stream.

    Where that is no terminal, a line is printed for each tenth of a stage instead.

    Raises:
        InterruptedRunError: when the user stops what runs under it.
    """
    try:
        with acknowledged(notice, error), _watcher(quiet=quiet) as watch:
            yield watch
    except KeyboardInterrupt:
        raise InterruptedRunError(STOPPED) from None


@contextmanager
def _watcher(*, quiet: bool) -> Iterator[Watcher]:
    if quiet:
        yield lambda _: None
        return
    if not err.is_terminal:
        yield _Lines()
        return
    with Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[item]}"),
        console=err,
    ) as bars:
        tasks: dict[str, TaskID] = {}

        def watch(step: Step) -> None:
            if step.stage == "plan":
                notice(step.item)
                return
            if step.stage not in tasks:
                tasks[step.stage] = bars.add_task(_STAGES[step.stage], total=step.total, item="")
            bars.update(tasks[step.stage], completed=step.done, total=step.total, item=escape(_line(step.item)))

        yield watch


class _Lines:
    """Progress for logs: a line at the start of a stage, at each tenth, and at its end."""

    def __init__(self) -> None:
        self._shown: dict[str, int] = {}

    def __call__(self, step: Step) -> None:
        if step.stage == "plan":
            notice(step.item)
            return
        tenth = 10 if step.total == 0 else 10 * step.done // step.total
        if step.total and self._shown.get(step.stage) != tenth:
            self._shown[step.stage] = tenth
            err.print(f"{_STAGES[step.stage]:<8} {step.done}/{step.total}", markup=False)


def _line(text: str) -> str:
    """Text from anywhere, on one line."""
    return for_log(" ".join(text.split()))


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> None:
    """Print a table; the columns named in `right` are aligned to the right. Cells are text, never markup."""
    grid = Table(header_style="bold", box=None, pad_edge=False)
    for column in columns:
        figure = column in right
        grid.add_column(escape(column), justify="right" if figure else "left", overflow="fold", no_wrap=figure)
    for row in rows:
        grid.add_row(*(escape(_line(cell)) for cell in row))
    if not out.is_terminal:
        # A file or a CI log scrolls sideways: there, names stay whole.
        out.width = Measurement.get(out, out.options.update(max_width=10_000), grid).maximum
    if title:
        out.print(f"[bold]{escape(_line(title))}[/]", soft_wrap=True)
    out.print(grid)


def wide_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> None:
    """A table whose lines are never folded: ids stay whole for copying."""
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    if title:
        say(f"\n{title}")
    for row in (columns, *rows):
        cells = (
            cell.rjust(width) if name in right else cell.ljust(width)
            for name, cell, width in zip(columns, row, widths, strict=True)
        )
        say("  ".join(cells).rstrip())


def say(text: str) -> None:
    """Print plain text. What files and models call themselves cannot steer the terminal."""
    out.print(for_log(text), markup=False, soft_wrap=True)


def notice(text: str) -> None:
    """Print a line that the user should not miss, on the error stream."""
    err.print(f"[yellow]note:[/] {escape(_line(text))}", soft_wrap=True)


def error(text: str) -> None:
    """Print an error on one line, on the error stream."""
    err.print(f"[bold red]error:[/] {escape(_line(text))}", soft_wrap=True)
