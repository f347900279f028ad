"""What was drawn: the image of a request, and the time and memory that it took."""

from __future__ import annotations

from typing import Annotated

import msgspec

from evalsuite.records.base import Record, Whole

Seconds = Annotated[float, msgspec.Meta(ge=-1e-3, le=1e9)]
"""A duration, as rows may hold it: under 32 years, and below zero by rounding alone."""


class Phase(Record, frozen=True, kw_only=True):
    """One named part of drawing an image and the seconds that it took.

    Names: `prompt_enhancement`, `prior_tokens`, `text_encoding`, `denoising`, `decoding`, `other`, and for models
    without such parts `drawing`. The phases of an image sum to its total.
    """

    name: str
    seconds: Seconds


class Place(Record, frozen=True, kw_only=True, omit_defaults=True):
    """Where an image was drawn: the device by its name there, e.g. `cuda:1`, `cpu:0`, and the machine.

    `machine` is the digest (12 hex digits) of an environment in `machines.jsonl`; None is the machine of the manifest.
    """

    device: str | None = None
    machine: str | None = None


class Timing(Record, frozen=True, kw_only=True):
    """Seconds for one image. In a batch, every image carries its share (batch time / batch size).

    `steps` are the denoising steps in order. A `warmup` image (first after load, resume or a change of
    shape) is kept but left out of timing statistics. `load` is on the first image after loading only: the
    seconds from the weights' files to a pipeline on its device; they are no part of `total`. `place` is left out of
    rows that were drawn in the process of the run itself.
    """

    total: Seconds
    phases: tuple[Phase, ...] = ()
    steps: tuple[Seconds, ...] = ()
    batch: Whole = 1
    warmup: bool = False
    load: Seconds | None = None
    place: Place | msgspec.UnsetType = msgspec.UNSET


class Memory(Record, frozen=True, kw_only=True):
    """Peak bytes while an image was drawn: by the allocator, by the driver (NVML), and of the process."""

    allocated: Whole | None = None
    reserved: Whole | None = None
    driver: Whole | None = None
    process: Whole | None = None


class Finding(Record, frozen=True, kw_only=True):
    """Something noticed that may spoil the evaluation, e.g. a prompt cut at the encoder's limit.

    `code` is stable and machine-readable (`prompt-truncated`, `target-lost-in-enhancement`, `blank-image`,
    `guidance-ignored`, `size-rounded`, …); `message` is for people; `targets` are the target strings hit.
    """

    code: str
    message: str
    targets: tuple[str, ...] = ()


class PlantedGlyph(Record, frozen=True, kw_only=True):
    """A character of a typeset page that was drawn malformed.

    `target` counts the prompt's targets and `index` the graphemes of that target, both from 0. `kind` is one of
    `glyphs.KINDS`. `box` is left, top, right and bottom in pixels of the page (right and bottom outside) of what was
    drawn and of what would stand there otherwise, without glow or shadow.
    """

    target: Whole
    index: Whole
    character: str
    kind: str
    box: tuple[int, int, int, int]


class Generation(Record, frozen=True, kw_only=True):
    """The image of one request: where it lies, its hash, and what drawing it cost.

    `error` is set, and the image fields are None, when drawing failed; such a row keeps the failure on
    record and is drawn again on resume. `planted` are the malformed characters of a typeset page. `drawn_at` is in
    microseconds: two checkpoints may draw the same picture within one second, and only a copy has the same moment too.
    """

    key: str
    model: str
    prompt: str
    seed: Whole
    image: str | None = None
    sha256: str | None = None
    width: Whole | None = None
    height: Whole | None = None
    timing: Timing | None = None
    memory: Memory | None = None
    revised_prompt: str | None = None
    findings: tuple[Finding, ...] = ()
    planted: tuple[PlantedGlyph, ...] = ()
    error: str | None = None
    drawn_at: str
