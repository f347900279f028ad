"""Run folders made by hand: known images, known readings, scored by the real scorer. No model, no OCR engine.

The one builder for the tests of every room and for the benchmarks.
"""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
from PIL import Image, ImageDraw

import evalsuite
from evalsuite import scoring
from evalsuite.gate import Side, Verdict, side_of
from evalsuite.records import (
    Environment,
    Finding,
    Generation,
    LengthClass,
    Manifest,
    Memory,
    ModelRole,
    ModelSpec,
    OcrSpec,
    Phase,
    Prompt,
    Reading,
    Request,
    SuiteRef,
    TextLine,
    Timing,
    digest,
)
from evalsuite.runs import RunStore, open_run
from evalsuite.runs.store import FORMAT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

AT = "2026-05-04T03:02:01+00:00"
ENVIRONMENT = Environment(cpu="a processor", cpu_threads=2, memory=2**34)

OCR = OcrSpec(
    name="paddle", weights_digest="d" * 64, settings={"detection": "PP-OCRv6_small_det"}, versions={"paddleocr": "3.7"}
)


def prompt(
    id: str,  # noqa: A002
    suite: str,
    category: str,
    text: str,
    targets: tuple[str, ...],
    length: LengthClass = "short",
) -> Prompt:
    language = "zh" if suite.endswith("zh") else "en"
    return Prompt(
        id=id,
        suite=suite,
        language=language,
        category=category,
        length=length,
        text=text,
        targets=targets,
    )


PROMPTS = (
    prompt("neon-001", "signs", "neon", 'A sign that says "NIGHT NOODLES".', ("NIGHT NOODLES",)),
    prompt(
        "shop-002",
        "signs",
        "shop",
        'A shop: "GRAND OPENING" over "Open Daily".',
        ("GRAND OPENING", "Open Daily"),
        "long",
    ),
    prompt("menu-003", "signs-zh", "menu", "菜单上写着“今日特价”和“半价”。", ("今日特价", "半价")),
)


def model(name: str, role: ModelRole = "model", *, errors: float = 0.0) -> ModelSpec:
    is_typeset = role == "reference"
    return ModelSpec(
        name=name,
        kind="typeset" if is_typeset else "diffusion",
        role=role,
        source=name,
        weights_digest=hashlib.sha256(name.encode()).hexdigest(),
        settings={"errors": errors, "width": 64} if is_typeset else {"steps": 4, "guidance": 1.0},
        licence="Apache-2.0",
    )


MODELS = (model("klein"), model("typeset", "reference"))

Lines = tuple[str, ...]
MEMORY = Memory(process=3 * 2**30)


@dataclass(frozen=True)
class Outcome:
    """What one request became. `lines` None: not read; `error`: not drawn."""

    lines: Lines | None = None
    error: str | None = None
    ocr_error: str | None = None
    seconds: float | None = 0.5
    warmup: bool = False
    memory: Memory | None = MEMORY
    extra: Lines = ()
    findings: tuple[Finding, ...] = field(default=())
    colour: str = "white"


def perfect(prompt: Prompt) -> Outcome:
    return Outcome(lines=prompt.targets)


def make_run(
    folder: Path,
    *,
    prompts: Sequence[Prompt] = PROMPTS,
    models: Sequence[ModelSpec] = MODELS,
    seeds: Sequence[int] = (0,),
    outcome: Callable[[ModelSpec, Prompt, int], Outcome] | None = None,
    profile: str = "standard",
    size: tuple[int, int] = (64, 48),
    scored: bool = True,
    environment: Environment = ENVIRONMENT,
    ocr: OcrSpec = OCR,
    suites: Mapping[str, SuiteRef] | None = None,
    order: Callable[[Request], Any] | None = None,
) -> RunStore:
    """Write a run whose every request has the outcome that `outcome` tells; by default all is perfect.

    `suites` names other suites than those that the prompts make up; `order` sorts the requests as they were drawn.
    """
    manifest = Manifest(
        format=FORMAT,
        name=folder.name,
        created_at=AT,
        suites=tuple({**suite_refs(prompts), **(suites or {})}.values()),
        prompts=tuple(prompts),
        models=tuple(models),
        seeds=tuple(seeds),
        ocr=ocr,
        scorer=scoring.scorer_spec(profile),
        environment=environment,
    )
    store, _ = RunStore.create_or_resume(folder, manifest)
    specs = {spec.name: spec for spec in models}
    generations, readings = [], []
    requests = list(store.requests.values())
    for number, request in enumerate(sorted(requests, key=order) if order else requests):
        prompt, spec = store.prompts[request.prompt], specs[request.model]
        result = outcome(spec, prompt, request.seed) if outcome else perfect(prompt)
        generation = _draw(store, request, result, size, number)
        generations.append(generation)
        if generation.sha256 and (result.lines is not None or result.ocr_error):
            readings.append(_read(request, generation.sha256, result, ocr))
    store.generations.replace(generations)
    store.readings(ocr).replace(readings)
    if scored:
        open_run(store).keep_scores()
    return store


def suite_refs(prompts: Sequence[Prompt]) -> dict[str, SuiteRef]:
    """The suites that prompts make up, whole."""
    own: dict[str, list[Prompt]] = {}
    for each in prompts:
        own.setdefault(each.suite, []).append(each)
    return {
        name: SuiteRef(name=name, digest=digest(rows), prompts=len(rows), source=f"{name}.yaml")
        for name, rows in own.items()
    }


def _draw(store: RunStore, request: Request, result: Outcome, size: tuple[int, int], number: int) -> Generation:
    row = Generation(
        key=request.key,
        model=request.model,
        prompt=request.prompt,
        seed=request.seed,
        # Two runs are not drawn in the same second.
        drawn_at=f"2026-05-04T03:{zlib.crc32(store.folder.as_posix().encode()) % 60:02d}:{number % 60:02d}+00:00",
    )
    if result.error is not None:
        return msgspec.structs.replace(row, error=result.error)
    content = _speck(request.key) if size == SPECK else _picture(request, size, result.colour)
    name = f"images/{request.key}.png"
    (store.folder / name).write_bytes(content)  # without waiting for the disk, as `RunStore.keep` does
    timing = None
    if result.seconds is not None:
        half = result.seconds / 2
        timing = Timing(
            total=result.seconds,
            phases=(Phase(name="text_encoding", seconds=half), Phase(name="denoising", seconds=half)),
            steps=(half / 2, half / 2),
            warmup=result.warmup,
        )
    return msgspec.structs.replace(
        row,
        image=name,
        sha256=hashlib.sha256(content).hexdigest(),
        width=size[0],
        height=size[1],
        timing=timing,
        memory=result.memory,
        findings=result.findings,
    )


SPECK = (2, 2)
"""The size of a picture for runs that nobody looks at: four pixels, written in microseconds."""


def _speck(key: str) -> bytes:
    """A PNG of four grey pixels told by the key, put together by hand (PNG specification, 5.2 to 5.6)."""
    pixels = bytes.fromhex(key[:8])
    rows = b"\0" + pixels[:2] + b"\0" + pixels[2:]

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", *SPECK, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def _picture(request: Request, size: tuple[int, int], colour: str) -> bytes:
    image = Image.new("RGB", size, colour)
    ImageDraw.Draw(image).text((4, 4), request.prompt + request.model + str(request.seed), fill="black")
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _box(row: int) -> tuple[tuple[float, float], ...]:
    top = 4.0 + 12 * row
    return (2.0, top), (60.0, top), (60.0, top + 10), (2.0, top + 10)


def _read(request: Request, sha256: str, result: Outcome, ocr: OcrSpec) -> Reading:
    texts = (*(result.lines or ()), *result.extra)
    # No two images are read with the same confidence to the last digit, as no two real ones are.
    confidence = round(0.96 + int(sha256[:6], 16) / 0xFFFFFF * 0.02, 6)
    lines = tuple(TextLine(text=text, polygon=_box(row), confidence=confidence) for row, text in enumerate(texts))
    return Reading(
        key=request.key,
        image_sha256=sha256,
        engine=ocr.name,
        engine_digest=ocr.digest,
        lines=() if result.ocr_error else lines,
        error=result.ocr_error,
        seconds=0.1,
        read_at="2026-05-04T03:02:02+00:00",
    )


def noodes(spec: ModelSpec, prompt: Prompt, seed: int) -> Outcome:
    """The model loses the L of NOODLES, writes `Open Daily` in capitals and adds text; the reference is perfect."""
    if spec.role == "reference":
        return perfect(prompt)
    if prompt.id == "neon-001":
        return Outcome(lines=("NIGHT NOODES",), warmup=seed == 0, seconds=2.0)
    if prompt.id == "shop-002":
        return Outcome(lines=("GRAND OPENING", "OPEN DAILY"), extra=("Lorem",))
    return Outcome(lines=("今日持价", "半价"), seconds=0.7)


def check(baseline: Path, candidate: Path, **options: Any) -> Verdict:
    """Gate one stored run against another, as the command does, but without a report."""
    return evalsuite.gate(candidate, baseline, **{"report": False, **options}).verdict


def open_side(folder: Path, model: str | None = None) -> Side:
    """A model of a stored run, as a gate takes it."""
    return side_of(open_run(folder), model)


def image_of(store: RunStore, prompt: str, model: str = "klein", seed: int = 0) -> Path:
    """The file of one image, for tests that damage it."""
    wanted = model, prompt, seed
    key = next(each.key for each in store.requests.values() if (each.model, each.prompt, each.seed) == wanted)
    return store.folder / f"images/{key}.png"


def edit_readings(store: RunStore, change: Callable[[Reading], Reading]) -> None:
    """Change the stored readings of a run, row by row."""
    file = store.readings(store.manifest.ocr)
    file.replace([change(row) for row in file.read()])
