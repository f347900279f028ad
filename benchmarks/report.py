"""How long the report takes: to build, and to be usable in a browser. Synthetic runs of 1,280 and 10,000 images.

    python -m benchmarks.report [--images 1280 10000] [--keep FOLDER]

Prompts are those of the project's own suites, readings are their targets with planted errors, scores are the real
scorer's; only the images are plain. Opening a run (hashing its images, checking its rows) and making the thumbnails,
which is done once per image, are timed apart. Chromium is named by EVALSUITE_CHROMIUM, or found on PATH. Targets:
1,280 images built in under 5 s besides thumbnails and usable in under 1 s; 10,000 usable in under 2 s.
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

from evalsuite import hardware, suites
from evalsuite.models.typeset.planted_errors import plant
from evalsuite.report import pictures
from evalsuite.runs import open_run
from tests import runs_by_hand
from tests.runs_by_hand import Outcome

if TYPE_CHECKING:
    from evalsuite.records import ModelSpec, Prompt

SHAPES = {1_280: (320, 2, 2), 10_000: (250, 4, 10)}
"""Images by prompts × seeds × models; the last model is the typeset reference."""
LOADS = 5


def make_run(folder: Path, images: int) -> None:
    """A run of `images` images with their readings and scores."""
    count, seeds, models = SHAPES[images]
    loaded = suites.load_all(["all"])
    names = [*(f"model-{place}" for place in range(models - 1)), "typeset"]
    rates = {name: 0.0 if name == "typeset" else 0.01 * (place + 1) for place, name in enumerate(names)}

    def outcome(spec: ModelSpec, prompt: Prompt, seed: int) -> Outcome:
        stem = [spec.name, prompt.id, seed]
        rng = random.Random(repr(stem))
        return Outcome(
            lines=tuple(plant(text, rates[spec.name], [*stem, place]) for place, text in enumerate(prompt.targets)),
            seconds=rng.lognormvariate(-0.5, 0.1),
            colour="#" + "".join(f"{rng.randrange(120, 256):02x}" for _ in range(3)),
        )

    runs_by_hand.make_run(
        folder,
        prompts=suites.sample([prompt for suite in loaded for prompt in suite.prompts], count),
        models=[runs_by_hand.model(name, "reference" if name == "typeset" else "model") for name in names],
        seeds=range(seeds),
        outcome=outcome,
        size=(512, 512),
        environment=hardware.describe(),
        suites={suite.ref.name: suite.ref for suite in loaded},
    )


def measure_build(folder: Path) -> dict[str, float]:
    """Seconds and peak memory of opening a run and building its page with the thumbnails there, in its own process."""
    script = (
        "import json, resource, sys, time; from pathlib import Path; start = time.perf_counter()\n"
        "from evalsuite.report import build_report; from evalsuite.runs import open_run\n"
        "run = open_run(Path(sys.argv[1])); opened = time.perf_counter()\n"
        "build_report(run); took = [opened - start, time.perf_counter() - opened]\n"
        "print(json.dumps([*took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script, str(folder)], check=True, capture_output=True, text=True, timeout=600
    )
    opening, building, peak = json.loads(finished.stdout)
    return {"open_s": opening, "build_s": building, "build_peak_mib": peak / 1024}


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
            run = open_run(folder)
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
