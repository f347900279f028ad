"""The mechanical editor: paints over the old text's place and sets the new text there. Not a model, but the reference.

What it scores is what reader and scorer make of an edit that is right and changes nothing else. With planted faults
(`editor:faults=old-left`) it is an instrument check: the figure of that fault must fall, and the others stay.
`source` is the source picture itself, unchanged: the picture before, and the score of doing nothing.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Self

import numpy as np

from evalsuite.errors import EvalsuiteError
from evalsuite.models.base import Drawing
from evalsuite.models.typeset.backgrounds import Colour
from evalsuite.models.typeset.fonts import FontsMissingError, faces_for, font, fonts_digest
from evalsuite.models.typeset.page import lettering_colour, wrap
from evalsuite.models.typeset.planted_errors import plant
from evalsuite.records import ModelSpec, Phase, Timing, digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from PIL.Image import Image

    from evalsuite.models.editing import Sources
    from evalsuite.records import Prompt, SourceLine

EDITOR_VERSION = "1"

FAULTS = ("old-left", "line-changed", "pixels-changed")
"""What can go wrong with an edit beside the new text itself: the old text stays, another line is changed, or the
picture is altered elsewhere."""

_LEADING = 1.2
_LEAST_SIZE = 11
_BAND = 6
"""Pixels around a place whose colours are spread over it."""


class EditorModel:
    """Changes each source picture as its prompt says, with the faults that are planted, or not at all (`unchanged`)."""

    uses_cpu = True

    def __init__(self, faults: Sequence[str] = (), *, unchanged: bool = False) -> None:
        for fault in faults:
            if fault not in FAULTS:
                raise EvalsuiteError(f"editor:faults={fault}: known faults, joined by +: {', '.join(FAULTS)}")
        self._faults = tuple(fault for fault in FAULTS if fault in faults)
        self._unchanged = unchanged
        self._sources: Sources | None = None
        name = "source" if unchanged else f"editor:faults={'+'.join(self._faults)}" if self._faults else "editor"
        self._spec = ModelSpec(
            name=name,
            kind="editor",
            role="reference",
            source="evalsuite.models.mechanical_editor",
            weights_digest=digest("unchanged") if unchanged else fonts_digest(),
            licence=None if unchanged else "OFL-1.1 fonts",
            settings={"unchanged": EDITOR_VERSION}
            if unchanged
            else {"editor": EDITOR_VERSION, **({"faults": list(self._faults)} if self._faults else {})},
        )

    @classmethod
    def parse(cls, arguments: str = "") -> Self:
        """The editor that `editor` or `editor:faults=old-left+line-changed` names.

        Raises:
            EvalsuiteError: for an unknown option or fault.
        """
        if not arguments:
            return cls()
        key, _, value = arguments.partition("=")
        if key != "faults" or not value:
            raise EvalsuiteError(
                f"editor: unknown option {arguments!r}; known: faults=FAULT+FAULT with {', '.join(FAULTS)}"
            )
        return cls(tuple(dict.fromkeys(value.split("+"))))

    @property
    def spec(self) -> ModelSpec:
        """The editor with its fonts' digest, and its faults."""
        return self._spec

    def refuse_editing(self) -> str | None:
        """None: it edits any picture."""
        return None

    def edit_from(self, sources: Sources) -> None:
        """Say where the source pictures are."""
        self._sources = sources

    def placed(self, device: str) -> Self | None:
        """Itself on a CPU; None on anything else, which it does not use."""
        return self if device == "cpu" else None

    def check_weights(self) -> None:
        """See that the fonts here are those of the spec.

        Raises:
            EvalsuiteError: They are others.
        """
        if not self._unchanged and fonts_digest() != self._spec.weights_digest:
            raise EvalsuiteError(f"{self._spec.name}: the fonts of this machine are others; install the same versions")

    def notices(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> tuple[str, ...]:  # noqa: ARG002
        """Nothing; it is for prompts that change a picture.

        Raises:
            EvalsuiteError: They change none.
        """
        if any(prompt.editing is None for prompt in prompts):
            raise EvalsuiteError(f"{self._spec.name}: changes pictures; name a suite of edits, e.g. --suite editing")
        return ()

    def draw(self, requests: Sequence[tuple[Prompt, int]]) -> Iterator[Drawing]:
        """One picture a request; where the place of the old text is not known, an error that says so."""
        for prompt, seed in requests:
            started = time.perf_counter()
            try:
                image = self._edit(prompt, seed)
            except EvalsuiteError as error:
                yield Drawing(prompt, seed, error=str(error))
                continue
            seconds = time.perf_counter() - started
            timing = Timing(total=seconds, phases=(Phase(name="drawing", seconds=seconds),))
            yield Drawing(prompt, seed, image=image, timing=timing)

    def _edit(self, prompt: Prompt, seed: int) -> Image:
        if self._sources is None:
            raise EvalsuiteError(f"{self._spec.name}: has no source pictures")
        image = self._sources.open(prompt)
        edit = prompt.editing
        if self._unchanged or edit is None:
            return image
        lines = {line.text: line for line in self._sources.pictures[prompt.id].lines}
        lost = [text for text in edit.old if text not in lines]
        if lost:
            raise EvalsuiteError(f"nobody has written down where {lost[0]!r} stands on this picture")
        rng = random.Random(digest([prompt.id, seed, EDITOR_VERSION]))  # noqa: S311 - a reproducible edit
        places = [lines[text] for text in edit.old]
        for place, text in _shared(places, prompt.targets):
            if "old-left" in self._faults:
                free = _free_beside(place.box, [line.box for line in lines.values()], image.size)
                _set(image, free, text, rng)
            else:
                _paint_over(image, place.box)
                _set(image, place.box, text, rng)
        if "line-changed" in self._faults and edit.keep:
            other = lines[rng.choice(edit.keep)]
            _paint_over(image, other.box)
            _set(image, other.box, _misspelt(other.text), rng)
        if "pixels-changed" in self._faults:
            _alter(image, [line.box for line in lines.values()], rng)
        return image

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


Box = tuple[int, int, int, int]


def _shared(places: Sequence[SourceLine], targets: Sequence[str]) -> Iterator[tuple[SourceLine, str]]:
    """Each place with the text that comes there; where there are more texts than places, the last takes the rest."""
    for number, place in enumerate(places):
        here = targets[number:] if number == len(places) - 1 else targets[number : number + 1]
        yield place, "\n".join(here)


def _misspelt(text: str) -> str:
    """The text with three characters in ten changed; the first rate that changes any."""
    return next(
        (changed for rate in (0.3, 0.6, 1.0) if (changed := plant(text, rate, ["line-changed"])) != text), text * 2
    )


def _paint_over(image: Image, box: Box) -> None:
    """Spread the colours around a place over it: each pixel by its distances to the four edges."""
    from PIL import Image

    left, top, right, bottom = _grown(box, 2, image.size)
    pixels = np.asarray(image, dtype=np.float64)
    width, height = right - left, bottom - top
    above = pixels[max(0, top - _BAND) : top, left:right].mean(axis=0) if top else None
    below = pixels[bottom : bottom + _BAND, left:right].mean(axis=0) if bottom < image.height else None
    before = pixels[top:bottom, max(0, left - _BAND) : left].mean(axis=1) if left else None
    behind = pixels[top:bottom, right : right + _BAND].mean(axis=1) if right < image.width else None
    down = (np.arange(height, dtype=np.float64) + 0.5)[:, None, None]
    across = (np.arange(width, dtype=np.float64) + 0.5)[None, :, None]
    total = np.zeros((height, width, 3))
    weight = np.zeros((height, width, 1))
    for edge, distance in ((above, down), (below, height - down)):
        if edge is not None:
            total, weight = total + edge[None, :, :] / distance, weight + 1 / distance
    for edge, distance in ((before, across), (behind, width - across)):
        if edge is not None:
            total, weight = total + edge[:, None, :] / distance, weight + 1 / distance
    filled = total / weight if weight.all() else np.full((height, width, 3), 255.0)
    image.paste(Image.fromarray(np.clip(np.rint(filled), 0, 255).astype(np.uint8)), (left, top))


def _set(image: Image, box: Box, text: str, rng: random.Random) -> None:
    """Set text into a place, as large as it fits, in a colour that stands off from what is there; no text, nothing.

    Raises:
        EvalsuiteError: It fits at no size that can be read.
    """
    from PIL import ImageDraw

    if not text:
        return
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    try:
        face = rng.choice(faces_for(text.replace("\n", " ")))
    except FontsMissingError as error:
        raise EvalsuiteError(str(error)) from error
    for size in range(min(200, height), _LEAST_SIZE - 1, -1):
        parts = [wrap(part, face, size, width) for part in text.split("\n")]
        if any(part is None for part in parts):
            continue
        lines = [line for part in parts if part is not None for line in part]
        shape = font(face, size)
        rises = [shape.getbbox(line) for line in lines]
        if size * _LEADING * (len(lines) - 1) + max(each[3] - each[1] for each in rises) <= height:
            break
    else:
        raise EvalsuiteError(f"{text[:40]!r} does not fit the {width}×{height} pixels of the old text")
    ground = np.asarray(image.crop(box)).reshape(-1, 3)
    dark, light = (_colour(part) for part in np.percentile(ground, [2, 98], axis=0))
    colour = lettering_colour((dark, light), rng)
    pen = ImageDraw.Draw(image)
    tall = size * _LEADING * (len(lines) - 1) + max(each[3] - each[1] for each in rises)
    down = top + (height - tall) / 2
    for number, (line, rise) in enumerate(zip(lines, rises, strict=True)):
        across = left + (width - shape.getlength(line)) / 2
        pen.text((across, down + number * size * _LEADING - rise[1]), line, font=shape, fill=colour)


def _free_beside(box: Box, boxes: Sequence[Box], size: tuple[int, int]) -> Box:
    """The ground under or over a place, whichever is higher, at most as high as the place itself."""
    left, top, right, bottom = box
    beside = [each for each in boxes if each != box and each[0] < right and each[2] > left]
    floor = min((each[1] for each in beside if each[1] >= bottom), default=size[1])
    ceiling = max((each[3] for each in beside if each[3] <= top), default=0)
    under = (left, bottom + 2, right, min(floor - 2, bottom + 2 + bottom - top))
    over = (left, max(ceiling + 2, top - 2 - (bottom - top)), right, top - 2)
    return max(under, over, key=lambda each: each[3] - each[1])


def _alter(image: Image, boxes: Sequence[Box], rng: random.Random) -> None:
    """Paint two dozen discs of any colour where no text is near."""
    from PIL import ImageDraw

    pen = ImageDraw.Draw(image)
    radius = max(6, min(image.size) // 24)
    free = [
        (x, y)
        for x in range(radius + 1, image.width - radius - 1, radius)
        for y in range(radius + 1, image.height - radius - 1, radius)
        if not any(
            left - 2 * radius < x < right + 2 * radius and top - 2 * radius < y < bottom + 2 * radius
            for left, top, right, bottom in boxes
        )
    ]
    for x, y in rng.sample(free, min(len(free), 24)):
        fill = tuple(rng.randrange(256) for _ in range(3))
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)


def _grown(box: Box, by: int, size: tuple[int, int]) -> Box:
    left, top, right, bottom = box
    return max(0, left - by), max(0, top - by), min(size[0], right + by), min(size[1], bottom + by)


def _colour(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Colour:
    red, green, blue = (round(float(value)) for value in values)
    return red, green, blue
