"""The Jinja environment of the pages, and what every page needs."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import jinja2

from evalsuite.files import write_atomically
from evalsuite.report import conclusions, i18n, payload
from evalsuite.report.gate_names import gate_cell
from evalsuite.version import __version__
from evalsuite.wording import between, p_value, sentence, signed, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from markupsafe import Markup

    from evalsuite.report.figures import AccuracyRow
    from evalsuite.report.shell import Shell


NO_DATA = (payload.script_json(None),)


def render(
    template: str,
    *,
    shell: Shell,
    data: Iterable[Markup] = NO_DATA,
    boxes: Iterable[Markup] = NO_DATA,
    **context: Any,
) -> Iterator[str]:
    """A page as HTML, piece by piece as it is asked for; `data` and `boxes` are a gallery's two blocks.

    Everything in `context` that is no `Markup` is escaped.
    """
    return (
        _environment()
        .get_template(template)
        .generate(
            version=__version__,
            languages=i18n.LANGUAGES,
            words=payload.script_json({code: dict(i18n.catalogue(code)) for code in i18n.LANGUAGES}),
            data=data,
            boxes=boxes,
            shell=shell,
            **context,
        )
    )


def write(page: Path, content: Iterable[str]) -> Path:
    """Write a page atomically: who opens it meanwhile sees the former one whole.

    Raises:
        EvalsuiteError: when it cannot be written.
    """
    # A lone surrogate cannot be encoded; it can only come from a file name, and is shown as a question mark.
    write_atomically(page, (piece.encode("utf-8", errors="replace") for piece in content))
    return page


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("evalsuite.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["visible"] = _visible
    environment.filters["sentence"] = sentence
    environment.filters["signed"] = signed
    environment.filters["p_value"] = p_value
    environment.filters["by_model"] = _by_model
    environment.globals.update(
        t=i18n.element,
        ta=i18n.attribute,
        known_words=i18n.catalogue(i18n.DEFAULT),
        tone=conclusions.tone,
        between=between,
        message=conclusions.message,
        gate_cell=gate_cell,
    )
    return environment


def _by_model(rows: Sequence[AccuracyRow]) -> list[list[AccuracyRow]]:
    return [list(group) for _, group in groupby(rows, lambda row: row.model)]


def _visible(value: object) -> str:
    return visible(str(value))
