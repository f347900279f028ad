"""Prompts that change a picture: what is checked of their source, of the text that must go and of what stays."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from evalsuite.images import SUFFIXES
from evalsuite.records import Editing, MadePicture
from evalsuite.suites.suite import SuiteError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

STYLES = ("printed", "styled")
LEAST_SIDE, GREATEST_SIDE, STEP = 256, 2048, 16
"""Pixels a side of made pictures, and what they must be a multiple of: what the pipelines draw."""

DEFAULT_SIZE = "768x768"


def editing_of(
    where: Callable[[str], str],
    *,
    source: str,
    size: str | None,
    lines: Sequence[str] | None,
    old: Sequence[str],
    keep: Sequence[str] | None,
    targets: Sequence[str],
) -> Editing:
    """What a prompt changes, from the fields of its suite; `where` says where a field stands.

    Raises:
        SuiteError: naming the field that is wrong, and what to write.
    """
    for text in old:
        if text in targets:
            raise SuiteError(f"{where('old')}: {text!r} is a target, too: nothing is to change about it; leave it out")
    if source not in STYLES:
        return _of_file(where, source, size=size, lines=lines, old=old, keep=keep)
    if lines is None:
        raise SuiteError(f"{where('lines')}: is missing; list the lines that the {source} picture is to show")
    if keep is not None:
        raise SuiteError(
            f"{where('keep')}: is for pictures from files; of a {source} one, all lines but the old are kept"
        )
    for text in old:
        if text not in lines:
            raise SuiteError(f"{where('old')}: {text!r} is none of the picture's lines; old text is a whole line")
    for text in (*old, *targets):
        if list(lines).count(text) > (text in old):
            raise SuiteError(f"{where('lines')}: {text!r} stands twice, or is a target already: nobody could tell them")
    width, height = _size(where, size or DEFAULT_SIZE)
    made = MadePicture(
        style="styled" if source == "styled" else "printed", lines=tuple(lines), width=width, height=height
    )
    return Editing(made=made, old=tuple(old), keep=tuple(line for line in lines if line not in old))


def _size(where: Callable[[str], str], size: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{3,4})x(\d{3,4})", size)
    width, height = (int(found[1]), int(found[2])) if found else (0, 0)
    for side in (width, height):
        if not LEAST_SIDE <= side <= GREATEST_SIDE or side % STEP:
            raise SuiteError(
                f"{where('size')}: {size!r}; write WIDTHxHEIGHT with sides of {LEAST_SIDE} to {GREATEST_SIDE} pixels "
                f"that are multiples of {STEP}, e.g. {DEFAULT_SIZE}"
            )
    return width, height


def _of_file(
    where: Callable[[str], str],
    source: str,
    *,
    size: str | None,
    lines: Sequence[str] | None,
    old: Sequence[str],
    keep: Sequence[str] | None,
) -> Editing:
    place = PurePosixPath(source)
    if place.suffix.lower() not in SUFFIXES:
        raise SuiteError(
            f"{where('source')}: {source[:80]!r} is neither {' nor '.join(STYLES)} nor an image file "
            f"({', '.join(SUFFIXES)})"
        )
    if place.is_absolute() or ".." in place.parts or "\\" in source:
        raise SuiteError(f"{where('source')}: {source[:80]!r} leaves the suite's folder; name a file within it")
    for key, value in (("lines", lines), ("size", size)):
        if value is not None:
            raise SuiteError(f"{where(key)}: is for pictures that are made; {source!r} is what it is")
    return Editing(file=source, old=tuple(old), keep=tuple(keep or ()))
