"""The command line without a process for each command: its entry point is called here, as `python -m evalsuite` does.

What a process adds (its start, the terminal's encoding, a kill) has tests of its own, which start one.
"""

from __future__ import annotations

import contextlib
import io
import signal
import sys
from subprocess import CompletedProcess
from typing import TYPE_CHECKING

from evalsuite.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path


def evalsuite(*arguments: object, cwd: Path | None = None) -> CompletedProcess[str]:
    """Run one command: its exit code and what it printed, as if it had been a process."""
    given = ["evalsuite", *map(str, arguments)]
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2)]
    before, handler = sys.argv, signal.getsignal(signal.SIGTERM)
    code: object = 0
    try:
        with contextlib.ExitStack() as stack:
            stack.enter_context(contextlib.redirect_stdout(streams[0]))
            stack.enter_context(contextlib.redirect_stderr(streams[1]))
            if cwd is not None:
                stack.enter_context(contextlib.chdir(cwd))
            sys.argv = given
            main()
    except SystemExit as ended:
        code = ended.code or 0
    finally:
        sys.argv = before
        signal.signal(signal.SIGTERM, handler)
    told = []
    for stream in streams:
        stream.seek(0)
        told.append(stream.read())
    assert isinstance(code, int), code
    return CompletedProcess(given, code, *told)
