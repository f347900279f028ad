"""The command `doctor`: what is installed on this machine, and what to do about what is not."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from evalsuite import hardware
from evalsuite.cli import console
from evalsuite.cli.options import JsonOption, SettingsOption, examples
from evalsuite.datafiles import cache_root, data_dir
from evalsuite.errors import EvalsuiteError, ExitCode
from evalsuite.extras import install_command

if TYPE_CHECKING:
    from collections.abc import Callable


app = typer.Typer()


@app.command(
    epilog=examples(
        "evalsuite doctor", "evalsuite doctor --json", "evalsuite doctor --server http://127.0.0.1:30000 --set steps=4"
    )
)
def doctor(
    server: Annotated[
        str | None,
        typer.Option("--server", metavar="URL", help="Ask an image server instead what it silently ignores."),
    ] = None,
    settings: SettingsOption = None,
    json: JsonOption = False,
) -> None:
    """Check what is installed here: OCR, fonts, models, memory; or with --server, an image server."""
    if server is not None:
        _examine_server(server, settings or [], json=json)
        return
    if settings:
        raise EvalsuiteError("--set goes with --server")
    findings = examine()
    code = ExitCode.USAGE if any(finding.state == "missing" for finding in findings) else ExitCode.OK
    if json:
        from evalsuite.cli.documents import CheckRow, DoctorDocument

        rows = [CheckRow(part=f.part, state=f.state, detail=f.detail) for f in findings]
        console.document(DoctorDocument(exit_code=int(code), checks=tuple(rows)))
    else:
        console.table("evalsuite doctor", ("part", "state", "detail"), [(f.part, f.state, f.detail) for f in findings])
    raise typer.Exit(code)


def _examine_server(server: str, settings: list[str], *, json: bool) -> None:
    """Show what a server does with each field that it is sent; exit code 2 where it ignores one."""
    from evalsuite.models import ModelOptions, parse_settings
    from evalsuite.models.servers import ServerModel, find_ignored

    with ServerModel.parse(server.removeprefix("server:"), ModelOptions(parse_settings(settings))) as model:
        trials = []
        for trial in find_ignored(model):
            console.err.print(f"{trial.what}: {trial.state}", markup=False)
            trials.append(trial)
    code = ExitCode.USAGE if any(each.state == "ignored" for each in trials) else ExitCode.OK
    if json:
        from evalsuite.cli.documents import ServerDocument

        console.document(ServerDocument(exit_code=int(code), server=model.spec.name, trials=tuple(trials)))
    else:
        console.table(
            f"evalsuite doctor --server {model.spec.name}",
            ("what", "state", "detail"),
            [(each.what, each.state, each.detail) for each in trials],
        )
    raise typer.Exit(code)


@dataclass(frozen=True, slots=True)
class Check:
    """One part that evalsuite uses: whether it is there, and what it is or how to get it."""

    part: str
    state: Literal["ok", "missing", "optional"]
    detail: str


def examine() -> list[Check]:
    """Check the parts that every run needs, then those that only some models need."""
    from evalsuite.models import known_models
    from evalsuite.models.typeset import fonts
    from evalsuite.suites import own_suites

    checks = [
        _attempt("suites", lambda: f"{len(own_suites())} suites in {data_dir() / 'suites'}"),
        _attempt("OCR", _read_something),
        _attempt("fonts", lambda: f"digest {fonts.fonts_digest()[:12]}"),
        *(_further_reader(name, what) for name, what in _FURTHER_READERS.items()),
        Check("cache", "ok", f"{cache_root()}, {shutil.disk_usage(_existing(cache_root())).free / 1e9:.0f} GB free"),
    ]
    for package, extra, what in _OPTIONAL:
        if importlib.util.find_spec(package) is None:
            checks.append(Check(package, "optional", f"needed for {what}: {install_command(extra)}"))
        else:
            checks.append(Check(package, "ok", importlib.metadata.version(package)))
    checks.append(Check("hardware", "ok", hardware.line(hardware.describe()) or "unknown"))
    checks += [
        Check(model.name, "ok", f"{model.what}; {model.needs}")
        if model.available
        else Check(model.name, "optional", f"{model.what}; {model.needs}; {_remedy(model.repository)}")
        for model in known_models()
    ]
    return checks


_OPTIONAL = (
    *(
        (package, "models", "diffusers models")
        for package in ("torch", "diffusers", "transformers", "accelerate", "peft")
    ),
    ("datasets", "datasets", "LongText-Bench from the hub, and Parquet"),
)
"""Packages that only some commands need: the extra that brings them, and what they are needed for."""


def _remedy(repository: str) -> str:
    """How to get a model that is not here."""
    if repository == "-":
        return f"drawing it needs: {install_command('fonts')}"
    if repository == "ships with evalsuite":
        return f"drawing with it needs: {install_command('models')}"
    return f"to fetch it: hf download {repository}"


def _attempt(part: str, what: Callable[[], str]) -> Check:
    try:
        return Check(part, "ok", what())
    except EvalsuiteError as error:
        return Check(part, "missing", str(error))


_FURTHER_READERS = {
    "paddle-openvino": "the default reader by OpenVINO",
    "paddle-cuda": "the default reader on a GPU",
    "rapidocr-v4": "a second reader",
    "tesseract": "a second reader",
}


def _further_reader(name: str, what: str) -> Check:
    """A reader that no run needs: whether it is there, or how to get it."""
    from evalsuite import ocr

    try:
        spec = ocr.resolve(name).spec
    except EvalsuiteError as error:
        return Check(name, "optional", f"{what}: {error}")
    return Check(name, "ok", f"{what}; digest {spec.digest[:12]}")


def _read_something() -> str:
    """Have a page read: the only proof that OCR works here. A run proves it likewise before it draws."""
    from evalsuite import ocr
    from evalsuite.ocr import proof

    engine = ocr.resolve("paddle")
    read = proof.read_page(engine)
    if read.replace(" ", "") != proof.TEXT.replace(" ", ""):
        raise EvalsuiteError(f"the OCR read {read!r} where {proof.TEXT!r} stands; install the packages again")
    versions = ", ".join(f"{name} {version}" for name, version in engine.spec.versions.items())
    return f"reads correctly; {versions}; digest {engine.spec.digest[:12]}"


def _existing(folder: Path) -> Path:
    return next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
