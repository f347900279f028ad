"""The typeset reference: draws a prompt's targets with real fonts, so that its score is the OCR ceiling.

It is no model: it reads the targets, not the prompt. What it scores is what the OCR and the scorer make of
perfect lettering. With planted errors (`typeset:errors=0.05`) it is an instrument check: the score must fall
by what was planted.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from evalsuite.errors import EvalsuiteError
from evalsuite.models.base import Drawing
from evalsuite.models.typeset import page
from evalsuite.models.typeset import styled as designed
from evalsuite.models.typeset.fonts import FontsMissingError, fonts_digest
from evalsuite.models.typeset.page import LAYOUT_VERSION, PageFullError
from evalsuite.models.typeset.planted_errors import PLANTING_VERSION, plant
from evalsuite.models.typeset.styled import STYLE_VERSION
from evalsuite.records import ModelSpec, Phase, Prompt, Timing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

MIN_SIZE, MAX_SIZE, DEFAULT_SIZE = 256, 4096, 1024


def _name(errors: float, width: int, height: int, *, styled: bool) -> str:
    size = "" if (width, height) == (DEFAULT_SIZE, DEFAULT_SIZE) else f"size={width}x{height}"
    options = ["styled" if styled else "", f"errors={errors:g}" if errors else "", size]
    return ":".join(["typeset", *filter(None, [",".join(filter(None, options))])])


class TypesetModel:
    """Draws the targets of each prompt on a seeded page of `width` × `height` pixels.

    `errors` is the rate, in [0, 1], at which characters are replaced, dropped or doubled before drawing. With `styled`
    the lettering is designed (`styled.STYLES`) instead of printed.
    """

    uses_cpu = True

    def __init__(
        self, *, errors: float = 0.0, width: int = DEFAULT_SIZE, height: int = DEFAULT_SIZE, styled: bool = False
    ) -> None:
        if not 0.0 <= errors <= 1.0:
            raise EvalsuiteError(f"typeset:errors={errors}: a rate between 0 and 1 is needed, e.g. typeset:errors=0.05")
        for side in (width, height):
            if not MIN_SIZE <= side <= MAX_SIZE:
                raise EvalsuiteError(
                    f"typeset: size {width}x{height}: sides of {MIN_SIZE} to {MAX_SIZE} pixels are drawn"
                )
        self._errors, self._width, self._height, self._styled = errors, width, height, styled
        self._spec = ModelSpec(
            name=_name(errors, width, height, styled=styled),
            kind="typeset",
            role="reference",
            source="evalsuite.models.typeset.model",
            weights_digest=fonts_digest(styled=styled),
            licence="OFL-1.1 fonts",
            settings={
                "errors": errors,
                "width": width,
                "height": height,
                "layout": LAYOUT_VERSION,
                "planting": PLANTING_VERSION,
                **({"styled": STYLE_VERSION} if styled else {}),
            },
        )

    @classmethod
    def parse(cls, arguments: str = "") -> Self:
        """The reference that `typeset`, `typeset:styled`, `typeset:errors=0.05` or `typeset:size=768x768` names.

        Raises:
            EvalsuiteError: for an unknown option or a value out of range.
        """
        options: dict[str, float | int | bool] = {}
        for part in filter(None, arguments.split(",")):
            key, _, value = part.partition("=")
            try:
                if key == "errors":
                    options["errors"] = float(value)
                elif key == "size":
                    width, height = value.lower().split("x")
                    options["width"], options["height"] = int(width), int(height)
                elif key == "styled" and value in ("", "true", "false"):
                    options["styled"] = value != "false"
                else:
                    raise EvalsuiteError(
                        f"typeset: unknown option {part!r}; known: errors=RATE, size=WIDTHxHEIGHT, styled"
                    )
            except ValueError:
                raise EvalsuiteError(f"typeset: {part!r}: write errors=0.05 or size=1024x1024") from None
        return cls(**options)  # type: ignore[arg-type]

    @property
    def spec(self) -> ModelSpec:
        """The reference with its fonts' digest and its layout's version."""
        return self._spec

    def notices(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> tuple[str, ...]:  # noqa: ARG002
        """Nothing: it can set any prompt."""
        return ()

    def draw(self, requests: Sequence[tuple[Prompt, int]]) -> Iterator[Drawing]:
        """One page a request; strings that no face or no page can hold are yielded as errors, by name."""
        for prompt, seed in requests:
            started = time.perf_counter()
            targets = [
                plant(target, self._errors, [prompt.id, index, seed]) for index, target in enumerate(prompt.targets)
            ]
            try:
                draw = designed.render if self._styled else page.render
                key = [prompt.id, prompt.targets, seed]
                image = draw(targets, width=self._width, height=self._height, key=key)
            except (FontsMissingError, PageFullError) as error:
                yield Drawing(prompt, seed, error=str(error))
                continue
            seconds = time.perf_counter() - started
            timing = Timing(total=seconds, phases=(Phase(name="drawing", seconds=seconds),))
            yield Drawing(prompt, seed, image=image, timing=timing)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None
