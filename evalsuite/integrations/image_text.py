"""One image and the strings that it must show: read, scored as in a run, or refused with the reason."""

from __future__ import annotations

import functools
import os
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalsuite import ocr as readers
from evalsuite import scoring
from evalsuite.errors import EvalsuiteError
from evalsuite.records import Prompt
from evalsuite.wording import clipped, for_log, rate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from PIL.Image import Image

    from evalsuite.ocr.base import OcrEngine
    from evalsuite.records import Edit, ImageScore, TextLine

Picture = Any
"""A path, a `PIL.Image.Image`, or an array: height × width × 3 (or height × width) of uint8, or of floats in [0, 1]."""

_SHOWN = 300
"""Characters of a target or a reading in a message."""


class UnreadImageError(EvalsuiteError):
    """An image that is broken or blank, or that the reader failed on: there is nothing to score, so no score."""


@dataclass(frozen=True, slots=True)
class ImageText:
    """What one image is worth, and what was read in it. `notices` name characters that the reader has no answer for."""

    name: str
    reader: str
    profile: str
    lines: tuple[TextLine, ...]
    score: ImageScore
    notices: tuple[str, ...] = ()

    @property
    def rates(self) -> scoring.Rates:
        """The image's rates and counts; those of several images come from `scoring.rates(each.score for each in …)`."""
        return scoring.rates(self.score)

    @property
    def character_accuracy(self) -> float:
        """1 − edits / characters of the targets, in graphemes; at most 1, below 0 where much is inserted."""
        found = self.rates.character_accuracy
        if found is None:  # ruled out by the check of the targets
            raise EvalsuiteError(f"{self.name}: its targets hold nothing to compare")
        return found

    def told(self) -> str:
        """For each target that is not exact what was read and the edits; then the text that belongs to no target."""
        return "\n".join(self._told())

    def _told(self) -> Iterator[str]:
        if self.score.targets and all(target.exact for target in self.score.targets):
            yield f"{_safe(self.name)}: all targets read without an error"
        for target in self.score.targets:
            if target.exact:
                continue
            yield f"{_safe(self.name)}: {target.distance} of {target.length} characters wrong"
            yield f"  target   {_safe(target.target)}"
            if target.matched:
                yield f"  reading  {_safe(''.join(edit.read for edit in target.edits))}"
                yield f"  edits    {_safe(marked(target.edits))}"
            else:
                yield "  reading  nothing that fits"
        if self.score.extras:
            yield f"  besides  {_safe(' | '.join(extra.text for extra in self.score.extras))}"


def marked(edits: Sequence[Edit]) -> str:
    """An alignment on one line: `[I→l]` substituted, `[-x]` not drawn, `[+x]` drawn but not wanted.

    >>> from evalsuite.records import Edit
    >>> marked([Edit(kind="equal", target="OPEN", read="OPEN"), Edit(kind="substitute", target="I", read="l")])
    'OPEN[I→l]'
    """
    signs = {"delete": "[-{0.target}]", "insert": "[+{0.read}]", "substitute": "[{0.target}→{0.read}]"}
    return "".join(signs.get(edit.kind, "{0.target}").format(edit) for edit in edits)


def score_text(
    image: Picture,
    targets: str | Sequence[str],
    *,
    ocr: str | OcrEngine = "paddle",
    profile: str = "standard",
    name: str | None = None,
) -> ImageText:
    """Read an image and score it against its targets, with the reader, the normaliser and the scorer of a run.

    Args:
        image: A path, a Pillow image, or an array of uint8 or of floats in [0, 1].
        targets: The string or strings that the image must show.
        ocr: An engine's name as `--ocr` takes it, loaded once per process, or an engine.
        profile: `standard`, `lenient` or `strict`.
        name: What messages call an image that is no file.

    Raises:
        UnreadImageError: when the image is missing, damaged or blank, or the reader failed.
        EvalsuiteError: for targets that hold nothing to compare or that the reader has no characters for, an unknown
            profile, or a reader that is not installed.
    """
    from evalsuite.runs.readable import check_readable

    engine = _engine(ocr) if isinstance(ocr, str) else ocr
    name = os.fspath(image) if isinstance(image, (str, os.PathLike)) else name or "image"
    wanted = (targets,) if isinstance(targets, str) else tuple(targets)
    if not wanted or not all(isinstance(target, str) for target in wanted):
        raise EvalsuiteError(f"{name}: targets are one string or more; got {wanted!r}"[:300])
    prompt = Prompt(
        id=name,
        suite="images",
        language="und",
        category="image",
        length="short",
        text="\n".join(wanted),
        targets=wanted,
    )
    scoring.check_targets(prompt, profile)
    notices = tuple(check_readable([prompt], engine, profile))
    lines = _read(engine, image, name)
    score = scoring.score_image(wanted, lines, profile)
    return ImageText(name, engine.spec.name, profile, lines, score, notices)


def failure(found: Sequence[ImageText], at_least: float) -> str | None:
    """The message where images, their counts summed, fall short of a character accuracy; None where they do not."""
    accuracy = scoring.rates(each.score for each in found).character_accuracy
    if accuracy is not None and accuracy >= at_least:
        return None
    over = f" over {len(found)} images" if len(found) > 1 else ""
    head = f"character accuracy {rate(accuracy)}{over}, wanted {at_least:g} (read by {found[0].reader}, profile "
    notices = dict.fromkeys(f"note: {_safe(notice)}" for each in found for notice in each.notices)
    faulty = [each for each in found if not all(target.exact for target in each.score.targets)]
    return "\n".join((f"{head}{found[0].profile})", *(each.told() for each in faulty), *notices))


_READING = threading.Lock()
"""Tools score in threads, and not every reader may be called by two at once."""


@functools.lru_cache(maxsize=4)
def _engine(name: str) -> OcrEngine:
    return readers.resolve(name)


def _read(engine: OcrEngine, image: Picture, name: str) -> tuple[TextLine, ...]:
    """The lines in an image. One in memory is written as PNG first, without loss, so that it goes the same way."""
    if isinstance(image, (str, os.PathLike)):
        return _read_file(engine, Path(image), name)
    with tempfile.TemporaryDirectory(prefix="evalsuite-") as folder:
        path = Path(folder) / "image.png"
        _picture(image, name).save(path, compress_level=1)
        return _read_file(engine, path, name)


def _read_file(engine: OcrEngine, path: Path, name: str) -> tuple[TextLine, ...]:
    from evalsuite.images import ImageError, is_blank, load_image
    from evalsuite.runs.reading import read_image

    try:
        if is_blank(load_image(path)):
            raise UnreadImageError(f"{name}: is one even colour: a drawing that failed, so there is nothing to score")
    except ImageError as error:
        raise UnreadImageError(str(error)) from error
    with _READING:
        reading = read_image(engine, name, path)
    if reading.error is not None:
        raise UnreadImageError(f"{name}: {engine.spec.name} could not read it: {reading.error}")
    return reading.lines


def _picture(image: Picture, name: str) -> Image:
    import numpy as np
    import PIL.Image

    from evalsuite.images import to_rgb, upright

    if isinstance(image, PIL.Image.Image):
        return to_rgb(upright(image))
    pixels = np.asarray(image)
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3) or not pixels.size:
        raise UnreadImageError(f"{name}: an array is height × width × 3 or height × width, not {pixels.shape}")
    if np.issubdtype(pixels.dtype, np.floating):
        if not np.isfinite(pixels).all():
            raise UnreadImageError(f"{name}: holds values that are not finite")
        if pixels.min() < 0 or pixels.max() > 1:
            raise UnreadImageError(f"{name}: floats run from 0 to 1, not from {pixels.min():g} to {pixels.max():g}")
        pixels = np.round(pixels * 255).astype(np.uint8)
    elif pixels.dtype != np.uint8:
        raise UnreadImageError(f"{name}: an array is of uint8 or of floats in [0, 1], not of {pixels.dtype}")
    return PIL.Image.fromarray(pixels).convert("RGB")


def _safe(text: str) -> str:
    """Untrusted text on one line of a terminal or a CI log."""
    return for_log(clipped(" ".join(text.split("\n")), _SHOWN))
