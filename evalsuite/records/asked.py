"""What is asked for: prompts, the models that draw them, and the requests that both make."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from evalsuite.records.base import Json, Record, Whole, digest

LengthClass = Literal["short", "long"]


class MadePicture(Record, frozen=True, kw_only=True):
    """How a source picture is made: by the typeset or the styled renderer, `width` × `height` pixels, with these lines.

    What comes out depends on renderer and fonts too; a run keeps the digest of the pixels (`SourcePicture`).
    """

    style: Literal["printed", "styled"]
    lines: tuple[str, ...]
    width: Whole
    height: Whole


class Editing(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What an instruction is to change: the source picture, `old` text that must go, and lines to `keep`.

    The source is `made`, or the image `file` beside the suite's own. `keep` is empty where nobody has written down
    what else stands on the picture: then it is what the reader finds there.
    """

    made: MadePicture | None = None
    file: str | None = None
    old: tuple[str, ...]
    keep: tuple[str, ...] = ()


class SourceLine(Record, frozen=True, kw_only=True):
    """A line of a made picture and where it stands: left, top, right, bottom in pixels (right and bottom outside)."""

    text: str
    box: tuple[int, int, int, int]


class SourcePicture(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A source picture as a run takes it: the digest of its pixels (`images.pixels_digest`), its size in pixels.

    `lines` are those that were set on a made picture; nobody knows those of a file.
    """

    sha256: str
    width: Whole
    height: Whole
    lines: tuple[SourceLine, ...] = ()


class Prompt(Record, frozen=True, kw_only=True):
    """One text prompt and the strings that its image must show.

    Every target stands verbatim in `text`; loading a suite and opening a run enforce it. `length` is the length
    class of LongText-Bench. `edit` is set where the text is an instruction to change a picture.
    """

    id: str
    suite: str
    language: str
    category: str
    length: LengthClass
    text: str
    targets: tuple[str, ...]
    edit: Editing | msgspec.UnsetType = msgspec.UNSET

    @property
    def editing(self) -> Editing | None:
        """What is to change; None where a picture is to be drawn from nothing."""
        return None if self.edit is msgspec.UNSET else self.edit


class SuiteRef(Record, frozen=True, kw_only=True):
    """What a run remembers of a suite that it took prompts from: its name, its digest and its full size."""

    name: str
    digest: str
    prompts: Whole
    source: str


class Adapter(Record, frozen=True, kw_only=True):
    """A LoRA or similar adapter laid over a model's weights."""

    path: str
    scale: float = 1.0
    digest: str


ModelRole = Literal["model", "stand-in", "reference"]
"""What a model may be called: a real model, a stand-in checkpoint, or the typeset reference (no model)."""


class ModelSpec(Record, frozen=True, kw_only=True):
    """Everything that determines a model's images and its speed, and what to call it.

    `settings` holds what decides the image (steps, guidance, size, precision, …); `runtime` holds what
    changes only speed and memory (offload, compile, batch). `weights_digest` covers every weight file, or
    the font files of the typeset reference, or the image files of a folder. Behind a server (`server`, `comfyui`) the
    weights cannot be seen: it is the digest of what they are called there. `transformer` is the file or folder that
    took the place of the checkpoint's own, for drawing again; `weights_digest` covers what is in it.
    """

    name: str
    kind: Literal["diffusion", "typeset", "editor", "folder", "server", "comfyui"]
    role: ModelRole
    source: str
    revision: str | None = None
    pipeline: str | None = None
    weights_digest: str
    licence: str | None = None
    settings: dict[str, Json] = msgspec.field(default_factory=dict)
    runtime: dict[str, Json] = msgspec.field(default_factory=dict)
    adapters: tuple[Adapter, ...] = ()
    transformer: str | None = None

    @property
    def digest(self) -> str:
        """Digest of what determines an image; the name, role and runtime are left out on purpose."""
        return digest([self.kind, self.pipeline, self.weights_digest, self.settings, self.adapters])

    @property
    def is_ceiling(self) -> bool:
        """True for the typeset reference without planted errors, in print: its score is the OCR ceiling.

        Of edited pictures, the mechanical editor without a fault is.
        """
        return self._is_perfect and "styled" not in self.settings

    @property
    def is_styled_ceiling(self) -> bool:
        """True for the same in designed lettering: its score is the styled ceiling."""
        return self._is_perfect and "styled" in self.settings

    @property
    def is_styled(self) -> bool:
        """True for the typeset reference in designed lettering, whatever is planted in it."""
        return self.kind == "typeset" and "styled" in self.settings

    @property
    def measures_reader(self) -> bool:
        """True for both, and for malformed references: they ride along to say what the reader makes of them.

        So do the source pictures of edits.
        """
        return self._is_perfect or self.is_malformed or self.is_source

    @property
    def _is_perfect(self) -> bool:
        if self.kind == "editor":
            return not self.settings.get("faults") and not self.is_source
        return self.kind == "typeset" and not self.settings.get("errors") and not self.is_malformed

    @property
    def is_source(self) -> bool:
        """True for what stands for the source pictures themselves, unchanged."""
        return self.kind == "editor" and bool(self.settings.get("unchanged"))

    @property
    def is_malformed(self) -> bool:
        """True for the typeset reference with malformed glyphs: it says how many of them the reader notices."""
        return self.kind == "typeset" and bool(self.settings.get("malformed"))

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height in pixels of what it draws; None where the settings do not say."""
        named = re.fullmatch(r"(\d{1,5})x(\d{1,5})", str(self.settings.get("size", "")))
        if named is not None:
            return int(named[1]), int(named[2])
        width, height = self.settings.get("width"), self.settings.get("height")
        return (width, height) if isinstance(width, int) and isinstance(height, int) else None

    @property
    def is_served(self) -> bool:
        """True where a server drew, whose weights and hardware cannot be seen from here."""
        return self.kind in ("server", "comfyui")

    @property
    def enhanced(self) -> bool:
        """True where a prompt enhancer rewrites the prompts."""
        return str(self.settings.get("enhance", "off")) != "off"


class Request(Record, frozen=True, kw_only=True):
    """One prompt × one seed for one model. Its key names the image file and all rows about it."""

    model: str
    prompt: str
    seed: Whole
    key: str

    @staticmethod
    def plan(
        model: ModelSpec,
        prompts: Iterable[Prompt],
        seeds: Sequence[int],
        sources: Mapping[str, SourcePicture] | None = None,
    ) -> Iterator[Request]:
        """A model's requests, prompt by prompt and seed by seed.

        A key is the first 24 hex digits of a digest of all that determines the image. The prompt's id is part of it,
        so that two prompts with equal text stay two rows; its suite is not. Where `sources` has a picture for the
        prompt's id, that is part of it, too.
        """
        drawn_by = [model.name, model.digest]
        for prompt in prompts:
            source = (sources or {}).get(prompt.id)
            from_picture = [] if source is None else [source.sha256]
            for seed in seeds:
                key = digest([*drawn_by, prompt.id, prompt.text, prompt.targets, seed, *from_picture])[:24]
                yield Request(model=model.name, prompt=prompt.id, seed=seed, key=key)
