"""Ctrl-C and SIGTERM: acknowledged at once, done within seconds, and the same for both.

Everything finished is on disk at every moment, so that stopping is never a loss; what is under way is drawn or read
again by the same command.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from evalsuite.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

PATIENCE = 5.0
"""Seconds after the signal at which a process that is still in a library's long call is ended."""

STOPPED = "interrupted; what was finished is kept: run the same command again to go on"


def treat_termination_as_interrupt() -> None:
    """Let SIGTERM do what Ctrl-C does: end with a message and exit code 130."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


@contextmanager
def acknowledged(notice: Callable[[str], None], error: Callable[[str], None]) -> Iterator[None]:
    """Say at once that a signal came, and end the process if what runs here has not ended `PATIENCE` seconds later.

    Python handles a signal only between two of its own steps, and a library may draw or read for longer than that;
    a thread that the signal wakes does not wait for it. Outside the main thread nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reading, writing = socket.socketpair()
    writing.settimeout(0)
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(reading, done, notice, error), daemon=True)
    watcher.start()
    before = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        done.set()
        signal.set_wakeup_fd(before)
        writing.close()
        watcher.join(1.0)
        reading.close()


def _watch(
    reading: socket.socket, done: threading.Event, notice: Callable[[str], None], error: Callable[[str], None]
) -> None:
    while numbers := reading.recv(64):
        if not {signal.SIGINT, signal.SIGTERM}.isdisjoint(numbers):
            notice("stopping")
            if not done.wait(PATIENCE):
                error(STOPPED)
                os._exit(ExitCode.INTERRUPTED)
            return
