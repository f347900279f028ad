"""Source pictures for edits, made by the typeset and the styled renderer, so that what stands where is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalsuite.models.typeset import page, styled
from evalsuite.records import SourceLine

if TYPE_CHECKING:
    from PIL.Image import Image

    from evalsuite.records import MadePicture


def make_picture(made: MadePicture) -> tuple[Image, tuple[SourceLine, ...]]:
    """The picture that is described, RGB, and its lines with their places. The same description gives the same.

    Raises:
        EvalsuiteError: The lines do not fit, or no face has their characters.
    """
    render = styled.render_placed if made.style == "styled" else page.render_placed
    image, _, boxes = render(made.lines, width=made.width, height=made.height, key=["source", made.lines])
    return image, tuple(SourceLine(text=text, box=box) for text, box in zip(made.lines, boxes, strict=True))
