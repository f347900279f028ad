"""Trials of what is hostile, each to its end within a time limit: the frame of `damage`, `hostile` and `checkpoints`.

    python damage.py [--part PART] [--every EVERY] [--state STATE.jsonl]

All trials, or those whose names hold PART, or each EVERYth of them. STATE gets one line per trial and is gone on
with when it is there. What crashed, hung, wrote elsewhere or said what no line may say is printed, and makes the exit
code 1.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from typer.testing import CliRunner

from evalsuite.cli.main import app, told
from evalsuite.errors import ExitCode
from evalsuite.wording import for_log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Endings = dict[str, str]
"""How each part of a trial ended: a word, and for a bad one what was raised or said."""

GOOD = ("done", "error", "drawn", "failed")
LONGEST = 5000  # characters of one message


class Hang(BaseException):
    """Something takes longer than it may."""


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Raise `Hang` in the body when the seconds are over."""

    def over(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def ending_of(arguments: list[str], seconds: int) -> str:
    """How a command of evalsuite ends: `done` or `error`; `CRASH`, `HANG` or `DIRTY` with what was raised or said."""
    try:
        with within(seconds):
            found = CliRunner().invoke(app, arguments)
    except Hang:
        return "HANG"
    raised, said = found.exception, found.output
    if isinstance(raised, Exception):
        message, code = told(raised)
        if code == ExitCode.CRASH:
            return f"CRASH {message}"[:300]
        said += for_log(message)
        if len(message) > LONGEST:
            return f"DIRTY {len(message)} characters: {message[:200]!r}"
    if "\x1b" in said or any(line.lstrip().startswith(("::", "##[")) for line in said.splitlines()):
        return f"DIRTY {said[:200]!r}"
    if found.exit_code == ExitCode.CRASH and not isinstance(raised, Exception):
        return f"CRASH 1: {said[-200:]}"
    return "error" if found.exit_code == ExitCode.USAGE or isinstance(raised, Exception) else "done"


def main(trials: Callable[[Path], Iterable[tuple[str, Callable[[], Endings]]]], place: Path) -> None:
    """Carry out the trials that the command line asks for, count how they end, and leave with 1 where one ends badly.

    Args:
        trials: Gives names, each once, and what carries the trial out, in a folder of its own.
        place: The folder.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--part", default="")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--state", type=Path)
    asked = parser.parse_args()
    kept = asked.state.read_text(encoding="utf-8").splitlines() if asked.state and asked.state.exists() else []
    found: dict[str, Endings] = {line["trial"]: line["endings"] for line in map(json.loads, kept)}
    chosen = [(name, carry_out) for name, carry_out in trials(place) if asked.part in name][:: asked.every]
    for name, carry_out in chosen:
        if name in found:
            continue
        found[name] = carry_out()
        if asked.state:
            with asked.state.open("a", encoding="utf-8") as state:
                state.write(json.dumps({"trial": name, "endings": found[name]}) + "\n")
    sys.stdout.write(summary({name: found[name] for name, _ in chosen}))
    sys.exit(any(not ending.startswith(GOOD) for name, _ in chosen for ending in found[name].values()))


def summary(found: dict[str, Endings]) -> str:
    """The bad endings, one per line, and the counts of all."""
    lines = [
        f"{name}: {part}: {ending}\n"
        for name, endings in found.items()
        for part, ending in endings.items()
        if not ending.startswith(GOOD)
    ]
    counts = Counter(ending.partition(" ")[0] for endings in found.values() for ending in endings.values())
    counted = ", ".join(f"{kind} {count}" for kind, count in counts.most_common())
    return "".join(lines) + f"{len(found)} kinds, {counts.total()} trials: {counted}\n"
