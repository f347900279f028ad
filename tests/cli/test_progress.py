"""What is shown while a run goes on: bars in a terminal, lines in a log, nothing where it is not wanted."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from evalsuite.cli import console
from evalsuite.errors import InterruptedRunError
from evalsuite.runs.progress import Progress


@pytest.fixture
def shown(monkeypatch):
    """The error stream as a log or a terminal of 100 columns; returns what was written there."""

    def stream(*, terminal: bool) -> io.StringIO:
        written = io.StringIO()
        monkeypatch.setattr(console, "err", Console(file=written, force_terminal=terminal, width=100, highlight=False))
        return written

    return stream


def test_a_log_has_a_line_for_each_tenth_of_a_stage(shown):
    written = shown(terminal=False)
    with console.progress() as watch:
        for done in range(41):
            watch(Progress("draw", done, 40, "sign-001 seed 0"))
        for done in range(4):
            watch(Progress("read", done, 3))
    assert written.getvalue().splitlines() == [
        *(f"Drawing  {done}/40" for done in range(0, 41, 4)),
        "Reading  0/3",
        "Reading  1/3",
        "Reading  2/3",
        "Reading  3/3",
    ]


def test_a_log_tells_the_time_also_where_an_image_takes_minutes(shown, monkeypatch):
    written = shown(terminal=False)
    clock = iter([0, 50, 60, 180, 300, 700])
    monkeypatch.setattr(console, "CLOCK", lambda: float(next(clock)))
    with console.progress() as watch:
        watch(Progress("load", 0, 1, "klein"))
        watch(Progress("load", 1, 1, "klein"))
        for done in range(4):
            watch(Progress("draw", done, 100, "klein sign-001"))
    assert written.getvalue().splitlines() == [
        "Loading  klein",
        "Loaded   klein, 50 s",
        "Drawing  0/100",
        # No tenth is done, but five minutes have gone: 640 s for three images, 97 to come.
        "Drawing  3/100, 10 min 40 s, about 344 min 53 s left",
    ]


def test_a_terminal_estimates_the_time_left_of_images_that_take_a_minute(shown, monkeypatch):
    written = shown(terminal=True)
    now = [0.0]
    monkeypatch.setattr(console, "CLOCK", lambda: now[0])
    with console.progress() as watch:
        for done in range(4):
            watch(Progress("draw", done, 12, "klein sign-001"))
            now[0] += 60
    # Nine images at a minute each.
    assert "0:09:00" in written.getvalue()


def test_loading_has_a_bar_of_its_own(shown):
    written = shown(terminal=True)
    with console.progress() as watch:
        watch(Progress("load", 0, 1, "klein"))
        watch(Progress("load", 1, 1, "klein"))
        watch(Progress("draw", 1, 2, "klein sign-001"))
    assert "Loading" in written.getvalue()
    assert "Loading" not in written.getvalue().rpartition("Drawing")[2]


def test_a_stage_with_nothing_to_do_is_not_shown(shown):
    written = shown(terminal=False)
    with console.progress() as watch:
        watch(Progress("draw", 0, 0))
    assert written.getvalue() == ""


def test_a_terminal_has_a_bar_for_each_stage_and_names_are_no_markup(shown):
    written = shown(terminal=True)
    with console.progress() as watch:
        watch(Progress("draw", 1, 2, "sign-[bold]001"))
        watch(Progress("draw", 2, 2, "sign-[bold]002"))
        watch(Progress("score", 2, 2))
    last = written.getvalue()
    assert "Drawing" in last
    assert "2/2" in last
    assert "Scoring" in last
    assert "sign-[bold]002" in last


@pytest.mark.parametrize("terminal", [False, True])
def test_notices_of_the_plan_are_shown_as_they_are(shown, terminal):
    written = shown(terminal=terminal)
    with console.progress() as watch:
        watch(Progress("plan", 0, 0, "klein: computes in float32"))
    assert "klein: computes in float32" in written.getvalue()


def test_quiet_shows_nothing(shown):
    written = shown(terminal=True)
    with console.progress(quiet=True) as watch:
        watch(Progress("draw", 1, 2, "sign-001"))
    assert written.getvalue() == ""


def test_an_interrupt_says_that_what_was_finished_is_kept(shown):
    shown(terminal=False)
    kept = "what was finished is kept: run the same command again"
    with pytest.raises(InterruptedRunError, match=kept), console.progress(quiet=True):
        raise KeyboardInterrupt


def test_names_cannot_steer_the_terminal(capsys):
    """A tensor or a file may be called anything."""
    hostile = "\x1b[31mred\x1b[0m \u202eback [bold]mark[/]"
    shown = "‹U+001B›[31mred‹U+001B›[0m ‹U+202E›back [bold]mark[/]"
    console.say(f"two\nlines {hostile}")
    console.table(hostile, ("a",), [(hostile,)])
    console.error(hostile)
    console.notice(hostile)
    told = capsys.readouterr()
    assert told.out.splitlines()[:2] == ["two", f"lines {shown}"]
    assert told.out.count(shown) == 3
    assert told.err.splitlines() == [f"error: {shown}", f"note: {shown}"]
