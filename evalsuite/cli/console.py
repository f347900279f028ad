"""What the command line prints: progress bars, tables, notices, errors, and for scripts one JSON document."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from evalsuite.cli.stopping import STOPPED, acknowledged
from evalsuite.cli.tables import print_table, print_wrapped
from evalsuite.errors import InterruptedRunError
from evalsuite.records import encode
from evalsuite.wording import for_log, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalsuite.runs.progress import Progress as Step
    from evalsuite.runs.progress import Watcher

# No emoji codes: `:x:` in a name or a text stays what it is.
out = Console(highlight=False, emoji=False)
err = Console(stderr=True, highlight=False, emoji=False)

_STAGES = {
    "load": "Loading",
    "draw": "Drawing",
    "take": "Copying",
    "read": "Reading",
    "score": "Scoring",
    "look": "Looking",
    "content": "Measuring",
    "merge": "Merging",
}
ESTIMATE_OVER = 6 * 3600.0
"""Seconds of a stage that the time left is estimated from: an image may take minutes."""
CLOCK = time.monotonic
QUIET_FOR = 300.0
"""Seconds after which a log gets a line though no tenth of the stage is done."""


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
        TextColumn("[bold]{task.description}", table_column=Column(no_wrap=True)),
        BarColumn(bar_width=16),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TimeElapsedColumn(table_column=Column(no_wrap=True)),
        TextColumn("left", style="dim"),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
        TextColumn("[dim]{task.fields[item]}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
        console=err,
        expand=True,
        speed_estimate_period=ESTIMATE_OVER,
        get_time=CLOCK,
    ) as bars:
        tasks: dict[str, TaskID] = {}

        def watch(step: Step) -> None:
            if step.stage == "plan":
                notice(step.item)
                return
            if step.stage == "load" and step.done:
                bars.remove_task(tasks.pop("load"))
                return
            if step.stage not in tasks:
                total = None if step.stage == "load" else step.total
                tasks[step.stage] = bars.add_task(_STAGES[step.stage], total=total, item="")
            if step.stage == "load":
                bars.update(tasks["load"], item=escape(_line(step.item)))
                return
            bars.update(tasks[step.stage], completed=step.done, total=step.total, item=escape(_line(step.item)))

        yield watch


class _Lines:
    """Progress for logs: a line at the start of a stage, at each tenth, after minutes without one, and at its end."""

    def __init__(self) -> None:
        self._shown: dict[str, int] = {}
        self._began: dict[str, tuple[float, int]] = {}
        self._last = 0.0

    def __call__(self, step: Step) -> None:
        if step.stage == "plan":
            notice(step.item)
            return
        now = CLOCK()
        if step.stage == "load":
            self._loading(step, now)
            return
        began, had = self._began.setdefault(step.stage, (now, step.done))
        tenth = 10 if step.total == 0 else 10 * step.done // step.total
        if step.total and (self._shown.get(step.stage) != tenth or now - self._last >= QUIET_FOR):
            self._shown[step.stage] = tenth
            self._last = now
            line = f"{_STAGES[step.stage]:<8} {step.done}/{step.total}"
            if now - began >= 1.0:
                line += f", {seconds(now - began)}"
                if had < step.done < step.total:
                    left = (now - began) / (step.done - had) * (step.total - step.done)
                    line += f", about {seconds(left)} left"
            err.print(line, markup=False, soft_wrap=True)

    def _loading(self, step: Step, now: float) -> None:
        if step.done:
            took = now - self._began.pop("load")[0]
            err.print(f"Loaded   {_line(step.item)}, {seconds(took)}", markup=False, soft_wrap=True)
        else:
            self._began["load"] = now, 0
            err.print(f"Loading  {_line(step.item)}", markup=False, soft_wrap=True)


def _line(text: str) -> str:
    """Text from anywhere, on one line."""
    return for_log(" ".join(text.split()))


def _width(console: Console) -> int | None:
    """What a line may hold; None for files and logs, which scroll sideways and are searched line by line."""
    return console.width if console.is_terminal else None


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> None:
    """Print a table; the columns named in `right` are aligned to the right. Cells are text, never markup.

    No word is ever broken, so that names and ids stay whole for copying.
    """
    if title:
        out.print(f"[bold]{escape(_line(title))}[/]", soft_wrap=True)
    cells = [[_line(cell) for cell in row] for row in rows]
    print_table(out, list(columns), cells, right=right, width=_width(out))


def say(text: str) -> None:
    """Print plain text. What files and models call themselves cannot steer the terminal."""
    print_wrapped(out, for_log(text), _width(out))


def document(value: msgspec.Struct) -> None:
    """Print one JSON document on the output stream; with `--json`, nothing else stands there."""
    sys.stdout.write(msgspec.json.format(encode(value), indent=2).decode() + "\n")
    sys.stdout.flush()


def notice(text: str) -> None:
    """Print a line that the user should not miss, on the error stream."""
    _marked("[yellow]note:[/]", text)


def error(text: str) -> None:
    """Print an error on one line, on the error stream; a terminal breaks it at spaces."""
    _marked("[bold red]error:[/]", text)


def hint(text: str) -> None:
    """Print what helps on after an error, on the error stream."""
    _marked("[dim]hint:[/]", text)


def _marked(mark: str, text: str) -> None:
    err.print(mark, end=" ")
    print_wrapped(err, _line(text), None if (width := _width(err)) is None else width - 7)
