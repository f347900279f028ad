"""The typeset reference: draws a prompt's targets with real fonts, so that its score is the OCR ceiling.

It is no model: it reads the targets, not the prompt. What it scores is what the OCR and the scorer make of
perfect lettering. With planted errors (`typeset:errors=0.05`) it is an instrument check: the score must fall
by what was planted. With malformed glyphs (`typeset:malformed=0.1`) it shows which of them a reader notices.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self

from evalsuite.errors import EvalsuiteError
from evalsuite.models.base import Drawing
from evalsuite.models.typeset import page
from evalsuite.models.typeset import styled as designed
from evalsuite.models.typeset.fonts import FontsMissingError, fonts_digest
from evalsuite.models.typeset.malformed import MALFORMING_VERSION, Malforming, orders
from evalsuite.models.typeset.page import LAYOUT_VERSION, PageFullError
from evalsuite.models.typeset.planted_errors import PLANTING_VERSION, plant
from evalsuite.models.typeset.styled import STYLE_VERSION
from evalsuite.records import Json, ModelSpec, Phase, PlantedGlyph, Prompt, Timing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

MIN_SIZE, MAX_SIZE, DEFAULT_SIZE = 256, 4096, 1024


_EXAMPLES = {
    "errors": "errors=0.05",
    "malformed": "malformed=0.1",
    "severity": "severity=0.5",
    "size": "size=1024x1024",
}


def _settings(malforming: Malforming) -> dict[str, Json]:
    """What decides the malformed characters, for the spec."""
    return {
        "malformed": malforming.rate,
        "severity": malforming.severity,
        "kinds": list(malforming.kinds),
        "malforming": MALFORMING_VERSION,
    }


def _name(errors: float, malforming: Malforming, width: int, height: int, *, styled: bool) -> str:
    options = ["styled" if styled else "", f"errors={errors:g}" if errors else ""]
    if malforming.rate:
        options.append(f"malformed={malforming.rate:g}")
        usual = Malforming(malforming.rate)
        options.append(f"severity={malforming.severity:g}" if malforming.severity != usual.severity else "")
        options.append(f"kinds={'+'.join(malforming.kinds)}" if malforming.kinds != usual.kinds else "")
    options.append("" if (width, height) == (DEFAULT_SIZE, DEFAULT_SIZE) else f"size={width}x{height}")
    return ":".join(["typeset", *filter(None, [",".join(filter(None, options))])])


class TypesetModel:
    """Draws the targets of each prompt on a seeded page of `width` × `height` pixels.

    `errors` is the rate, in [0, 1], at which characters are replaced, dropped or doubled before drawing; `malforming`
    says how many characters are drawn malformed, and how. With `styled` the lettering is designed (`styled.STYLES`)
    instead of printed.
    """

    uses_cpu = True

    def __init__(
        self,
        *,
        errors: float = 0.0,
        malforming: Malforming | None = None,
        width: int = DEFAULT_SIZE,
        height: int = DEFAULT_SIZE,
        styled: bool = False,
    ) -> None:
        malforming = malforming or Malforming()
        if not 0.0 <= errors <= 1.0:
            raise EvalsuiteError(f"typeset:errors={errors}: a rate between 0 and 1 is needed, e.g. typeset:errors=0.05")
        if errors and malforming.rate:
            raise EvalsuiteError(
                f"typeset:errors={errors:g},malformed={malforming.rate:g}: what is read does not tell wrong characters "
                "from malformed ones; name one of them"
            )
        for side in (width, height):
            if not MIN_SIZE <= side <= MAX_SIZE:
                raise EvalsuiteError(
                    f"typeset: size {width}x{height}: sides of {MIN_SIZE} to {MAX_SIZE} pixels are drawn"
                )
        self._errors, self._malforming = errors, malforming
        self._width, self._height, self._styled = width, height, styled
        self._spec = ModelSpec(
            name=_name(errors, malforming, width, height, styled=styled),
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
                **(_settings(malforming) if malforming.rate else {}),
            },
        )

    @classmethod
    def parse(cls, arguments: str = "") -> Self:
        """The reference that `typeset`, `typeset:styled`, `typeset:errors=0.05` or `typeset:size=768x768` names.

        `typeset:malformed=0.1,severity=0.8,kinds=cut+merged` draws a tenth of the characters malformed.

        Raises:
            EvalsuiteError: for an unknown option or a value out of range.
        """
        options: dict[str, Any] = {}
        malforming: dict[str, Any] = {}
        for part in filter(None, arguments.split(",")):
            key, _, value = part.partition("=")
            try:
                if key == "errors":
                    options["errors"] = float(value)
                elif key == "malformed":
                    malforming["rate"] = float(value)
                elif key == "severity":
                    malforming["severity"] = float(value)
                elif key == "kinds":
                    malforming["kinds"] = tuple(dict.fromkeys(filter(None, value.split("+"))))
                elif key == "size":
                    width, height = value.lower().split("x")
                    options["width"], options["height"] = int(width), int(height)
                elif key == "styled" and value in ("", "true", "false"):
                    options["styled"] = value != "false"
                else:
                    raise EvalsuiteError(
                        f"typeset: unknown option {part!r}; known: errors=RATE, malformed=RATE, severity=NUMBER, "
                        "kinds=KIND+KIND, size=WIDTHxHEIGHT, styled"
                    )
            except ValueError:
                raise EvalsuiteError(f"typeset: {part!r}: write {_EXAMPLES[key]}") from None
        if malforming and not malforming.get("rate"):
            lone = ", ".join(sorted(malforming.keys() - {"rate"}))
            if lone:
                raise EvalsuiteError(f"typeset: {lone}: says how characters are malformed; name a rate: malformed=0.1")
        return cls(malforming=Malforming(**malforming), **options)

    @property
    def spec(self) -> ModelSpec:
        """The reference with its fonts' digest and its layout's version."""
        return self._spec

    def placed(self, device: str) -> Self | None:
        """Itself on a CPU; None on anything else, which it does not use."""
        return self if device == "cpu" else None

    def check_weights(self) -> None:
        """See that the fonts here are those of the spec.

        Raises:
            EvalsuiteError: They are others.
        """
        if fonts_digest(styled=self._styled) != self._spec.weights_digest:
            raise EvalsuiteError(f"{self._spec.name}: the fonts of this machine are others; install the same versions")

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
                chosen = [
                    orders(target, self._malforming, [prompt.id, index, seed]) for index, target in enumerate(targets)
                ]
                image, found = draw(targets, width=self._width, height=self._height, key=key, chosen=chosen)
            except (FontsMissingError, PageFullError) as error:
                yield Drawing(prompt, seed, error=str(error))
                continue
            seconds = time.perf_counter() - started
            timing = Timing(total=seconds, phases=(Phase(name="drawing", seconds=seconds),))
            planted = tuple(
                PlantedGlyph(target=number, index=each.index, character=each.character, kind=each.kind, box=each.box)
                for number, target in enumerate(found)
                for each in target
            )
            yield Drawing(prompt, seed, image=image, timing=timing, planted=planted)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None
