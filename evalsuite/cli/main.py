"""The command line's entry: the commands put together, and errors as one line with a documented exit code."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from evalsuite import __version__
from evalsuite.cli import (
    claims,
    console,
    content,
    doctor,
    gate,
    load,
    models,
    report,
    run,
    schema,
    serve,
    suites,
    sweep,
    view,
)
from evalsuite.cli.stopping import treat_termination_as_interrupt
from evalsuite.cli.usage import mistake
from evalsuite.errors import EvalsuiteError, ExitCode
from evalsuite.wording import clipped

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer(
    name="evalsuite",
    help="Does this text-to-image checkpoint still draw text correctly, and how fast?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(suites.app, name="suites")
app.add_typer(models.app, name="models")
for group in (run, doctor, report, content, gate, sweep, claims, serve, load, schema, view):
    app.add_typer(group.app)


@dataclass
class _Settings:
    """What was asked of the command line as a whole."""

    verbose: bool = False


settings = _Settings()


def _version(value: bool) -> None:
    if value:
        console.say(f"evalsuite {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show each event of a run as it happens, and the traceback of a failure.")
    ] = False,
) -> None:
    del version  # its callback has said it
    settings.verbose = verbose
    if verbose:
        logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s: %(message)s")
        logging.getLogger("evalsuite").setLevel(logging.INFO)
        logging.getLogger().setLevel(logging.WARNING)


def spread_settings(arguments: Sequence[str]) -> list[str]:
    """Write `--set steps=8 size=768x1344` as `--set steps=8 --set size=768x1344`, which is what Typer takes."""
    spread: list[str] = []
    setting = False
    for argument in arguments:
        if setting and spread[-1] != "--set" and "=" in argument and not argument.startswith("-"):
            spread.append("--set")
        elif argument == "--set":
            setting = True
        elif argument.startswith("-") or "=" not in argument:
            setting = False
        spread.append(argument)
    return spread


def _usage(error: TyperException, words: Sequence[str]) -> NoReturn:
    if type(error).__name__ == "NoArgsIsHelpError":
        console.say(error.format_message())
    else:
        text, hint = mistake(error, getattr(typer.main.get_command(app), "commands", {}), words)
        console.error(text)
        console.hint(hint)
    sys.exit(int(ExitCode.USAGE))


def main() -> None:
    """Entry point: runs a command; what the user can fix is one line and a documented exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal or pipe that cannot hold a sign gets its number: `\u2026`, which JSON reads too.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    treat_termination_as_interrupt()
    words = spread_settings(sys.argv[1:])
    try:
        code = app(words, prog_name="evalsuite", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else int(ExitCode.OK))
    except TyperException as error:
        _usage(error, words)
    except Exception as error:  # noqa: BLE001 - the last line of defence: a user is never shown a traceback unasked
        if settings.verbose:
            traceback.print_exc()
        message, code = told(error)
        console.error(message)
        sys.exit(int(code))


def told(error: Exception) -> tuple[str, ExitCode]:
    """What an error that ends a command says, and the exit code.

    What the operating system refuses of a file that it names (no right to it, too long a name) is the user's to fix.
    """
    if isinstance(error, EvalsuiteError):
        return clipped(str(error)), error.exit_code
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{os.fsdecode(error.filename)[:300]}: {error.strerror}", ExitCode.USAGE
    if isinstance(error, RuntimeError) and str(error).startswith("Symlink loop"):  # Path.resolve, before Python 3.13
        return f"{error}: a link that leads to itself", ExitCode.USAGE
    place = traceback.extract_tb(error.__traceback__)[-1]
    said = clipped(" ".join(str(error).split()))
    return (
        f"evalsuite itself failed: {type(error).__name__}: {said} ({Path(place.filename).name}:{place.lineno}); "
        "a finished image or reading is never lost by this. 'evalsuite --verbose …' shows the traceback, "
        "which a report of this fault should hold"
    ), ExitCode.CRASH
