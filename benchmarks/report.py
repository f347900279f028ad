"""How long the report takes: to build, and to be usable in a browser. Synthetic runs of 1,280 and 10,000 images.

    python -m benchmarks.report [--images 1280 10000] [--keep FOLDER]

Prompts are those of the project's own suites, readings are their targets with planted errors, scores are the real
scorer's; only the images are small stand-ins. Thumbnails are made once per image and timed apart. Chromium is named by
EVALSUITE_CHROMIUM, or found on PATH. Targets: 1,280 images built in under 5 s besides thumbnails and usable in under
1 s; 10,000 usable in under 2 s.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageDraw

from evalsuite import hardware, scoring, suites
from evalsuite.models.typeset.planted_errors import plant
from evalsuite.records import (
    Generation,
    Manifest,
    Memory,
    ModelSpec,
    OcrSpec,
    Phase,
    Reading,
    TextLine,
    Timing,
)
from evalsuite.report import pictures, stored
from evalsuite.runs.runner import rescore
from evalsuite.runs.store import FORMAT, RunStore

if TYPE_CHECKING:
    from evalsuite.records import Prompt, Request

SHAPES = {1_280: (320, 2, 2), 10_000: (250, 4, 10)}
"""Images by prompts × seeds × models; the last model is the typeset reference."""
LOADS = 5
NOW = "2026-01-01T00:00:00+00:00"
OCR = OcrSpec(name="paddle", weights_digest="0" * 64)


def make_run(folder: Path, images: int) -> RunStore:
    """A run of `images` images with their readings and scores."""
    count, seeds, models = SHAPES[images]
    loaded = suites.load_all(["all"])
    prompts = suites.sample([prompt for suite in loaded for prompt in suite.prompts], count)
    specs = [
        ModelSpec(
            name=f"model-{place}" if place < models - 1 else "typeset",
            kind="diffusion" if place < models - 1 else "typeset",
            role="model" if place < models - 1 else "reference",
            source="synthetic",
            weights_digest=f"{place:064x}",
        )
        for place in range(models)
    ]
    manifest = Manifest(
        format=FORMAT,
        name=f"synthetic-{images}",
        created_at=NOW,
        suites=tuple(suite.ref for suite in loaded),
        prompts=prompts,
        models=tuple(specs),
        seeds=tuple(range(seeds)),
        ocr=OCR,
        scorer=scoring.scorer_spec(),
        environment=hardware.describe(),
    )
    store, _ = RunStore.create_or_resume(folder, manifest)
    by_id = {prompt.id: prompt for prompt in prompts}
    rates = {spec.name: 0.0 if spec.role == "reference" else 0.01 * (place + 1) for place, spec in enumerate(specs)}
    generations, readings = [], []
    for request in manifest.requests:
        generation = _draw(store, request)
        generations.append(generation)
        readings.append(_read(request, by_id[request.prompt], generation.sha256 or "", rates[request.model]))
    store.generations.replace(generations)
    store.readings(OCR).replace(readings)
    rescore(store, OCR, manifest.scorer)
    return store


def _draw(store: RunStore, request: Request) -> Generation:
    rng = random.Random(request.key)
    image = Image.new("RGB", (512, 512), tuple(rng.randrange(120, 256) for _ in range(3)))
    ImageDraw.Draw(image).text((40, 240), f"{request.prompt} {request.seed} {request.model}", fill="black")
    name, sha256 = store.save_image(request.key, image)
    steps = tuple(rng.lognormvariate(-2, 0.1) for _ in range(4))
    phases = (
        Phase(name="text_encoding", seconds=rng.lognormvariate(-3, 0.1)),
        Phase(name="denoising", seconds=sum(steps)),
        Phase(name="decoding", seconds=rng.lognormvariate(-2.5, 0.1)),
    )
    return Generation(
        key=request.key,
        model=request.model,
        prompt=request.prompt,
        seed=request.seed,
        image=name,
        sha256=sha256,
        width=512,
        height=512,
        timing=Timing(total=sum(phase.seconds for phase in phases), phases=phases, steps=steps),
        memory=Memory(process=2**31),
        drawn_at=NOW,
    )


def _read(request: Request, prompt: Prompt, sha256: str, rate: float) -> Reading:
    lines = []
    for place, target in enumerate(prompt.targets):
        top = 20.0 + 36.0 * place
        box = ((20.0, top), (480.0, top), (480.0, top + 28), (20.0, top + 28))
        text = plant(target, rate, [request.key, place])
        lines.append(TextLine(text=text, polygon=box, confidence=0.98))
    return Reading(
        key=request.key, image_sha256=sha256, engine=OCR.name, engine_digest=OCR.digest, lines=tuple(lines), read_at=NOW
    )


def measure_build(folder: Path) -> dict[str, float]:
    """Seconds and peak memory of building the page with its thumbnails there, in a process of its own."""
    script = (
        "import json, resource, sys, time; from pathlib import Path; start = time.perf_counter()\n"
        "from evalsuite.report import build\n"
        "build(Path(sys.argv[1])); took = time.perf_counter() - start\n"
        "print(json.dumps([took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script, str(folder)], check=True, capture_output=True, text=True, timeout=600
    )
    took, peak = json.loads(finished.stdout)
    return {"build_s": took, "build_peak_mib": peak / 1024}


def measure_browser(page_path: Path) -> dict[str, float]:
    """Milliseconds until the page answers, until a search has changed it, and of the longest frame while scrolling."""
    chromium = os.environ.get("EVALSUITE_CHROMIUM") or shutil.which("chromium")
    if not chromium:
        return {}
    from playwright.sync_api import sync_playwright

    found: list[dict[str, Any]] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(LOADS):
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(f"file://{page_path}")
            found.append(page.evaluate(_PROBE))
            page.close()
        browser.close()
    return {name: statistics.median(each[name] for each in found) for name in found[0]}


_PROBE = """async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const ready = Evalsuite.readyAt;
  const search = document.getElementById("filter-q");
  search.value = "open";
  let start = performance.now();
  search.dispatchEvent(new Event("input"));
  await frame();
  const answered = performance.now() - start;
  search.value = "";
  search.dispatchEvent(new Event("input"));
  await frame();
  document.getElementById("grid").scrollIntoView();
  await frame();
  let longest = 0;
  for (let step = 0; step < 40; step += 1) {
    start = performance.now();
    window.scrollBy({ top: 700, behavior: "instant" });
    await frame();
    longest = Math.max(longest, performance.now() - start);
  }
  return { usable_ms: ready, search_ms: answered, longest_scroll_ms: longest,
    cards: document.querySelectorAll(".card").length, heap_mib: performance.memory.usedJSHeapSize / 2 ** 20 };
}"""


def main() -> None:
    """Measure each size and print a line of figures for it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", choices=sorted(SHAPES), default=sorted(SHAPES))
    parser.add_argument("--keep", type=Path, help="keep the runs in this folder, and use those that are there")
    arguments = parser.parse_args()
    print(hardware.line(hardware.describe()))
    for images in arguments.images:
        with tempfile.TemporaryDirectory() as scratch:
            folder = (arguments.keep or Path(scratch)) / f"synthetic-{images}"
            if not (folder / "manifest.json").exists():
                make_run(folder, images)
            shutil.rmtree(folder / "assets", ignore_errors=True)
            run = stored.load(folder)
            start = time.perf_counter()
            pictures.linked(run)
            figures = {"thumbnails_s": time.perf_counter() - start}
            figures |= measure_build(folder)
            page = folder / "index.html"
            figures["index_mib"] = page.stat().st_size / 2**20
            figures |= measure_browser(page.resolve())
        print(f"{images:,} images: " + ", ".join(f"{name} {value:.3g}" for name, value in figures.items()), flush=True)


if __name__ == "__main__":
    main()
