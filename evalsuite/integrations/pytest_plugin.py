"""A pytest plugin: `assert_text_rendering`, as a fixture and as a function.

    def test_poster(assert_text_rendering):
        assert_text_rendering("poster.png", ["GRAND OPENING", "9 am"])

pytest loads it by itself where evalsuite is installed. It imports nothing heavy until an image is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from evalsuite.integrations.image_text import ImageText, Picture
    from evalsuite.ocr.base import OcrEngine

Targets = str | Sequence[str]


def assert_text_rendering(
    image: Picture | Sequence[Picture],
    targets: Targets | Sequence[Targets],
    at_least: float = 0.95,
    *,
    ocr: str | OcrEngine = "paddle",
    profile: str = "standard",
) -> tuple[ImageText, ...]:
    """Assert that an image shows its target strings, or that several do taken together.

    Args:
        image: A path, a Pillow image, an array of uint8 or of floats in [0, 1]; or a list of these.
        targets: The string or strings of the image; for a list of images, a list with the same for each.
        at_least: Character accuracy in (0, 1]. Over several images the errors are summed, then divided.
        ocr: An engine's name as `--ocr` takes it, loaded once per process, or an engine.
        profile: `standard`, `lenient` or `strict`.

    Returns:
        What was read in each image, with its score.

    Raises:
        AssertionError: The accuracy is lower; the message shows target, reading and edits.
        UnreadImageError: An image is missing, damaged or blank, or the reader failed: that is an error of the test, and
            never a low score.
        EvalsuiteError: The arguments do not fit.
    """
    __tracebackhide__ = True
    from evalsuite.errors import EvalsuiteError
    from evalsuite.integrations.image_text import failure, score_text

    named: list[tuple[Any, Any, str | None]]
    if isinstance(at_least, bool) or not 0 < at_least <= 1:
        raise EvalsuiteError(f"at_least={at_least!r}: a character accuracy above 0 and at most 1")
    if not isinstance(image, (list, tuple)):
        named = [(image, targets, None)]
    elif not image or isinstance(targets, str) or len(targets) != len(image):
        there = "one string" if isinstance(targets, str) else str(len(targets))
        raise EvalsuiteError(f"{len(image)} images, but {there} of targets; give a list with the targets of each image")
    else:
        named = [
            (one, wanted, f"image {number}") for number, (one, wanted) in enumerate(zip(image, targets, strict=True), 1)
        ]
    found = tuple(score_text(one, wanted, ocr=ocr, profile=profile, name=name) for one, wanted, name in named)
    message = failure(found, at_least)
    if message is not None:
        raise AssertionError(message)
    return found


@pytest.fixture(name="assert_text_rendering", scope="session")
def assert_text_rendering_fixture() -> Callable[..., tuple[ImageText, ...]]:
    """Asserts that an image shows its target strings: `assert_text_rendering(image, targets, at_least=0.95)`."""
    return assert_text_rendering
