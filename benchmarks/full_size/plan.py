"""What the full-size benchmark measures, in which order, and what is left out when the time is short."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.full_size.parts import FAMILIES, Family
from evalsuite.errors import EvalsuiteError
from evalsuite.models.fast import FAST
from evalsuite.records import Json


@dataclass(frozen=True, slots=True)
class Measurement:
    """One row beside the plain loop of its preset.

    Attributes:
        name: What `--only` takes.
        base: Whether it draws with the preset of fifty steps.
        enhancer: Whether the prompt enhancer rewrites the prompts first.
        precision: The setting `precision`.
        quantize: The setting `quantize`.
        runtime: Options that change speed and memory only, as `ModelSpec.runtime` has them.
        prompts_in_turn: Whether the images of a batch are of several prompts, although they are encoded once.
        families: The families that can have it; all where it is empty.
    """

    name: str
    base: bool = False
    enhancer: bool = False
    precision: str = "bf16"
    quantize: str = "none"
    runtime: dict[str, Json] = field(default_factory=dict)
    prompts_in_turn: bool = False
    families: tuple[str, ...] = ()

    @property
    def option(self) -> str:
        """What the row calls it: the base model has a preset of its own."""
        return "suite" if self.name == "base" else self.name

    @property
    def batch(self) -> int:
        """Images a call of the pipeline."""
        return int(self.runtime.get("batch", 1))

    @property
    def one_prompt(self) -> bool:
        """Whether all images are seeds of one prompt."""
        return bool(self.runtime.get("encode_once")) and not self.prompts_in_turn

    @property
    def preparation(self) -> Preparation:
        """What is done to the pipeline for good."""
        return Preparation(self.precision, self.quantize, tuple(name for name in _FOR_GOOD if self.runtime.get(name)))


@dataclass(frozen=True, slots=True)
class Preparation:
    """Precision and quantisation, and the options that change the pipeline itself."""

    precision: str = "bf16"
    quantize: str = "none"
    options: tuple[str, ...] = ()


_FOR_GOOD = ("compile", "compile_decoder", "drop_mask")
_COMPILED: dict[str, Json] = {"compile": True, "encode_once": True}


def _fast(name: str, family: str, *, quantize: str = "fp8-rows", prompts_in_turn: bool = False) -> Measurement:
    """What `fast=true` stands for on a GPU with float8 products, as far as a family takes it."""
    runtime = {part: value for part, value in FAST.items() if part != "quantize"}
    if family != "ernie-image":
        del runtime["drop_mask"]
    return Measurement(name, quantize=quantize, runtime=runtime, prompts_in_turn=prompts_in_turn, families=(family,))


MEASUREMENTS = (
    Measurement("suite"),
    Measurement("base", base=True),
    Measurement("enhancer", enhancer=True),
    Measurement("enhancer+enhance_batch=16", enhancer=True, runtime={"enhance_batch": 16}),
    # A compiled pipeline, and one in FP8, cannot go back: each change of preparation builds anew.
    Measurement("compile+encode_once", runtime=_COMPILED),
    Measurement("compile+encode_once+batch=4", runtime={**_COMPILED, "batch": 4}),
    *(
        _fast(name, family, **how)
        for name, how in (
            ("fast", {}),
            ("fast+prompts", {"prompts_in_turn": True}),
            ("fast-fp8", {"quantize": "none"}),
        )
        for family in FAMILIES
    ),
    Measurement("precision=fp8", precision="fp8"),
    Measurement("encode_once", runtime={"encode_once": True}),
    Measurement("batch=2", runtime={"batch": 2}),
    Measurement("batch=4", runtime={"batch": 4}),
    *(
        Measurement(f"attention={name}", runtime={"attention": name})
        for name in ("_native_cudnn", "_native_flash", "_native_efficient", "flash", "_flash_3")
    ),
    Measurement("compile", runtime={"compile": True}),
)
"""All of them, the most telling first, so that a run that is cut short has those."""

MEASUREMENT_NAMES = tuple(dict.fromkeys(measurement.name for measurement in MEASUREMENTS))
"""What `--only` takes."""


def label(family: Family, measurement: Measurement) -> str:
    """What a measurement is called among those left out."""
    return f"{family.name}: {measurement.name}"


def plan(families: Sequence[str], only: Sequence[str]) -> list[tuple[Family, list[Measurement]]]:
    """What is measured of each family, in the order of `MEASUREMENTS`: those named by `only`, or all it can have.

    Raises:
        EvalsuiteError: There is no such family or measurement, or none of these families can have it.
    """
    for option, given, known in (
        ("family", families, list(FAMILIES)),
        ("only", only, list(MEASUREMENT_NAMES)),
    ):
        unknown = [name for name in given if name not in known]
        if unknown:
            raise EvalsuiteError(f"--{option} {unknown[0]}: is not known. Known: {', '.join(known)}.")
    planned = []
    for name in dict.fromkeys(families):
        family = FAMILIES[name]
        chosen = [
            measurement
            for measurement in MEASUREMENTS
            if (not only or measurement.name in only)
            and (family.enhanced or not measurement.enhancer)
            and (not measurement.families or name in measurement.families)
        ]
        if chosen:
            planned.append((family, chosen))
    if not planned:
        raise EvalsuiteError(f"--only {' '.join(only)}: {', '.join(families)} has no prompt enhancer")
    return planned


class Deadline:
    """The time that a run may take, from when this is made; without `minutes` it never ends.

    Args:
        minutes: From now.
        clock: Says the seconds of a monotonic clock.
    """

    def __init__(self, minutes: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = math.inf if minutes is None else clock() + 60 * minutes

    def allows(self, seconds: float) -> bool:
        """Whether work of about so many seconds would end in time; work of unknown length counts as 0."""
        return self._clock() + seconds < self._end
