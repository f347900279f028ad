"""What a gate is about, in words: its id (`language=zh/exact_string_rate/micro`) taken apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from evalsuite.gate.metrics import METRICS
from evalsuite.gate.verdict import GateResult

if TYPE_CHECKING:
    from evalsuite.gate.verdict import SpeedResult, WagerResult

_METRICS = {
    "character_accuracy": "Character accuracy",
    "strict_accuracy": "Strict accuracy",
    "exact_string_rate": "Strings exact",
    "all_exact_image_rate": "Images all exact",
    "matched_rate": "Strings found",
    "ned": "Mean similarity of strings (NED)",
    "sound_glyph_rate": "Sound glyphs",
    "content_similarity": "Similarity outside the text",
    "content_share": "Not flat ground",
}
_SPEED = {"p50": "Median seconds", "p90": "90th percentile of seconds", "memory": "Peak memory"}
_DIMENSIONS = ("all", "language", "suite", "category", "length")
_AVERAGES = {"macro": "mean over prompts", "micro": "pooled"}


@dataclass(frozen=True, slots=True)
class GateName:
    """The parts of a gate's id.

    `metric` is one of the rates, or `p50`, `p90` or `memory` where `is_speed`; `dimension` and `value` are the slice,
    `all` and empty for all prompts.
    """

    metric: str
    dimension: str = "all"
    value: str = ""
    average: str | None = None
    is_speed: bool = False
    is_anchored: bool = False
    is_floor: bool = False

    @property
    def words(self) -> str:
        """E.g. `Strings exact, pooled: zh, against the anchor`."""
        if self.is_speed:
            text = _SPEED[self.metric]
        else:
            average = f", {_AVERAGES[self.average]}" if self.average else ""
            text = f"{_METRICS[self.metric]}{average}: {self._slice}"
        return f"{text}{', floor' if self.is_floor else ''}{', against the anchor' if self.is_anchored else ''}"

    @property
    def _slice(self) -> str:
        if self.dimension == "all":
            return "all prompts"
        return self.value if self.dimension == "language" else f"{self.dimension} {self.value}"


def parse(ident: str) -> GateName | None:
    """An id's parts; None where it is none that this version gives."""
    rest = ident.removeprefix("anchor/")
    anchored = rest != ident
    if rest.startswith("speed/"):
        quantity = rest.removeprefix("speed/")
        return GateName(quantity, is_speed=True, is_anchored=anchored) if quantity in _SPEED else None
    label, _, metric = rest.rpartition("/")
    average = metric if metric in _AVERAGES else None
    if average is not None:
        label, _, metric = label.rpartition("/")
    dimension, _, value = label.partition("=")
    if metric not in _METRICS or dimension not in _DIMENSIONS:
        return None
    return GateName(metric, dimension, value, average, is_anchored=anchored)


def spelled(gate: GateResult | WagerResult | SpeedResult) -> str:
    """A gate in words with its id beside, which policies and `baseline acknowledge` take."""
    found = parse(gate.name)
    if found is None:
        return gate.name
    if isinstance(gate, GateResult) and gate.metric in METRICS:
        found = replace(found, average=gate.average)
    return f"{replace(found, is_floor=getattr(gate, 'subject', None) == 'floor').words} ({gate.name})"
