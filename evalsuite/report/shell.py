"""How a page gets its scripts and styles: as files beside it, or inside it with their hashes in the policy."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from markupsafe import Markup

from evalsuite.files import FileError, make_folder, read_file, write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_BASE = "default-src 'none'; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True, slots=True)
class Shell:
    """The Content-Security-Policy of a page and the elements that bring in its scripts and styles.

    `is_folder` is False where everything stands inside the page; `home` is the address of the list that the page is one
    of, None where there is none. Scripts that stand inside come last in the body,
    since `defer` works for files alone.
    """

    policy: str
    head: tuple[Markup, ...]
    tail: tuple[Markup, ...]
    is_folder: bool
    home: str | None = None


def linked(scripts: Sequence[str], styles: Sequence[str]) -> Shell:
    """Files in `assets/` beside the page; the query changes with their content, so that caches cannot mix versions."""
    # `file:` because 'self' matches nothing on a page opened from disk in some browsers.
    policy = f"{_BASE}; script-src 'self' file:; style-src 'self' file:; img-src 'self' file: data:"
    head = [
        *(Markup('<link rel="stylesheet" href="assets/{}?v={}">').format(name, _version(name)) for name in styles),
        *(Markup('<script src="assets/{}?v={}" defer></script>').format(name, _version(name)) for name in scripts),
    ]
    return Shell(policy, tuple(head), (), is_folder=True)


def served(scripts: Sequence[str], styles: Sequence[str]) -> Shell:
    """Files that `evalsuite view` serves under `/assets/`; pages may ask the server that they come from alone."""
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'self'; script-src 'self'; style-src 'self'; "
        "img-src 'self' data:; connect-src 'self'"
    )
    head = [
        *(Markup('<link rel="stylesheet" href="/assets/{}?v={}">').format(name, _version(name)) for name in styles),
        *(Markup('<script src="/assets/{}?v={}" defer></script>').format(name, _version(name)) for name in scripts),
    ]
    return Shell(policy, tuple(head), (), is_folder=True, home="/")


def asset(name: str) -> bytes:
    """One of the report's own scripts or styles; raises `FileNotFoundError` for another name."""
    return _asset(name)


def inlined(scripts: Sequence[str], styles: Sequence[str]) -> Shell:
    """Everything inside the page. The policy names the hash of each part, so that nothing else can run."""
    script_sources = " ".join(_source(name) for name in scripts)
    style_sources = " ".join(_source(name) for name in styles)
    policy = f"{_BASE}; script-src {script_sources}; style-src {style_sources}; img-src data:"
    return Shell(
        policy,
        tuple(Markup("<style>{}</style>").format(_trusted(name)) for name in styles),
        tuple(Markup("<script>{}</script>").format(_trusted(name)) for name in scripts),
        is_folder=False,
    )


def copy_assets(folder: Path, scripts: Sequence[str], styles: Sequence[str]) -> None:
    """Write the report's own scripts and styles into `folder`; what stands there as it should is left alone.

    Raises:
        EvalsuiteError: when it cannot be written.
    """
    make_folder(folder)
    for name in (*scripts, *styles):
        path, content = folder / name, _asset(name)
        if not _holds(path, content):
            write_atomically(path, content)


def _holds(path: Path, content: bytes) -> bool:
    try:
        return read_file(path, limit=len(content), follow=False) == content
    except (FileNotFoundError, FileError):
        return False


def _asset(name: str) -> bytes:
    return (resources.files("evalsuite.report") / "assets" / name).read_bytes()


def _version(name: str) -> str:
    return hashlib.sha256(_asset(name)).hexdigest()[:12]


def _source(name: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(_asset(name)).digest()).decode()}'"


def _trusted(name: str) -> Markup:
    return Markup(_asset(name).decode())  # noqa: S704 - our own file; a test holds that it cannot end its element
