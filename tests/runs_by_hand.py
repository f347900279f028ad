"""Run folders made by hand: known images, known readings, scored by the real scorer. No model, no OCR engine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from evalsuite import scoring
from evalsuite.records import (
    Finding,
    Generation,
    Manifest,
    Memory,
    ModelSpec,
    OcrSpec,
    Phase,
    Prompt,
    Reading,
    Request,
    SuiteRef,
    TextLine,
    Timing,
)
from evalsuite.runs.runner import rescore
from evalsuite.runs.store import FORMAT, RunStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

OCR = OcrSpec(
    name="paddle", weights_digest="d" * 64, settings={"detection": "PP-OCRv6_small_det"}, versions={"paddleocr": "3.7"}
)


def prompt(id: str, suite: str, category: str, text: str, targets: tuple[str, ...], length: str = "short") -> Prompt:  # noqa: A002
    language = "zh" if suite.endswith("zh") else "en"
    return Prompt(
        id=id,
        suite=suite,
        language=language,
        category=category,
        length=length,
        text=text,
        targets=targets,  # type: ignore[arg-type]
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


def model(name: str, role: str = "model", *, errors: float = 0.0) -> ModelSpec:
    kind = "typeset" if role == "reference" else "diffusion"
    settings = {"errors": errors, "width": 64} if kind == "typeset" else {"steps": 4, "guidance": 1.0}
    digest = hashlib.sha256(name.encode()).hexdigest()
    return ModelSpec(
        name=name, kind=kind, role=role, source=name, weights_digest=digest, settings=settings, licence="Apache-2.0"
    )  # type: ignore[arg-type]


MODELS = (model("klein"), model("typeset", "reference"))

Lines = tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What one request became. `lines` None: not read; `error`: not drawn."""

    lines: Lines | None = None
    error: str | None = None
    ocr_error: str | None = None
    seconds: float = 0.5
    warmup: bool = False
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
    environment: dict[str, object] | None = None,
) -> RunStore:
    """Write a run whose every request has the outcome that `outcome` tells; by default all is perfect."""
    suites = {prompt.suite: 0 for prompt in prompts}
    for prompt in prompts:
        suites[prompt.suite] += 1
    manifest = Manifest(
        format=FORMAT,
        name=folder.name,
        created_at="2026-05-04T03:02:01+00:00",
        suites=tuple(
            SuiteRef(name=name, digest="5" * 64, prompts=count, source=f"{name}.yaml") for name, count in suites.items()
        ),
        prompts=tuple(prompts),
        models=tuple(models),
        seeds=tuple(seeds),
        ocr=OCR,
        scorer=scoring.scorer_spec(profile),
        environment=environment or {},
    )
    store, _ = RunStore.create_or_resume(folder, manifest)
    specs = {spec.name: spec for spec in models}
    by_id = {prompt.id: prompt for prompt in prompts}
    generations, readings = [], []
    for request in manifest.requests:
        prompt, spec = by_id[request.prompt], specs[request.model]
        result = outcome(spec, prompt, request.seed) if outcome else perfect(prompt)
        generation = _draw(store, request, result, size)
        generations.append(generation)
        if generation.sha256 and (result.lines is not None or result.ocr_error):
            readings.append(_read(request, generation.sha256, result))
    store.generations.replace(generations)
    store.readings(OCR).replace(readings)
    if scored:
        rescore(store, OCR, manifest.scorer)
    return store


def _draw(store: RunStore, request: Request, result: Outcome, size: tuple[int, int]) -> Generation:
    common = {"key": request.key, "model": request.model, "prompt": request.prompt, "seed": request.seed}
    if result.error is not None:
        return Generation(**common, error=result.error, drawn_at="2026-05-04T03:02:01+00:00")  # type: ignore[arg-type]
    image = Image.new("RGB", size, result.colour)
    ImageDraw.Draw(image).text((4, 4), request.prompt + request.model + str(request.seed), fill="black")
    name, sha256 = store.save_image(request.key, image)
    half = result.seconds / 2
    timing = Timing(
        total=result.seconds,
        phases=(Phase(name="text_encoding", seconds=half), Phase(name="denoising", seconds=half)),
        steps=(half / 2, half / 2),
        warmup=result.warmup,
    )
    return Generation(
        **common,  # type: ignore[arg-type]
        image=name,
        sha256=sha256,
        width=size[0],
        height=size[1],
        timing=timing,
        memory=Memory(process=3 * 2**30),
        findings=result.findings,
        drawn_at="2026-05-04T03:02:01+00:00",
    )


def _box(row: int) -> tuple[tuple[float, float], ...]:
    top = 4.0 + 12 * row
    return (2.0, top), (60.0, top), (60.0, top + 10), (2.0, top + 10)


def _read(request: Request, sha256: str, result: Outcome) -> Reading:
    texts = (*(result.lines or ()), *result.extra)
    lines = tuple(TextLine(text=text, polygon=_box(row), confidence=0.97) for row, text in enumerate(texts))
    return Reading(
        key=request.key,
        image_sha256=sha256,
        engine=OCR.name,
        engine_digest=OCR.digest,
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
