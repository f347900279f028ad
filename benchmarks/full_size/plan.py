"""What the full-size benchmark measures, in which order, and what is left out when the time is short."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.full_size.parts import FAMILIES, Family
from evalsuite.errors import EvalsuiteError
from evalsuite.records import Json


@dataclass(frozen=True, slots=True)
class Measurement:
    """One row beside the plain loop of its preset.

    Attributes:
        name: What `--only` takes.
        base: Whether it draws with the preset of fifty steps.
        enhancer: Whether the prompt enhancer rewrites the prompts first.
        precision: The setting `precision`.
        runtime: Options that change speed and memory only, as `ModelSpec.runtime` has them.
    """

    name: str
    base: bool = False
    enhancer: bool = False
    precision: str = "bf16"
    runtime: dict[str, Json] = field(default_factory=dict)

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
        return bool(self.runtime.get("encode_once"))

    @property
    def preparation(self) -> tuple[str, bool]:
        """What is done to the pipeline for good: its precision, and whether it is compiled."""
        return self.precision, bool(self.runtime.get("compile"))


_COMPILED: dict[str, Json] = {"compile": True, "encode_once": True}

MEASUREMENTS = (
    Measurement("suite"),
    Measurement("base", base=True),
    Measurement("enhancer", enhancer=True),
    # A compiled pipeline, and one in FP8, cannot go back: each change of preparation builds anew.
    Measurement("compile+encode_once", runtime=_COMPILED),
    Measurement("compile+encode_once+batch=4", runtime={**_COMPILED, "batch": 4}),
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
        ("only", only, [measurement.name for measurement in MEASUREMENTS]),
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
            if (not only or measurement.name in only) and (family.enhanced or not measurement.enhancer)
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
