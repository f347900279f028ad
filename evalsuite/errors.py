"""The errors that speak to the user, and the exit codes of the command line."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every command (README.md lists them)."""

    OK = 0
    CRASH = 1
    USAGE = 2
    FAIL = 10
    INCONCLUSIVE = 11
    INCOMPLETE = 12
    INTERRUPTED = 130


class EvalsuiteError(Exception):
    """Something that the user can fix. The message says what was wrong, where, and what to do.

    The command line prints it on one line without a traceback and exits with `exit_code`.
    """

    exit_code = ExitCode.USAGE


class NotComparableError(EvalsuiteError):
    """Two runs, or a run and a claim, differ in something that forbids comparing them."""

    exit_code = ExitCode.INCOMPLETE


class IncompleteError(EvalsuiteError):
    """Something that the manifest promises is missing, so nothing may be concluded."""

    exit_code = ExitCode.INCOMPLETE


class InterruptedRunError(EvalsuiteError):
    """The user stopped a run; what was finished is kept."""

    exit_code = ExitCode.INTERRUPTED
