"""What stands in for a GPU, for real pictures and for PaddleOCR where a benchmark runs without them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from evalsuite.models.base import Drawing, ImageModel
from evalsuite.ocr import proof
from evalsuite.records import ModelSpec, OcrSpec, Prompt, TextLine, Timing

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class BusyReader:
    """Keeps one core busy for `seconds` of its time per page, and answers with the text of the page's number.

    Pages carry their number as the red value of their first pixel. What it leaves out of a real reader is the
    competition for memory bandwidth.
    """

    seconds: float
    texts: tuple[tuple[str, ...], ...]
    spec = OcrSpec(name="busy", weights_digest="0" * 64)

    def read(self, image: Image) -> tuple[TextLine, ...]:
        """The lines of the page, after the work."""
        until = time.process_time() + self.seconds
        while time.process_time() < until:
            pass
        if image.size == proof.page().size:
            return (TextLine(text=proof.TEXT),)
        number = int(image.getpixel((0, 0))[0])  # type: ignore[index] # an RGB image has three values
        return tuple(TextLine(text=text) for text in self.texts[number])


class Waiting:
    """A model that draws as a GPU does for the CPU: it takes `seconds` per image and does nothing meanwhile."""

    uses_cpu = False

    def __init__(self, seconds: float, size: tuple[int, int]) -> None:
        self._seconds, self._size = seconds, size
        self.spec = ModelSpec(
            name="waiting",
            kind="folder",  # nothing asks torch of the GPU then, which would be most of the memory
            role="stand-in",
            source="a wait in place of a GPU",
            weights_digest="0" * 64,
            settings={"size": f"{size[0]}x{size[1]}"},
        )

    def notices(self, _prompts: Sequence[Prompt], _seeds: Sequence[int]) -> Sequence[str]:
        """Nothing to tell."""
        return ()

    def draw(self, requests: Sequence[tuple[Prompt, int]]) -> Iterator[Drawing]:
        """Black images, each after its wait."""
        from PIL import Image

        image = Image.new("RGB", self._size)
        for prompt, seed in requests:
            started = time.perf_counter()
            time.sleep(self._seconds)
            yield Drawing(prompt, seed, image=image, timing=Timing(total=time.perf_counter() - started))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


class Paged:
    """A model whose images are replaced by pages with real text; it notes when drawing began and ended.

    `timings` are those of the images drawn since it began, in their order.
    """

    def __init__(self, model: ImageModel, pages: dict[str, Image]) -> None:
        self._model, self._pages = model, pages
        self.began = self.ended = 0.0
        self.timings: list[Timing] = []

    @property
    def spec(self) -> ModelSpec:
        """That of the model."""
        return self._model.spec

    @property
    def uses_cpu(self) -> bool:
        """That of the model."""
        return self._model.uses_cpu

    def notices(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> Sequence[str]:
        """Those of the model."""
        return self._model.notices(prompts, seeds)

    def draw(self, requests: Sequence[tuple[Prompt, int]]) -> Iterator[Drawing]:
        """Each drawing of the model with the page of its prompt in place of the image."""
        self.began, self.timings = time.perf_counter(), []
        for drawing in self._model.draw(requests):
            self.timings += [drawing.timing] if drawing.timing else []
            self.ended = time.perf_counter()
            yield drawing if drawing.image is None else replace(drawing, image=self._pages[drawing.prompt.id])

    def __enter__(self) -> Self:
        self._model.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._model.__exit__(None, None, None)


def pages_of(prompts: Sequence[Prompt], size: tuple[int, int]) -> dict[str, Image]:
    """A page for each prompt with its target strings on a grained ground, which is as hard to pack as a photo.

    Args:
        prompts: 250 at most; a page's number is the red value of its first pixel.
        size: Pixels.
    """
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(max(10, size[0] // 20))
    pages = {}
    for number, prompt in enumerate(prompts):
        grain = Image.effect_noise(size, 40).convert("RGB")
        page = Image.blend(grain, Image.new("RGB", size, (40 + 3 * number % 60, 60, 90)), 0.5)
        draw = ImageDraw.Draw(page)
        for line, text in enumerate(prompt.targets):
            draw.text((size[0] // 16, (2 * line + 1) * size[1] // 20), text, fill="white", font=font)
        page.putpixel((0, 0), (number, 0, 0))
        pages[prompt.id] = page
    return pages
