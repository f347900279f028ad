"""The nouns that every room of the suite speaks, and how they are written down.

Each record is an immutable, keyword-only `msgspec.Struct` that refuses unknown fields, so that a row
written by another version is an error with a name and not a silent loss. Rows are JSON, one object per line.

Units: seconds for time, bytes for memory, pixels for geometry (x to the right, y downwards).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from evalsuite.errors import EvalsuiteError

Json = Any
"""A value that JSON can hold: None, bool, int, float, str, or lists and dicts of these."""


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Base of all records: frozen, keyword-only, unknown fields are errors.

    The garbage collector leaves them alone (`gc=False`): what is frozen holds no cycle, and looking through those of
    10,000 images again and again took a fifth of a report's time.
    """


def encode(record: Json | msgspec.Struct) -> bytes:
    """JSON of a record on one line, keys in the order of the fields, no trailing newline.

    Raises:
        NotTextError: A text of it cannot be written down.
    """
    return _encode(record, None)


def digest(value: Json | msgspec.Struct) -> str:
    """SHA-256 (64 hex digits) of the canonical JSON of `value`: sorted keys, no white space, UTF-8.

    Raises:
        NotTextError: A text of it cannot be written down.
    """
    return hashlib.sha256(_encode(value, "sorted")).hexdigest()


def digest_of_parts(head: Sequence[Json | msgspec.Struct], *lists: Iterable[Json | msgspec.Struct]) -> str:
    """`digest([*head, *map(list, lists)])`, with one value of the lists in memory at a time."""
    found = hashlib.sha256(b"[" + b",".join(_encode(value, "sorted") for value in head))
    for values in lists:
        comma = b",["
        for value in values:
            found.update(comma + _encode(value, "sorted"))
            comma = b","
        found.update(b"]" if comma == b"," else b",[]")
    found.update(b"]")
    return found.hexdigest()


class NotTextError(EvalsuiteError):
    """A text that is no Unicode: bytes of a file's name that are no UTF-8, or half of a surrogate pair."""


def _encode(value: Json | msgspec.Struct, order: Literal["sorted"] | None) -> bytes:
    try:
        return msgspec.json.encode(value, order=order)
    except UnicodeEncodeError as error:
        raise NotTextError(
            f"{error.object[:200]!r}: is no UTF-8, in which runs are stored; rename the file or folder"
        ) from error


# --- What is asked for -------------------------------------------------------------------------------


LengthClass = Literal["short", "long"]


class MadePicture(Record, frozen=True, kw_only=True):
    """How a source picture is made: by the typeset or the styled renderer, `width` × `height` pixels, with these lines.

    What comes out depends on renderer and fonts too; a run keeps the digest of the pixels (`SourcePicture`).
    """

    style: Literal["printed", "styled"]
    lines: tuple[str, ...]
    width: int
    height: int


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
    width: int
    height: int
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
    prompts: int
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
    settings: dict[str, Json] = {}
    runtime: dict[str, Json] = {}
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
    seed: int
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


# --- What was drawn ----------------------------------------------------------------------------------

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
    batch: int = 1
    warmup: bool = False
    load: Seconds | None = None
    place: Place | msgspec.UnsetType = msgspec.UNSET


class Memory(Record, frozen=True, kw_only=True):
    """Peak bytes while an image was drawn: by the allocator, by the driver (NVML), and of the process."""

    allocated: int | None = None
    reserved: int | None = None
    driver: int | None = None
    process: int | None = None


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

    target: int
    index: int
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
    seed: int
    image: str | None = None
    sha256: str | None = None
    width: int | None = None
    height: int | None = None
    timing: Timing | None = None
    memory: Memory | None = None
    revised_prompt: str | None = None
    findings: tuple[Finding, ...] = ()
    planted: tuple[PlantedGlyph, ...] = ()
    error: str | None = None
    drawn_at: str


# --- What was read -----------------------------------------------------------------------------------


class Characters(Record, frozen=True, kw_only=True):
    """Where the characters of a line stand and how sure the reader was of each: one entry per code point of its text.

    Whole thousandths, which keeps 10,000 rows small. `at` is the character's centre along the line: 0 at the
    left edge of the polygon, 1000 at the right one; at the top and the bottom edge where the polygon is at least
    1.5 times as high as wide. `p` is the reader's probability of the character.
    """

    at: tuple[int, ...]
    p: tuple[int, ...]


class TextLine(Record, frozen=True, kw_only=True):
    """One line of text that an OCR engine found.

    `polygon` holds the corners in pixels, clockwise from the top left of the text, or is None for readers
    that give no place; `confidence` is in [0, 1], or None likewise; so is `characters`.
    """

    text: str
    polygon: tuple[tuple[float, float], ...] | None = None
    confidence: float | None = None
    characters: Characters | None = None


class OcrSpec(Record, frozen=True, kw_only=True):
    """An OCR engine with all that decides its readings: name, weights digest, versions and settings."""

    name: str
    weights_digest: str
    settings: dict[str, Json] = {}
    versions: dict[str, str] = {}

    @property
    def digest(self) -> str:
        """Digest of weights and settings: readings with equal digests are comparable."""
        return digest([self.name, self.weights_digest, self.settings])


MAX_READING_CHARS = 200_000
MALFORMED = "\ufffd"
"""A reader's mark of a malformed character. No target may hold it, so it is wrong wherever it stands."""

"""Characters of one reading: a page holds a few thousand, and scoring many more would take minutes."""


class Reading(Record, frozen=True, kw_only=True):
    """What one OCR engine read in one image. `error` is set when it failed: that is not an empty text.

    `image_sha256` ties the reading to the bytes that were read.
    """

    key: str
    image_sha256: str
    engine: str
    engine_digest: str
    lines: tuple[TextLine, ...] = ()
    seconds: float | None = None
    findings: tuple[Finding, ...] = ()
    error: str | None = None
    read_at: str


# --- What it is worth --------------------------------------------------------------------------------


class ScorerSpec(Record, frozen=True, kw_only=True):
    """Which scorer and which normaliser measured, with their versions."""

    name: str
    version: str
    profile: str
    normalizer: str


EditKind = Literal["equal", "case", "substitute", "delete", "insert"]
"""`delete`: in the target, not drawn. `insert`: drawn, not in the target. `case`: equal but for upper and lower."""


class Edit(Record, frozen=True, kw_only=True):
    """A run of one kind of edit between a target and what was read: the pieces as they were written."""

    kind: EditKind
    target: str = ""
    read: str = ""


class Span(Record, frozen=True, kw_only=True):
    """A piece of a reading: line index and grapheme offsets [start, end) into that line's text."""

    line: int
    start: int
    end: int


class TargetScore(Record, frozen=True, kw_only=True):
    """One target against what was matched to it. Lengths and counts are in graphemes after normalisation.

    An unmatched target has no spans, `deletions == length`, and one `delete` edit. `case_errors` are counted
    apart where the profile does not charge case; where it does (`strict`) they are among the substitutions
    too. `exact` means no charged error. `words` are the target's words by white space (a character of an
    unspaced script is one), `word_errors` the edits between them and the words read.
    Invariants: `substitutions + deletions <= length`; the edits' targets joined are `target`, their readings
    joined are the texts of the spans with a line feed between lines.
    """

    target: str
    length: int
    matched: bool
    substitutions: int
    insertions: int
    deletions: int
    case_errors: int
    exact: bool
    words: int = 0
    word_errors: int = 0
    spans: tuple[Span, ...] = ()
    edits: tuple[Edit, ...] = ()

    @property
    def distance(self) -> int:
        """The charged errors: substitutions, insertions and deletions."""
        return self.substitutions + self.insertions + self.deletions


class Extra(Record, frozen=True, kw_only=True):
    """Text that was read but belongs to no target: a duplicate of one, or other text; `length` in graphemes."""

    kind: Literal["duplicate", "other"]
    text: str
    length: int
    words: int = 0
    span: Span


class GlyphError(Record, frozen=True, kw_only=True):
    """One classified error: what kind, which glyph was wanted, which was read, in which target.

    Kinds: `substitution`, `doubled`, `dropped`, `inserted`, `missing-word`, `missing-target`, `case`,
    `punctuation`, `traditional-for-simplified`. `malformed_suspected` marks low OCR confidence there.
    """

    kind: str
    target_index: int
    wanted: str = ""
    read: str = ""
    malformed_suspected: bool = False


class ImageScore(Record, frozen=True, kw_only=True):
    """What one image's reading is worth: counts, and the alignment that they come from.

    `targets` are in the order of the prompt's targets; `extras` in reading order. `exact_search` is False where the
    alignment was too large to be proven the best.
    """

    targets: tuple[TargetScore, ...]
    extras: tuple[Extra, ...] = ()
    errors: tuple[GlyphError, ...] = ()
    exact_search: bool = True


class Score(Record, frozen=True, kw_only=True):
    """One image against its prompt's targets. Always derived from the reading of the image's bytes.

    `status` says whether there was anything to score: `scored`; `missing` (no image); `unreadable` (the
    image or its OCR failed). Images that are not `scored` count with all their targets unmatched and make
    the run incomplete; `detail` says why. `seal` is the stored row's proof of where it comes from (`runs.score_cache`).
    """

    key: str
    model: str
    prompt: str
    seed: int
    engine: str
    engine_digest: str
    scorer: ScorerSpec
    status: Literal["scored", "missing", "unreadable"]
    result: ImageScore
    detail: str | None = None
    seal: str | None = None


# --- Where it was measured ---------------------------------------------------------------------------


class Gpu(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A graphics card: its name, memory in bytes, and enforced power limit in watts where the driver tells it."""

    name: str
    memory: int | None = None
    power_limit: float | None = None


class Environment(Record, frozen=True, kw_only=True):
    """The hardware and software of a run: timings mean nothing without it. What could not be read is None.

    `cpu_cores` are physical, `cpu_threads` those that the process may use, `memory` is in bytes; `versions` are of the
    packages that draw and read.
    """

    platform: str | None = None
    python: str | None = None
    cpu: str | None = None
    cpu_cores: int | None = None
    cpu_threads: int | None = None
    memory: int | None = None
    gpus: tuple[Gpu, ...] = ()
    driver: str | None = None
    versions: dict[str, str] = {}
    cuda: str | None = None
    cudnn: int | None = None


# --- The plan ----------------------------------------------------------------------------------------


class SequentialPlan(Record, frozen=True, kw_only=True):
    """What a run is gated by that is drawn only until the verdict; fixed before its first image.

    `policy_digest` is that of all that decides; `baseline` and `anchor` are the digests of the evidence of the stored
    runs that it is compared with. `claim` says what the verdict is about (`stats.betting`).
    """

    claim: Literal["this suite", "prompts like these"]
    policy: str
    policy_digest: str
    baseline: str
    anchor: str | None = None


class Shard(Record, frozen=True, kw_only=True):
    """The part of a plan that one run folder draws: `number` (from 1) of `count` (`runs.shards`)."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"shard {self.number} of {self.count}"


class Machine(Record, frozen=True, kw_only=True):
    """A machine other than the manifest's that drew images of a run; rows name it by its digest (`Place.machine`)."""

    digest: str
    environment: Environment


def _of_size(found: Sequence[ModelSpec], model: ModelSpec) -> ModelSpec | None:
    """The first of a model's own size, else the first; None of none."""
    return next((spec for spec in found if spec.size == model.size), found[0] if found else None)


class Manifest(Record, frozen=True, kw_only=True, omit_defaults=True):
    """The plan of a run, written first and never changed. It fixes the denominator: prompts × seeds × models.

    `sequential` is set where the one model is drawn only until a gate's verdict: then the plan says what would be drawn
    at most. `shard` is set where the folder draws only a part of it, to be merged with the others. `sources` holds the
    picture that each prompt starts from, by the prompt's id, where pictures are edited.
    """

    format: int
    name: str
    created_at: str
    suites: tuple[SuiteRef, ...]
    prompts: tuple[Prompt, ...]
    models: tuple[ModelSpec, ...]
    seeds: tuple[int, ...]
    ocr: OcrSpec
    scorer: ScorerSpec
    environment: Environment
    sequential: SequentialPlan | None = None
    shard: Shard | None = None
    sources: dict[str, SourcePicture] = {}

    def plan_requests(self) -> tuple[Request, ...]:
        """All requests, model by model (weights are loaded once), prompt by prompt, seed by seed.

        Each is hashed anew; `RunStore.requests` keeps them.
        """
        return tuple(
            request for model in self.models for request in Request.plan(model, self.prompts, self.seeds, self.sources)
        )

    def model(self, name: str) -> ModelSpec:
        """The model of that name; raises `KeyError` where there is none."""
        return {spec.name: spec for spec in self.models}[name]

    @property
    def source_model(self) -> ModelSpec | None:
        """What stands for the source pictures; None where none are edited."""
        return next((spec for spec in self.models if spec.is_source), None)

    @property
    def ceiling(self) -> ModelSpec | None:
        """The first model whose score is the OCR ceiling, or None where none was drawn."""
        return next((spec for spec in self.models if spec.is_ceiling), None)

    def ceiling_of(self, model: ModelSpec, *, styled: bool = False) -> ModelSpec | None:
        """The clean (or the styled) reference beside a model: of its own size, else the first; None without any."""
        found = [spec for spec in self.models if (spec.is_styled_ceiling if styled else spec.is_ceiling)]
        return _of_size(found, model)

    def malformed_of(self, model: ModelSpec, *, styled: bool = False) -> ModelSpec | None:
        """The reference with malformed glyphs, in print or styled, beside a model: as `ceiling_of` chooses."""
        return _of_size([spec for spec in self.models if spec.is_malformed and spec.is_styled == styled], model)
