"""The command line's entry: the commands put together, and errors as one line with a documented exit code."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING, Annotated

import typer

from evalsuite import __version__
from evalsuite.cli import claims, console, doctor, gate, load, models, report, run, serve, suites, sweep
from evalsuite.errors import EvalsuiteError

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
for group in (run, doctor, report, gate, sweep, claims, serve, load):
    app.add_typer(group.app)


def _version(value: bool) -> None:
    if value:
        console.say(f"evalsuite {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


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


def main() -> None:
    """Entry point: runs a command; what the user can fix is one line and a documented exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal or pipe that cannot hold a sign gets its number: `\u2026`, which JSON reads too.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app(spread_settings(sys.argv[1:]))
    except EvalsuiteError as error:
        console.error(str(error))
        sys.exit(int(error.exit_code))
