"""What a drawing becomes before it is kept: its row and the bytes of its file, made without touching the disk."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from evalsuite.images import is_blank, to_rgb
from evalsuite.records import Finding, Generation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from evalsuite.models.base import Drawing, ImageModel
    from evalsuite.records import Prompt, Request

COMPRESS_LEVEL = 1
"""zlib's level for the PNG files: three times as fast to write as the default, a tenth larger."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A finished row with the PNG bytes that it names; `content` is None where drawing failed.

    It can be pickled, so that other processes draw and encode; only the process that holds the run folder keeps it
    (`RunStore.keep`).
    """

    row: Generation
    content: bytes | None


def now() -> str:
    """The moment of a drawing as rows have it: UTC in microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def drawings_of(
    model: ImageModel, part: Sequence[Request], prompts: Mapping[str, Prompt]
) -> Iterator[tuple[Request, Drawing]]:
    """What a loaded model draws for these requests, each beside the request that it answers."""
    drawings = model.draw([(prompts[request.prompt], request.seed) for request in part])
    for request, drawing in zip(part, drawings, strict=True):
        if (drawing.prompt.id, drawing.seed) != (request.prompt, request.seed):
            raise RuntimeError(f"{model.spec.name} answered {drawing.prompt.id} when {request.prompt} was asked for")
        yield request, drawing


def encode(request: Request, drawing: Drawing, *, drawn_at: str | None = None) -> Drawn:
    """The row of a drawing, and its image as 8-bit RGB PNG. Pure: threads and other processes may do it.

    Args:
        request: What was asked for.
        drawing: What came of it.
        drawn_at: The moment (`now`), where it is encoded later than it was drawn.

    Raises:
        ImageError: The image has a pixel format whose range nobody states.
    """
    row = Generation(
        key=request.key,
        model=request.model,
        prompt=request.prompt,
        seed=request.seed,
        timing=drawing.timing,
        memory=drawing.memory,
        revised_prompt=drawing.revised_prompt,
        findings=drawing.findings,
        planted=drawing.planted,
        error=drawing.error,
        drawn_at=drawn_at or now(),
    )
    if drawing.image is None:
        return Drawn(row, None)
    picture = to_rgb(drawing.image)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", compress_level=COMPRESS_LEVEL)
    content = buffer.getvalue()
    findings = drawing.findings
    if is_blank(picture) and not any(finding.code == "blank-image" for finding in findings):
        findings += (Finding(code="blank-image", message="the image is one even colour"),)
    row = msgspec.structs.replace(
        row,
        image=f"images/{request.key}.png",
        sha256=hashlib.sha256(content).hexdigest(),
        width=picture.width,
        height=picture.height,
        findings=findings,
    )
    return Drawn(row, content)
