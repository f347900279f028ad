"""The pictures of single glyphs, cut out again: only a few of all that were looked at are ever shown."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from evalsuite.glyphs.characters import cut_out
from evalsuite.glyphs.seen import pixels_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evalsuite.glyphs.characters import Cut, Grey
    from evalsuite.glyphs.counts import Place
    from evalsuite.runs.opened import OpenRun


def cut_glyphs(run: OpenRun, places: Iterable[Place]) -> dict[Place, Cut]:
    """The cut-outs of glyphs by their places; one that cannot be cut out any more is left out.

    Raises:
        EvalsuiteError: An image cannot be opened.
    """
    by_image: dict[str, dict[int, list[Place]]] = {}
    for place in places:
        by_image.setdefault(place.key, {}).setdefault(place.line, []).append(place)
    found: dict[Place, Cut] = {}
    for key, lines in by_image.items():
        pixels = pixels_of(run, key)
        for number, wanted in lines.items():
            cuts = {cut.index: cut for cut in cut_out(pixels, run.readings[key].lines[number])}
            found |= {place: cuts[place.index] for place in wanted if place.index in cuts}
    return found


def png_of(picture: Grey) -> bytes:
    """A grey picture as PNG."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()
